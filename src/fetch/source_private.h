/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by source*.c; private to them. */
#ifndef FETCH_SOURCE_PRIVATE_H
#define FETCH_SOURCE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fetch/fetch.h"

struct source_list {
    const char *const *items;
    size_t n;
};

/* A host that the configuration names as one of the service's own. */
struct own_host {
    const char *name;   /* in lower case, without brackets, port and a dot at its end */
    const char *option; /* "[database] connection" */
};

struct own_address {
    struct fetch_address address;
    const struct own_host *host;
};

struct fetch_rules {
    _Atomic unsigned refs;
    struct arena *arena;
    const struct fetch_system *system;
    struct source_list allowed_schemes, disallowed_schemes, allowed_hosts, disallowed_hosts, allowed_ports,
        disallowed_ports;
    struct fetch_network *networks; /* import_networks */
    size_t n_networks;
    bool private;
    struct own_host *hosts;
    size_t n_hosts, cap_hosts;

    pthread_mutex_t lock; /* of what follows */
    struct arena *resolved_arena;
    struct own_address *resolved;
    size_t n_resolved, cap_resolved;
    int64_t resolved_us; /* monotonic; 0: never */
};

/* ---- source_own.c ---- */

/* Finds the hosts that the configuration names. */
void own_hosts_read(struct fetch_rules *r, const struct config *c);
/* The option that names this host, as it is written; NULL: none. */
const char *own_host_named(const struct fetch_rules *r, const char *name);
/* Why this address belongs to the service or its machine, in the arena; NULL: it does not. May wait for the
 * resolver, for the names of the configuration. */
const char *own_address(struct fetch_rules *r, struct arena *a, const struct fetch_address *address);

/* ---- proxy.c ---- */

/* Whether there is a proxy: what is configured (NULL: what the environment says), in *ret. */
bool proxy_used(const char *configured, bool tls, const char **ret);
/* Where it is: it is connected to, whatever its addresses are. */
size_t proxy_addresses(const struct fetch_rules *r, struct arena *a, const char *proxy,
                       struct sockaddr_storage **ret);

#endif
