/* SPDX-License-Identifier: Apache-2.0 */
/* One request on its way through a handler. */
#ifndef API_CORE_REQUEST_H
#define API_CORE_REQUEST_H

#include "api/core/settings.h"
#include "auth/auth.h"
#include "http/http.h"
#include "json/json.h"

struct route;
struct route_table;

struct api {
    struct db *db;
    struct stores *stores;
    int64_t attached_us;  /* monotonic */
    pthread_mutex_t lock; /* of settings */
    struct settings *settings;
    const struct route_table *routes;
    void (*after)(void *arg); /* NULL: nothing */
    void *after_arg;
};

enum { ROUTE_ARGS_MAX = 2 };

/* What a location's store said about it in this request. */
struct probe {
    const char *url;
    uint64_t size;
    enum error_kind kind; /* ERROR_NONE: size is known */
};

struct request {
    struct http_request *http;
    struct api *api;
    struct settings *settings;
    struct arena *arena;
    struct policy_rules *rules; /* the same from the first check to the last */
    struct identity identity;
    struct property_rights *rights; /* request_may()'s */
    bool in_pipeline;               /* past the healthcheck application: the filters see the answer */
    const struct route *route;
    const char *args[ROUTE_ARGS_MAX]; /* decoded path segments of the route's {names} */
    const char *path;                 /* with the version prefix normalised to /v2 */
    const char *request_id;
    const char *scheme, *host, *prefix; /* after proxy headers, where those are trusted */
    json_t *body;                       /* of BODY_JSON routes; borrowed */
    struct db_conn *conn;               /* request_db()'s */
    struct http_headers headers;        /* extra ones of the answer */
    struct probe *probes;               /* location_probe()'s */
    size_t n_probes, cap_probes;
};

/* Reads and parses the body into rq->body; for routes that check something before it. */
int request_json(struct request *rq, struct error *e) MUST_CHECK;

/* The connection of this request, acquired once; ERROR_WOULD_BLOCK on an event loop that would have to wait.
 */
int request_db(struct request *rq, struct db_conn **ret, struct error *e) MUST_CHECK;
void request_db_release(struct request *rq);
/* A unit of work (db/db.h) with that connection. What the unit reads through the request, it reads within its
 * transaction. */
struct db_unit;
int request_write(struct request *rq, const struct db_unit *unit, void *arg, struct error *e) MUST_CHECK;

/* Where the client reaches this service, without a '/' at the end. */
const char *request_base(struct request *rq);

#endif
