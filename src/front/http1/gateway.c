/* SPDX-License-Identifier: Apache-2.0 */
/* One request as a service sees it, on a loop or on a worker. */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

void input_keep(struct input *in, const void *bytes, size_t n)
{
    char *data = NULL;

    if (n > 0) {
        data = mem_resize(NULL, n);
        memcpy(data, bytes, n);
    }
    mem_free(in->data);
    *in = (struct input){ .data = data, .len = (uint32_t)n, .cap = (uint32_t)n };
}

void input_free(struct input *in)
{
    mem_free(in->data);
    *in = (struct input){ 0 };
}

const char *field_joined(struct gateway *g, size_t i, const char *name)
{
    const char *found = g->head.fields[i].value;

    for (i++; i < g->head.n_fields; i++)
        if (str_eq_nocase(g->head.fields[i].name, name))
            found = arena_printf(g->rq.arena, "%s, %s", found, g->head.fields[i].value);
    return found;
}

static const char *gateway_header(struct gateway *g, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < g->head.n_fields; i++)
        if (g->head.fields[i].name_len == len && str_eq_nocase(g->head.fields[i].name, name))
            return field_joined(g, i, name);
    return NULL;
}

static bool gateway_aborted(struct gateway *g)
{
    return g->gone || g->body == BODY_GONE || wire_vanished(&g->c->wire);
}

const struct gateway_ops http1_gateway_ops = {
    .name = "http1",
    .read = body_read,
    .head = answer_head,
    .write = answer_write,
    .sendfile = answer_sendfile,
    .header = gateway_header,
    .aborted = gateway_aborted,
};

const struct gateway_ops uwsgi_gateway_ops = {
    .name = "uwsgi",
    .read = body_read,
    .head = answer_head,
    .write = answer_write,
    .sendfile = answer_sendfile,
    .header = uwsgi_header,
    .aborted = gateway_aborted,
};

int gateway_begin(struct gateway *g, struct conn *c, struct str *out, struct date *date, struct arena *a)
{
    const struct http1_head *head = &g->head;
    const char *host = head->host && *head->host ? head->host : c->listener->host;
    bool uwsgi = c->listener->protocol == HTTP1_UWSGI;
    int refused;

    g->rq = (struct http_request){
        .ops = uwsgi ? &uwsgi_gateway_ops : &http1_gateway_ops,
        .gateway = g,
        .arena = a,
        .method = head->method,
        .path = head->path,
        .prefix = "",
        .query = head->query,
        .scheme = c->wire.ssl ? "https" : "http",
        .host = host,
        .peer = c->peer,
        .port = c->listener->port,
        .content_length = head->content_length,
        .started_us = clock_mono_us(),
    };
    g->h = c->loop->h;
    g->c = c;
    g->out = out;
    g->own = (struct str)STR_INIT;
    g->date = date;
    g->memory = NULL;
    g->connection_at = 0;
    refused = uwsgi ? uwsgi_request(g) : 0;
    g->body_left = g->rq.content_length > 0 ? (uint64_t)g->rq.content_length : 0;
    g->body = g->body_left > 0 || g->rq.content_length == HTTP_BODY_UNKNOWN ? BODY_OPEN : BODY_COMPLETE;
    http_chunked_init(&g->chunks);
    g->rate = (struct rate){ 0 };
    g->holder = 0;
    g->document = (struct str)STR_INIT;
    g->document_read = 0;
    g->document_units = 0;
    g->rest = (struct rest){ .fd = -1 };
    g->arena = NULL;
    g->continue_due = head->expect_continue;
    g->keep = head->keep_alive;
    g->headed = g->bodyless = g->chunked = g->held = g->must_wait = g->gone = false;
    g->answer_left = 0;
    return refused;
}

struct gateway *gateway_move(const struct gateway *from, const char *head, size_t n)
{
    struct gateway *g = mem_resize(NULL, sizeof *g);
    const char **pointers[] = { &g->rq.method,   &g->rq.path,   &g->rq.query,  &g->rq.host,   &g->head.method,
                                &g->head.target, &g->head.host, &g->head.path, &g->head.query };

    *g = *from;
    g->rq.gateway = g;
    g->memory = mem_resize(NULL, n);
    memcpy(g->memory, head, n);
    for (size_t i = 0; i < COUNT(pointers); i++)
        if (*pointers[i] >= head && *pointers[i] < head + n)
            *pointers[i] = g->memory + (*pointers[i] - head);
    for (size_t i = 0; i < g->head.n_fields; i++) {
        struct http1_field *f = &g->head.fields[i];

        f->name = g->memory + (f->name - head);
        f->value = g->memory + (f->value - head);
    }
    g->out = &g->own;
    return g;
}

void gateway_arrive(struct gateway *g, struct date *date, struct arena *a)
{
    g->date = date;
    g->rq.arena = a;
    /* What the loop's arena held is made again; it cannot be refused this time. */
    if (g->c->listener->protocol == HTTP1_UWSGI)
        (void)uwsgi_request(g);
}

void gateway_free(struct gateway *g)
{
    body_forget(g);
    fd_close(&g->rest.fd);
    arena_free(g->arena);
    str_done(&g->own);
    mem_free(g->memory);
    mem_free(g);
}

/* The time from now to `until` for poll(2), rounded up; -1 for ever. */
static int poll_ms(int64_t until, int64_t now)
{
    int64_t ms = (until - now + 999) / 1000;

    return until == INT64_MAX ? -1 : ms < 0 ? 0 : ms > 3600 * 1000 ? 3600 * 1000 : (int)ms;
}

bool gateway_in_time(const struct gateway *g, int64_t now)
{
    int64_t limit = g->h->transfer_us;

    return limit <= 0 || now - g->rq.started_us < limit;
}

void gateway_ended(struct gateway *g, bool whole)
{
    struct http_request *rq = &g->rq;

    if (rq->deferred && !whole)
        rq->bytes_out -= rq->bytes_out < g->rest.len ? rq->bytes_out : g->rest.len;
    if (rq->ended)
        rq->ended(rq, rq->ended_arg, whole);
    metric_add(g->h->bytes_in, (int64_t)rq->bytes_in);
    metric_add(g->h->bytes_out, (int64_t)rq->bytes_out);
}

/* Whether some of what the socket was given has arrived meanwhile, although it takes no more yet. */
static bool arrives(struct gateway *g, uint64_t before)
{
    uint64_t now = wire_queued(&g->c->wire);

    if (now >= before)
        return false;
    g->rate.bytes += before - now;
    return true;
}

bool gateway_wait(struct gateway *g, bool for_body)
{
    uint64_t queued = for_body ? 0 : wire_queued(&g->c->wire);
    struct pollfd p = { .fd = g->c->wire.fd, .events = g->c->wire.want };
    int64_t limit = g->h->body_us, began = clock_mono_us(), now = began;
    int64_t until = limit > 0 ? began + limit : INT64_MAX, look;
    unsigned min_rate = g->h->min_rate;
    bool hurried = for_body;
    int moved;

    do {
        if (!hurried && g->h->stopping) {
            hurried = true;
            until = until < now + STOP_QUIET_US ? until : now + STOP_QUIET_US;
        }
        look = hurried || until < now + STOP_QUIET_US / 2 ? until : now + STOP_QUIET_US / 2;
        moved = poll(&p, 1, poll_ms(look, now));
        now = clock_mono_us();
    } while (moved < 0 ? errno == EINTR : moved == 0 && now < until);
    if ((moved <= 0 && !(moved == 0 && arrives(g, queued))) || !gateway_in_time(g, now)) {
        if (!for_body)
            wire_reset(&g->c->wire); /* what it did not take, the kernel shall not keep either */
        return false;
    }
    return min_rate == 0 || rate_waited(&g->rate, now - began, min_rate);
}

int gateway_serve(struct gateway *g)
{
    const struct http_service *s = &g->h->o.service;

    /* OPTIONS * asks about the server, not about anything that it serves. */
    if (*g->rq.path == '*')
        return http_head(&g->rq, 204, NULL, 0);
    return s->serve(s->arg, &g->rq);
}

/* A service that gave no answer: the client's doing, or ours. */
static void answer_in_place(struct gateway *g)
{
    int status = g->body == BODY_BAD ? 400 : g->body == BODY_SLOW ? 408 : 500;

    g->keep = false;
    (void)http_head(&g->rq, status, NULL, 0);
}

/* An answer that ends too early must not look whole: where its end is the connection's, that has to break. */
static enum verdict break_off(const struct gateway *g)
{
    if (g->c->listener->protocol == HTTP1_UWSGI)
        return VERDICT_BREAK;
    return g->headed && g->answer_left < 0 && !g->chunked && !g->bodyless ? VERDICT_BREAK : VERDICT_CLOSE;
}

/* False where the client has to take more first. */
static bool rest_done(struct gateway *g)
{
    int result = answer_rest(g, 0);

    if (result == 0)
        return false;
    g->gone |= result < 0;
    close(g->rest.fd);
    g->rest.fd = -1;
    return true;
}

enum verdict gateway_finish(struct gateway *g)
{
    bool whole;

    if (g->rest.fd >= 0 && !rest_done(g))
        return VERDICT_PARK;
    if (!g->headed && g->body != BODY_GONE && !g->gone)
        answer_in_place(g);
    if (g->gone || !g->headed)
        return break_off(g);
    whole = answer_end(g);
    if (!whole && g->c->listener->protocol == HTTP1_UWSGI)
        return VERDICT_BREAK;
    g->keep = g->keep && whole && body_drain(g);
    if (g->rq.inline_only)
        answer_settle(g);
    else if (answer_flush(g, false) < 0)
        return break_off(g);
    if (g->keep)
        return VERDICT_KEEP;
    return g->body == BODY_COMPLETE || g->body == BODY_GONE ? VERDICT_CLOSE : VERDICT_LINGER;
}
