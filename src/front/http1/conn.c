/* SPDX-License-Identifier: Apache-2.0 */
/* A connection while its loop has it: reading heads, answering inline, handing over, sending, lingering. */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    PIPELINE_MAX = 32, /* requests of one connection before others have their turn */
    INPUT_FIRST = 1024,
    OUT_KEPT = 256 * 1024, /* of a loop's buffer for answers, between them */
    DISCARDS_MAX = 16,     /* reads of one lingering connection before others have their turn */
};

/* ---- lists and the epoll set ---- */

static void list_drop(struct conn *c)
{
    struct conn_list *list = &c->loop->lists[c->state];

    if (c->prev)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
}

static void list_add(struct conn *c, enum conn_state state)
{
    struct conn_list *list = &c->loop->lists[state];

    c->state = (uint8_t)state;
    c->since = c->loop->now;
    c->next = NULL;
    c->prev = list->last;
    if (list->last)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

void conn_to(struct conn *c, enum conn_state state)
{
    list_drop(c);
    list_add(c, state);
}

/* What epoll is to tell of: POLLIN, POLLOUT (they are EPOLLIN and EPOLLOUT), or 0: out of the set. */
void conn_watch(struct conn *c, short events)
{
    struct epoll_event ev = { .events = (uint32_t)events, .data.ptr = c };
    int op = events == 0 ? EPOLL_CTL_DEL : c->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (c->interest == events)
        return;
    c->interest = (uint8_t)events;
    epoll_ctl(c->loop->epoll, op, c->wire.fd, &ev);
}

static void conn_read(struct conn *c);

void conn_open(struct loop *l, struct listener *from, int fd, SSL *ssl, const char *peer, uint64_t address,
               struct share *place)
{
    struct conn *c = mem_new(sizeof *c);

    c->source = SOURCE_CONN;
    c->wire = (struct wire){ .fd = fd, .want = POLLIN, .ssl = ssl };
    c->loop = l;
    c->listener = from;
    str_copy(c->peer, sizeof c->peer, peer);
    c->address = address;
    c->place = place;
    list_add(c, ssl ? CONN_HANDSHAKE : CONN_IDLE);
    l->conns++;
    metric_add(l->h->connections, 1);
    metric_add(l->h->accepted, 1);
    if (from->protocol == HTTP1_UWSGI)
        conn_read(c); /* the request is there already, or will be in no time: most need no watching */
    else
        conn_watch(c, POLLIN);
}

void conn_close(struct conn *c)
{
    struct loop *l = c->loop;
    struct http1 *h = l->h;

    list_drop(c);
    conn_watch(c, 0); /* closing alone ends nothing while a forked child still holds the descriptor */
    wire_close(&c->wire);
    if (c->job) {
        gateway_ended(c->job, false);
        gateway_free(TAKE(c->job));
    }
    connection_uncount(h, &c->place);
    input_free(&c->in);
    str_done(&c->out);
    mem_free(c);
    l->conns--;
    metric_add(h->connections, -1);
    h->open--;
    for (unsigned i = 0; h->shut > 0 && i < h->n_loops; i++)
        loop_wake(&h->loops[i]);
}

/* ---- the end of an answer ---- */

static void conn_linger(struct conn *c)
{
    struct http1 *h = c->loop->h;
    bool drains = c->listener->protocol == HTTP1_UWSGI;
    int64_t limit = drains ? h->drain_us : h->linger_us;

    if (limit <= 0 || h->killing) {
        conn_close(c);
        return;
    }
    wire_shut(&c->wire);
    input_free(&c->in);
    c->drain_until = c->loop->now + limit;
    conn_to(c, drains ? CONN_DRAIN : CONN_LINGER);
    conn_watch(c, POLLIN);
}

/* Closing with bytes unread makes the kernel send a reset, which may overtake the answer. By the uwsgi
 * protocol nothing may come after a request that was all that came. */
static bool has_unread(struct conn *c)
{
    int unread = 0;

    if (c->in.len > c->in.off)
        return true;
    if (c->emptied && c->listener->protocol == HTTP1_UWSGI)
        return false;
    return ioctl(c->wire.fd, FIONREAD, &unread) == 0 && unread > 0;
}

static void conn_part(struct conn *c)
{
    if (has_unread(c)) {
        conn_linger(c);
        return;
    }
    if (c->wire.ssl)
        wire_shut(&c->wire);
    conn_close(c);
}

void conn_finish(struct conn *c, enum verdict v)
{
    if (c->armed && v != VERDICT_BREAK && v != VERDICT_PARK)
        wire_calm(&c->wire);
    c->armed = c->armed && v == VERDICT_PARK;
    switch (v) {
    case VERDICT_BREAK:
        wire_reset(&c->wire);
        conn_close(c);
        return;
    case VERDICT_LINGER:
        conn_linger(c);
        return;
    case VERDICT_CLOSE:
        conn_part(c);
        return;
    case VERDICT_PARK:
        conn_park(c);
        return;
    case VERDICT_KEEP:
        break;
    }
    if (c->loop->h->killing) {
        conn_close(c);
        return;
    }
    if (c->in.len > c->in.off || wire_pending(&c->wire)) {
        conn_to(c, CONN_READY);
        return;
    }
    conn_to(c, CONN_IDLE);
    conn_watch(c, POLLIN);
    /* A stopping server has not promised to take another request; but one may have arrived already. */
    if (c->loop->h->stopping)
        conn_event(c);
}

/* ---- sending what was answered inline ---- */

/* Sends of s what the socket takes. 0: all is sent, else WIRE_WAIT or WIRE_GONE. last: the end of the
 * connection follows at once, and goes with the last bytes. */
static ssize_t push(struct wire *w, const struct str *s, size_t *sent, bool last)
{
    while (*sent < s->len) {
        struct iovec iov = { s->data + *sent, s->len - *sent };
        ssize_t n = wire_write(w, &iov, 1, last);

        if (n < 0)
            return n;
        *sent += (size_t)n;
    }
    return 0;
}

static void out_clear(struct loop *l)
{
    str_clear(&l->out);
    if (l->out.cap > OUT_KEPT)
        str_done(&l->out);
}

/* Our end before that of the answer, even by a signal, shall be seen. */
static void conn_arm(struct conn *c)
{
    if (c->listener->protocol == HTTP1_UWSGI && !c->armed) {
        wire_reset(&c->wire);
        c->armed = true;
    }
}

void conn_answer(struct conn *c, enum verdict v)
{
    struct loop *l = c->loop;
    size_t sent = 0;
    ssize_t result = push(&c->wire, &l->out, &sent, v == VERDICT_CLOSE);

    if (result == WIRE_WAIT) {
        str_addn(&c->out, l->out.data + sent, l->out.len - sent);
        c->out_sent = 0;
        c->queued = 0;
        c->verdict = (uint8_t)v;
        conn_arm(c);
        conn_to(c, CONN_SEND);
        conn_watch(c, c->wire.want);
    }
    out_clear(l);
    if (result == WIRE_GONE)
        conn_close(c);
    else if (result == 0)
        conn_finish(c, v);
}

static void conn_send(struct conn *c)
{
    size_t before = c->out_sent;
    ssize_t result = push(&c->wire, &c->out, &c->out_sent, c->verdict == VERDICT_CLOSE);

    if (result == WIRE_GONE) {
        conn_close(c);
    } else if (result == WIRE_WAIT) {
        if (c->out_sent > before) {
            c->queued = 0;
            conn_to(c, CONN_SEND);
        }
        conn_watch(c, c->wire.want);
    } else {
        str_done(&c->out);
        conn_finish(c, c->verdict);
    }
}

/* ---- serving ---- */

void conn_refuse(struct conn *c, int status, const char *problem)
{
    struct http1 *h = c->loop->h;

    http1_count_refusal(h, status);
    if (h->o.access_log)
        log_info("http %s: refused a request of %s: %d, %s", h->o.name, c->peer, status, problem);
    answer_refusal(&c->loop->out, &c->loop->date, c->listener->protocol, status, problem);
}

static bool is_inline(struct gateway *g)
{
    const struct http_service *s = &g->h->o.service;

    if (g->body != BODY_COMPLETE)
        return false;
    return *g->rq.path == '*' || (s->may_inline && s->may_inline(s->arg, &g->rq));
}

/* Answers the request in l->gateway, which has begun, into l->out. False when it is a worker's: nothing was
 * done then. */
static bool serve_inline(struct conn *c, enum verdict *v)
{
    struct loop *l = c->loop;
    struct gateway *g = &l->gateway;
    size_t before = l->out.len;

    if (!is_inline(g))
        return false;
    g->rq.inline_only = true;
    if (gateway_serve(g) < 0 || g->must_wait) {
        l->out.len = before;
        arena_reset(l->arena);
        (void)gateway_begin(g, c, &l->out, &l->date, l->arena); /* as it was taken the first time */
        return false;
    }
    *v = gateway_finish(g);
    metric_add(l->h->bytes_out, (int64_t)g->rq.bytes_out);
    arena_reset(l->arena);
    return true;
}

/* What was not used of `in` becomes the connection's own. */
static void keep_rest(struct conn *c, struct input *in)
{
    if (in == &c->in) {
        if (in->off == in->len)
            input_free(in);
    } else if (in->off < in->len) {
        input_keep(&c->in, in->data + in->off, in->len - in->off);
    }
}

/* While the request's head and the loop's arena are there. */
static void find_holder(struct gateway *g)
{
    const struct http_service *s = &g->h->o.service;

    g->holder = s->holder && *g->rq.path == '/' ? s->holder(s->arg, &g->rq) : 0;
    if (g->holder == 0)
        g->holder = g->c->address;
}

static bool is_document(const struct gateway *g)
{
    const struct http_service *s = &g->h->o.service;

    return g->body == BODY_OPEN && g->rq.content_length <= HTTP_JSON_BODY_MAX && *g->rq.path == '/' &&
           s->is_document && s->is_document(s->arg, &g->rq);
}

void conn_submit(struct conn *c)
{
    struct http1 *h = c->loop->h;
    const struct http_service *s = &h->o.service;
    struct gateway *g = c->job;
    bool transfer = *g->rq.path == '/' && s->is_transfer && s->is_transfer(s->arg, &g->rq);

    conn_watch(c, 0);
    conn_to(c, CONN_BUSY);
    conn_arm(c);
    if (pool_submit(transfer ? &h->transfers : &h->workers, c) < 0)
        conn_refuse_job(c, 503, "the server has no thread for this request");
}

static void hand_over(struct conn *c, struct input *in, const char *head, size_t n)
{
    struct loop *l = c->loop;
    struct gateway *g = gateway_move(&l->gateway, head, n);
    size_t sent = 0;
    ssize_t result;

    find_holder(g);
    arena_reset(l->arena);
    keep_rest(c, in);
    c->emptied = false;
    result = push(&c->wire, &l->out, &sent, false);
    if (result == WIRE_WAIT)
        str_addn(&g->own, l->out.data + sent, l->out.len - sent);
    out_clear(l);
    if (result == WIRE_GONE) {
        gateway_free(g);
        conn_close(c);
        return;
    }
    c->job = g;
    if (is_document(g) && !body_here(g)) {
        g->rq.body_max = HTTP_JSON_BODY_MAX;
        conn_collect_begin(c);
    } else
        conn_submit(c);
}

/* The head is not whole yet. */
static void await_head(struct conn *c)
{
    if (c->state != CONN_HEAD)
        conn_to(c, CONN_HEAD);
    conn_watch(c, POLLIN);
    if (wire_pending(&c->wire))
        conn_read(c);
}

/* Takes a head out of buf into l->gateway, where its request begins. > 0: its length; 0: it is not whole yet;
 * < 0: refused.
 */
static int take_head(struct conn *c, char *buf, size_t len)
{
    struct loop *l = c->loop;
    struct http1_head *head = &l->gateway.head;
    size_t scanned = c->scanned;
    int n, refused;

    if (c->listener->protocol == HTTP1_UWSGI)
        n = uwsgi_packet_parse(buf, len, head);
    else
        n = http1_head_parse(buf, len, &scanned, head);
    c->scanned = n == 0 ? (uint32_t)scanned : 0;
    if (n <= 0)
        return n;
    refused = gateway_begin(&l->gateway, c, &l->out, &l->date, l->arena);
    return refused < 0 ? refused : n;
}

/* Serves the requests in `in`, as far as they are whole. */
static void conn_serve(struct conn *c, struct input *in)
{
    struct loop *l = c->loop;
    enum verdict v = VERDICT_KEEP;
    unsigned served = 0;

    while (v == VERDICT_KEEP && in->off < in->len && served < PIPELINE_MAX) {
        char *head = in->data + in->off;
        int n = take_head(c, head, in->len - in->off);

        if (n == 0)
            break;
        served++;
        if (n < 0) {
            conn_refuse(c, -n, l->gateway.head.problem);
            arena_reset(l->arena);
            v = VERDICT_LINGER;
            break;
        }
        in->off += (uint32_t)n;
        if (!serve_inline(c, &v)) {
            hand_over(c, in, head, (size_t)n);
            return;
        }
    }
    keep_rest(c, in);
    if (served > 0)
        conn_answer(c, v);
    else
        await_head(c);
}

static void make_room(struct input *in)
{
    if (in->off > 0) {
        memmove(in->data, in->data + in->off, in->len - in->off);
        in->len -= in->off;
        in->off = 0;
    }
    if (in->len < in->cap)
        return;
    in->cap = in->cap * 2 < INPUT_FIRST ? INPUT_FIRST : in->cap * 2;
    in->data = mem_resize(in->data, in->cap);
}

static void conn_read(struct conn *c)
{
    struct loop *l = c->loop;
    struct input *in = c->in.data ? &c->in : &l->scratch;
    ssize_t got;

    if (in == &c->in)
        make_room(in);
    else
        in->off = in->len = 0;
    got = wire_read(&c->wire, in->data + in->len, in->cap - in->len);
    if (got == WIRE_WAIT && !(l->h->stopping && c->state == CONN_IDLE)) {
        conn_watch(c, c->wire.want);
    } else if (got <= 0) {
        conn_close(c);
    } else {
        in->len += (uint32_t)got;
        c->emptied = in->len < in->cap;
        conn_serve(c, in);
    }
}

static void conn_handshake(struct conn *c)
{
    ssize_t result = wire_handshake(&c->wire);

    if (result == WIRE_WAIT) {
        conn_watch(c, c->wire.want);
    } else if (result < 0) {
        conn_close(c);
    } else {
        conn_to(c, CONN_IDLE);
        conn_watch(c, POLLIN);
        conn_read(c);
    }
}

static void conn_discard(struct conn *c)
{
    struct input *scratch = &c->loop->scratch;

    for (int i = 0; i < DISCARDS_MAX; i++) {
        ssize_t n = recv(c->wire.fd, scratch->data, scratch->cap, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            conn_close(c);
            return;
        }
    }
    if (c->state != CONN_DRAIN)
        return;
    if (c->loop->now >= c->drain_until)
        conn_close(c);
    else
        conn_to(c, CONN_DRAIN); /* it moves */
}

void conn_event(struct conn *c)
{
    switch ((enum conn_state)c->state) {
    case CONN_HANDSHAKE:
        conn_handshake(c);
        break;
    case CONN_IDLE:
    case CONN_HEAD:
        conn_read(c);
        break;
    case CONN_SEND:
        conn_send(c);
        break;
    case CONN_BODY:
        conn_collect(c);
        break;
    case CONN_PARKED:
        conn_unpark(c);
        break;
    case CONN_LINGER:
    case CONN_DRAIN:
        conn_discard(c);
        break;
    default: /* READY has its turn anyway */
        break;
    }
}

void conn_resume(struct conn *c)
{
    if (c->in.len > c->in.off)
        conn_serve(c, &c->in);
    else
        conn_read(c);
}

/* Whether some of an answer has arrived since a stopping server looked last. Without a stop the time that a
 * reader has is long enough for the socket to tell. */
static bool conn_still_reads(struct conn *c)
{
    uint64_t before = c->queued;

    if (!c->loop->stopping)
        return false;
    c->queued = wire_queued(&c->wire) + 1;
    return before == 0 || c->queued < before;
}

void conn_expire(struct conn *c)
{
    if (c->state == CONN_HEAD) {
        conn_refuse(c, 408, "the request head took too long to arrive");
        conn_answer(c, VERDICT_LINGER);
        return;
    }
    if (c->state == CONN_BODY) {
        conn_collect_expire(c);
        return;
    }
    if (c->state == CONN_PARKED) {
        conn_park_expire(c);
        return;
    }
    if (c->state == CONN_SEND && conn_still_reads(c)) {
        conn_to(c, CONN_SEND);
        return;
    }
    if (c->state == CONN_SEND) {
        c->loop->broken += c->loop->stopping;
        wire_reset(&c->wire);
    }
    conn_close(c);
}
