/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that serve requests which wait. They come when all others are busy and go when they had nothing to
 * do for a while. Requests wait in one line for each holder; the lines take turns, and no holder has more
 * threads than his share. */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <time.h>

enum { IDLE_SECONDS = 10, ARENA_FIRST = 8 * 1024 };

struct worker {
    struct pool *pool;
    struct worker *next; /* in idle or ended */
    pthread_t thread;
    pthread_cond_t wake;
    bool called;
    struct arena *arena;
    struct date date;
};

static int start_worker(struct pool *p);

static void init_cond(pthread_cond_t *c)
{
    pthread_condattr_t a;

    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

void pool_open(struct pool *p, struct http1 *h, const char *name, unsigned max, unsigned percent)
{
    static struct metric busy = {
        .name = "glint_http_workers_busy",
        .help = "Threads that serve a request.",
        .type = METRIC_GAUGE,
        .labels = { "listener", "pool" },
    };
    static struct metric waiting = {
        .name = "glint_http_requests_waiting",
        .help = "Requests that wait for a thread.",
        .type = METRIC_GAUGE,
        .labels = { "listener", "pool" },
    };

    *p = (struct pool){ .h = h, .name = name, .max = max > 0 ? max : 1 };
    p->shares.percent = percent > 0 ? percent : 100;
    pthread_mutex_init(&p->lock, NULL);
    init_cond(&p->none);
    p->busy = metric_series(&busy, h->o.name, name, NULL);
    p->waiting = metric_series(&waiting, h->o.name, name, NULL);
}

/* ---- the worker's side ---- */

/* What the request's memory is stays with it. */
static void keep_arena(struct worker *w, struct gateway *g)
{
    if (g->arena)
        return;
    g->arena = w->arena;
    w->arena = arena_make(ARENA_FIRST);
}

static void serve(struct worker *w, struct conn *c)
{
    struct gateway *g = c->job;
    struct http1 *h = g->h;

    c->verdict = VERDICT_CLOSE;
    if (g->rq.deferred)
        g->date = &w->date;
    else
        gateway_arrive(g, &w->date, w->arena);
    if (!h->killing) {
        if (!g->rq.deferred)
            (void)gateway_serve(g);
        c->verdict = (uint8_t)gateway_finish(g);
    }
    if (c->verdict == VERDICT_PARK) {
        keep_arena(w, g);
        loop_return(c);
        return;
    }
    gateway_ended(g, !g->gone && g->rest.len == 0);
    arena_reset(w->arena);
    c->job = NULL;
    gateway_free(g);
    loop_return(c);
}

static void leave_idle(struct worker *w)
{
    struct worker **at = &w->pool->idle;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
}

/* Under the lock. False when the worker is to end. */
static bool wait_for_work(struct worker *w)
{
    struct pool *p = w->pool;
    struct timespec until;
    int late = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    w->called = false;
    w->next = p->idle;
    p->idle = w;
    while (!w->called && !p->closing && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&w->wake, &p->lock, &until);
    if (!w->called)
        leave_idle(w);
    return w->called;
}

static void turn_add(struct pool *p, struct share *s)
{
    s->turn = NULL;
    if (p->turn_last)
        p->turn_last->turn = s;
    else
        p->turn = s;
    p->turn_last = s;
}

static void turn_drop(struct pool *p, struct share *s, struct share *before)
{
    if (before)
        before->turn = s->turn;
    else
        p->turn = s->turn;
    if (p->turn_last == s)
        p->turn_last = before;
}

/* The first line whose holder may have one more thread, and the one before it. Those who may not hold threads
 * themselves, so that there are no more of them than threads. */
static struct share *next_share(struct pool *p, struct share **ret_before)
{
    struct share *s = p->turn;

    *ret_before = NULL;
    while (s && !share_allows(s->held, p->shares.taken, p->max, p->shares.percent)) {
        *ret_before = s;
        s = s->turn;
    }
    return s;
}

static struct conn *take_first(struct pool *p)
{
    struct share *before, *s = next_share(p, &before);
    struct conn *c;

    if (!s)
        return NULL;
    c = s->first;
    s->first = c->link;
    if (!s->first)
        s->last = NULL;
    c->link = NULL;
    c->who = s;
    s->held++;
    p->shares.taken++;
    turn_drop(p, s, before);
    if (s->first)
        turn_add(p, s);
    p->n_waiting--;
    metric_add(p->waiting, -1);
    return c;
}

/* Whom to wake for what else may be served now; a thread is started where all others are busy. */
static struct worker *call_next(struct pool *p)
{
    struct share *before;
    struct worker *w = p->idle;

    if (!p->turn || !next_share(p, &before))
        return NULL;
    if (w) {
        w->called = true;
        p->idle = w->next;
    } else if (p->threads < p->max) {
        (void)start_worker(p);
    }
    return w;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;

    pthread_mutex_lock(&p->lock);
    do {
        struct conn *c;

        while ((c = take_first(p))) {
            struct worker *other = call_next(p);
            struct share *who = c->who;

            pthread_mutex_unlock(&p->lock);
            if (other)
                pthread_cond_signal(&other->wake);
            metric_add(p->busy, 1);
            serve(w, c); /* c is the loop's again */
            metric_add(p->busy, -1);
            pthread_mutex_lock(&p->lock);
            share_leave(&p->shares, who, 1);
        }
    } while (wait_for_work(w));
    w->next = p->ended;
    p->ended = w;
    if (--p->threads == 0)
        pthread_cond_signal(&p->none);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the loops' side ---- */

/* Joins those that have ended; under the lock, which they have let go for good. Their structs stay until
 * the pool closes: a late signal may still come for them. */
static void join_ended(struct pool *p)
{
    while (p->ended) {
        struct worker *w = p->ended;

        p->ended = w->next;
        pthread_join(w->thread, NULL);
        arena_free(TAKE(w->arena));
        w->next = p->spare;
        p->spare = w;
    }
}

static struct worker *worker_make(struct pool *p)
{
    struct worker *w = p->spare;

    if (w) {
        p->spare = w->next;
    } else {
        w = mem_new(sizeof *w);
        init_cond(&w->wake);
    }
    w->pool = p;
    w->arena = arena_make(ARENA_FIRST);
    return w;
}

static int start_worker(struct pool *p)
{
    struct worker *w;
    int err;

    join_ended(p);
    w = worker_make(p);
    err = thread_start(&w->thread, p->name, THREAD_STACK, worker_main, w);
    if (err != 0) {
        log_warning("http %s: no further thread for %s: error %d", p->h->o.name, p->name, err);
        arena_free(TAKE(w->arena));
        w->next = p->spare;
        p->spare = w;
        return -1;
    }
    p->threads++;
    return 0;
}

/* Under the lock. Puts c in the queue; whom to wake for it is *ret. */
static int enqueue(struct pool *p, struct conn *c, struct worker **ret)
{
    struct share *s = share_of(&p->shares, c->job->holder);
    bool may = share_allows(s->held, p->shares.taken, p->max, p->shares.percent);

    if (may && !p->idle && p->threads < p->max && start_worker(p) < 0 && p->threads == 0) {
        share_tidy(&p->shares, s);
        return -1;
    }
    c->link = NULL;
    c->queued_us = c->loop->now;
    if (s->last)
        s->last->link = c;
    else
        s->first = c;
    if (!s->last)
        turn_add(p, s);
    s->last = c;
    p->n_waiting++;
    metric_add(p->waiting, 1);
    *ret = may ? p->idle : NULL;
    if (*ret) {
        p->idle->called = true;
        p->idle = p->idle->next;
    }
    return 0;
}

int pool_submit(struct pool *p, struct conn *c)
{
    struct worker *w = NULL;
    int result;

    pthread_mutex_lock(&p->lock);
    result = enqueue(p, c, &w);
    pthread_mutex_unlock(&p->lock);
    /* After the unlock, or it would wake only to wait for the lock. */
    if (w)
        pthread_cond_signal(&w->wake);
    return result;
}

/* Of one line, oldest first. */
static void take_overdue(struct pool *p, struct share *s, const struct loop *l, int64_t before,
                         struct conn ***tail)
{
    struct conn **at = &s->first, *last = NULL, *c;

    while ((c = *at) && c->queued_us <= before) {
        if (c->loop != l || c->job->rq.deferred) {
            last = c;
            at = &c->link;
            continue;
        }
        *at = c->link;
        c->link = NULL;
        **tail = c;
        *tail = &c->link;
        p->n_waiting--;
        metric_add(p->waiting, -1);
    }
    if (!*at)
        s->last = last;
}

struct conn *pool_overdue(struct pool *p, const struct loop *l, int64_t before)
{
    struct conn *list = NULL, **tail = &list;
    struct share *s, *next, *prior = NULL;
    WITH_MUTEX(&p->lock);

    for (s = p->turn; s; s = next) {
        next = s->turn;
        take_overdue(p, s, l, before, &tail);
        if (s->first) {
            prior = s;
            continue;
        }
        turn_drop(p, s, prior);
        share_tidy(&p->shares, s);
    }
    return list;
}

void pool_close(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    for (struct worker *w = p->idle; w; w = w->next)
        pthread_cond_signal(&w->wake);
    while (p->threads > 0)
        pthread_cond_wait(&p->none, &p->lock);
    join_ended(p);
    pthread_mutex_unlock(&p->lock);
    while (p->spare) {
        struct worker *w = p->spare;

        p->spare = w->next;
        pthread_cond_destroy(&w->wake);
        mem_free(w);
    }
    pthread_cond_destroy(&p->none);
    pthread_mutex_destroy(&p->lock);
}
