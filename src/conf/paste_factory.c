/* SPDX-License-Identifier: Apache-2.0 */
/* The factories a paste file may name, which of them a section uses, and the section's options. */
#include "conf/paste.h"

#include <ctype.h>
#include <string.h>

#define GLANCE_MIDDLEWARE "glance.api.middleware."
#define NO_KEYSTONE       "Keystone authentication is not supported yet"
#define NO_CACHE          "the image cache is not supported yet"
#define NO_AUDIT          "audit notifications are not supported yet"

static const struct paste_factory factories[] = {
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
    /* One entry name serves both kinds; the section that uses it says which (paste_find_factory). */
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

const char *const paste_app_prefixes[] = { "composite",   "composit",   "pipeline", "app",
                                           "application", "filter-app", NULL };
const char *const paste_filter_prefixes[] = { "filter", NULL };
static const char *const factory_keys[] = {
    "paste.composite_factory", "paste.composit_factory",   "paste.app_factory",
    "paste.filter_factory",    "paste.filter_app_factory",
};

int paste_refuse(const struct paste *p, unsigned line, struct error *e, const char *section, const char *what)
{
    return error_set(e, ERROR_INVALID, "%s:%u: [%s]: %s", p->path, line, section, what);
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

static const struct paste_factory *factory_named(const char *name)
{
    for (size_t i = 0; i < COUNT(factories); i++)
        if (str_eq(factories[i].name, name))
            return &factories[i];
    return NULL;
}

static int unknown_factory(const struct paste *p, const struct paste_section *s, unsigned line,
                           const char *name, struct error *e)
{
    const char *colon = strchr(s->name, ':');

    return error_set(e, ERROR_INVALID, "%s:%u: the %s '%s' is made by %s, which is not known here", p->path,
                     line, str_starts(s->name, "filter:") ? "filter" : "application",
                     colon ? colon + 1 : s->name, name);
}

int paste_find_factory(const struct paste *p, const struct paste_section *s,
                       const struct paste_section **ret_section, const struct paste_factory **ret,
                       struct error *e)
{
    bool filter = str_starts(s->name, "filter");
    const char *value = NULL;
    unsigned line = s->n ? s->entries[0].line : 0;

    for (int depth = 0; depth < PASTE_NESTING_MAX; depth++) {
        const struct paste_section *next;

        if (paste_get(p, s, "use", &value, &line, e) < 0)
            return -1;
        for (size_t i = 0; !value && i < COUNT(factory_keys); i++)
            if (paste_get(p, s, factory_keys[i], &value, &line, e) < 0)
                return -1;
        *ret_section = s;
        if (!value)
            return paste_refuse(p, line, e, s->name, "neither 'use' nor a factory");
        if (str_starts(value, "config:"))
            return paste_refuse(p, line, e, s->name, "sections of other files are not supported");
        value += str_starts(value, "egg:") || str_starts(value, "call:") ? strcspn(value, ":") + 1 : 0;
        value += strspn(value, " \t");
        value = without_blanks(p->arena, value);
        *ret = factory_named(value);
        if (*ret)
            return 0;
        next = paste_find(p, filter ? paste_filter_prefixes : paste_app_prefixes, value);
        if (!next || strchr(value, ':') || next == s)
            return unknown_factory(p, s, line, value, e);
        s = next;
    }
    return paste_refuse(p, line, e, s->name, "'use' leads in a circle");
}

/* ---- the options of a section ---- */

static int add_option(const struct paste *p, const struct paste_section *s, const char *key, struct str *seen,
                      const char ***items, size_t *n, size_t *cap, struct error *e)
{
    CLEANUP(str_done) struct str mark = STR_INIT;
    const char *value, *name = key;

    if (is_factory_key(key) || str_eq(key, "use") || str_eq(key, "require") || str_eq(key, "filter-with") ||
        str_eq(key, "next") || str_starts(key, "set "))
        return 0;
    if (paste_get(p, s, key, &value, NULL, e) < 0)
        return -1;
    if (str_starts(key, "get ")) {
        name = key + 4;
        if (paste_get(p, &p->sections[0], value, &value, NULL, e) < 0)
            return -1;
    }
    str_addf(&mark, "\n%s\n", name);
    if (!value || strstr(str_text(seen), str_text(&mark)))
        return 0;
    str_add(seen, str_text(&mark));
    *ARENA_PUSH(p->arena, *items, *n, *cap) = arena_printf(p->arena, "%s=%s", name, value);
    return 0;
}

/* Options of the section and of what it uses; the nearer section wins. */
int paste_options(const struct paste *p, const struct paste_section *s, const struct paste_section *last,
                  const char *const **ret, struct error *e)
{
    CLEANUP(str_done) struct str seen = STR_INIT;
    const char **items = NULL, *use;
    size_t n = 0, cap = 0;

    while (s) {
        for (size_t i = 0; i < s->n; i++)
            if (add_option(p, s, s->entries[i].key, &seen, &items, &n, &cap, e) < 0)
                return -1;
        if (s == last)
            break;
        if (paste_get(p, s, "use", &use, NULL, e) < 0)
            return -1;
        s = paste_find(p, str_starts(s->name, "filter") ? paste_filter_prefixes : paste_app_prefixes, use);
    }
    *ARENA_PUSH(p->arena, items, n, cap) = NULL;
    *ret = (const char *const *)items;
    return 0;
}
