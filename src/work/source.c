/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs a client may have the service ask. Facts: Glance 33's common/utils.py, what it takes
 * for a host and in which order it asks the lists; 0.0.0.0 and ::, which reach this machine, it lets pass. */
#include "work/work.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "fetch/fetch.h"
#include "http/http.h"
#include "work/lease.h"

enum { HOST_MAX = 256, PORT_TEXT_MAX = 8 };

#define READ(list) ret->list.n = config_list(c, "import_filtering_opts", #list, &ret->list.items)

void source_filter_read(const struct config *c, struct source_filter *ret)
{
    READ(allowed_schemes);
    READ(disallowed_schemes);
    READ(allowed_hosts);
    READ(disallowed_hosts);
    READ(allowed_ports);
    READ(disallowed_ports);
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

    if (n == 0 || n >= HOST_MAX || name[strspn(name, "0123456789.")] == '\0')
        return false;
    snprintf(absolute, sizeof absolute, "%s%s", name, name[n - 1] == '.' ? "" : ".");
    str_copy(ret->name, sizeof ret->name, name);
    return getaddrinfo(absolute, NULL, &hints, &ret->addresses) == 0;
}

static bool address_passes(const struct source_filter *f, const struct host *h,
                           const struct sockaddr *address)
{
    char text[HOST_MAX];

    if (fetch_address_near(address))
        return false;
    if (getnameinfo(address,
                    address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
                    text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return false;
    return str_eq(text, h->name) || !holds(f->disallowed_hosts.items, f->disallowed_hosts.n, text);
}

static bool host_passes(const struct source_filter *f, const char *name)
{
    CLEANUP(host_done) struct host h = { .addresses = NULL };
    bool literal = as_address(name, &h);

    if (!PASSES(f, hosts, literal ? h.name : name) || (!literal && !resolve(name, &h)))
        return false;
    if (f->allowed_hosts.n > 0)
        return true;
    if (literal)
        return address_passes(f, &h, (struct sockaddr *)&h.address);
    for (const struct addrinfo *at = h.addresses; at; at = at->ai_next)
        if (address_passes(f, &h, at->ai_addr))
            return true;
    return false;
}

bool source_allowed(const struct source_filter *f, const char *url)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    char port[PORT_TEXT_MAX];
    struct http_url u;

    if (!http_url_split(a, url, &u) || !*u.scheme || !PASSES(f, schemes, u.scheme))
        return false;
    snprintf(port, sizeof port, "%u", u.port);
    if (u.port && !PASSES(f, ports, port))
        return false;
    return host_passes(f, u.host);
}
