/* SPDX-License-Identifier: Apache-2.0 */
/* What serve.c, reload.c and greet.c share. */
#ifndef MAIN_SERVE_H
#define MAIN_SERVE_H

#include "front/http1/http1.h"
#include "host/host.h"
#include "main/main.h"

struct server {
    const struct command_line *cl;
    struct host *host;
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

/* Reads the configuration, at the start or (s->host is there) again. */
int serve_load(const struct server *s, struct host **ret, struct error *e) MUST_CHECK;
void serve_front_options(struct server *s, const struct config *c, struct http1_options *ret);
/* The sockets of s->front. */
int serve_listen(struct server *s, struct error *e) MUST_CHECK;
/* SIGHUP: takes over what can change while running; what is wrong leaves everything as it was. */
void serve_reload(struct server *s);
/* Tells where the service is: one log line, and on a terminal or without a configuration one screen. */
void serve_greet(struct server *s);

#endif
