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

/* Everything is the caller's and must outlive the api, but for the configuration and the pipeline, which
 * api_reload() replaces under running requests (each keeps what it began with). */
int api_open(struct config *c, const struct pipeline *p, struct db *db, struct stores *stores,
             struct api **ret, struct error *e) MUST_CHECK;
int api_reload(struct api *api, struct config *c, const struct pipeline *p, struct error *e) MUST_CHECK;
void api_close(struct api *api); /* takes NULL; no request may be running */

/* What to give a front end. */
struct http_service api_service(struct api *api);
/* The Prometheus listener: GET /metrics, and nothing else. */
struct http_service api_metrics_service(struct api *api);

#endif
