/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that serve requests which wait. They come when all others are busy and go when they had nothing to
 * do for a while. */
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

static void init_cond(pthread_cond_t *c)
{
    pthread_condattr_t a;

    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

void pool_open(struct pool *p, struct http1 *h, const char *name, unsigned max)
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
    pthread_mutex_init(&p->lock, NULL);
    init_cond(&p->none);
    p->busy = metric_series(&busy, h->o.name, name, NULL);
    p->waiting = metric_series(&waiting, h->o.name, name, NULL);
}

/* ---- the worker's side ---- */

static void serve(struct worker *w, struct conn *c)
{
    struct gateway *g = c->job;
    struct http1 *h = g->h;

    gateway_arrive(g, &w->date, w->arena);
    c->verdict = VERDICT_CLOSE;
    if (!h->killing) {
        (void)gateway_serve(g);
        c->verdict = (uint8_t)gateway_finish(g);
    }
    metric_add(h->bytes_in, (int64_t)g->rq.bytes_in);
    metric_add(h->bytes_out, (int64_t)g->rq.bytes_out);
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

static struct conn *take_first(struct pool *p)
{
    struct conn *c = p->first;

    if (c) {
        p->first = c->link;
        if (!p->first)
            p->last = NULL;
        c->link = NULL;
        metric_add(p->waiting, -1);
    }
    return c;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;

    pthread_mutex_lock(&p->lock);
    do {
        struct conn *c;

        while ((c = take_first(p))) {
            pthread_mutex_unlock(&p->lock);
            metric_add(p->busy, 1);
            serve(w, c);
            metric_add(p->busy, -1);
            pthread_mutex_lock(&p->lock);
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
    if (!p->idle && p->threads < p->max && start_worker(p) < 0 && p->threads == 0)
        return -1;
    c->link = NULL;
    if (p->last)
        p->last->link = c;
    else
        p->first = c;
    p->last = c;
    metric_add(p->waiting, 1);
    *ret = p->idle;
    if (p->idle) {
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
