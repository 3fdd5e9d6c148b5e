/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <sched.h>
#include <time.h>

enum { LOOPS_MAX = 64, CONNECTIONS_DEFAULT = 10000, SENDERS_MAX = 64 };

static struct metric connections = {
    .name = "glint_http_connections",
    .help = "Open client connections.",
    .type = METRIC_GAUGE,
    .labels = { "listener" },
};
static struct metric accepted = {
    .name = "glint_http_connections_total",
    .help = "Client connections accepted.",
    .type = METRIC_COUNTER,
    .labels = { "listener" },
};
static struct metric bodies = {
    .name = "glint_http_listener_bytes_total",
    .help = "Bytes of bodies in and out, by listener.",
    .type = METRIC_COUNTER,
    .labels = { "listener", "direction" },
};
static struct metric refused = {
    .name = "glint_http_refused_total",
    .help = "Requests refused before they reached the service.",
    .type = METRIC_COUNTER,
    .labels = { "listener", "status" },
};

void http1_count_refusal(struct http1 *h, int status)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    str_add_u64(&text, (uint64_t)status);
    metric_add(metric_series(&refused, h->o.name, str_text(&text), NULL), 1);
}

static void set_limits(struct http1 *h, const struct http1_options *o)
{
    h->head_us = o->head_timeout_us;
    h->idle_us = o->idle_timeout_us;
    h->body_us = o->body_timeout_us;
    h->linger_us = o->linger_us;
    h->drain_us = o->drain_us;
    h->transfer_us = o->transfer_timeout_us;
    h->queue_us = o->queue_timeout_us;
    h->min_rate = o->body_min_rate;
}

static unsigned count_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (unsigned)n;
}

static void http1_free(struct http1 **h)
{
    if (!*h)
        return;
    for (unsigned i = 0; i < (*h)->n_loops; i++)
        loop_join(&(*h)->loops[i]);
    pool_close(&(*h)->workers);
    pool_close(&(*h)->transfers);
    pool_close(&(*h)->senders);
    /* Only now: a worker may have been about to wake the loop that took its last connection back. */
    for (unsigned i = 0; i < (*h)->n_loops; i++)
        loop_close(&(*h)->loops[i]);
    listeners_close(*h);
    SSL_CTX_free((*h)->tls);
    pthread_cond_destroy(&(*h)->empty);
    pthread_mutex_destroy(&(*h)->lock);
    pthread_mutex_destroy(&(*h)->shares_lock);
    mem_free((*h)->loops);
    mem_free((char *)(uintptr_t)(*h)->o.name);
    mem_free(*h);
}

static struct http1 *http1_make(const struct http1_options *o)
{
    struct http1 *h = mem_new(sizeof *h);
    pthread_condattr_t a;

    h->o = *o;
    h->o.name = mem_str(o->name ? o->name : "http");
    h->o.tls_cert_file = h->o.tls_key_file = h->o.tls_ca_file = NULL;
    if (h->o.connections_max == 0)
        h->o.connections_max = CONNECTIONS_DEFAULT;
    set_limits(h, o);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_init(&h->shares_lock, NULL);
    h->addresses.percent = o->connections_share > 0 ? o->connections_share : 100;
    h->documents.percent = HTTP_DOCUMENTS_SHARE;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&h->empty, &a);
    pthread_condattr_destroy(&a);
    h->connections = metric_series(&connections, h->o.name, NULL, NULL);
    h->accepted = metric_series(&accepted, h->o.name, NULL, NULL);
    h->bytes_in = metric_series(&bodies, h->o.name, "in", NULL);
    h->bytes_out = metric_series(&bodies, h->o.name, "out", NULL);
    pool_open(&h->workers, h, "workers", o->workers_max, o->workers_share);
    pool_open(&h->transfers, h, "transfers", o->transfers_max, o->transfers_share);
    pool_open(&h->senders, h, "senders", o->transfers_max < SENDERS_MAX ? o->transfers_max : SENDERS_MAX,
              100);
    return h;
}

static void wake_loops(struct http1 *h)
{
    for (unsigned i = 0; i < h->n_loops; i++)
        loop_wake(&h->loops[i]);
}

int http1_start(const struct http1_options *o, struct http1 **ret, struct error *e)
{
    CLEANUP(http1_free) struct http1 *h = http1_make(o);
    unsigned wanted = o->loops == 0 ? count_cores() : o->loops > LOOPS_MAX ? LOOPS_MAX : o->loops;

    if (o->tls_cert_file && tls_open(o, &h->tls, e) < 0)
        return -1;
    h->loops = mem_new(wanted * sizeof *h->loops);
    while (h->n_loops < wanted) {
        if (loop_open(&h->loops[h->n_loops], h, h->n_loops, e) < 0) {
            h->n_loops++;
            h->stopping = true;
            wake_loops(h);
            return -1;
        }
        h->n_loops++;
    }
    *ret = TAKE(h);
    return 0;
}

uint16_t http1_port(const struct http1 *h, enum http1_protocol p)
{
    return h->ports[p];
}

int http1_reload(struct http1 *h, const struct http1_options *o, struct error *e)
{
    SSL_CTX *fresh = NULL;

    if ((o->tls_cert_file != NULL) != (h->tls != NULL))
        return error_set(e, ERROR_INVALID, "TLS cannot be switched on or off without a restart");
    if (o->tls_cert_file && tls_open(o, &fresh, e) < 0)
        return -1;
    set_limits(h, o);
    if (fresh) {
        SSL_CTX *old;

        pthread_mutex_lock(&h->lock);
        old = h->tls;
        h->tls = fresh;
        pthread_mutex_unlock(&h->lock);
        SSL_CTX_free(old); /* open connections hold it as long as they need it */
    }
    wake_loops(h); /* they are asleep until the old limits */
    return 0;
}

/* Waits until no loop runs any more; false when that took longer than us. */
static bool wait_empty(struct http1 *h, int64_t us)
{
    int64_t until = clock_mono_us() + us;
    struct timespec t = { .tv_sec = (time_t)(until / CLOCK_SECOND),
                          .tv_nsec = (long)(until % CLOCK_SECOND) * 1000 };
    int late = 0;
    WITH_MUTEX(&h->lock);

    while (h->running > 0 && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&h->empty, &h->lock, &t);
    return h->running == 0;
}

unsigned http1_stop(struct http1 *h, int64_t grace_us)
{
    unsigned broken = 0;

    listeners_unlink(h);
    h->stopping = true;
    wake_loops(h);
    if (!wait_empty(h, grace_us)) {
        h->killing = true;
        wake_loops(h);
        while (!wait_empty(h, 3600 * CLOCK_SECOND))
            continue;
    }
    for (unsigned i = 0; i < h->n_loops; i++)
        broken += h->loops[i].broken;
    http1_free(&h);
    return broken;
}
