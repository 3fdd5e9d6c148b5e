/* SPDX-License-Identifier: Apache-2.0 */
/* The request's body: no byte is copied more than the framing asks for, nothing beyond it is taken from
 * the connection without being kept for the next request. */
#include "front/http1/http1_private.h"

#include <string.h>

enum {
    DIRECT_MIN = 4 * 1024, /* readers with less room go through a buffer */
    BUFFER = 16 * 1024,
    DOCUMENT_UNITS = HTTP_DOCUMENTS_MAX / HTTP_DOCUMENT_FREE,
    DRAIN_MAX = 64 * 1024, /* cheaper to read than to lose the connection */
};
#define RATE_WINDOW_US (60 * CLOCK_SECOND)

bool rate_waited(struct rate *r, int64_t us, unsigned min_rate)
{
    bool fast;

    r->waited_us += us;
    if (r->waited_us < RATE_WINDOW_US)
        return true;
    fast = r->bytes >= (uint64_t)min_rate * (uint64_t)(r->waited_us / CLOCK_SECOND);
    *r = (struct rate){ 0 };
    return fast;
}

static ssize_t give_up(struct gateway *g, enum body_state why)
{
    g->body = why;
    return -1;
}

/* Raw bytes that were read along with the head, or else from the wire. Without patience WIRE_WAIT. */
static ssize_t take_raw(struct gateway *g, void *buf, size_t n, bool patient)
{
    struct input *in = &g->c->in;
    ssize_t got;

    if (in->len > in->off) {
        if (n > in->len - in->off)
            n = in->len - in->off;
        memcpy(buf, in->data + in->off, n);
        in->off += (uint32_t)n;
        if (in->off == in->len)
            input_free(in);
        return (ssize_t)n;
    }
    while ((got = wire_read(&g->c->wire, buf, n)) == WIRE_WAIT) {
        if (!patient)
            return WIRE_WAIT;
        /* The client may be waiting for what we have to say before it goes on. */
        if (g->headed && answer_flush(g, false) < 0)
            return give_up(g, BODY_GONE);
        if (!gateway_wait(g, true))
            return give_up(g, BODY_SLOW);
    }
    if (got <= 0)
        return give_up(g, BODY_GONE);
    g->rate.bytes += (uint64_t)got;
    return got;
}

static ssize_t read_length(struct gateway *g, void *buf, size_t n, bool patient)
{
    ssize_t got;

    if (n > g->body_left)
        n = (size_t)g->body_left;
    got = take_raw(g, buf, n, patient);
    if (got > 0)
        g->body_left -= (uint64_t)got;
    if (g->body_left == 0)
        g->body = BODY_COMPLETE;
    return got;
}

/* Decodes what the connection's input holds; 0 when no data came of it yet. */
static ssize_t decode_input(struct gateway *g, void *buf, size_t n)
{
    struct input *in = &g->c->in;
    size_t used = in->len - in->off, made = n;
    int result = http_chunked_decode(&g->chunks, in->data + in->off, &used, buf, &made);

    in->off += (uint32_t)used;
    if (in->off == in->len)
        input_free(in);
    if (result < 0)
        return give_up(g, BODY_BAD);
    if (result > 0)
        g->body = BODY_COMPLETE;
    return (ssize_t)made;
}

/* Reads into the caller's memory and takes the framing out there; what comes after the body is kept. */
static ssize_t decode_direct(struct gateway *g, char *buf, size_t n, bool patient)
{
    ssize_t got = take_raw(g, buf, n, patient);
    size_t used, made;
    int result;

    if (got <= 0)
        return got;
    used = made = (size_t)got;
    result = http_chunked_decode(&g->chunks, buf, &used, buf, &made);
    if (result < 0)
        return give_up(g, BODY_BAD);
    if (result > 0) {
        g->body = BODY_COMPLETE;
        /* Decoding moved the data down only, so the rest is still where it was read to. */
        input_keep(&g->c->in, buf + used, (size_t)got - used);
    }
    return (ssize_t)made;
}

static ssize_t read_chunked(struct gateway *g, char *buf, size_t n, bool patient)
{
    ssize_t got = 0;

    while (got == 0 && g->body == BODY_OPEN) {
        if (http_chunked_over(&g->chunks, &g->rq))
            return -1; /* it stays open: what follows may still be read and dropped */
        if (g->c->in.len > g->c->in.off) {
            got = decode_input(g, buf, n);
        } else if (n >= DIRECT_MIN) {
            got = decode_direct(g, buf, n, patient);
        } else {
            char raw[BUFFER];

            got = take_raw(g, raw, sizeof raw, patient);
            if (got > 0) {
                input_keep(&g->c->in, raw, (size_t)got);
                got = 0;
            }
        }
    }
    return got;
}

static int send_continue(struct gateway *g)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = { text, sizeof text - 1 };

    g->continue_due = false;
    if (g->headed || g->c->in.len > g->c->in.off)
        return 0; /* too late for it, or the body is coming anyway: RFC 9110 10.1.1 */
    return answer_flush(g, true) < 0 ? -1 : answer_send(g, &iov, 1, false);
}

/* ---- documents ---- */

static bool document_count(struct gateway *g)
{
    unsigned units = (unsigned)(g->document.len / HTTP_DOCUMENT_FREE);
    struct shares *all = &g->h->documents;
    struct share *who;
    bool fits;

    if (units <= g->document_units)
        return true;
    pthread_mutex_lock(&g->h->shares_lock);
    who = share_of(all, g->holder);
    fits = share_take(all, who, units - g->document_units, DOCUMENT_UNITS);
    if (fits)
        g->document_units = units;
    else
        share_tidy(all, who);
    pthread_mutex_unlock(&g->h->shares_lock);
    return fits;
}

void body_forget(struct gateway *g)
{
    if (g->document_units > 0) {
        pthread_mutex_lock(&g->h->shares_lock);
        share_leave(&g->h->documents, share_of(&g->h->documents, g->holder), g->document_units);
        pthread_mutex_unlock(&g->h->shares_lock);
    }
    g->document_units = 0;
    str_done(&g->document);
}

bool body_here(const struct gateway *g)
{
    const struct input *in = &g->c->in;

    return g->rq.content_length != HTTP_BODY_UNKNOWN && in->len - in->off >= g->body_left;
}

int body_collect(struct gateway *g)
{
    struct str *d = &g->document;

    while (g->body == BODY_OPEN && d->len <= HTTP_JSON_BODY_MAX) {
        ssize_t got;

        str_reserve(d, BUFFER);
        got = g->rq.content_length == HTTP_BODY_UNKNOWN ? read_chunked(g, d->data + d->len, BUFFER - 1, false)
                                                        : read_length(g, d->data + d->len, BUFFER - 1, false);
        if (got == WIRE_WAIT)
            return 0;
        if (got < 0)
            return 1; /* what was wrong is for the answer to say */
        d->len += (size_t)got;
        d->data[d->len] = '\0';
        if (!document_count(g))
            return -1;
    }
    return 1;
}

static ssize_t document_read(struct gateway *g, void *buf, size_t n)
{
    size_t left = g->document.len - g->document_read;

    if (n > left)
        n = left;
    memcpy(buf, g->document.data + g->document_read, n);
    g->document_read += n;
    return (ssize_t)n;
}

ssize_t body_read(struct gateway *g, void *buf, size_t n)
{
    if (g->document_read < g->document.len && n > 0)
        return document_read(g, buf, n);
    if (g->body == BODY_COMPLETE || n == 0)
        return 0;
    if (g->rq.inline_only)
        g->must_wait = true;
    if (g->body != BODY_OPEN || g->rq.inline_only)
        return -1;
    if (g->continue_due && send_continue(g) < 0)
        return give_up(g, BODY_GONE);
    if (g->rq.content_length == HTTP_BODY_UNKNOWN)
        return read_chunked(g, buf, n, true);
    return read_length(g, buf, n, true);
}

bool body_drain(struct gateway *g)
{
    char buf[BUFFER];
    size_t total = 0;

    if (g->continue_due || (g->rq.content_length != HTTP_BODY_UNKNOWN && g->body_left > DRAIN_MAX))
        return g->body == BODY_COMPLETE;
    g->rq.body_max = 0;
    while (g->body == BODY_OPEN && total < DRAIN_MAX) {
        ssize_t got = g->rq.content_length == HTTP_BODY_UNKNOWN ? read_chunked(g, buf, sizeof buf, false)
                                                                : read_length(g, buf, sizeof buf, false);

        if (got < 0)
            break;
        total += (size_t)got;
    }
    return g->body == BODY_COMPLETE;
}
