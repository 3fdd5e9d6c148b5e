/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "db/db.h"
#include "fetch/fetch.h"
#include "host/keeper.h"
#include "host/volatile.h"
#include "imports/imports.h"
#include "model/model.h"
#include "store/store.h"
#include "upkeep/store_proof.h"

struct host {
    struct conf_request source;
    struct config *config;       /* now */
    struct config *first_config; /* what database and stores were opened with */
    struct pipeline *pipeline;   /* NULL: it answers no requests, and has no API */
    struct str unsupported;      /* lines for the log */
    struct api *api;
    struct db *db;
    struct stores *stores;
    struct keeper *keeper; /* NULL: not wanted */
};

/* ---- loading ---- */

static void collect(void *arg, const char *text)
{
    str_add(arg, text);
    str_addc(arg, '\n');
}

/* The worker reads them; who starts it says first that it will not be able to. */
static int check_imports(const struct config *c, struct error *e)
{
    struct arena *a = arena_make(1024);
    struct import_settings settings;
    int r;

    import_settings_read(c, a, &settings);
    r = import_plugins_read(c, a, &settings, e);
    arena_free(a);
    return r;
}

static int load(const struct conf_request *rq, bool answers, struct host **ret, struct error *e)
{
    struct host *h = mem_new(sizeof *h);

    h->source = *rq;
    h->unsupported = (struct str)STR_INIT;
    if (conf_load(rq, &h->config, e) < 0 || conf_check_standalone(h->config, e) < 0 ||
        conf_check(h->config, collect, &h->unsupported, e) < 0 || check_imports(h->config, e) < 0 ||
        (answers && (pipeline_load(h->config, &h->pipeline, e) < 0 ||
                     api_open(h->config, h->pipeline, &h->api, e) < 0))) {
        host_free(h);
        return -1;
    }
    h->first_config = config_ref(h->config);
    *ret = h;
    return 0;
}

int host_load(const struct conf_request *rq, struct host **ret, struct error *e)
{
    return load(rq, true, ret, e);
}

int host_load_worker(const struct conf_request *rq, struct host **ret, struct error *e)
{
    return load(rq, false, ret, e);
}

static void say_lines(const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");

        log_warning("%.*s", (int)n, lines);
        lines += n + 1;
    }
}

/* Which networks clients can have the service ask. */
static void say_sources(const struct config *c)
{
    struct fetch_rules *rules = fetch_rules_make(c, NULL);
    CLEANUP(str_done) struct str line = STR_INIT;

    fetch_rules_describe(rules, &line);
    log_info("%s", str_text(&line));
    fetch_rules_free(rules);
}

void host_warn(const struct host *h)
{
    const struct pipeline *p = h->pipeline;

    for (const char *const *w = config_warnings(h->config); *w; w++) {
        if (str_ends(*w, "no effect here"))
            log_info("%s", *w);
        else
            log_warning("%s", *w);
    }
    say_lines(str_text(&h->unsupported));
    if (pipeline_has(p, FILTER_CONTEXT))
        log_warning(
            "%s: '%s' takes identities from X-User-Id, X-Project-Id and X-Roles of any client: only a "
            "trusted proxy may reach this service",
            p->source, p->name);
    if (pipeline_has(p, FILTER_GZIP))
        log_warning("%s: the filter gzip is accepted, answers are not compressed", p->source);
    say_sources(h->config);
}

/* ---- opening ---- */

/* log_file below log_dir; oslo.log's rules. NULL: standard error. */
static const char *log_path(const struct config *c, struct str *out)
{
    const char *file = config_str(c, "DEFAULT", "log_file"), *dir = config_str(c, "DEFAULT", "log_dir");

    if ((!file || !*file) && (!dir || !*dir))
        return NULL;
    if (dir && *dir && (!file || *file != '/'))
        str_addf(out, "%s/", dir);
    str_add(out, file && *file ? file : "glance-api.log");
    return str_text(out);
}

int host_open_log(const struct config *c, struct error *e)
{
    CLEANUP(str_done) struct str path = STR_INIT;
    const char *where = log_path(c, &path);

    if (log_open(where, config_bool(c, "DEFAULT", "debug") ? LOG_DEBUG : LOG_INFO) < 0)
        return error_set(e, ERROR_INVALID, "the log file %s cannot be written: %s", where, strerror(errno));
    return 0;
}

static int make_data_dir(const char *path, struct error *e)
{
    CLEANUP(str_done) struct str part = STR_INIT;

    for (const char *p = path; *p; p++) {
        if (*p == '/' && part.len > 0 && mkdir(str_text(&part), 0755) < 0 && errno != EEXIST)
            break;
        str_addc(&part, *p);
    }
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return error_set(e, ERROR_UNAVAILABLE,
                         "the data directory %s cannot be made: %s; GLINT_DATA_DIR names another", path,
                         strerror(errno));
    return 0;
}

int host_open_db(const struct config *c, bool create, struct db **ret, struct error *e)
{
    const char *url = config_str(c, "database", "connection");

    if (!url || !*url)
        return error_set(e, ERROR_INVALID,
                         "[database] connection is not set; for example sqlite:////var/lib/glance/"
                         "glance.sqlite");
    if (create && conf_is_standalone(c) && make_data_dir(config_str(c, "glint", "data_dir"), e) < 0)
        return -1;
    /* A connection that is closed takes its prepared statements with it, so there is room for one a thread:
     * what max_pool_size saves a database server, SQLite has none of. */
    return db_open(url, create, (unsigned)config_int(c, "glint", "workers_max") + 16, ret, e);
}

static void add_options(struct str *out, const char *option, const char *const *values)
{
    for (const char *const *v = values; v && *v; v++) {
        str_addf(out, " %s ", option);
        config_mask(*v, out);
    }
}

/* The command that makes this configuration's database; what a process was started with is said again. */
static const char *sync_command(const struct host *h, struct str *out)
{
    str_add(out, "glint db sync");
    add_options(out, "--config-file", h->source.files);
    add_options(out, "--config-dir", h->source.dirs);
    add_options(out, "--set", h->source.overrides);
    return str_text(out);
}

static int check_schema(struct host *h, struct db_conn *c, struct error *e)
{
    CLEANUP(str_done) struct str command = STR_INIT;
    struct schema_info info;
    const char *where = db_describe(h->db);

    if (schema_check(c, &info, e) < 0)
        return -1;
    if (conf_is_standalone(h->config) || (info.state == SCHEMA_CURRENT && !info.own_tables))
        return schema_sync(c, e);
    if (info.state == SCHEMA_ABSENT)
        return error_set(e, ERROR_INVALID, "the database %s has no tables yet: run %s", where,
                         sync_command(h, &command));
    if (info.state == SCHEMA_OLDER)
        return error_set(
            e, ERROR_INVALID,
            "the database %s is of an older Glance (%s): upgrade it with glance-manage of Glance "
            "2024.1 or later, then run %s",
            where, info.versions, sync_command(h, &command));
    if (info.state == SCHEMA_NEWER_OR_UNKNOWN)
        return error_set(e, ERROR_INVALID,
                         "the database %s has a schema that this version does not know (%s)", where,
                         info.versions);
    return 0;
}

int host_open_database(struct host *h, struct error *e)
{
    CLEANUP(str_done) struct str command = STR_INIT;
    CLEANUP(db_release) struct db_conn *c = NULL;
    bool standalone = conf_is_standalone(h->config);

    if (!h->db && host_open_db(h->config, standalone && h->api, &h->db, e) < 0) {
        if (!standalone && e->kind != ERROR_INVALID)
            error_detail(e, "a new database is made by %s", sync_command(h, &command));
        return -1;
    }
    if (db_acquire(h->db, DB_WAIT, &c, e) < 0)
        return -1;
    return check_schema(h, c, e);
}

int host_open(struct host *h, struct error *e)
{
    struct store_proof proof;
    struct error away;

    if (host_open_database(h, e) < 0)
        return -1;
    proof = store_proof_by(h->db);
    if (!h->stores && stores_open(h->config, &proof, &h->stores, e) < 0)
        return -1;
    if (h->api && store_proofs_save(h->db, h->stores, true, &away) < 0)
        log_warning("%s (%s)", away.message, away.detail);
    warn_staging(stores_staging_dir(h->stores));
    if (!h->api)
        return 0;
    api_attach(h->api, h->db, h->stores);
    if (h->keeper) {
        keeper_attach(h->keeper, h->db);
        api_after_requests(h->api, keeper_look, h->keeper);
    }
    return 0;
}

/* ---- the worker ---- */

void host_keep_worker(struct host *h, bool start)
{
    h->keeper =
        keeper_make(&h->source, h->config, start && config_bool(h->config, "glint", "supervise_worker"));
}

void host_look_for_worker(const struct host *h)
{
    keeper_look(h->keeper);
}

/* ---- changing and ending ---- */

void host_adopt(struct host *h, struct host *next)
{
    struct config *config = h->config;
    struct pipeline *pipeline = h->pipeline;
    struct str unsupported = h->unsupported;

    if (h->api)
        api_adopt(h->api, TAKE(next->api));
    h->config = next->config;
    h->pipeline = next->pipeline;
    h->unsupported = next->unsupported;
    next->config = config;
    next->pipeline = pipeline;
    next->unsupported = unsupported;
    if (h->api && h->stores)
        stores_reread(h->stores, h->config);
    host_free(next);
}

void host_free(struct host *h)
{
    if (!h)
        return;
    api_close(h->api);
    keeper_free(h->keeper);
    stores_close(h->stores);
    db_close(h->db);
    pipeline_free(h->pipeline);
    config_free(h->config);
    config_free(h->first_config);
    str_done(&h->unsupported);
    mem_free(h);
}

/* ---- what others ask ---- */

struct http_service host_service(const struct host *h)
{
    return api_service(h->api);
}

struct http_service host_metrics_service(const struct host *h)
{
    return api_metrics_service(h->api);
}

const struct config *host_config(const struct host *h)
{
    return h->config;
}

const struct config *host_first_config(const struct host *h)
{
    return h->first_config;
}

const struct pipeline *host_pipeline(const struct host *h)
{
    return h->pipeline;
}

struct db *host_db(const struct host *h)
{
    return h->db;
}

struct stores *host_stores(const struct host *h)
{
    return h->stores;
}

const char *host_database(const struct host *h)
{
    return h->db ? db_describe(h->db) : "";
}
