/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/before.h"

#include "api/api.h"

#include <stdio.h>

#include "db/db.h"
#include "store/store.h"

static struct metric requests = {
    .name = "glint_http_requests_total",
    .help = "Requests answered.",
    .type = METRIC_COUNTER,
    .labels = { "route", "method", "status" },
};
static struct metric seconds = {
    .name = "glint_http_request_seconds",
    .help = "Time from a request's head to the end of its answer.",
    .type = METRIC_HISTOGRAM,
    .labels = { "route", "method" },
};
static struct metric bytes = {
    .name = "glint_http_body_bytes_total",
    .help = "Bytes of request and response bodies.",
    .type = METRIC_COUNTER,
    .labels = { "direction" },
};
static struct metric images = {
    .name = "glint_images",
    .help = "Images that are not deleted, by status.",
    .type = METRIC_GAUGE,
    .labels = { "status" },
};
static struct metric jobs = {
    .name = "glint_jobs",
    .help = "Jobs that are remembered, by state; what ended for two days.",
    .type = METRIC_GAUGE,
    .labels = { "kind", "method", "state" },
};
static struct metric oldest_job = {
    .name = "glint_jobs_oldest_waiting_seconds",
    .help = "For how long the job waits that is due for longest; 0: none is.",
    .type = METRIC_GAUGE,
};
static struct metric workers = {
    .name = "glint_workers",
    .help = "Workers that are at work on the database; 0: jobs wait, and nothing is cleaned up.",
    .type = METRIC_GAUGE,
};
/* What the workers counted, added up in the database: the same from every server. */
static struct metric counted[] = {
    { .name = "glint_jobs_total",
      .help = "What became of jobs: done, failed; tried (once more, later) and taken_over (from a worker "
              "that died).",
      .type = METRIC_COUNTER,
      .labels = { "kind", "method", "result" } },
    { .name = "glint_job_bytes_total",
      .help = "Bytes that jobs moved.",
      .type = METRIC_COUNTER,
      .labels = { "kind", "method" } },
};
static struct metric store_up = {
    .name = "glint_store_up",
    .help = "1: the store can be looked at and is the one it was; 0: it is away.",
    .type = METRIC_GAUGE,
    .labels = { "store" },
};
static struct metric resident = {
    .name = "process_resident_memory_bytes",
    .help = "Resident memory of the server process.",
    .type = METRIC_GAUGE,
};
static struct metric cpu = {
    .name = "process_cpu_microseconds_total",
    .help = "User and system time of the server process.",
    .type = METRIC_COUNTER,
};

/* Series are looked up once, those of routes beside their table; afterwards counting is a few atomic
 * additions. */
static struct metric_series *_Atomic byte_series[2];

static struct metric_series *requests_of(const struct route *route, struct route_series *all, int status)
{
    struct metric_series *s = all->requests[status - STATUS_MIN];
    char text[12];

    if (!s) {
        snprintf(text, sizeof text, "%d", status);
        s = metric_series(&requests, route ? route->template : "other", route ? route->method : "", text);
        all->requests[status - STATUS_MIN] = s;
    }
    return s;
}

static struct metric_series *seconds_of(const struct route *route, struct route_series *all)
{
    struct metric_series *s = all->seconds;

    if (!s) {
        s = metric_series(&seconds, route ? route->template : "other", route ? route->method : "", NULL);
        all->seconds = s;
    }
    return s;
}

static struct metric_series *bytes_of(int out)
{
    struct metric_series *s = byte_series[out];

    if (!s) {
        s = metric_series(&bytes, out ? "out" : "in", NULL, NULL);
        byte_series[out] = s;
    }
    return s;
}

void metrics_count(const struct request *rq, const struct route *route, int64_t us)
{
    const struct route_table *all = rq->api->routes;
    struct route_series *own = &all->series[route ? (size_t)(route - all->items) : all->n];
    int status = rq->http->status;

    if (status < STATUS_MIN || status >= STATUS_MAX)
        status = STATUS_MAX - 1; /* no answer was begun */
    metric_add(requests_of(route, own, status), 1);
    metric_observe(seconds_of(route, own), us);
    metric_add(bytes_of(0), (int64_t)rq->http->bytes_in);
    metric_add(bytes_of(1), (int64_t)rq->http->bytes_out);
}

/* ---- the listener ---- */

static void sample_images(struct api *api)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    int64_t counts[IMAGE_STATUSES];
    struct error e;

    if (db_acquire(api->db, DB_WAIT, &c, &e) < 0 || image_count_by_status(c, counts, &e) < 0) {
        log_warning("metrics: images are not counted: %s %s", e.message, e.detail);
        return;
    }
    for (int i = 0; i < IMAGE_STATUSES; i++)
        metric_set(metric_series(&images, image_status_name((enum image_status)i), NULL, NULL), counts[i]);
}

static void set_jobs(const struct job_count *list, size_t n, int64_t oldest_us)
{
    int64_t age = oldest_us ? (clock_now_us() - oldest_us) / CLOCK_SECOND : 0;

    metric_clear(&jobs);
    for (size_t i = 0; i < n; i++)
        metric_set(metric_series(&jobs, list[i].kind, list[i].method, job_state_name(list[i].state)),
                   list[i].n);
    metric_set(metric_series(&oldest_job, NULL, NULL, NULL), age > 0 ? age : 0);
}

static void set_counted(const struct counter *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < COUNT(counted); k++)
            if (str_eq(list[i].name, counted[k].name))
                metric_set(
                    metric_series(&counted[k], list[i].labels[0], list[i].labels[1], list[i].labels[2]),
                    list[i].value);
}

static void sample_jobs(struct api *api, struct arena *a)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct counter *counters;
    struct job_count *list;
    struct worker_row *at_work;
    size_t n, n_counters, n_workers;
    int64_t oldest_us;
    struct error e;

    if (db_acquire(api->db, DB_WAIT, &c, &e) < 0 || job_count(c, a, &list, &n, &oldest_us, &e) < 0 ||
        counter_list(c, a, &counters, &n_counters, &e) < 0 ||
        worker_list(c, a, &at_work, &n_workers, &e) < 0) {
        log_warning("metrics: jobs are not counted: %s %s", e.message, e.detail);
        return;
    }
    set_jobs(list, n, oldest_us);
    set_counted(counters, n_counters);
    metric_set(metric_series(&workers, NULL, NULL, NULL), (int64_t)n_workers);
}

static void sample_stores(struct api *api)
{
    struct store *staging = stores_staging(api->stores);
    struct error e;

    for (size_t i = 0; i < stores_count(api->stores); i++) {
        struct store *s = stores_at(api->stores, i);

        metric_set(metric_series(&store_up, store_id(s), NULL, NULL), store_check(s, &e) == 0);
    }
    if (staging)
        metric_set(metric_series(&store_up, store_id(staging), NULL, NULL), store_check(staging, &e) == 0);
}

static void sample_process(void)
{
    struct timespec t;
    long pages = 0, total;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f && fscanf(f, "%ld %ld", &total, &pages) == 2)
        metric_set(metric_series(&resident, NULL, NULL, NULL), pages * 4096);
    if (f)
        fclose(f);
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0)
        metric_set(metric_series(&cpu, NULL, NULL, NULL), t.tv_sec * CLOCK_SECOND + t.tv_nsec / 1000);
}

/* One at a time: what is set here is seen by who writes. */
static void scrape(struct api *api, struct arena *a, struct str *body)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    WITH_MUTEX(&lock);

    sample_images(api);
    sample_jobs(api, a);
    sample_stores(api);
    sample_process();
    metrics_write(body);
}

static int metrics_serve(void *arg, struct http_request *http)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct http_headers h = { 0 };
    int status = 200;

    if (!str_eq(http->path, "/metrics")) {
        status = 404;
        str_add(&body, "Only /metrics is here.\n");
    } else if (!str_eq(http->method, "GET") && !str_eq(http->method, "HEAD")) {
        status = 405;
        headers_add(http->arena, &h, "Allow", "GET, HEAD");
    } else {
        scrape(arg, http->arena, &body);
    }
    headers_add(http->arena, &h, "Content-Type",
                status == 200 ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain; charset=utf-8");
    if (http_head(http, status, &h, (int64_t)body.len) == 0 &&
        http_write(http, str_text(&body), body.len) < 0)
        log_debug("metrics: the reader went away");
    return 0;
}

static bool never(void *arg UNUSED, const struct http_request *http UNUSED)
{
    return false;
}

struct http_service api_metrics_service(struct api *api)
{
    return (
        struct http_service){ .arg = api, .may_inline = never, .is_transfer = never, .serve = metrics_serve };
}
