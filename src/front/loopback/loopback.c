/* SPDX-License-Identifier: Apache-2.0 */
#include "front/loopback/loopback.h"

#include <string.h>
#include <unistd.h>

struct gateway {
    struct http_request rq;
    const struct loopback_request *in;
    struct loopback_answer *out;
    uint64_t written; /* counts what HEAD drops, too */
    bool no_body, gone;
};

static ssize_t loop_read(struct gateway *g, void *buf, size_t n)
{
    const struct loopback_request *in = g->in;
    size_t at = (size_t)g->out->body_read, left = in->body ? in->body_len - at : 0;

    if (in->read_fails && at + left > in->read_fails_after)
        left = in->read_fails_after - at;
    if (n > left)
        n = left;
    if (in->read_max && n > in->read_max)
        n = in->read_max;
    if (n == 0 && in->read_fails) {
        g->gone = true;
        return -1;
    }
    if (n > 0 && in->body)
        memcpy(buf, (const char *)in->body + at, n);
    g->out->body_read += n;
    return (ssize_t)n;
}

static int loop_head(struct gateway *g, int status, const struct http_headers *h, int64_t length)
{
    struct loopback_answer *out = g->out;

    if (g->gone)
        return -1;
    out->status = status;
    out->length = length;
    for (size_t i = 0; h && i < h->n; i++)
        headers_add(out->arena, &out->headers, arena_str(out->arena, h->items[i].name),
                    arena_str(out->arena, h->items[i].value));
    g->no_body = str_eq(g->rq.method, "HEAD") || status == 204 || status == 304;
    return 0;
}

static int loop_write(struct gateway *g, const void *buf, size_t n)
{
    size_t most = n;

    if (g->gone)
        return -1;
    if (g->in->write_fails && g->written + n > g->in->write_fails_after) {
        most = (size_t)(g->in->write_fails_after - g->written);
        g->gone = true;
    }
    g->written += most;
    if (!g->no_body)
        str_addn(&g->out->body, buf, most);
    return g->gone ? -1 : 0;
}

static int loop_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    char buf[16 * 1024];

    while (len > 0) {
        ssize_t n = pread(fd, buf, len < sizeof buf ? (size_t)len : sizeof buf, (off_t)offset);

        if (n <= 0)
            g->gone = true;
        if (n <= 0 || loop_write(g, buf, (size_t)n) < 0)
            return -1;
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

static const char *loop_header(struct gateway *g, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < g->in->n_headers; i++) {
        const struct http_header *h = &g->in->headers[i];

        if (str_eq_nocase(h->name, name))
            found = found ? arena_printf(g->rq.arena, "%s, %s", found, h->value) : h->value;
    }
    return found;
}

static bool loop_aborted(struct gateway *g)
{
    return g->gone;
}

static const struct gateway_ops loopback_ops = {
    .name = "loopback",
    .read = loop_read,
    .head = loop_head,
    .write = loop_write,
    .sendfile = loop_sendfile,
    .header = loop_header,
    .aborted = loop_aborted,
};

static int64_t body_length(const struct loopback_request *in)
{
    if (!in->body)
        return HTTP_BODY_NONE;
    return in->chunked ? HTTP_BODY_UNKNOWN : (int64_t)in->body_len;
}

static void gateway_init(struct gateway *g, const struct loopback_request *in, struct loopback_answer *out)
{
    char *target = arena_str(out->arena, in->target), *query = strchr(target, '?');

    if (query)
        *query++ = '\0';
    *g = (struct gateway){
        .in = in,
        .out = out,
        .rq = {
            .ops = &loopback_ops,
            .gateway = g,
            .arena = out->arena,
            .method = in->method ? in->method : "GET",
            .path = target,
            .prefix = in->prefix ? in->prefix : "",
            .query = query,
            .scheme = in->scheme ? in->scheme : "http",
            .host = in->host ? in->host : "localhost:9292",
            .peer = in->peer ? in->peer : "127.0.0.1",
            .port = 9292,
            .content_length = body_length(in),
            .started_us = clock_mono_us(),
        },
    };
}

void loopback_run(const struct http_service *service, const struct loopback_request *in,
                  struct loopback_answer *ret)
{
    struct gateway g;

    *ret = (struct loopback_answer){ .arena = arena_make(4096), .length = HTTP_BODY_UNKNOWN };
    gateway_init(&g, in, ret);
    if (!in->body && service->may_inline && service->may_inline(service->arg, &g.rq)) {
        g.rq.inline_only = true;
        ret->was_inline = service->serve(service->arg, &g.rq) == 0;
        if (!ret->was_inline) {
            str_clear(&ret->body);
            *ret = (struct loopback_answer){ .arena = ret->arena,
                                             .body = ret->body,
                                             .length = HTTP_BODY_UNKNOWN };
            gateway_init(&g, in, ret);
        }
    }
    if (!ret->was_inline)
        (void)service->serve(service->arg, &g.rq);
    ret->complete =
        ret->status != 0 && !g.gone && (g.no_body || ret->length < 0 || g.written == (uint64_t)ret->length);
}

void loopback_done(struct loopback_answer *answer)
{
    str_done(&answer->body);
    arena_free(TAKE(answer->arena));
}

const char *loopback_header(const struct loopback_answer *answer, const char *name)
{
    return headers_get(&answer->headers, name);
}
