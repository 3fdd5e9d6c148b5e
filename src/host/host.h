/* SPDX-License-Identifier: Apache-2.0 */
/* The whole service in whatever process: configuration, database, stores and API, opened in this order. The
 * program and every web server's module, plugin or extension begin here and end with a struct http_service.
 *
 * host_load() and host_free() may run before a fork: they start no thread and hold no descriptor. host_open()
 * must run in the process that serves. Several hosts may be open in one process. Calls about one host run one
 * at a time; its service is thread-safe. The log sink (base/log.h) is the process's and the caller's to set.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "api/api.h"
#include "base/base.h"
#include "conf/conf.h"

struct host;

/* Reads and checks configuration and pipeline; opens nothing. The request's texts must outlive the host. A
 * wrong configuration is an error that names file and line. */
int host_load(const struct conf_request *rq, struct host **ret, struct error *e) MUST_CHECK;
/* The same without pipeline and API, for a process that runs jobs: its host has no service and makes no
 * database, and its stores stay as they were opened when it adopts another configuration. */
int host_load_worker(const struct conf_request *rq, struct host **ret, struct error *e) MUST_CHECK;
/* Logs what there is to say about the configuration: unknown options, what has no effect, whom it trusts. */
void host_warn(const struct host *h);
/* Opens database, stores and API. A database without tables is made in the standalone profile only; elsewhere
 * the error says which command makes it. What was opened stays open until host_free(), also after an error:
 * a later call goes on from there. */
int host_open(struct host *h, struct error *e) MUST_CHECK;
/* The first part of it, for what needs the database before the stores are opened. */
int host_open_database(struct host *h, struct error *e) MUST_CHECK;
/* Takes over the configuration of `next` (loaded, not opened; freed) under running requests: each keeps what
 * it began with. */
void host_adopt(struct host *h, struct host *next);
/* Before host_open(): while requests come, sees to it that a worker runs on this machine, and says in the log
 * when none does. start: it starts one, detached ([glint] worker_program), unless [glint] supervise_worker is
 * off. Without, it only warns. */
void host_keep_worker(struct host *h, bool start);
/* The same look without a request; costs next to nothing more often than every ten seconds. */
void host_look_for_worker(const struct host *h);
/* No request may be running. Takes NULL. */
void host_free(struct host *h);

struct http_service host_service(const struct host *h);
struct http_service host_metrics_service(const struct host *h);

/* For whoever shows or uses more of it; all the host's. */
const struct config *host_config(const struct host *h);
const struct config *host_first_config(const struct host *h); /* what database and stores were opened with */
const struct pipeline *host_pipeline(const struct host *h);
struct db *host_db(const struct host *h);         /* NULL before host_open_database() */
struct stores *host_stores(const struct host *h); /* NULL before host_open() */
const char *host_database(const struct host *h);  /* for messages; "" before host_open() */

/* Tells the configuration files of a process from others, and from what they were before they changed: by
 * name, size and time. */
enum { HOST_SETTINGS_MAX = 24 };
void host_settings_mark(const struct config *c, char ret[HOST_SETTINGS_MAX]);

/* Opens the log that a configuration names (log_file below log_dir, by oslo.log's rules), or standard error.
 */
int host_open_log(const struct config *c, struct error *e) MUST_CHECK;

/* The database of a configuration. create: make file and directory of the standalone profile. */
int host_open_db(const struct config *c, bool create, struct db **ret, struct error *e) MUST_CHECK;

#endif
