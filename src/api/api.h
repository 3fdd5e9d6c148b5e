/* SPDX-License-Identifier: Apache-2.0 */
/* The Images API: the one door for every front end. Thread-safe; each call serves one request. */
#ifndef API_API_H
#define API_API_H

#include "base/base.h"
#include "http/http.h"

struct api;
struct db;
struct stores;
struct pipeline;

/* Reads what the configuration says about answers, rules and identities, and holds no descriptor and no
 * thread: it may run before a fork. Configuration and pipeline may go away after it. */
int api_open(struct config *c, const struct pipeline *p, struct api **ret, struct error *e) MUST_CHECK;
/* What to serve from; both must outlive the api. Before the first request. */
void api_attach(struct api *api, struct db *db, struct stores *stores);
/* Called after each request that was served on a thread that may wait. Before the first request. */
void api_after_requests(struct api *api, void (*after)(void *arg), void *arg);
/* Takes over what `next` (opened, not attached; freed) read of its configuration, under running requests:
 * each keeps what it began with. */
void api_adopt(struct api *api, struct api *next);
void api_close(struct api *api); /* takes NULL; no request may be running */

/* What to give a front end. */
struct http_service api_service(struct api *api);
/* The Prometheus listener: GET /metrics, and nothing else. */
struct http_service api_metrics_service(struct api *api);

#endif
