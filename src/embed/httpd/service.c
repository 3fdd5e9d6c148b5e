/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/httpd/mod_glint.h"

#define RETRY_US (5 * CLOCK_SECOND)

static apr_array_header_t *sections; /* struct section *, of this reading of the configuration */
static apr_array_header_t *services; /* struct service * */
static struct service *standard;

/* ---- what sections say ---- */

void services_reset(apr_pool_t *pconf)
{
    sections = apr_array_make(pconf, 4, sizeof(struct section *));
    services = apr_array_make(pconf, 4, sizeof(struct service *));
    standard = NULL;
}

struct section *section_make(cmd_parms *cmd)
{
    struct section *s = apr_pcalloc(cmd->pool, sizeof *s);

    s->where = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
    s->server = cmd->server;
    s->files = apr_array_make(cmd->pool, 1, sizeof(char *));
    s->dirs = apr_array_make(cmd->pool, 1, sizeof(char *));
    s->sets = apr_array_make(cmd->pool, 1, sizeof(char *));
    APR_ARRAY_PUSH(sections, struct section *) = s;
    return s;
}

struct service *service_next(const struct service *s)
{
    int at = 0;

    if (!services)
        return NULL;
    while (s && at < services->nelts && APR_ARRAY_IDX(services, at++, struct service *) != s)
        ;
    return at < services->nelts ? APR_ARRAY_IDX(services, at, struct service *) : NULL;
}

struct service *service_of(const struct section *section)
{
    return section ? section->service : standard;
}

/* ---- in the parent: reading ---- */

static const char *const *texts(apr_pool_t *p, const apr_array_header_t *list)
{
    apr_array_header_t *copy = apr_array_copy(p, list);

    APR_ARRAY_PUSH(copy, const char *) = NULL;
    return (const char *const *)copy->elts;
}

static const char *key_of(apr_pool_t *p, const struct section *s)
{
    return apr_pstrcat(p, apr_array_pstrcat(p, s->files, '\n'), "\n\n", apr_array_pstrcat(p, s->dirs, '\n'),
                       "\n\n", apr_array_pstrcat(p, s->sets, '\n'), NULL);
}

static struct service *service_find(const char *key)
{
    for (struct service *s = service_next(NULL); s; s = service_next(s))
        if (str_eq(s->key, key))
            return s;
    return NULL;
}

/* Also runs when a child ends: then not under requests that a signal broke off in the middle. */
static apr_status_t service_free(void *arg)
{
    struct service *s = arg;

    if (s->active == 0)
        host_free(TAKE(s->host));
    return APR_SUCCESS;
}

static struct service *service_make(apr_pool_t *p, struct section *from, const char *key)
{
    struct service *s = apr_pcalloc(p, sizeof *s);

    s->key = key;
    s->where = from->where;
    s->server = from->server;
    s->files = texts(p, from->files);
    s->dirs = texts(p, from->dirs);
    s->sets = texts(p, from->sets);
    pthread_mutex_init(&s->lock, NULL);
    APR_ARRAY_PUSH(services, struct service *) = s;
    apr_pool_cleanup_register(p, s, service_free, apr_pool_cleanup_null);
    return s;
}

/* httpd has an access log of its own, and names the program once for all services. */
static const char *defaults[] = { "glint.access_log=false", NULL, NULL };

static int service_load(struct service *s, struct error *e)
{
    extern char **environ;
    struct conf_request rq = {
        .files = s->files, .dirs = s->dirs, .overrides = s->sets, .environment = environ, .defaults = defaults
    };

    if (host_load(&rq, &s->host, e) < 0)
        return -1;
    host_keep_worker(s->host, !s->worker);
    s->linger_us =
        (int64_t)(config_float(host_config(s->host), "glint", "linger_timeout") * (double)CLOCK_SECOND);
    return 0;
}

int services_load(server_rec *main_server, apr_pool_t *pconf, const char *program, bool with_default)
{
    struct section nothing = { .where = "SetHandler " HANDLER, .server = main_server };
    struct error e;
    int result = 0;

    defaults[1] = apr_pstrcat(pconf, "glint.worker_program=", program, NULL);
    for (int i = 0; i < sections->nelts; i++) {
        struct section *section = APR_ARRAY_IDX(sections, i, struct section *);
        const char *key = key_of(pconf, section);

        section->service = service_find(key);
        if (!section->service)
            section->service = service_make(pconf, section, key);
        section->service->worker |= section->worker;
    }
    nothing.files = nothing.dirs = nothing.sets = apr_array_make(pconf, 1, sizeof(char *));
    if (with_default && !(standard = service_find(key_of(pconf, &nothing))))
        standard = service_make(pconf, &nothing, key_of(pconf, &nothing));
    for (struct service *s = service_next(NULL); s; s = service_next(s)) {
        if (service_load(s, &e) == 0)
            continue;
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, s->server, "%s: %s", s->where, e.message);
        result = -1;
    }
    return result;
}

void services_warn(void)
{
    for (struct service *s = service_next(NULL); s; s = service_next(s)) {
        log_about(NULL, s->server);
        host_warn(s->host);
    }
    log_about(NULL, NULL);
}

/* ---- in a child: opening ---- */

static bool open_now(struct service *s)
{
    struct error e;

    log_about(NULL, s->server);
    if (host_open(s->host, &e) == 0) {
        s->open = true;
    } else {
        s->retry_us = clock_mono_us() + RETRY_US;
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s->server,
                     "%s: the service cannot be opened, requests are answered 503 until it can: %s%s%s%s",
                     s->where, e.message, e.detail[0] ? " (" : "", e.detail, e.detail[0] ? ")" : "");
    }
    log_about(NULL, NULL);
    return s->open;
}

void services_open(void)
{
    for (struct service *s = service_next(NULL); s; s = service_next(s))
        (void)open_now(s);
}

bool service_ready(struct service *s)
{
    if (s->open)
        return true;
    if (clock_mono_us() < s->retry_us)
        return false;

    WITH_MUTEX(&s->lock);
    if (s->open || clock_mono_us() < s->retry_us)
        return s->open;
    return open_now(s);
}
