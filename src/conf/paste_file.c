/* SPDX-License-Identifier: Apache-2.0 */
/* The file underneath a pipeline: ConfigParser's sections with %(name)s, as Paste Deploy reads them. */
#include "conf/paste.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 10 };

/* What Glance 33 ships, said in our own order: six flavors without or with Keystone, cache and its
 * management. */
const char paste_built_in[] =
    "[composite:glance-api]\n"
    "paste.composite_factory = glance.api:root_app_factory\n"
    "/ = api\n"
    "/healthcheck = healthcheck\n"
    "[composite:glance-api-caching]\nuse = glance-api\n"
    "[composite:glance-api-cachemanagement]\nuse = glance-api\n"
    "[composite:glance-api-keystone]\nuse = glance-api\n"
    "[composite:glance-api-keystone+caching]\nuse = glance-api\n"
    "[composite:glance-api-keystone+cachemanagement]\nuse = glance-api\n"
    "[composite:api]\n"
    "paste.composite_factory = glance.api:pipeline_factory\n"
    "default = %(front)s unauthenticated-context rootapp\n"
    "caching = %(front)s unauthenticated-context cache rootapp\n"
    "cachemanagement = %(front)s unauthenticated-context cache cachemanage rootapp\n"
    "keystone = %(front)s authtoken context rootapp\n"
    "keystone+caching = %(front)s authtoken context cache rootapp\n"
    "keystone+cachemanagement = %(front)s authtoken context cache cachemanage rootapp\n"
    "[DEFAULT]\n"
    "front = cors http_proxy_to_wsgi versionnegotiation osprofiler\n"
    "[composite:rootapp]\n"
    "paste.composite_factory = glance.api:root_app_factory\n"
    "/ = apiversions\n"
    "/v2 = apiv2app\n"
    "[app:apiversions]\npaste.app_factory = glance.api.versions:create_resource\n"
    "[app:apiv2app]\npaste.app_factory = glance.api.v2.router:API.factory\n"
    "[app:healthcheck]\n"
    "paste.app_factory = oslo_middleware:Healthcheck.app_factory\n"
    "backends = disable_by_file\n"
    "disable_by_file_path = /etc/glance/healthcheck_disable\n"
    "[filter:cors]\npaste.filter_factory = oslo_middleware.cors:filter_factory\n"
    "[filter:http_proxy_to_wsgi]\npaste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory\n"
    "[filter:versionnegotiation]\n"
    "paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory\n"
    "[filter:osprofiler]\npaste.filter_factory = osprofiler.web:WsgiMiddleware.factory\n"
    "[filter:unauthenticated-context]\n"
    "paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory\n"
    "[filter:context]\npaste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n"
    "[filter:authtoken]\n"
    "paste.filter_factory = keystonemiddleware.auth_token:filter_factory\n"
    "delay_auth_decision = true\n"
    "[filter:cache]\npaste.filter_factory = glance.api.middleware.cache:CacheFilter.factory\n"
    "[filter:cachemanage]\npaste.filter_factory = "
    "glance.api.middleware.cache_manage:CacheManageFilter.factory\n"
    "[filter:gzip]\npaste.filter_factory = glance.api.middleware.gzip:GzipMiddleware.factory\n";

static struct paste_section *section_named(struct paste *p, const char *name)
{
    struct paste_section *s;

    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->sections[i].name, name))
            return &p->sections[i];
    s = ARENA_PUSH(p->arena, p->sections, p->n, p->cap);
    *s = (struct paste_section){ .name = arena_str(p->arena, name) };
    return s;
}

static int add_entry(void *arg, const char *section, const char *key, const char *value, unsigned lineno,
                     struct error *e UNUSED)
{
    struct paste *p = arg;
    struct paste_section *s = section_named(p, section);
    struct paste_entry *entry = ARENA_PUSH(p->arena, s->entries, s->n, s->cap);

    *entry = (struct paste_entry){ arena_str(p->arena, key), arena_str(p->arena, value), lineno };
    return 0;
}

int paste_parse(struct arena *a, const char *path, const char *text, size_t len, struct paste *ret,
                struct error *e)
{
    *ret = (struct paste){ .arena = a, .path = path };
    section_named(ret, "DEFAULT");
    return config_parse(path, text, len, add_entry, ret, e);
}

const struct paste_section *paste_find(const struct paste *p, const char *const *prefixes, const char *name)
{
    for (; *prefixes; prefixes++) {
        size_t n = strlen(*prefixes);

        for (size_t i = 0; i < p->n; i++) {
            const char *at = p->sections[i].name;

            if (strncmp(at, *prefixes, n) != 0 || at[n] != ':')
                continue;
            for (at += n + 1; *at == ' '; at++)
                ;
            if (str_eq(at, name))
                return &p->sections[i];
        }
    }
    return NULL;
}

/* The last line with this key. */
static const struct paste_entry *entry_of(const struct paste_section *s, const char *key)
{
    for (size_t i = s->n; i-- > 0;)
        if (str_eq(s->entries[i].key, key))
            return &s->entries[i];
    return NULL;
}

/* %(here)s is the file's directory, %(__file__)s the file. */
static const char *built_in_name(const struct paste *p, const char *key)
{
    char full[PATH_MAX];
    char *slash;

    if (!str_eq(key, "here") && !str_eq(key, "__file__"))
        return NULL;
    if (!realpath(p->path, full))
        str_copy(full, sizeof full, p->path);
    slash = strrchr(full, '/');
    if (str_eq(key, "here") && slash)
        *slash = '\0';
    return arena_str(p->arena, full);
}

static int interpolate(const struct paste *p, const struct paste_section *s, const struct paste_entry *entry,
                       int depth, struct str *out, struct error *e)
{
    for (const char *v = entry->value; *v;) {
        const struct paste_entry *to;
        const char *close, *key, *text;

        if (*v != '%') {
            size_t n = strcspn(v, "%");

            str_addn(out, v, n);
            v += n;
            continue;
        }
        if (v[1] == '%') {
            str_addc(out, '%');
            v += 2;
            continue;
        }
        close = v[1] == '(' ? strstr(v, ")s") : NULL;
        if (!close)
            return error_set(e, ERROR_INVALID, "%s:%u: %s: '%%' must be followed by '%%' or '(name)s'",
                             p->path, entry->line, entry->key);
        key = arena_strn(p->arena, v + 2, (size_t)(close - v - 2));
        to = entry_of(s, key);
        to = to ? to : entry_of(&p->sections[0], key);
        text = to ? NULL : built_in_name(p, key);
        if ((!to && !text) || depth == DEPTH_MAX)
            return error_set(e, ERROR_INVALID, "%s:%u: %s: %%(%s)s %s", p->path, entry->line, entry->key, key,
                             to ? "leads back to itself" : "is not defined");
        if (text)
            str_add(out, text);
        else if (interpolate(p, s, to, depth + 1, out, e) < 0)
            return -1;
        v = close + 2;
    }
    return 0;
}

int paste_get(const struct paste *p, const struct paste_section *s, const char *key, const char **ret,
              unsigned *ret_line, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    const struct paste_entry *entry = entry_of(s, key);

    *ret = NULL;
    if (!entry)
        return 0;
    if (interpolate(p, s, entry, 0, &text, e) < 0)
        return -1;
    *ret = arena_str(p->arena, str_text(&text));
    if (ret_line)
        *ret_line = entry->line;
    return 0;
}
