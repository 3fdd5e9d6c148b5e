/* SPDX-License-Identifier: Apache-2.0 */
/* One request: what the service asks of it, answered from httpd's request_rec. The body is read when the
 * service reads it and not before, so that httpd's 100 Continue comes with the first read and a refusal
 * spares the body. */
#include "embed/httpd/mod_glint.h"
#include "embed/httpd/reset.h"

#include <apr_portable.h>
#include <poll.h>

enum {
    DRAIN_MAX = 64 * 1024,
    PIECE = 16 * 1024,
    LINGER_STEP_MS = 1,
    LINGER_QUIET_MS = 1000, /* the client has heard the answer and sends no more */
};

/* ---- the body ---- */

static ssize_t cut(struct gateway *g, apr_status_t rv)
{
    int status = ap_map_http_request_error(rv, 0);

    g->cut = true;
    g->refusal = status; /* 0: the service says what is wrong */
    g->r->connection->keepalive = AP_CONN_CLOSE;
    return -1;
}

/* The next piece into g->in. 0: there is none yet (only without `wait`); -1: there will be none. */
static int fetch(struct gateway *g, size_t n, bool wait)
{
    apr_status_t rv;

    /* In the prefork MPM SIGUSR1 (graceful) interrupts the wait of mod_reqtimeout or of the core's filter:
     * that is not the end of the body. */
    do
        rv = ap_get_brigade(g->r->input_filters, g->in, AP_MODE_READBYTES,
                            wait ? APR_BLOCK_READ : APR_NONBLOCK_READ, (apr_off_t)n);
    while (APR_STATUS_IS_EINTR(rv));
    if (!wait && (APR_STATUS_IS_EAGAIN(rv) || (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(g->in))))
        return 0;
    return rv == APR_SUCCESS ? 1 : (int)cut(g, rv);
}

/* Moves what g->in has into buf. */
static ssize_t take(struct gateway *g, char *buf, size_t n)
{
    size_t got = 0;

    while (got < n && !APR_BRIGADE_EMPTY(g->in)) {
        apr_bucket *b = APR_BRIGADE_FIRST(g->in);
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        if (APR_BUCKET_IS_EOS(b)) {
            if (g->rq.content_length < 0 && stream_was_reset(g->r->connection))
                return cut(g, APR_ECONNABORTED);
            g->complete = true;
            apr_brigade_cleanup(g->in);
            break;
        }
        if (APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
            continue;
        }
        do
            rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
        while (APR_STATUS_IS_EINTR(rv));
        if (rv != APR_SUCCESS)
            return cut(g, rv);
        if (len > n - got) {
            apr_bucket_split(b, n - got);
            len = n - got;
        }
        memcpy(buf + got, data, len);
        got += len;
        apr_bucket_delete(b);
    }
    return (ssize_t)got;
}

/* Waits for the first byte only; what has arrived besides is taken along, as each call costs the service. */
static ssize_t body_read(struct gateway *g, void *buf, size_t n)
{
    size_t got = 0;

    while (got < n && !g->complete) {
        ssize_t more;

        if (g->cut)
            return got > 0 ? (ssize_t)got : -1;
        if (APR_BRIGADE_EMPTY(g->in)) {
            int there = fetch(g, n - got, got == 0);

            if (there == 0)
                break;
            if (there < 0)
                continue;
        }
        more = take(g, (char *)buf + got, n - got);
        if (more > 0)
            got += (size_t)more;
    }
    return (ssize_t)got;
}

void gateway_drain(struct gateway *g)
{
    char buf[PIECE];
    size_t total = 0;

    /* A client that waits for 100 Continue has nothing under way, and httpd closes by itself. */
    if (g->r->expecting_100 || g->rq.content_length > (int64_t)(DRAIN_MAX + g->rq.bytes_in))
        return;
    while (!g->complete && !g->cut && total < DRAIN_MAX) {
        ssize_t got =
            APR_BRIGADE_EMPTY(g->in) && fetch(g, sizeof buf, false) <= 0 ? 0 : take(g, buf, sizeof buf);

        if (got <= 0)
            break;
        total += (size_t)got;
    }
}

/* mod_http2 resets a stream whose body is not read when the answer ends, and several clients then report a
 * broken transfer in place of the answer. The answer is on its way; its end waits for the end of the body, or
 * until the client has stopped sending. */
void gateway_linger(struct gateway *g)
{
    int64_t now = clock_mono_us(), until = now + g->service->linger_us, heard = now;
    char buf[PIECE];

    while (!g->complete && !g->cut && !g->r->connection->aborted && now < until &&
           now < heard + LINGER_QUIET_MS * (CLOCK_SECOND / 1000)) {
        if (APR_BRIGADE_EMPTY(g->in) && fetch(g, sizeof buf, false) == 0)
            apr_sleep(apr_time_from_msec(LINGER_STEP_MS));
        else if (take(g, buf, sizeof buf) > 0)
            heard = now;
        now = clock_mono_us();
    }
}

/* ---- what else the service asks ---- */

static const char *header(struct gateway *g, const char *name)
{
    return apr_table_get(g->r->headers_in, name);
}

/* A stream of HTTP/2 has no socket; its end is seen when something is read or written. */
static bool aborted(struct gateway *g)
{
    apr_socket_t *socket = ap_get_conn_socket(g->r->connection);
    struct pollfd p = { .events = POLLRDHUP };

    if (g->gone || g->cut || g->r->connection->aborted)
        return true;
    return socket && apr_os_sock_get(&p.fd, socket) == APR_SUCCESS && poll(&p, 1, 0) > 0;
}

static const struct gateway_ops ops = {
    .name = "httpd",
    .read = body_read,
    .head = answer_head,
    .write = answer_write,
    .sendfile = answer_sendfile,
    .header = header,
    .aborted = aborted,
};

/* ---- from request_rec ---- */

/* Its framing is httpd's to check, which it does when the body is read. */
static int64_t body_length(const request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t n;

    if (apr_table_get(r->headers_in, "Transfer-Encoding"))
        return HTTP_BODY_UNKNOWN;
    if (!text)
        return HTTP_BODY_NONE;
    return ap_parse_strict_length(&n, text) ? n : HTTP_BODY_UNKNOWN;
}

static const char *host_text(request_rec *r)
{
    const char *host = apr_table_get(r->headers_in, "Host");

    if (host && *host)
        return host;
    return apr_psprintf(r->pool, "%s:%u", ap_get_server_name(r), (unsigned)ap_get_server_port(r));
}

static const char *quoted(request_rec *r, const char *mount)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    http_quote_path(&text, mount);
    return apr_pstrdup(r->pool, str_text(&text));
}

static void gateway_begin(struct gateway *g, request_rec *r, struct service *s, const char *mount)
{
    apr_bucket_alloc_t *buckets = r->connection->bucket_alloc;

    *g = (struct gateway){
        .rq = {
            .ops = &ops,
            .gateway = g,
            .arena = arena_make(4096),
            .method = r->method,
            .path = route_path(r, mount),
            .prefix = quoted(r, mount),
            .query = r->args,
            .scheme = ap_http_scheme(r),
            .host = host_text(r),
            .peer = r->useragent_ip,
            .content_length = body_length(r),
            .started_us = clock_mono_us(),
        },
        .r = r,
        .service = s,
        .in = apr_brigade_create(r->pool, buckets),
        .out = apr_brigade_create(r->pool, buckets),
    };
    g->complete = g->rq.content_length == HTTP_BODY_NONE || g->rq.content_length == 0;
}

int gateway_run(request_rec *r, struct service *s, const char *mount)
{
    struct http_service service = host_service(s->host);
    struct gateway g;
    int result;

    atomic_fetch_add(&s->active, 1);
    log_about(r, s->server);
    gateway_begin(&g, r, s, mount);
    service.serve(service.arg, &g.rq);
    result = answer_finish(&g);
    arena_free(g.rq.arena);
    log_about(NULL, NULL);
    atomic_fetch_sub(&s->active, 1);
    return result;
}
