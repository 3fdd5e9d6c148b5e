/* SPDX-License-Identifier: Apache-2.0 */
/* What serve.c, reload.c and greet.c share. */
#ifndef MAIN_SERVE_H
#define MAIN_SERVE_H

#include "api/api.h"
#include "front/http1/http1.h"
#include "main/main.h"
#include "model/model.h"

struct server {
    const struct command_line *cl;
    struct config *config;       /* now */
    struct config *first_config; /* what database and stores were opened with */
    struct pipeline *pipeline;
    struct str unsupported; /* lines for the log */
    struct db *db;
    struct stores *stores;
    struct api *api;
    struct http1 *front, *metrics;
    struct systemd_socket inherited[SYSTEMD_SOCKETS_MAX];
    size_t n_inherited;
    struct supervised worker;
    bool supervise;
    int signals; /* signalfd */
    int stopped; /* eventfd: the front end has stopped */
    int64_t grace_us;
    unsigned broken_off;
};

/* Configuration and pipeline, checked. What is not supported is kept for serve_warn(). */
int serve_load(struct server *s, struct config **ret, struct pipeline **ret_pipeline,
               struct error *e) MUST_CHECK;
void serve_front_options(struct server *s, const struct config *c, struct http1_options *ret);
/* Logs what there is to say about the configuration and the pipeline, once the log is open. */
void serve_warn(struct server *s);
/* SIGHUP: takes over what can change while running; what is wrong leaves everything as it was. */
void serve_reload(struct server *s);
/* Tells where the service is: one log line, and on a terminal or without a configuration one screen. */
void serve_greet(struct server *s);

#endif
