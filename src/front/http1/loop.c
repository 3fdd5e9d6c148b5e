/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 128, ARENA_FIRST = 8 * 1024, OUT_FIRST = 16 * 1024 };

void loop_wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n UNUSED = write(l->event, &one, sizeof one);
}

void loop_return(struct conn *c)
{
    struct loop *l = c->loop;
    struct conn *first = atomic_load_explicit(&l->returned, memory_order_relaxed);

    do
        c->link = first;
    while (!atomic_compare_exchange_weak_explicit(&l->returned, &first, c, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (!first)
        loop_wake(l);
}

static void take_returned(struct loop *l)
{
    struct conn *c = atomic_exchange_explicit(&l->returned, NULL, memory_order_acq_rel), *in_order = NULL;

    while (c) {
        struct conn *next = c->link;

        c->link = in_order;
        in_order = c;
        c = next;
    }
    while (in_order) {
        c = in_order;
        in_order = c->link;
        conn_finish(c, c->verdict);
    }
}

/* One turn for each connection that is READY now. */
static void resume_ready(struct loop *l)
{
    struct conn *last = l->lists[CONN_READY].last, *c = NULL;

    while (last && c != last) {
        c = l->lists[CONN_READY].first;
        conn_resume(c);
    }
}

/* ---- time ---- */

/* In which something has to come; how long it may go on coming is counted apart. */
static int64_t drain_limit(const struct http1 *h)
{
    int64_t body = h->body_us, drain = h->drain_us;

    return body > 0 && body < drain ? body : drain > 0 ? drain : 1;
}

/* How long a connection may be in a state; 0: as long as it likes. */
static int64_t usual_limit(const struct http1 *h, enum conn_state state)
{
    switch (state) {
    case CONN_HANDSHAKE:
    case CONN_HEAD:
        return h->head_us;
    case CONN_IDLE:
        return h->idle_us;
    case CONN_SEND:
    case CONN_BODY:
        return h->body_us;
    case CONN_PARKED:
        return h->body_us / PARKED_LOOKS;
    case CONN_DRAIN:
        return drain_limit(h);
    case CONN_LINGER:
        return h->linger_us > 0 ? h->linger_us : 1;
    default:
        return 0;
    }
}

/* When the first of a list has been there too long. A stop gives no more time than there is, nor less to who
 * was quiet before it began. */
static int64_t due(const struct loop *l, enum conn_state state)
{
    const struct conn *c = l->lists[state].first;
    int64_t limit = usual_limit(l->h, state), since = c ? c->since : 0, usual, stop;

    if (!c)
        return INT64_MAX;
    usual = limit > 0 ? since + limit : INT64_MAX;
    if (!l->stopping || (state != CONN_SEND && state != CONN_PARKED && state != CONN_DRAIN))
        return usual;
    stop = (since > l->stopping_us ? since : l->stopping_us) +
           (state == CONN_PARKED ? STOP_QUIET_US / PARKED_LOOKS : STOP_QUIET_US);
    return stop < usual ? stop : usual;
}

static void expire(struct loop *l)
{
    for (enum conn_state s = 0; s < CONN_STATES; s++) {
        while (due(l, s) <= l->now)
            conn_expire(l->lists[s].first);
    }
}

static int wait_ms(struct loop *l)
{
    int64_t until = l->doors_shut ? l->doors_retry : INT64_MAX;

    if (l->lists[CONN_READY].first)
        return 0;
    for (enum conn_state s = 0; s < CONN_STATES; s++)
        if (due(l, s) < until)
            until = due(l, s);
    if (l->h->workers.n_waiting + l->h->transfers.n_waiting > 0 && l->queues_us < until)
        until = l->queues_us;
    if (until == INT64_MAX)
        return -1;
    until = (until - clock_mono_us() + 999) / 1000;
    return until < 0 ? 0 : until > 60000 ? 60000 : (int)until;
}

/* ---- the end ---- */

/* Connections without a request are closed; but what a client sent before it could know is still served. */
static void begin_stop(struct loop *l)
{
    struct conn *last, *c = NULL;

    l->stopping = true;
    l->stopping_us = l->now;
    for (struct door *d = l->doors; d; d = d->next)
        loop_accept(l, d); /* who waits already was promised to be heard */
    loop_close_doors(l);
    while (l->lists[CONN_HANDSHAKE].first)
        conn_close(l->lists[CONN_HANDSHAKE].first);
    last = l->lists[CONN_IDLE].last;
    while (last && c != last) {
        c = l->lists[CONN_IDLE].first;
        conn_event(c);
    }
}

static void kill_all(struct loop *l)
{
    l->killed = true;
    for (enum conn_state s = 0; s < CONN_STATES; s++) {
        if (s == CONN_BUSY)
            continue;
        while (l->lists[s].first) {
            if (s == CONN_SEND || s == CONN_PARKED) {
                l->broken++;
                wire_reset(&l->lists[s].first->wire);
            }
            conn_close(l->lists[s].first);
        }
    }
    /* Their workers notice, and give them back. */
    for (struct conn *c = l->lists[CONN_BUSY].first; c; c = c->next) {
        l->broken++;
        if (c->listener->protocol == HTTP1_UWSGI)
            wire_break(&c->wire);
        else
            shutdown(c->wire.fd, SHUT_RDWR);
    }
}

/* ---- the loop ---- */

static void dispatch(struct loop *l, void *source)
{
    uint64_t count;
    ssize_t n UNUSED;

    switch (*(enum source *)source) {
    case SOURCE_WAKE:
        n = read(l->event, &count, sizeof count);
        break;
    case SOURCE_DOOR:
        loop_accept(l, source);
        break;
    case SOURCE_CONN:
        conn_event(source);
        break;
    }
}

static void *loop_main(void *arg)
{
    struct epoll_event events[EVENTS];
    struct loop *l = arg;
    struct http1 *h = l->h;

    while (!l->stopping || l->conns > 0) {
        int n = epoll_wait(l->epoll, events, EVENTS, wait_ms(l));

        l->now = clock_mono_us();
        for (int i = 0; i < n; i++)
            dispatch(l, events[i].data.ptr);
        loop_make_room(l);
        take_returned(l);
        resume_ready(l);
        expire(l);
        loop_expire_queued(l);
        if (l->doors_shut)
            loop_try_doors(l);
        if (h->stopping && !l->stopping)
            begin_stop(l);
        if (h->killing && !l->killed)
            kill_all(l);
    }
    pthread_mutex_lock(&h->lock);
    if (--h->running == 0)
        pthread_cond_signal(&h->empty);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

int loop_open(struct loop *l, struct http1 *h, unsigned index, struct error *e)
{
    struct epoll_event ev = { .events = EPOLLIN };
    char name[16];
    int err;

    *l = (struct loop){ .h = h, .wake = SOURCE_WAKE, .now = clock_mono_us() };
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ev.data.ptr = &l->wake;
    if (l->epoll < 0 || l->event < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->event, &ev) < 0)
        return error_errno(e, ERROR_INTERNAL, errno, "cannot make an event loop");
    l->scratch = (struct input){ .data = mem_resize(NULL, UWSGI_PACKET_MAX), .cap = UWSGI_PACKET_MAX };
    l->arena = arena_make(ARENA_FIRST);
    str_reserve(&l->out, OUT_FIRST);
    snprintf(name, sizeof name, "loop-%u", index);
    pthread_mutex_lock(&h->lock);
    h->running++;
    err = thread_start(&l->thread, name, THREAD_STACK, loop_main, l);
    if (err != 0)
        h->running--;
    pthread_mutex_unlock(&h->lock);
    l->started = err == 0;
    return err == 0 ? 0 : error_errno(e, ERROR_INTERNAL, err, "cannot start a thread");
}

void loop_join(struct loop *l)
{
    if (l->started)
        pthread_join(l->thread, NULL);
}

void loop_close(struct loop *l)
{
    if (!l->h)
        return;
    loop_close_doors(l);
    fd_close(&l->epoll);
    fd_close(&l->event);
    fd_close(&l->reserve);
    mem_free(l->scratch.data);
    str_done(&l->out);
    arena_free(l->arena);
}
