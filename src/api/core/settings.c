/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/settings.h"

#include <string.h>
#include <unistd.h>

#include "api/core/cors.h"
#include "api/core/healthcheck.h"
#include "fetch/fetch.h"
#include "imports/imports.h"

static enum identity_source identity_of(const struct pipeline *p)
{
    if (pipeline_has(p, FILTER_UNAUTHENTICATED))
        return IDENTITY_UNAUTHENTICATED;
    if (pipeline_has(p, FILTER_CONTEXT))
        return IDENTITY_TRUSTED_HEADERS;
    return IDENTITY_NOBODY;
}

/* Where the configuration was found, as Glance looks for it (oslo.config's find_file()). */
static const char *find_properties_file(struct arena *a, const struct config *c)
{
    for (const char *const *dir = conf_search_dirs(c, a); *dir && !conf_is_standalone(c); dir++) {
        const char *path = arena_printf(a, "%s/schema-image.json", *dir);

        if (access(path, F_OK) == 0)
            return path;
    }
    return NULL;
}

static const char *endpoint(struct arena *a, const char *url)
{
    size_t n = url ? strlen(url) : 0;

    while (n > 0 && url[n - 1] == '/')
        n--;
    return n ? arena_strn(a, url, n) : NULL;
}

/* The option may stand in the filter's own section too. */
static int read_proxy_headers(struct settings *s, const struct filter *f, struct error *e)
{
    static const char name[] = "enable_proxy_headers_parsing";
    CLEANUP(filter_view_done) struct filter_view v = { 0 };

    if (filter_view_open(f, s->config, "oslo_middleware", &v, e) < 0)
        return -1;
    s->proxy_headers = config_bool(filter_view(&v, name), "oslo_middleware", name);
    return 0;
}

static int read_pipeline(struct settings *s, const struct pipeline *p, struct error *e)
{
    const struct filter *cors = pipeline_filter(p, FILTER_CORS);
    const struct filter *proxy = pipeline_filter(p, FILTER_PROXY_HEADERS);

    if (cors && cors_make(s->arena, cors, s->config, &s->cors, e) < 0)
        return -1;
    if (proxy && read_proxy_headers(s, proxy, e) < 0)
        return -1;
    s->identity = identity_of(p);
    s->version_negotiation = pipeline_has(p, FILTER_VERSION_NEGOTIATION);
    s->n_healthchecks = p->n_healthchecks;
    s->healthchecks = arena_array(s->arena, const struct healthcheck *, p->n_healthchecks + 1);
    for (size_t i = 0; i < p->n_healthchecks; i++)
        if (healthcheck_make(s->arena, &p->healthchecks[i], s->config, &s->healthchecks[i], e) < 0)
            return -1;
    return 0;
}

/* Glance takes a name under which no client can reach this host, so we do, too, with a warning. */
static void read_hosts(struct settings *s)
{
    struct error e;

    hosts_read(s->config, &s->hosts);
    if (*s->hosts.name && host_check(s->hosts.name, &e) < 0)
        log_warning("worker_self_reference_url: %s: no other host passes requests on to it", e.message);
    for (size_t i = 0; i < s->hosts.n_peers; i++)
        if (host_check(s->hosts.peers[i], &e) < 0)
            log_warning("[glint] peers: %s", e.message);
}

static void read_options(struct settings *s)
{
    const struct config *c = s->config;
    const char *const *methods;
    size_t n = config_list(c, "DEFAULT", "enabled_import_methods", &methods);

    s->import_methods = arena_join(s->arena, methods, n);
    s->allow_anonymous = config_bool(c, "DEFAULT", "allow_anonymous_access");
    s->enforce_new_defaults = config_bool(c, "oslo_policy", "enforce_new_defaults");
    s->public_endpoint = endpoint(s->arena, config_str(c, "DEFAULT", "public_endpoint"));
    s->hashing_algorithm = config_str(c, "DEFAULT", "hashing_algorithm");
    s->max_request_id = config_int(c, "DEFAULT", "max_request_id_length");
    s->limit_default = config_int(c, "DEFAULT", "limit_param_default");
    s->limit_max = config_int(c, "DEFAULT", "api_limit_max");
    s->task_hours = config_int(c, "task", "task_time_to_live");
    s->property_quota = config_int(c, "DEFAULT", "image_property_quota");
    s->tag_quota = config_int(c, "DEFAULT", "image_tag_quota");
    s->location_quota = config_int(c, "DEFAULT", "image_location_quota");
    s->secure_hash = config_bool(c, "DEFAULT", "do_secure_hash");
    s->sources = fetch_rules_make(c, NULL);
    read_hosts(s);
    s->storage_quota = config_int(c, "DEFAULT", "user_storage_quota");
    s->size_cap = (uint64_t)config_int(c, "DEFAULT", "image_size_cap");
    s->standalone = conf_is_standalone(c);
    s->head_image_data = config_bool(c, "glint", "head_image_data");
    s->access_log = config_bool(c, "glint", "access_log");
    s->show_direct_url = config_bool(c, "DEFAULT", "show_image_direct_url");
    s->show_locations = config_bool(c, "DEFAULT", "show_multiple_locations");
    inspect_policy_read(c, &s->inspect);
}

static void say(enum log_level level, const char *text)
{
    log_write(level, "%s", text);
}

static int open_protections(struct settings *s, const char *const *search, struct error *e)
{
    const struct config *c = s->config;
    struct protection_options o = {
        .search = search,
        .file = config_str(c, "DEFAULT", "property_protection_file"),
        .origin = config_origin(c, "DEFAULT", "property_protection_file", NULL),
        .policies = str_eq(config_str(c, "DEFAULT", "property_protection_rule_format"), "policies"),
        .say = say,
    };

    if (!o.file || !*o.file)
        return 0;
    return protections_open(&o, &s->protections, e);
}

static int open_rules(struct settings *s, struct error *e)
{
    const char *const *search = conf_search_dirs(s->config, s->arena);
    struct policy_options o;

    if (open_protections(s, search, e) < 0)
        return -1;
    policy_options_read(s->config, search, &o);
    o.say = say;
    o.n_added = protections_rules(s->protections, &o.added);
    return policy_open(&o, &s->policy, e);
}

int settings_make(struct config *c, const struct pipeline *p, struct settings **ret, struct error *e)
{
    struct settings *s = mem_new(sizeof *s);
    struct schema_options o = { 0 };

    s->refs = 1;
    s->config = config_ref(c);
    s->arena = arena_make(1024);
    read_options(s);
    o.n_disk_formats = config_list(c, "image_format", "disk_formats", &o.disk_formats);
    o.n_container_formats = config_list(c, "image_format", "container_formats", &o.container_formats);
    o.properties_file = find_properties_file(s->arena, c);
    o.undeclared = !conf_is_standalone(c);
    if (read_pipeline(s, p, e) < 0 || schema_open(&o, &s->schema, e) < 0 || open_rules(s, e) < 0) {
        settings_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

void settings_free(struct settings *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    fetch_rules_free(s->sources);
    policy_close(s->policy);
    protections_close(s->protections); /* the policy's options borrowed from it */
    schema_free(s->schema);
    config_free(s->config);
    arena_free(s->arena);
    mem_free(s);
}

bool import_method_enabled(const struct settings *s, const char *name)
{
    const char *const *methods;
    size_t n = config_list(s->config, "DEFAULT", "enabled_import_methods", &methods);

    for (size_t i = 0; i < n; i++)
        if (str_eq(methods[i], name))
            return true;
    return false;
}
