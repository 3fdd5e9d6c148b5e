/* SPDX-License-Identifier: Apache-2.0 */
/* From a paste file to the filters that stand before the application (Paste Deploy loadwsgi.py; Glance 33
 * glance/api/__init__.py root_app_factory, pipeline_factory; glance/common/config.py load_paste_app).
 *
 * We cannot run the factories a file names; we know what those of Glance and its libraries do. Any other
 * may guard the service, so it stops the start. */
#include "conf/paste.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NESTING_MAX = 16 };

/* What a factory makes. */
enum made { MADE_FILTER, MADE_URLMAP, MADE_FLAVORS, MADE_VERSIONS, MADE_V1, MADE_V2, MADE_HEALTHCHECK };

struct factory {
    const char *name; /* module:function, or egg#entry */
    enum made made;
    enum filter_kind kind; /* of MADE_FILTER */
    const char *unserved;  /* why a pipeline with it cannot start, or NULL */
};

#define GLANCE_MIDDLEWARE "glance.api.middleware."
#define NO_KEYSTONE       "Keystone authentication is not supported yet"
#define NO_CACHE          "the image cache is not supported yet"
#define NO_AUDIT          "audit notifications are not supported yet"

static const struct factory factories[] = {
    { "oslo_middleware.cors:filter_factory", MADE_FILTER, FILTER_CORS, NULL },
    { "oslo_middleware.cors:CORS.factory", MADE_FILTER, FILTER_CORS, NULL },
    { "oslo_middleware:CORS.factory", MADE_FILTER, FILTER_CORS, NULL },
    { "oslo.middleware#cors", MADE_FILTER, FILTER_CORS, NULL },
    { "oslo_middleware:HTTPProxyToWSGI.factory", MADE_FILTER, FILTER_PROXY_HEADERS, NULL },
    { "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory", MADE_FILTER, FILTER_PROXY_HEADERS, NULL },
    { "oslo.middleware#http_proxy_to_wsgi", MADE_FILTER, FILTER_PROXY_HEADERS, NULL },
    { GLANCE_MIDDLEWARE "version_negotiation:VersionNegotiationFilter.factory", MADE_FILTER,
      FILTER_VERSION_NEGOTIATION, NULL },
    { "osprofiler.web:WsgiMiddleware.factory", MADE_FILTER, FILTER_OSPROFILER, NULL },
    { GLANCE_MIDDLEWARE "context:UnauthenticatedContextMiddleware.factory", MADE_FILTER,
      FILTER_UNAUTHENTICATED, NULL },
    { GLANCE_MIDDLEWARE "context:ContextMiddleware.factory", MADE_FILTER, FILTER_CONTEXT, NULL },
    { "keystonemiddleware.auth_token:filter_factory", MADE_FILTER, FILTER_AUTHTOKEN, NO_KEYSTONE },
    { "keystonemiddleware#auth_token", MADE_FILTER, FILTER_AUTHTOKEN, NO_KEYSTONE },
    { "keystonemiddleware.audit:filter_factory", MADE_FILTER, FILTER_KINDS, NO_AUDIT },
    { "keystonemiddleware#audit", MADE_FILTER, FILTER_KINDS, NO_AUDIT },
    { GLANCE_MIDDLEWARE "cache:CacheFilter.factory", MADE_FILTER, FILTER_CACHE, NO_CACHE },
    { GLANCE_MIDDLEWARE "cache_manage:CacheManageFilter.factory", MADE_FILTER, FILTER_CACHE_MANAGE,
      NO_CACHE },
    { GLANCE_MIDDLEWARE "gzip:GzipMiddleware.factory", MADE_FILTER, FILTER_GZIP, NULL },
    { "oslo_middleware:RequestId.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware.request_id:RequestId.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo.middleware#request_id", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware:CorrelationId.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware.correlation_id:CorrelationId.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo.middleware#correlation_id", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware:CatchErrors.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware.catch_errors:CatchErrors.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo.middleware#catch_errors", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware:Debug.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware.debug:Debug.factory", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo.middleware#debug", MADE_FILTER, FILTER_NO_EFFECT, NULL },
    { "oslo_middleware:Healthcheck.factory", MADE_FILTER, FILTER_HEALTHCHECK, NULL },
    { "oslo_middleware.healthcheck:Healthcheck.factory", MADE_FILTER, FILTER_HEALTHCHECK, NULL },
    { "oslo_middleware:Healthcheck.app_factory", MADE_HEALTHCHECK, FILTER_HEALTHCHECK, NULL },
    { "oslo_middleware.healthcheck:Healthcheck.app_factory", MADE_HEALTHCHECK, FILTER_HEALTHCHECK, NULL },
    /* One entry name serves both kinds; the section that uses it says which (find_factory). */
    { "oslo.middleware#healthcheck", MADE_HEALTHCHECK, FILTER_HEALTHCHECK, NULL },
    { "glance.api:root_app_factory", MADE_URLMAP, FILTER_KINDS, NULL },
    { "Paste#urlmap", MADE_URLMAP, FILTER_KINDS, NULL },
    { "paste.urlmap:urlmap_factory", MADE_URLMAP, FILTER_KINDS, NULL },
    { "glance.api:pipeline_factory", MADE_FLAVORS, FILTER_KINDS, NULL },
    { "glance.api.versions:create_resource", MADE_VERSIONS, FILTER_KINDS, NULL },
    /* Glance 33 has it still: it answers everything with the versions, as every unknown path is answered. */
    { "glance.api.v1.router:API.factory", MADE_V1, FILTER_KINDS, NULL },
    { "glance.api.v2.router:API.factory", MADE_V2, FILTER_KINDS, NULL },
};

static const char *const app_prefixes[] = { "composite",   "composit",   "pipeline", "app",
                                            "application", "filter-app", NULL };
static const char *const filter_prefixes[] = { "filter", NULL };
static const char *const factory_keys[] = {
    "paste.composite_factory", "paste.composit_factory",   "paste.app_factory",
    "paste.filter_factory",    "paste.filter_app_factory",
};

/* The pipeline as callers see it, and what it lives in. */
struct loaded {
    struct pipeline pipeline;
    struct arena *arena;
};

struct builder {
    struct arena *arena;
    struct paste paste;
    const char *flavor;
    struct filter *filters;
    size_t n, cap;
    struct healthcheck_mount *healthchecks;
    size_t n_healthchecks, cap_healthchecks;
    bool versions, v1, v2;
};

static int refuse(const struct builder *b, unsigned line, struct error *e, const char *section,
                  const char *what)
{
    return error_set(e, ERROR_INVALID, "%s:%u: [%s]: %s", b->paste.path, line, section, what);
}

static bool is_factory_key(const char *key)
{
    for (size_t i = 0; i < COUNT(factory_keys); i++)
        if (str_eq(key, factory_keys[i]))
            return true;
    return false;
}

/* ---- which factory a section names, by itself or through `use` ---- */

/* Without the blanks that an entry point's name may have around its colon (pkg_resources EntryPoint.parse).
 */
static const char *without_blanks(struct arena *a, const char *name)
{
    const char *colon = strpbrk(name, ":#");
    size_t n = colon ? (size_t)(colon - name) : strlen(name);
    const char *rest = colon ? colon + 1 : "";

    while (n > 0 && isspace((unsigned char)name[n - 1]))
        n--;
    while (isspace((unsigned char)*rest))
        rest++;
    return colon ? arena_printf(a, "%.*s%c%s", (int)n, name, *colon, rest) : name;
}

static const struct factory *factory_named(const char *name)
{
    for (size_t i = 0; i < COUNT(factories); i++)
        if (str_eq(factories[i].name, name))
            return &factories[i];
    return NULL;
}

static int unknown_factory(const struct builder *b, const struct paste_section *s, unsigned line,
                           const char *name, struct error *e)
{
    const char *colon = strchr(s->name, ':');

    return error_set(e, ERROR_INVALID, "%s:%u: the %s '%s' is made by %s, which is not known here",
                     b->paste.path, line, str_starts(s->name, "filter:") ? "filter" : "application",
                     colon ? colon + 1 : s->name, name);
}

static int find_factory(const struct builder *b, const struct paste_section *s,
                        const struct paste_section **ret_section, const struct factory **ret, struct error *e)
{
    bool filter = str_starts(s->name, "filter");
    const char *value = NULL;
    unsigned line = s->n ? s->entries[0].line : 0;

    for (int depth = 0; depth < NESTING_MAX; depth++) {
        const struct paste_section *next;

        if (paste_get(&b->paste, s, "use", &value, &line, e) < 0)
            return -1;
        for (size_t i = 0; !value && i < COUNT(factory_keys); i++)
            if (paste_get(&b->paste, s, factory_keys[i], &value, &line, e) < 0)
                return -1;
        *ret_section = s;
        if (!value)
            return refuse(b, line, e, s->name, "neither 'use' nor a factory");
        if (str_starts(value, "config:"))
            return refuse(b, line, e, s->name, "sections of other files are not supported");
        value += str_starts(value, "egg:") || str_starts(value, "call:") ? strcspn(value, ":") + 1 : 0;
        value += strspn(value, " \t");
        value = without_blanks(b->arena, value);
        *ret = factory_named(value);
        if (*ret)
            return 0;
        next = paste_find(&b->paste, filter ? filter_prefixes : app_prefixes, value);
        if (!next || strchr(value, ':') || next == s)
            return unknown_factory(b, s, line, value, e);
        s = next;
    }
    return refuse(b, line, e, s->name, "'use' leads in a circle");
}

/* ---- filters ---- */

static int add_option(const struct builder *b, const struct paste_section *s, const char *key,
                      struct str *seen, const char ***items, size_t *n, size_t *cap, struct error *e)
{
    CLEANUP(str_done) struct str mark = STR_INIT;
    const char *value, *name = key;

    if (is_factory_key(key) || str_eq(key, "use") || str_eq(key, "require") || str_eq(key, "filter-with") ||
        str_eq(key, "next") || str_starts(key, "set "))
        return 0;
    if (paste_get(&b->paste, s, key, &value, NULL, e) < 0)
        return -1;
    if (str_starts(key, "get ")) {
        name = key + 4;
        if (paste_get(&b->paste, &b->paste.sections[0], value, &value, NULL, e) < 0)
            return -1;
    }
    str_addf(&mark, "\n%s\n", name);
    if (!value || strstr(str_text(seen), str_text(&mark)))
        return 0;
    str_add(seen, str_text(&mark));
    *ARENA_PUSH(b->arena, *items, *n, *cap) = arena_printf(b->arena, "%s=%s", name, value);
    return 0;
}

/* Options of the section and of what it uses; the nearer section wins. */
static int collect_options(const struct builder *b, const struct paste_section *s,
                           const struct paste_section *last, const char *const **ret, struct error *e)
{
    CLEANUP(str_done) struct str seen = STR_INIT;
    const char **items = NULL, *use;
    size_t n = 0, cap = 0;

    while (s) {
        for (size_t i = 0; i < s->n; i++)
            if (add_option(b, s, s->entries[i].key, &seen, &items, &n, &cap, e) < 0)
                return -1;
        if (s == last)
            break;
        if (paste_get(&b->paste, s, "use", &use, NULL, e) < 0)
            return -1;
        s = paste_find(&b->paste, str_starts(s->name, "filter") ? filter_prefixes : app_prefixes, use);
    }
    *ARENA_PUSH(b->arena, items, n, cap) = NULL;
    *ret = (const char *const *)items;
    return 0;
}

static int make_filter(const struct builder *b, const struct paste_section *s, struct filter *ret,
                       const char **ret_unserved, struct error *e)
{
    const struct paste_section *last;
    const struct factory *f;
    const char *colon = strchr(s->name, ':');

    if (find_factory(b, s, &last, &f, e) < 0)
        return -1;
    if (f->kind == FILTER_KINDS && !f->unserved)
        return refuse(b, s->entries[0].line, e, s->name, "is used as a filter and is none");
    ret->kind = f->kind;
    ret->name = colon ? colon + 1 : s->name;
    *ret_unserved = f->unserved;
    return collect_options(b, s, last, &ret->options, e);
}

static int add_filter(struct builder *b, const char *mount, const struct paste_section *s, struct error *e)
{
    const char *unserved;
    struct filter made;

    if (make_filter(b, s, &made, &unserved, e) < 0)
        return -1;
    if (unserved)
        return error_set(e, ERROR_INVALID, "%s:%u: the pipeline contains the filter '%s', and %s",
                         b->paste.path, s->entries[0].line, made.name, unserved);
    if (!str_eq(mount, "/"))
        return error_set(e, ERROR_INVALID,
                         "%s:%u: the filter '%s' stands before %s alone: filters are supported before "
                         "the whole service",
                         b->paste.path, s->entries[0].line, made.name, mount);
    *ARENA_PUSH(b->arena, b->filters, b->n, b->cap) = made;
    return 0;
}

static int add_filter_named(struct builder *b, const char *mount, const struct paste_section *by,
                            unsigned line, const char *name, struct error *e)
{
    const struct paste_section *s = paste_find(&b->paste, filter_prefixes, name);

    if (!s)
        return error_set(e, ERROR_INVALID,
                         "%s:%u: [%s] names the filter '%s', and there is no section [filter:%s]",
                         b->paste.path, line, by->name, name, name);
    return add_filter(b, mount, s, e);
}

/* ---- applications ---- */

static int walk(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                const char *name, int depth, struct error *e);

/* "filter filter … application" */
static int walk_pipeline(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                         const char *words, int depth, struct error *e)
{
    const char *blanks = " \t\r\n", *word = words + strspn(words, blanks);

    if (!*word)
        return refuse(b, line, e, by->name, "an empty pipeline");
    for (;;) {
        size_t n = strcspn(word, blanks);
        char *name = arena_strn(b->arena, word, n);

        word += n;
        word += strspn(word, blanks);
        if (!*word)
            return walk(b, mount, by, line, name, depth + 1, e);
        if (add_filter_named(b, mount, by, line, name, e) < 0)
            return -1;
    }
}

static const char *join_mount(struct arena *a, const char *mount, const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (str_eq(mount, "/"))
        return arena_strn(a, path, n);
    return n == 1 ? mount : arena_printf(a, "%s%.*s", mount, (int)n, path);
}

/* The line of a key in the section, or in the one whose factory it uses. */
static int get_through(const struct builder *b, const struct paste_section *s,
                       const struct paste_section *last, const char *key, const char **ret,
                       unsigned *ret_line, struct error *e)
{
    *ret_line = s->entries[0].line;
    if (paste_get(&b->paste, s, key, ret, ret_line, e) < 0)
        return -1;
    return *ret ? 0 : paste_get(&b->paste, last, key, ret, ret_line, e);
}

static int walk_urlmap(struct builder *b, const char *mount, const struct paste_section *s,
                       const struct paste_section *last, int depth, struct error *e)
{
    const char *const *options;

    if (collect_options(b, s, last, &options, e) < 0)
        return -1;
    for (; *options; options++) {
        const char *key = arena_strn(b->arena, *options, strcspn(*options, "=")), *name;
        unsigned line;

        if (*key != '/')
            continue;
        if (get_through(b, s, last, key, &name, &line, e) < 0)
            return -1;
        if (walk(b, join_mount(b->arena, mount, key), s, line, name, depth + 1, e) < 0)
            return -1;
    }
    return 0;
}

static int walk_flavors(struct builder *b, const char *mount, const struct paste_section *s,
                        const struct paste_section *last, int depth, struct error *e)
{
    const char *words, *flavor = *b->flavor ? b->flavor : "default";
    unsigned line;

    if (get_through(b, s, last, flavor, &words, &line, e) < 0)
        return -1;
    if (!words)
        return error_set(e, ERROR_INVALID, "%s:%u: [%s] has no pipeline '%s' ([paste_deploy] flavor)",
                         b->paste.path, line, s->name, flavor);
    return walk_pipeline(b, mount, s, line, words, depth, e);
}

static int add_healthcheck(struct builder *b, const char *mount, const struct paste_section *s,
                           struct error *e)
{
    struct filter *made = arena_new(b->arena, struct filter);
    const char *unserved;

    *ARENA_PUSH(b->arena, b->healthchecks, b->n_healthchecks, b->cap_healthchecks) =
        (struct healthcheck_mount){ .path = mount, .filter = made };
    return make_filter(b, s, made, &unserved, e);
}

static int add_api(struct builder *b, bool *seen, const char *wanted, const char *mount,
                   const struct paste_section *s, struct error *e)
{
    if (!str_eq(mount, wanted))
        return error_set(e, ERROR_INVALID, "%s:%u: [%s] stands at %s: it is served at %s only", b->paste.path,
                         s->entries[0].line, s->name, mount, wanted);
    *seen = true;
    return 0;
}

static int walk_made(struct builder *b, const char *mount, const struct paste_section *s, int depth,
                     struct error *e)
{
    const struct paste_section *last;
    const struct factory *f;

    if (find_factory(b, s, &last, &f, e) < 0)
        return -1;
    switch (f->made) {
    case MADE_URLMAP:
        return walk_urlmap(b, mount, s, last, depth, e);
    case MADE_FLAVORS:
        return walk_flavors(b, mount, s, last, depth, e);
    case MADE_HEALTHCHECK:
        return add_healthcheck(b, mount, s, e);
    case MADE_VERSIONS:
        return add_api(b, &b->versions, "/", mount, s, e);
    case MADE_V2:
        return add_api(b, &b->v2, "/v2", mount, s, e);
    case MADE_V1:
        return add_api(b, &b->v1, "/v1", mount, s, e);
    case MADE_FILTER:
        break;
    }
    return refuse(b, s->entries[0].line, e, s->name, "a filter where an application is expected");
}

/* [app:x] use = y, where y is a pipeline: it has no factory of its own to look for. */
static const struct paste_section *pipeline_used(const struct builder *b, const struct paste_section *s)
{
    static const char *const pipelines[] = { "pipeline", "filter-app", NULL };

    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->entries[i].key, "use"))
            return paste_find(&b->paste, pipelines, s->entries[i].value);
    return NULL;
}

static int walk_section(struct builder *b, const char *mount, const struct paste_section *s, int depth,
                        struct error *e)
{
    const char *with, *words, *next;
    unsigned line = s->entries[0].line;

    if (depth >= NESTING_MAX)
        return refuse(b, line, e, s->name, "leads in a circle");
    if (paste_get(&b->paste, s, "filter-with", &with, &line, e) < 0)
        return -1;
    if (with && add_filter_named(b, mount, s, line, with, e) < 0)
        return -1;
    if (str_starts(s->name, "pipeline:")) {
        if (paste_get(&b->paste, s, "pipeline", &words, &line, e) < 0)
            return -1;
        return words ? walk_pipeline(b, mount, s, line, words, depth, e)
                     : refuse(b, line, e, s->name, "has no line 'pipeline'");
    }
    if (!str_starts(s->name, "filter-app:")) {
        const struct paste_section *used = pipeline_used(b, s);

        return used ? walk_section(b, mount, used, depth + 1, e) : walk_made(b, mount, s, depth, e);
    }
    if (add_filter(b, mount, s, e) < 0 || paste_get(&b->paste, s, "next", &next, &line, e) < 0)
        return -1;
    return next ? walk(b, mount, s, line, next, depth + 1, e)
                : refuse(b, line, e, s->name, "has no line 'next'");
}

static int walk(struct builder *b, const char *mount, const struct paste_section *by, unsigned line,
                const char *name, int depth, struct error *e)
{
    const struct paste_section *s = paste_find(&b->paste, app_prefixes, name);

    if (!s)
        return error_set(e, ERROR_INVALID,
                         "%s:%u: [%s] names '%s', and there is no section [app:%s], [composite:%s] or "
                         "[pipeline:%s]",
                         b->paste.path, line, by->name, name, name, name, name);
    return walk_section(b, mount, s, depth, e);
}

/* ---- the whole ---- */

static int no_such_flavor(const struct builder *b, const char *name, struct error *e)
{
    CLEANUP(str_done) struct str known = STR_INIT;

    for (size_t i = 0; i < b->paste.n; i++) {
        const char *at = strstr(b->paste.sections[i].name, ":glance-api");

        if (at)
            str_addf(&known, "%s%s", known.len ? ", " : "", at + 1);
    }
    return error_set(e, ERROR_INVALID,
                     "%s: no section [composite:%s] or [pipeline:%s] for [paste_deploy] flavor '%s'; there "
                     "is: %s",
                     b->paste.path, name, name, b->flavor, known.len ? str_text(&known) : "none");
}

static const struct filter *filter_of(const struct builder *b, enum filter_kind kind)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->filters[i].kind == kind)
            return &b->filters[i];
    return NULL;
}

static int check_whole(const struct builder *b, const char *name, struct error *e)
{
    if (!b->versions || !b->v2)
        return error_set(e, ERROR_INVALID, "%s: '%s' does not lead to the Images API", b->paste.path, name);
    if (!filter_of(b, FILTER_UNAUTHENTICATED) && !filter_of(b, FILTER_CONTEXT))
        return error_set(e, ERROR_INVALID,
                         "%s: the pipeline of '%s' has no context filter: nobody says who asks",
                         b->paste.path, name);
    return 0;
}

/* The filter that older releases of oslo.middleware have beside the application. */
static void add_healthcheck_filters(struct builder *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const char *path;

        if (b->filters[i].kind != FILTER_HEALTHCHECK)
            continue;
        path = filter_option(&b->filters[i], "path");
        *ARENA_PUSH(b->arena, b->healthchecks, b->n_healthchecks, b->cap_healthchecks) =
            (struct healthcheck_mount){ path ? path : "/healthcheck", true, &b->filters[i] };
    }
}

static void fill(struct builder *b, const char *name, struct pipeline *ret)
{
    add_healthcheck_filters(b);
    *ret = (struct pipeline){
        .name = name,
        .flavor = b->flavor,
        .source = b->paste.path,
        .filters = b->filters,
        .n_filters = b->n,
        .healthchecks = b->healthchecks,
        .n_healthchecks = b->n_healthchecks,
    };
}

/* Beside the last configuration file: glance-api.conf has glance-api-paste.ini. */
static const char *find_beside(struct arena *a, const struct config *c)
{
    const char *last = NULL, *path, *slash;
    size_t n;

    for (const char *const *f = conf_files(c); *f; f++)
        last = *f;
    if (!last)
        return NULL;
    n = strlen(last);
    n -= str_ends(last, ".conf") ? 5 : 0;
    path = arena_printf(a, "%.*s-paste.ini", (int)n, last);
    if (access(path, F_OK) == 0)
        return path;
    slash = strrchr(last, '/');
    path = arena_printf(a, "%.*sglance-api-paste.ini", slash ? (int)(slash - last + 1) : 0, last);
    return access(path, F_OK) == 0 ? path : NULL;
}

/* A relative name is looked for from here, then beside each configuration file. */
static const char *find_named(struct arena *a, const struct config *c, const char *name)
{
    if (*name == '/' || access(name, F_OK) == 0)
        return name;
    for (const char *const *f = conf_files(c); *f; f++) {
        const char *slash = strrchr(*f, '/');
        const char *path = arena_printf(a, "%.*s%s", slash ? (int)(slash - *f + 1) : 0, *f, name);

        if (access(path, F_OK) == 0)
            return path;
    }
    return name;
}

static int read_paste(struct builder *b, const struct config *c, struct error *e)
{
    const char *named = config_str(c, "paste_deploy", "config_file");
    const char *path = named && *named ? find_named(b->arena, c, named) : find_beside(b->arena, c);
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t len;

    if (!path)
        return paste_parse(b->arena, "built-in", paste_built_in, strlen(paste_built_in), &b->paste, e);
    text = config_file_read(path, &len, e);
    if (!text)
        return -1;
    return paste_parse(b->arena, arena_str(b->arena, path), text, len, &b->paste, e);
}

static int build(struct builder *b, const struct config *c, struct pipeline *ret, struct error *e)
{
    const char *flavor = config_str(c, "paste_deploy", "flavor"), *name;
    const struct paste_section *s;

    b->flavor = arena_str(b->arena, flavor ? flavor : "");
    name = *b->flavor ? arena_printf(b->arena, "glance-api-%s", b->flavor) : "glance-api";
    if (read_paste(b, c, e) < 0)
        return -1;
    s = paste_find(&b->paste, app_prefixes, name);
    if (!s)
        return no_such_flavor(b, name, e);
    if (walk_section(b, "/", s, 0, e) < 0 || check_whole(b, name, e) < 0)
        return -1;
    fill(b, name, ret);
    return 0;
}

int pipeline_load(const struct config *c, struct pipeline **ret, struct error *e)
{
    struct arena *a = arena_make(8192);
    struct loaded *l = arena_new(a, struct loaded);
    struct builder b = { .arena = a };

    l->arena = a;
    if (build(&b, c, &l->pipeline, e) < 0) {
        arena_free(a);
        return -1;
    }
    *ret = &l->pipeline;
    return 0;
}

void pipeline_free(struct pipeline *p)
{
    if (p)
        arena_free(((struct loaded *)p)->arena);
}
