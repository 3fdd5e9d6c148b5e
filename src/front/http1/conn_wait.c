/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that wait for their client without a thread: for the rest of a document, and for room for the
 * rest of a file. And those that waited too long for a thread. */
#include "front/http1/http1_private.h"

#include <poll.h>

/* ---- documents ---- */

/* The client may wait for it before it sends the body. It is left out where it cannot go at once: the client
 * goes on without it (RFC 9110 10.1.1). */
static void send_continue(struct conn *c)
{
    static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = { text, sizeof text - 1 };
    struct gateway *g = c->job;
    ssize_t sent;

    if (!g->continue_due)
        return;
    g->continue_due = false;
    if (g->own.len > 0 || c->in.len > c->in.off)
        return;
    sent = wire_write(&c->wire, &iov, 1, false);
    if (sent > 0 && (size_t)sent < iov.iov_len)
        str_addn(&g->own, text + sent, iov.iov_len - (size_t)sent);
}

void conn_collect_begin(struct conn *c)
{
    conn_to(c, CONN_BODY);
    send_continue(c);
    conn_collect(c);
}

static bool is_late(const struct gateway *g, int64_t now)
{
    int64_t seconds = (now - g->rq.started_us) / CLOCK_SECOND;

    return seconds > HTTP_DOCUMENT_SECONDS_MAX ||
           (seconds >= 60 && g->rate.bytes < (uint64_t)seconds * g->h->min_rate);
}

void conn_collect(struct conn *c)
{
    struct gateway *g = c->job;
    uint64_t before = g->rate.bytes;
    int result = body_collect(g);

    if (result > 0)
        conn_submit(c);
    else if (result < 0)
        conn_refuse_job(c, 503, "the server has no room for this body now");
    else if (is_late(g, c->loop->now))
        conn_collect_expire(c);
    else {
        if (g->rate.bytes > before)
            conn_to(c, CONN_BODY);
        conn_watch(c, c->wire.want);
    }
}

void conn_collect_expire(struct conn *c)
{
    conn_refuse_job(c, 408, "the request body took too long to arrive");
}

/* ---- files ---- */

void conn_park(struct conn *c)
{
    conn_to(c, CONN_PARKED);
    conn_watch(c, c->wire.want);
}

/* The client takes more: by a thread, as the file may have to be read from a disk. */
void conn_unpark(struct conn *c)
{
    struct gateway *g = c->job;

    if (!answer_moves(g, c->loop->now)) {
        wire_reset(&c->wire);
        conn_close(c);
        return;
    }
    g->rest.quiet = 0;
    conn_watch(c, 0);
    conn_to(c, CONN_BUSY);
    if (pool_submit(&c->loop->h->senders, c) < 0) {
        wire_reset(&c->wire);
        conn_close(c);
    }
}

/* Nothing more could be written for a while; but what had been may be arriving. */
void conn_park_expire(struct conn *c)
{
    struct rest *r = &c->job->rest;
    uint64_t acknowledged = answer_acknowledged(c->job);

    r->quiet = acknowledged > r->seen ? 0 : r->quiet + 1;
    r->seen = acknowledged;
    if (r->quiet >= PARKED_LOOKS)
        c->loop->broken += c->loop->stopping;
    if (r->quiet < PARKED_LOOKS && answer_moves(c->job, c->loop->now)) {
        conn_to(c, CONN_PARKED);
        return;
    }
    wire_reset(&c->wire);
    conn_close(c);
}

/* ---- queues ---- */

/* A refusal instead of c->job, which no thread has. */
void conn_refuse_job(struct conn *c, int status, const char *problem)
{
    struct gateway *g = TAKE(c->job);

    conn_watch(c, 0);
    str_addn(&c->loop->out, g->own.data, g->own.len);
    gateway_free(g);
    conn_refuse(c, status, problem);
    conn_answer(c, VERDICT_LINGER);
}

void loop_expire_queued(struct loop *l)
{
    struct http1 *h = l->h;
    struct pool *pools[] = { &h->workers, &h->transfers };
    int64_t limit = h->queue_us;

    if (l->now < l->queues_us)
        return;
    l->queues_us = l->now + CLOCK_SECOND;
    for (size_t i = 0; limit > 0 && i < COUNT(pools); i++) {
        struct conn *c = pools[i]->n_waiting > 0 ? pool_overdue(pools[i], l, l->now - limit) : NULL;

        while (c) {
            struct conn *next = c->link;

            c->link = NULL;
            conn_refuse_job(c, 503, "the server has no thread for this request now");
            c = next;
        }
    }
}
