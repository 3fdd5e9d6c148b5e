/* SPDX-License-Identifier: Apache-2.0 */
/* The service's own addresses: those of its machine, and those of the hosts that its configuration names.
 * Which options name hosts is told by what they look like: every URL has one, and a few more options are
 * lists of host:port. Too many are no harm: an operator who wants one of them as a source names it in
 * allowed_hosts. */
#include "fetch/source_private.h"

#include <stdio.h>
#include <string.h>

#include <sys/socket.h>

enum { NAME_MAX_BYTES = 256, RESOLVED_SECONDS = 30 };

#define BLANKS " \t\r\n"

/* Host, or host:port, without a URL around it. */
static const char *const host_options[] = {
    "memcached_servers",  "memcache_servers",       "s3_store_host", "swift_store_auth_address",
    "vmware_server_host", "http_proxy_information", "registry_host", "import_proxy",
};

/* Of browsers and of sources, not of the service. */
static const char *const foreign_groups[] = { "import_filtering_opts", "cors", "inject_metadata_properties",
                                              "glance_download_properties" };

/* ---- reading the configuration ---- */

static void host_add(struct fetch_rules *r, const char *group, const char *option, const char *text, size_t n)
{
    char name[NAME_MAX_BYTES];
    struct own_host *h;

    while (n > 0 && text[n - 1] == '.')
        n--;
    if (n == 0 || n >= sizeof name)
        return;
    memcpy(name, text, n);
    name[n] = '\0';
    str_lower(name);
    for (size_t i = 0; i < r->n_hosts; i++)
        if (str_eq(r->hosts[i].name, name))
            return;
    h = ARENA_PUSH(r->arena, r->hosts, r->n_hosts, r->cap_hosts);
    h->name = arena_str(r->arena, name);
    h->option = arena_printf(r->arena, "[%s] %s", group, option);
}

/* host, host:port, [host]:port; one address of IPv6 may also stand without brackets. */
static void authority_read(struct fetch_rules *r, const char *group, const char *option, const char *text,
                           size_t n)
{
    const char *at = memrchr(text, '@', n), *end, *colon;

    if (at) {
        n -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    end = n > 0 && *text == '[' ? memchr(text, ']', n) : NULL;
    if (end) {
        host_add(r, group, option, text + 1, (size_t)(end - text - 1));
        return;
    }
    colon = memchr(text, ':', n);
    if (colon && memchr(colon + 1, ':', n - (size_t)(colon + 1 - text)))
        colon = NULL;
    host_add(r, group, option, text, colon ? (size_t)(colon - text) : n);
}

/* "…://user:word@one:1,user:word@two:2/…": a password may have any character, so that what stands behind the
 * last "@" is a host in each part. */
static void url_read(struct fetch_rules *r, const char *group, const char *option, const char *text, size_t n)
{
    const char *end = text + n;

    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text)), *stop = comma ? comma : end;
        const char *at = memrchr(text, '@', (size_t)(stop - text));
        size_t length;

        at = at ? at + 1 : text;
        for (length = 0; at + length < stop && !strchr("/?#", at[length]);)
            length++;
        authority_read(r, group, option, at, length);
        text = comma ? comma + 1 : end;
    }
}

/* libpq's postgresql://…/name?host=one&hostaddr=two */
static void query_read(struct fetch_rules *r, const char *group, const char *option, const char *text)
{
    static const char *const names[] = { "host=", "hostaddr=" };

    for (const char *at = strchr(text, '?'); at; at = strchr(at + 1, '&'))
        for (size_t i = 0; i < COUNT(names); i++)
            if (str_starts(at + 1, names[i])) {
                const char *value = at + 1 + strlen(names[i]);

                authority_read(r, group, option, value, strcspn(value, "&#" BLANKS));
            }
}

static void urls_read(struct fetch_rules *r, const char *group, const char *option, const char *text)
{
    const char *mark;

    while ((mark = strstr(text, "://")) != NULL) {
        const char *next = strstr(mark + 3, "://");
        size_t n = strcspn(mark + 3, BLANKS);

        if (next && mark + 3 + n > next)
            n = (size_t)(next - mark - 3);
        url_read(r, group, option, mark + 3, n);
        text = mark + 3;
    }
}

static void list_read(struct fetch_rules *r, const char *group, const char *option, const char *text)
{
    static const char *const kinds[] = { "inet:", "inet6:", "http:", "https:" };

    while (*text) {
        size_t n;

        text += strspn(text, "," BLANKS);
        for (size_t i = 0; i < COUNT(kinds); i++)
            if (str_starts(text, kinds[i]))
                text += strlen(kinds[i]);
        n = strcspn(text, "," BLANKS);
        authority_read(r, group, option, text, n);
        text += n;
    }
}

static bool among(const char *const *items, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(items[i], text))
            return true;
    return false;
}

static void option_read(void *arg, const char *group, const struct option *o, const char *text)
{
    struct fetch_rules *r = arg;

    if (among(foreign_groups, COUNT(foreign_groups), group) || str_eq(o->name, "import_networks"))
        return;
    if (strstr(text, "://")) {
        urls_read(r, group, o->name, text);
        query_read(r, group, o->name, text);
    } else if (among(host_options, COUNT(host_options), o->name)) {
        list_read(r, group, o->name, text);
    }
}

void own_hosts_read(struct fetch_rules *r, const struct config *c)
{
    config_each_set(c, option_read, r);
}

/* ---- asking ---- */

const char *own_host_named(const struct fetch_rules *r, const char *name)
{
    size_t n = strlen(name);

    while (n > 0 && name[n - 1] == '.')
        n--;
    for (size_t i = 0; i < r->n_hosts; i++)
        if (strlen(r->hosts[i].name) == n && strncmp(r->hosts[i].name, name, n) == 0)
            return r->hosts[i].option;
    return NULL;
}

/* A name that cannot be resolved is tried again in the next round; no request waits for it. */
static void resolve_hosts(struct fetch_rules *r)
{
    int64_t now = clock_mono_us();
    struct sockaddr_storage *found;

    if (r->n_hosts == 0 || (r->resolved_us && now - r->resolved_us < RESOLVED_SECONDS * CLOCK_SECOND))
        return;
    arena_free(r->resolved_arena);
    r->resolved_arena = arena_make(1024);
    r->resolved = NULL;
    r->n_resolved = r->cap_resolved = 0;
    for (size_t i = 0; i < r->n_hosts; i++) {
        size_t n = r->system->resolve(r->system->arg, r->resolved_arena, r->hosts[i].name, &found);

        for (size_t k = 0; k < n; k++) {
            struct own_address own = { .host = &r->hosts[i] };

            if (fetch_address_bytes((const struct sockaddr *)&found[k], &own.address))
                *ARENA_PUSH(r->resolved_arena, r->resolved, r->n_resolved, r->cap_resolved) = own;
        }
    }
    r->resolved_us = clock_mono_us();
}

static bool same(const struct fetch_address *a, const struct fetch_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_machine(const struct fetch_rules *r, struct arena *a, const struct fetch_address *address)
{
    struct sockaddr_storage *own;
    struct fetch_address one;
    size_t n = r->system->own(r->system->arg, a, &own);

    for (size_t i = 0; i < n; i++)
        if (fetch_address_bytes((const struct sockaddr *)&own[i], &one) && same(&one, address))
            return true;
    return false;
}

static const char *host_of(struct fetch_rules *r, const struct fetch_address *address)
{
    const char *option = NULL;

    pthread_mutex_lock(&r->lock);
    resolve_hosts(r);
    for (size_t i = 0; i < r->n_resolved && !option; i++)
        if (same(&r->resolved[i].address, address))
            option = r->resolved[i].host->option;
    pthread_mutex_unlock(&r->lock);
    return option;
}

const char *own_address(struct fetch_rules *r, struct arena *a, const struct fetch_address *address)
{
    struct fetch_address all[1 + FETCH_INNER_MAX];
    size_t n = 1 + fetch_address_inner(address, all + 1);
    const char *option;

    all[0] = *address;
    for (size_t i = 0; i < n; i++) {
        if (is_machine(r, a, &all[i]))
            return "this machine's";
        option = host_of(r, &all[i]);
        if (option)
            return arena_printf(a, "that of %s", option);
    }
    return NULL;
}
