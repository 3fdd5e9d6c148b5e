/* SPDX-License-Identifier: Apache-2.0 */
/* The request's body from uWSGI's raw read, so that neither chunked-input-limit nor uWSGI's parser of chunks
 * stands in the way. */
#include "embed/uwsgi/plugin_private.h"

#include <errno.h>
#include <poll.h>

bool gateway_wait(struct gateway *g, short events)
{
    struct pollfd p = { .fd = g->req->fd, .events = events };
    int n;

    do
        n = poll(&p, 1, g->wait_us > 0 ? (int)(g->wait_us / 1000) + 1 : -1);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

/* harakiri ends a worker whose request takes too long: what moves does not. */
void sign_of_life(void)
{
    if (uwsgi.harakiri_options.workers > 0)
        set_harakiri(uwsgi.harakiri_options.workers);
}

int gateway_send(struct gateway *g, const char *buf, size_t n)
{
    struct wsgi_request *req = g->req;

    sign_of_life();
    for (;;) {
        int result;

        errno = 0;
        result = req->socket->proto_write(req, (char *)(uintptr_t)buf, n);
        if (result == UWSGI_OK)
            break;
        if (result < 0 || (uwsgi_is_again() && !gateway_wait(g, POLLOUT))) {
            g->gone = true;
            break;
        }
    }
    req->write_pos = 0;
    return g->gone ? -1 : 0;
}

static ssize_t give_up(struct gateway *g, enum body_state why)
{
    g->body = why;
    return -1;
}

/* With post-buffering uWSGI has taken the body already. */
static ssize_t take_buffered(struct gateway *g, char *buf, size_t n)
{
    ssize_t got = 0;
    const char *data = uwsgi_request_body_read(g->req, (ssize_t)n, &got);

    if (!data || got <= 0)
        return give_up(g, BODY_GONE);
    memcpy(buf, data, (size_t)got);
    return got;
}

static ssize_t take_raw(struct gateway *g, char *buf, size_t n)
{
    ssize_t got;

    sign_of_life();
    if (uwsgi.post_buffering > 0)
        return take_buffered(g, buf, n);
    while ((got = g->req->socket->proto_read_body(g->req, buf, n)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINPROGRESS)
            return give_up(g, BODY_GONE);
        if (!gateway_wait(g, POLLIN))
            return give_up(g, BODY_SLOW);
    }
    return got > 0 ? got : give_up(g, BODY_GONE);
}

static ssize_t read_length(struct gateway *g, char *buf, size_t n)
{
    ssize_t got;

    if (n > g->body_left)
        n = (size_t)g->body_left;
    got = take_raw(g, buf, n);
    if (got > 0) {
        g->body_left -= (uint64_t)got;
        if (uwsgi.post_buffering == 0)
            g->req->post_pos += (size_t)got;
    }
    if (g->body_left == 0)
        g->body = BODY_COMPLETE;
    return got;
}

/* Reads into the caller's memory and takes the framing out there. */
static ssize_t read_chunked(struct gateway *g, char *buf, size_t n)
{
    size_t made = 0;

    while (made == 0 && g->body == BODY_OPEN) {
        ssize_t got = http_chunked_over(&g->chunks, &g->rq) ? -1 : take_raw(g, buf, n);
        size_t used = made = got > 0 ? (size_t)got : 0;
        int result;

        if (got < 0)
            return -1;
        result = http_chunked_decode(&g->chunks, buf, &used, buf, &made);
        if (result < 0)
            return give_up(g, BODY_BAD);
        if (result > 0)
            g->body = BODY_COMPLETE;
        if (used < (size_t)got) /* a pipelined request cannot be given back to uWSGI */
            g->keep = false;
    }
    return (ssize_t)made;
}

static int send_continue(struct gateway *g)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    g->continue_due = false;
    if (g->answer.headed || g->req->proto_parser_remains > 0)
        return 0; /* too late for it, or the body is coming anyway: RFC 9110 10.1.1 */
    return gateway_send(g, text, sizeof text - 1);
}

ssize_t body_read(struct gateway *g, void *buf, size_t n)
{
    if (g->body == BODY_COMPLETE || n == 0)
        return 0;
    if (g->body != BODY_OPEN)
        return -1;
    if (g->continue_due && send_continue(g) < 0)
        return give_up(g, BODY_GONE);
    return g->rq.content_length == HTTP_BODY_UNKNOWN ? read_chunked(g, buf, n) : read_length(g, buf, n);
}

/* A peer that is still sending finds the connection reset and may lose the answer; a proxy makes 502 of it.
 * What follows a head or a chunk that was malformed is read as it comes. */
void body_drain(struct gateway *g)
{
    int64_t until = clock_mono_us() + plugin.linger_us;
    bool raw = g->direct && g->body == BODY_BAD && uwsgi.post_buffering == 0;
    char buf[16 * 1024];

    if (g->continue_due)
        return; /* nothing comes before our 100 */
    g->rq.body_max = 0;
    while ((raw || g->body == BODY_OPEN) && (g->wait_us = until - clock_mono_us()) > 0)
        if ((raw ? take_raw(g, buf, sizeof buf) : body_read(g, buf, sizeof buf)) < 0)
            return;
}
