/* SPDX-License-Identifier: Apache-2.0 */
/* Private to work/: the filter of sources as fetch_options.admit. */
#ifndef WORK_SOURCE_H
#define WORK_SOURCE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "fetch/fetch.h"

enum { SOURCE_ADDRESSES_MAX = 16 };

struct source_filter;

/* One transfer's. */
struct source_gate {
    const struct source_filter *filter;
    struct arena *arena; /* of what is admitted */
    bool tls;            /* the last request was encrypted: no later one goes without */
    struct sockaddr_storage addresses[SOURCE_ADDRESSES_MAX];
};
/* Waits for the resolver. ERROR_UNAVAILABLE: no address of the host is one that may be asked now, which is
 * also said when it has none; ERROR_INVALID: this URL never is. */
int source_admit(void *arg, const char *url, struct fetch_target *ret, struct error *e);

#endif
