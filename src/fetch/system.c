/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static size_t size_of(const struct sockaddr *address)
{
    return address->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
           : address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                            : 0;
}

struct addresses {
    struct sockaddr_storage *items;
    size_t n, cap;
};

static void address_add(struct addresses *all, struct arena *a, const struct sockaddr *address)
{
    if (address && size_of(address) > 0)
        memcpy(ARENA_PUSH(a, all->items, all->n, all->cap), address, size_of(address));
}

static size_t resolve(void *arg UNUSED, struct arena *a, const char *name, struct sockaddr_storage **ret)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addresses all = { 0 };
    struct addrinfo *found;

    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return 0;
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        address_add(&all, a, at->ai_addr);
    freeaddrinfo(found);
    *ret = all.items;
    return all.n;
}

static size_t own(void *arg UNUSED, struct arena *a, struct sockaddr_storage **ret)
{
    struct addresses all = { 0 };
    struct ifaddrs *found;

    if (getifaddrs(&found) != 0)
        return 0;
    for (const struct ifaddrs *at = found; at; at = at->ifa_next)
        address_add(&all, a, at->ifa_addr);
    freeifaddrs(found);
    *ret = all.items;
    return all.n;
}

const struct fetch_system fetch_system = { resolve, own, NULL };
