/* SPDX-License-Identifier: Apache-2.0 */
/* One request of uWSGI's as the service sees it. The answer's bytes go past uWSGI's own writers, which would
 * give up on a client that takes nothing for socket-timeout (4 s), and would take a length of 0 for "all of
 * the file". */
#include "embed/uwsgi/plugin_private.h"

#include <errno.h>
#include <poll.h>

enum {
    TOGETHER_MAX = 64 * 1024, /* sent with the head in one call */
    FILE_PIECE = 2 * 1024 * 1024,
    COPY_PIECE = 256 * 1024,
    HEADER_MAX = 0xFFFF, /* uWSGI counts a header's bytes in 16 bits */
};

/* ---- variables ---- */

static const char *hvec_text(struct gateway *g, int i)
{
    const struct iovec *v = &g->req->hvec[i];

    return arena_strn(g->rq.arena, v->iov_base, v->iov_len);
}

static bool hvec_is(const struct gateway *g, int i, const char *name, size_t n)
{
    return g->req->hvec[i].iov_len == n && memcmp(g->req->hvec[i].iov_base, name, n) == 0;
}

/* The last of several, as uWSGI itself and its languages see it. */
static const char *variable(struct gateway *g, const char *name)
{
    size_t n = strlen(name);

    for (int i = g->req->var_cnt - 2; i >= 0; i -= 2)
        if (hvec_is(g, i, name, n))
            return hvec_text(g, i + 1);
    return NULL;
}

/* glint-prefix is for uWSGI's HTTP sockets, which know no mount: what the path begins with becomes
 * SCRIPT_NAME. */
static const char *mount_prefix(struct gateway *g)
{
    const char *uri = variable(g, "REQUEST_URI");
    size_t n = plugin.prefix ? strlen(plugin.prefix) : 0;

    while (n > 0 && plugin.prefix[n - 1] == '/')
        n--;
    if (n == 0 || !uri || strncmp(uri, plugin.prefix, n) != 0 || (uri[n] && !strchr("/?", uri[n])))
        return NULL;
    return arena_strn(g->rq.arena, plugin.prefix, n);
}

static const char *get_variable(void *arg, const char *name)
{
    struct gateway *g = arg;
    const char *text = variable(g, name);

    if (str_eq(name, "SCRIPT_NAME") && (!text || !*text)) {
        const char *prefix = mount_prefix(g);

        return prefix ? prefix : text;
    }
    return text;
}

static const char *gateway_header(struct gateway *g, const char *name)
{
    return http_cgi_header(get_variable, g, g->rq.arena, name);
}

/* ---- the answer ---- */

static void add_header(void *arg, const char *name, const char *value)
{
    struct gateway *g = arg;
    size_t n = strlen(name), len = strlen(value);

    if (n > HEADER_MAX || len > HEADER_MAX ||
        uwsgi_response_add_header(g->req, (char *)(uintptr_t)name, (uint16_t)n, (char *)(uintptr_t)value,
                                  (uint16_t)len) != UWSGI_OK)
        g->gone = true;
}

static int gateway_head(struct gateway *g, int status, const struct http_headers *h, int64_t length)
{
    const char *phrase = http_phrase(status);
    char line[80], date[CLOCK_TEXT_MAX];

    if (g->gone || g->answer.headed)
        return -1;
    snprintf(line, sizeof line, "%d %s", status, phrase ? phrase : "Unknown");
    if (uwsgi_response_prepare_headers(g->req, line, (uint16_t)strlen(line)) != UWSGI_OK)
        g->gone = true;
    (void)embedded_answer_begin(&g->answer, &g->rq, status, h, length, add_header, g);
    if (!g->direct)
        return g->gone ? -1 : 0;
    if (!g->answer.dated)
        add_header(g, "Date", clock_http(clock_now_us(), date));
    g->keep = g->keep && g->body == BODY_COMPLETE && (g->answer.left >= 0 || g->answer.bodyless);
    if (!g->keep)
        add_header(g, "Connection", "close");
    return g->gone ? -1 : 0;
}

static int send_head(struct gateway *g)
{
    if (!g->gone && !g->req->headers_sent && uwsgi_response_write_headers_do(g->req) < 0)
        g->gone = true;
    return g->gone ? -1 : 0;
}

static int send_bytes(struct gateway *g, const char *buf, size_t n)
{
    /* Transformations that the operator has configured are only in uWSGI's own writer. */
    if (g->req->transformations || (!g->req->headers_sent && n <= TOGETHER_MAX)) {
        if (uwsgi_response_write_body_do(g->req, (char *)(uintptr_t)buf, n) < 0)
            g->gone = true;
        return g->gone ? -1 : 0;
    }
    if (send_head(g) < 0 || gateway_send(g, buf, n) < 0)
        return -1;
    g->req->response_size += n;
    return 0;
}

static int gateway_write(struct gateway *g, const void *buf, size_t n)
{
    if (g->gone || !g->answer.headed)
        return -1;
    n = (size_t)embedded_answer_take(&g->answer, n);
    return n > 0 ? send_bytes(g, buf, n) : 0;
}

/* Through our memory, where the bytes have to be looked at on their way. */
static int copy_file(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    CLEANUP(mem_free_ptr) char *buf = mem_resize(NULL, COPY_PIECE);

    while (len > 0 && !g->gone) {
        ssize_t n = embedded_read_file(fd, buf, len < COPY_PIECE ? (size_t)len : COPY_PIECE, offset);

        if (n <= 0)
            g->gone = true;
        else if (send_bytes(g, buf, (size_t)n) == 0) {
            offset += (uint64_t)n;
            len -= (uint64_t)n;
        }
    }
    return g->gone ? -1 : 0;
}

/* One piece by the socket's own way of sending files; 0 at the end of the file is a failure there. */
static int send_piece(struct gateway *g, int fd, uint64_t offset, size_t n)
{
    struct wsgi_request *req = g->req;

    for (;;) {
        int result;

        errno = 0;
        result = req->socket->proto_sendfile(req, fd, offset, n);
        if (result == UWSGI_OK)
            break;
        if (result < 0 || (uwsgi_is_again() && !gateway_wait(g, POLLOUT))) {
            g->gone = true;
            break;
        }
    }
    req->response_size += req->write_pos;
    req->write_pos = 0;
    return g->gone ? -1 : 0;
}

static bool needs_copy(const struct gateway *g)
{
#ifdef UWSGI_SSL
    if (g->req->ssl)
        return true;
#endif
    return g->req->transformations || !g->req->socket->proto_sendfile;
}

static int gateway_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    if (g->gone || !g->answer.headed)
        return -1;
    len = embedded_answer_take(&g->answer, len);
    if (len == 0)
        return 0;
    if (needs_copy(g))
        return copy_file(g, fd, offset, len);
    if (send_head(g) < 0)
        return -1;
    g->req->via = UWSGI_VIA_SENDFILE;
    for (size_t n; len > 0; offset += n, len -= n) {
        n = len < FILE_PIECE ? (size_t)len : FILE_PIECE;
        sign_of_life();
        if (send_piece(g, fd, offset, n) < 0)
            return -1;
    }
    return 0;
}

static bool gateway_aborted(struct gateway *g)
{
    struct pollfd p = { .fd = g->req->fd, .events = POLLRDHUP };

    return g->gone || g->body == BODY_GONE || poll(&p, 1, 0) > 0;
}

static const struct gateway_ops uwsgi_gateway_ops = {
    .name = "uwsgi-plugin",
    .read = body_read,
    .head = gateway_head,
    .write = gateway_write,
    .sendfile = gateway_sendfile,
    .header = gateway_header,
    .aborted = gateway_aborted,
};

/* ---- its life ---- */

static bool is_direct(const struct wsgi_request *req)
{
    return req->socket->proto_name && strncmp(req->socket->proto_name, "http", 4) == 0;
}

/* uWSGI's HTTP parser lets everything through: what two parsers could read in two ways is refused here. A
 * uwsgi packet is another matter: nginx hands on both, and has read the body by the length. */
static int judge_framing(struct gateway *g, struct error *e)
{
    const char *length = variable(g, "CONTENT_LENGTH");

    if (g->direct && length && *length && variable(g, "HTTP_TRANSFER_ENCODING"))
        return error_set(e, ERROR_INVALID, "there are both Content-Length and Transfer-Encoding");
    if (g->direct && length && !*length)
        return error_set(e, ERROR_INVALID, "Content-Length is not a number");
    return 0;
}

static bool asks_to_close(struct gateway *g)
{
    const char *text = variable(g, "HTTP_CONNECTION");

    return text && strcasestr(text, "close");
}

static bool is_http11(struct gateway *g)
{
    return str_eq(variable(g, "SERVER_PROTOCOL"), "HTTP/1.1");
}

void gateway_begin(struct gateway *g, struct wsgi_request *req)
{
    *g = (struct gateway){
        .rq = { .ops = &uwsgi_gateway_ops,
                .gateway = g,
                .arena = arena_make(4096),
                .content_length = HTTP_BODY_NONE,
                .started_us = clock_mono_us() },
        .req = req,
        .body = BODY_COMPLETE,
        .wait_us = plugin.body_us,
        .direct = is_direct(req),
    };
    http_chunked_init(&g->chunks);
}

int gateway_read_head(struct gateway *g, struct error *e)
{
    const char *expect = variable(g, "HTTP_EXPECT");

    if (judge_framing(g, e) < 0 || http_cgi_request(&g->rq, get_variable, g, e) < 0)
        return -1;
    g->body_left = g->rq.content_length > 0 ? (uint64_t)g->rq.content_length : 0;
    if (g->body_left > 0 || g->rq.content_length == HTTP_BODY_UNKNOWN)
        g->body = BODY_OPEN;
    g->keep = g->direct && is_http11(g) && !asks_to_close(g);
    g->continue_due =
        g->direct && is_http11(g) && g->body == BODY_OPEN && expect && str_eq_nocase(expect, "100-continue");
    return 0;
}

bool gateway_framed(struct gateway *g)
{
    return variable(g, "BODY_FRAMING") != NULL;
}

/* What was broken off must not look whole: behind uWSGI's router or another proxy a plain end of the
 * connection could be taken for the end of the answer, or leave the client waiting. */
static void break_off(struct gateway *g)
{
    struct linger none = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(g->req->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    g->req->write_errors++; /* and uWSGI writes nothing after it */
    g->keep = false;
}

void gateway_finish(struct gateway *g)
{
    if (!g->answer.headed && !g->gone)
        embedded_refuse(&g->rq,
                        g->body == BODY_SLOW  ? 408
                        : g->body == BODY_BAD ? 400
                                              : 500,
                        "no answer was made");
    (void)send_head(g);
    if (g->gone || embedded_answer_is_short(&g->answer))
        break_off(g);
    else if (g->direct && (g->body == BODY_OPEN || g->body == BODY_BAD))
        shutdown(g->req->fd, SHUT_WR);
    if (!g->gone)
        body_drain(g);
    /* uWSGI looks at its parser's state to decide whether an HTTP/1.1 connection stays. */
    if (!g->keep)
        g->req->proto_parser_status = 0;
    arena_free(TAKE(g->rq.arena));
}
