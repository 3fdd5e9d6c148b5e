/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "db/db.h"
#include "model/model.h"
#include "store/store.h"

struct service service;

const char *service_scheme = "sqlite", *service_top = "/tmp";

static struct db *db;
static struct stores *stores;
static struct config *config;
static struct pipeline *pipeline;

static const char trusted_paste[] =
    "[composite:glance-api]\npaste.composite_factory = glance.api:root_app_factory\n/: api\n/healthcheck: "
    "healthcheck\n"
    "[composite:api]\npaste.composite_factory = glance.api:pipeline_factory\n"
    "default = cors http_proxy_to_wsgi versionnegotiation osprofiler context rootapp\n"
    "[composite:rootapp]\npaste.composite_factory = glance.api:root_app_factory\n/: apiversions\n/v2: "
    "apiv2app\n"
    "[app:apiversions]\npaste.app_factory = glance.api.versions:create_resource\n"
    "[app:apiv2app]\npaste.app_factory = glance.api.v2.router:API.factory\n"
    "[app:healthcheck]\npaste.app_factory = oslo_middleware:Healthcheck.app_factory\nbackends = "
    "disable_by_file\n"
    "disable_by_file_path = %s/disable\n"
    "[filter:versionnegotiation]\npaste.filter_factory = "
    "glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory\n"
    "[filter:context]\npaste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n"
    "[filter:osprofiler]\npaste.filter_factory = osprofiler.web:WsgiMiddleware.factory\n"
    "[filter:cors]\npaste.filter_factory = oslo_middleware.cors:filter_factory\n"
    "[filter:http_proxy_to_wsgi]\npaste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory\n";

static void must(int status, const struct error *e)
{
    if (status < 0)
        fail_msg("%s %s", e->message, e->detail);
}

static void write_file(const char *path, const char *format, const char *dir)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fprintf(f, format, dir);
    fclose(f);
}

void service_start(struct service *s, bool trusted, const char *const *overrides)
{
    char conf[128], paste[128], connection[160], datadir[160], flavor[160];
    const char *all[32] = { connection, datadir };
    const char *files[] = { conf, NULL };
    struct conf_request rq = { .files = files, .overrides = all };
    struct db_conn *c;
    struct error e;
    size_t n = 2;

    log_level_set(LOG_OFF);
    snprintf(s->dir, sizeof s->dir, "%s/glint-api-XXXXXX", service_top);
    assert_non_null(mkdtemp(s->dir));
    snprintf(conf, sizeof conf, "%s/glance-api.conf", s->dir);
    snprintf(paste, sizeof paste, "%s/paste.ini", s->dir);
    snprintf(connection, sizeof connection, "database.connection=%s:///%s/glance.sqlite", service_scheme,
             s->dir);
    snprintf(datadir, sizeof datadir, "glance_store.filesystem_store_datadir=%s/images", s->dir);
    snprintf(flavor, sizeof flavor, "paste_deploy.config_file=%s", paste);
    write_file(conf, "# %s\n", "a test's");
    write_file(paste, trusted_paste, s->dir);
    if (trusted)
        all[n++] = flavor;
    else
        all[n++] = "oslo_policy.enforce_new_defaults=false";
    for (size_t i = 0; overrides && overrides[i]; i++)
        all[n++] = overrides[i];
    must(conf_load(&rq, &config, &e), &e);
    must(pipeline_load(config, &pipeline, &e), &e);
    must(db_open(config_str(config, "database", "connection"), true, 4, &db, &e), &e);
    must(db_acquire(db, DB_WAIT, &c, &e), &e);
    must(schema_sync(c, &e), &e);
    db_release(&c);
    must(stores_open(config, NULL, &stores, &e), &e);
    must(api_open(config, pipeline, &s->api, &e), &e);
    api_attach(s->api, db, stores);
    s->http = api_service(s->api);
}

void service_stop(struct service *s)
{
    char command[128];

    api_close(s->api);
    stores_close(stores);
    db_close(db);
    pipeline_free(pipeline);
    config_free(config);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    assert_int_equal(system(command), 0);
}

struct db *service_db(void)
{
    return db;
}

struct stores *service_stores(void)
{
    return stores;
}

static struct {
    bool trusted;
    const char *const *overrides;
} wanted;

void service_configure(bool trusted, const char *const *overrides)
{
    wanted.trusted = trusted;
    wanted.overrides = overrides;
}

int service_set_up(void **state UNUSED)
{
    service_start(&service, wanted.trusted, wanted.overrides);
    return 0;
}

int service_tear_down(void **state UNUSED)
{
    service_stop(&service);
    return 0;
}

void service_call(struct service *s, const struct call *c, struct loopback_answer *ret)
{
    struct http_header headers[8];
    size_t n = 0;

    if (c->roles) {
        headers[n++] = (struct http_header){ "X-Identity-Status", "Confirmed" };
        headers[n++] = (struct http_header){ "X-Roles", c->roles };
        headers[n++] = (struct http_header){ "X-Project-Id", c->project ? c->project : "p1" };
    }
    if (c->accept)
        headers[n++] = (struct http_header){ "Accept", c->accept };
    if (c->type)
        headers[n++] = (struct http_header){ "Content-Type", c->type };
    if (c->if_match)
        headers[n++] = (struct http_header){ "If-Match", c->if_match };
    if (c->if_none_match)
        headers[n++] = (struct http_header){ "If-None-Match", c->if_none_match };
    if (c->range)
        headers[n++] = (struct http_header){ "Range", c->range };
    struct loopback_request rq = { .method = c->method,
                                   .target = c->target,
                                   .headers = headers,
                                   .n_headers = n,
                                   .body = c->body,
                                   .body_len = c->body_len ? c->body_len
                                               : c->body   ? strlen(c->body)
                                                           : 0,
                                   .chunked = c->chunked };

    loopback_run(&s->http, &rq, ret);
}

int service_status(struct service *s, const struct call *c)
{
    CLEANUP(loopback_done) struct loopback_answer answer;

    service_call(s, c, &answer);
    return answer.status;
}

void service_create(struct service *s, const char *id, const char *attributes)
{
    char body[2048];
    struct call c = { .method = "POST", .target = "/v2/images", .body = body, .roles = "member,reader" };

    snprintf(body, sizeof body, "{\"id\": \"%s\"%s%s}", id, *attributes ? ", " : "", attributes);
    assert_int_equal(service_status(s, &c), 201);
}
