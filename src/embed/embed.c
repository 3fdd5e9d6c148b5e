/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/embed.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "host/host.h"

#define RETRY_US CLOCK_SECOND

struct embedded {
    pthread_mutex_t lock;
    struct arena *arena; /* of the source's texts */
    struct conf_request source;
    struct host *host;
    pid_t owner; /* the process that has begun to open it; 0: none has */
    bool open;
    int64_t retry_us; /* monotonic; no attempt before */
    struct error failure;
};

static const char *const *copy_list(struct arena *a, const char *const *list)
{
    const char **copy;
    size_t n = 0;

    if (!list)
        return NULL;
    while (list[n])
        n++;
    copy = arena_array(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_str(a, list[i]);
    return copy;
}

int embedded_load(const struct conf_request *rq, struct embedded **ret, struct error *e)
{
    struct embedded *m = mem_new(sizeof *m);

    pthread_mutex_init(&m->lock, NULL);
    m->arena = arena_make(1024);
    m->source = (struct conf_request){
        .files = copy_list(m->arena, rq->files),
        .dirs = copy_list(m->arena, rq->dirs),
        .overrides = copy_list(m->arena, rq->overrides),
        .environment = rq->environment,
        .tool = arena_str(m->arena, rq->tool),
    };
    if (host_load(&m->source, &m->host, e) < 0) {
        embedded_free(m);
        return -1;
    }
    *ret = m;
    return 0;
}

int embedded_reload(struct embedded *m, struct error *e)
{
    struct host *next;

    if (host_load(&m->source, &next, e) < 0)
        return -1;
    host_free(m->host);
    m->host = next;
    return 0;
}

const char *embedded_error_text(const struct error *e, struct str *out)
{
    str_add(out, e->message);
    if (e->detail[0])
        str_addf(out, " (%s)", e->detail);
    return str_text(out);
}

/* What another process began to open is used by its threads, which this one has not: it can be neither used
 * nor closed here. */
static int own_host(struct embedded *m, struct error *e)
{
    struct host *fresh = m->host;

    if (m->owner && host_load(&m->source, &fresh, e) < 0)
        return -1;
    m->host = fresh;
    m->open = false;
    m->owner = process_id();
    if (host_open_log(host_config(m->host), e) < 0)
        return -1;
    host_warn(m->host);
    host_keep_worker(m->host, true);
    return 0;
}

static int open_here(struct embedded *m, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    if (m->owner == process_id() && clock_mono_us() < m->retry_us) {
        *e = m->failure;
        return -1;
    }
    if ((m->owner != process_id() && own_host(m, e) < 0) || host_open(m->host, e) < 0) {
        log_error("the image service cannot be opened: %s", embedded_error_text(e, &text));
        m->failure = *e;
        m->retry_us = clock_mono_us() + RETRY_US;
        return -1;
    }
    m->open = true;
    log_info("the image service is open in process %ld: %s", (long)m->owner, host_database(m->host));
    return 0;
}

int embedded_open(struct embedded *m, struct http_service *ret, struct error *e)
{
    WITH_MUTEX(&m->lock);

    if ((!m->open || m->owner != process_id()) && open_here(m, e) < 0)
        return -1;
    *ret = host_service(m->host);
    return 0;
}

int64_t embedded_seconds_us(struct embedded *m, const char *name)
{
    WITH_MUTEX(&m->lock);

    return (int64_t)(config_float(host_config(m->host), "glint", name) * (double)CLOCK_SECOND);
}

void embedded_free(struct embedded *m)
{
    if (!m)
        return;
    if (m->owner == 0 || m->owner == process_id())
        host_free(m->host);
    pthread_mutex_destroy(&m->lock);
    arena_free(m->arena);
    mem_free(m);
}

void embedded_refuse(struct http_request *rq, int status, const char *text)
{
    struct http_headers headers = { 0 };

    headers_add(rq->arena, &headers, "Content-Type", "text/plain; charset=utf-8");
    log_warning("%s %s is answered with %d: %s", rq->method ? rq->method : "?", rq->path ? rq->path : "?",
                status, text);
    text = arena_printf(rq->arena, "%s\n", text);
    if (http_head(rq, status, &headers, (int64_t)strlen(text)) == 0 && http_write(rq, text, strlen(text)) < 0)
        log_debug("the client went away");
}
