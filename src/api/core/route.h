/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: what a handler is asked by, and what is checked and counted before and after it. */
#ifndef API_CORE_ROUTE_H
#define API_CORE_ROUTE_H

#include "api/core/request.h"
#include "base/metrics.h"

typedef int handler(struct request *rq, struct error *e);

enum route_body {
    BODY_NONE,    /* a body is refused: 400 */
    BODY_IGNORED, /* one may come and is not looked at */
    BODY_JSON,    /* must come and parse */
    BODY_STREAM   /* the handler reads it */
};

struct route {
    const char *method;
    const char *template; /* segments; {name} takes one */
    handler *handle;
    enum route_body body;
    bool quick;       /* may run on an event loop; the handler may still send itself to a worker */
    bool transfer;    /* moves bulk data */
    const char *rule; /* who may, beside what a handler asks on top; NULL: everybody */
};

/* The metric series of each route, NULL until first used (metrics.c); the last one, at routes.n, counts
 * requests without a route. */
enum { STATUS_MIN = 200, STATUS_MAX = 600 };
struct route_series {
    struct metric_series *_Atomic requests[STATUS_MAX - STATUS_MIN], *_Atomic seconds;
};

struct route_table {
    const struct route *items;
    size_t n;
    struct route_series *series; /* n + 1 */
};

/* The service with these routes, which must outlive it. As api_open(), which gives it all. */
int api_open_with(const struct route_table *routes, struct config *c, const struct pipeline *p,
                  struct api **ret, struct error *e) MUST_CHECK;

#endif
