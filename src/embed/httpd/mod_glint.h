/* SPDX-License-Identifier: Apache-2.0 */
/* mod_glint's own: the service inside Apache httpd 2.4.
 *
 *   mod_glint.c   directives, and what happens in httpd's phases
 *   service.c     configurations: read and checked before the fork, opened in each child
 *   route.c       which requests are ours, and under which mount
 *   gateway.c     one request: request_rec <-> struct http_request
 *   answer.c      its answer: buckets
 *   log.c         our log lines into ErrorLog
 *   worker.c      `glint worker` as a child of httpd's parent
 *
 * Processes: the parent reads configurations (twice at a start, once more at every restart) and opens
 * nothing, so it has no threads or connections that a fork would break. Children open in child_init, serve on
 * the MPM's threads, and end as the MPM says; requests of a graceful restart finish in the old ones. */
#ifndef EMBED_HTTPD_MOD_GLINT_H
#define EMBED_HTTPD_MOD_GLINT_H

#include <stdatomic.h>

#include "base/base.h"
#include "embed/embed.h"
#include "host/host.h"
#include "http/http.h"

/* httpd's headers bring syslog.h along, which gives the names of our levels other values: below this line
 * they go by these, and nobody logs by base/log.h. */
enum { LEVEL_DEBUG = LOG_DEBUG, LEVEL_INFO = LOG_INFO, LEVEL_WARNING = LOG_WARNING, LEVEL_ERROR = LOG_ERROR };

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <httpd.h>

#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>

extern module __attribute__((visibility("default"))) glint_module;
APLOG_USE_MODULE(glint);

/* ---- service.c ---- */

/* The Glint directives of one section of httpd's configuration. They belong together: a section that has any
 * of them describes its service alone and takes nothing over from the sections around it. */
struct section {
    const char *where;  /* "file:line" of the first one */
    server_rec *server; /* whose ErrorLog hears of it outside of requests */
    apr_array_header_t *files, *dirs, *sets;
    bool worker;
    struct service *service; /* from check_config on */
};

/* One configuration and, in a child, what it opened. Sections that say the same share it. */
struct service {
    const char *key, *where;
    const char *const *files, *const *dirs, *const *sets;
    server_rec *server;
    bool worker;
    struct host *host;
    pthread_mutex_t lock; /* of opening */
    _Atomic bool open;
    _Atomic int64_t retry_us; /* monotonic: when to try the next time */
    _Atomic int active;       /* requests */
    int64_t linger_us;        /* [glint] linger_timeout */
};

struct section *section_make(cmd_parms *cmd);
/* Forgets what an earlier reading of the configuration left. */
void services_reset(apr_pool_t *pconf);
/* Reads and checks every configuration that a section names, and the default one when `with_default`. Tells
 * what is wrong into the log and returns -1. */
int services_load(server_rec *main_server, apr_pool_t *pconf, const char *program, bool with_default);
/* Logs what there is to say about each configuration. */
void services_warn(void);
/* In a child. */
void services_open(void);
/* Opens what could not be opened before, now and then; false: requests cannot be served yet. */
bool service_ready(struct service *s);
/* The service of a request's section; NULL: the default one. */
struct service *service_of(const struct section *section);
struct service *service_next(const struct service *s); /* NULL gives the first */

/* ---- route.c ---- */

#define HANDLER "glint"

/* What a place of httpd's configuration says. */
struct place {
    struct section *section; /* NULL: what stands around it counts */
    enum { PLACE_UNSET, PLACE_OFF, PLACE_ON } state;
    const char *mount; /* of PLACE_ON: decoded, without a '/' at the end */
};

/* `Glint On` or `SetHandler glint` here: what is wrong with that, or NULL. */
const char *place_enable(cmd_parms *cmd, struct place *ret);
/* Lifts the limit that httpd has by itself on bodies. Returns whether some mount has no configuration of its
 * own. */
bool places_settle(void);
void places_reset(apr_pool_t *pconf);
const struct place *place_of(const request_rec *r); /* NULL: not ours */
/* The path of the request below the mount, raw. */
const char *route_path(request_rec *r, const char *mount);
void route_hooks(void);

/* ---- gateway.c and answer.c ---- */

struct gateway {
    struct http_request rq;
    request_rec *r;
    struct service *service;
    apr_bucket_brigade *in;  /* read and not yet asked for */
    apr_bucket_brigade *out; /* answered and not yet handed to httpd */
    size_t collected;        /* bytes of `out` that are in memory */
    struct embedded_answer answer;
    int refusal;   /* what httpd answers instead: a status, or AP_FILTER_ERROR when it already did */
    bool complete; /* the request's body was seen to its end */
    bool cut;      /* it never will be */
    bool passed;   /* the answer has begun to leave */
    bool gone;     /* the client, or the data to answer with */
};

int gateway_run(request_rec *r, struct service *s, const char *mount);
/* Takes what has already arrived of an unread body, if that is little. */
void gateway_drain(struct gateway *g);
/* Over HTTP/2, with the answer sent but for its end: reads and drops the rest of the body, at most for
 * [glint] linger_timeout. */
void gateway_linger(struct gateway *g);

int answer_head(struct gateway *g, int status, const struct http_headers *h, int64_t length);
int answer_write(struct gateway *g, const void *buf, size_t n);
int answer_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len);
/* Ends the answer; what the handler is to return. */
int answer_finish(struct gateway *g);

/* ---- log.c ---- */

/* Our log lines go to ErrorLog from now on. */
void log_begin(void);
/* The levels that some LogLevel asks for. */
void log_levels(server_rec *main_server);
/* Whose line it is, for this thread: a request's, or a server's outside of requests. Either may be NULL. */
void log_about(request_rec *r, server_rec *s);

/* ---- worker.c ---- */

/* The parent: starts `program worker` for each service that wants one and keeps it alive until pconf ends. */
void workers_start(const char *program, apr_pool_t *pconf, server_rec *main_server);
void workers_tick(void); /* now and then */

#endif
