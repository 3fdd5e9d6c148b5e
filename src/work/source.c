/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs a client may have the service ask. Facts: Glance 33's common/utils.py, what it takes
 * for a host and in which order it asks the lists; 0.0.0.0 and ::, which reach this machine, it lets pass. */
#include "work/source.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "http/http.h"
#include "work/lease.h"
#include "work/work.h"

enum { HOST_MAX = 256, PORT_TEXT_MAX = 8 };

#define BLANKS " \t\r\n\v\f"
#define NAME   "abcdefghijklmnopqrstuvwxyz0123456789.-_" /* of hosts; http_url_split() lowers */

#define READ(list) ret->list.n = config_list(c, "import_filtering_opts", #list, &ret->list.items)

void source_filter_read(const struct config *c, struct source_filter *ret)
{
    READ(allowed_schemes);
    READ(disallowed_schemes);
    READ(allowed_hosts);
    READ(disallowed_hosts);
    READ(allowed_ports);
    READ(disallowed_ports);
    ret->networks.n = config_list(c, "glint", "import_networks", &ret->networks.items);
}

static bool holds(const char *const *items, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(items[i], text))
            return true;
    return false;
}

/* The first list has priority: only when it is empty does the second one count. */
#define PASSES(f, kind, text)                                                                                \
    ((f)->allowed_##kind.n > 0 ? holds((f)->allowed_##kind.items, (f)->allowed_##kind.n, text)               \
                               : !holds((f)->disallowed_##kind.items, (f)->disallowed_##kind.n, text))

struct host {
    char name[HOST_MAX];        /* as the lists spell it */
    struct addrinfo *addresses; /* NULL: it was an address */
    struct sockaddr_storage address;
};

static void host_done(struct host *h)
{
    if (h->addresses)
        freeaddrinfo(h->addresses);
}

static bool as_address(const char *text, struct host *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&ret->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&ret->address;

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        return inet_ntop(AF_INET, &four->sin_addr, ret->name, sizeof ret->name) != NULL;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
        return false;
    six->sin6_family = AF_INET6;
    return inet_ntop(AF_INET6, &six->sin6_addr, ret->name, sizeof ret->name) != NULL;
}

/* A dot at the end keeps the resolver from reading 0x7f000001 and the like as addresses. */
static bool resolve(const char *name, struct host *ret)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    char absolute[HOST_MAX + 1];
    size_t n = strlen(name);

    if (n == 0 || n >= HOST_MAX || name[strspn(name, "0123456789.")] == '\0' || name[strspn(name, NAME)])
        return false;
    snprintf(absolute, sizeof absolute, "%s%s", name, name[n - 1] == '.' ? "" : ".");
    str_copy(ret->name, sizeof ret->name, name);
    return getaddrinfo(absolute, NULL, &hints, &ret->addresses) == 0;
}

static bool in_networks(const struct source_filter *f, const struct sockaddr *address)
{
    struct fetch_network n;

    for (size_t i = 0; i < f->networks.n; i++)
        if (fetch_network_parse(f->networks.items[i], &n) && fetch_network_holds(&n, address))
            return true;
    return false;
}

static bool address_passes(const struct source_filter *f, const struct host *h, bool import,
                           const struct sockaddr *address)
{
    char text[HOST_MAX];

    if (import ? !fetch_address_public(address) && !in_networks(f, address) : fetch_address_near(address))
        return false;
    if (getnameinfo(address,
                    address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
                    text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return false;
    return str_eq(text, h->name) || !holds(f->disallowed_hosts.items, f->disallowed_hosts.n, text);
}

/* Those addresses of the host that may be asked, up to `max` of them. */
static size_t host_addresses(const struct source_filter *f, const char *name, bool import,
                             struct sockaddr_storage *ret, size_t max)
{
    CLEANUP(host_done) struct host h = { .addresses = NULL };
    bool literal = as_address(name, &h), all = f->allowed_hosts.n > 0;
    struct addrinfo one = { .ai_addr = (struct sockaddr *)&h.address };
    size_t n = 0;

    if (!PASSES(f, hosts, literal ? h.name : name) || (!literal && !resolve(name, &h)))
        return 0;
    for (const struct addrinfo *at = literal ? &one : h.addresses; at && n < max; at = at->ai_next)
        if (all || address_passes(f, &h, import, at->ai_addr)) {
            memset(&ret[n], 0, sizeof ret[n]);
            memcpy(&ret[n++], at->ai_addr,
                   at->ai_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6));
        }
    return n;
}

bool source_allowed(const struct source_filter *f, const char *url)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    struct sockaddr_storage address;
    char port[PORT_TEXT_MAX];
    struct http_url u;

    if (!http_url_split(a, url, &u) || !*u.scheme || !PASSES(f, schemes, u.scheme))
        return false;
    snprintf(port, sizeof port, "%u", u.port);
    if (u.port && !PASSES(f, ports, port))
        return false;
    return host_addresses(f, u.host, false, &address, 1) > 0;
}

/* ---- imports ---- */

/* What the check and libcurl could understand differently is not a URL. */
static bool plain(const char *url)
{
    for (const unsigned char *p = (const unsigned char *)url; *p; p++)
        if (*p <= ' ' || *p == 0x7F || *p == '\\')
            return false;
    return true;
}

static const char *blanks_cut(struct arena *a, const char *url)
{
    size_t n;

    url += strspn(url, BLANKS);
    n = strlen(url);
    while (n > 0 && strchr(BLANKS, url[n - 1]))
        n--;
    return arena_strn(a, url, n);
}

/* Scheme and port; false: nothing of the kind is asked. */
static bool form_passes(const struct source_filter *f, const struct http_url *u, unsigned *ret_port)
{
    bool tls = str_eq(u->scheme, "https");
    char port[PORT_TEXT_MAX];

    if ((!tls && !str_eq(u->scheme, "http")) || !PASSES(f, schemes, u->scheme))
        return false;
    *ret_port = u->port_told ? u->port : tls ? 443 : 80;
    snprintf(port, sizeof port, "%u", *ret_port);
    return PASSES(f, ports, port) || *ret_port == 0;
}

bool source_allowed_import(const struct source_filter *f, const char *url)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    struct sockaddr_storage address;
    struct http_url u;
    unsigned port;

    return http_url_split(a, url, &u) && form_passes(f, &u, &port) &&
           host_addresses(f, u.host, true, &address, 1) > 0;
}

/* As it is sent: without user and fragment, and with nothing but ASCII. */
static const char *url_join(struct arena *a, const struct http_url *u, unsigned port)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *bracket = strchr(u->host, ':') ? "[" : "";

    str_addf(&out, "%s://%s%s%s:%u", u->scheme, bracket, u->host, *bracket ? "]" : "", port);
    if (*u->rest != '/')
        str_addc(&out, '/');
    for (const unsigned char *p = (const unsigned char *)u->rest; *p && *p != '#'; p++)
        str_addf(&out, *p < 0x80 ? "%c" : "%%%02X", *p);
    return arena_str(a, str_text(&out));
}

int source_admit(void *arg, const char *url, struct fetch_target *ret, struct error *e)
{
    struct source_gate *g = arg;
    const struct source_filter *f = g->filter;
    struct host literal = { .addresses = NULL };
    struct http_url u;
    unsigned port;
    size_t n;

    url = blanks_cut(g->arena, url);
    if (!plain(url) || !http_url_split(g->arena, url, &u) || !form_passes(f, &u, &port) || u.user_told ||
        port == 0 || (g->tls && str_eq(u.scheme, "http")))
        return error_set(e, ERROR_INVALID, "This URL is not asked.");
    n = host_addresses(f, u.host, true, g->addresses, SOURCE_ADDRESSES_MAX);
    if (n == 0) {
        error_set(e, ERROR_UNAVAILABLE, "There is no address of this host that is asked.");
        return error_detail(e, "%s", u.host);
    }
    g->tls = str_eq(u.scheme, "https");
    *ret = (struct fetch_target){ .url = url_join(g->arena, &u, port),
                                  .host = u.host,
                                  .port = port,
                                  .literal = as_address(u.host, &literal),
                                  .addresses = g->addresses,
                                  .n_addresses = n };
    return 0;
}
