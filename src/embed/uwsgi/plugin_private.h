/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin's files share. uwsgi.h is what `uwsgi-core --dot-h` prints: the ABI belongs to one uWSGI
 * version. */
#ifndef EMBED_UWSGI_PLUGIN_PRIVATE_H
#define EMBED_UWSGI_PLUGIN_PRIVATE_H

/* Both have a struct option. */
#define option getopt_option
#include <uwsgi.h>
#undef option
#undef exit /* which uWSGI makes its own */

#include "embed/embed.h"

extern struct uwsgi_server uwsgi;

struct plugin {
    struct uwsgi_string_list *files, *dirs, *overrides; /* options */
    char *prefix;
    struct embedded *service;
    int64_t body_us, linger_us;
    bool router_hides_chunks; /* uWSGI's HTTP router would wait for a body that it does not pass on */
};
extern struct plugin plugin;

/* ---- gateway.c ---- */

enum body_state { BODY_OPEN, BODY_COMPLETE, BODY_GONE, BODY_SLOW, BODY_BAD };

struct gateway {
    struct http_request rq;
    struct wsgi_request *req;
    enum body_state body;
    uint64_t body_left; /* by Content-Length */
    struct http_chunked chunks;
    int64_t wait_us; /* how long the connection may not move; 0: for ever */
    struct embedded_answer answer;
    bool direct;       /* the client itself is at the other end, and it speaks HTTP */
    bool keep;         /* the connection may serve another request */
    bool continue_due; /* the client waits for 100 Continue, which we have to send */
    bool gone;         /* nothing can be sent any more */
};

void gateway_begin(struct gateway *g, struct wsgi_request *req);
/* Fills g->rq from uWSGI's variables. */
int gateway_read_head(struct gateway *g, struct error *e) MUST_CHECK;
bool gateway_framed(struct gateway *g); /* our filter in the web server has framed the body anew */
/* Completes the answer and leaves the connection so that the other end understands what it got. */
void gateway_finish(struct gateway *g);

/* ---- body.c ---- */

ssize_t body_read(struct gateway *g, void *buf, size_t n);
void body_drain(struct gateway *g); /* after an answer that did not wait for it */
/* For the answer, too: until the connection moves; false when it did not within wait_us. */
bool gateway_wait(struct gateway *g, short events);
void sign_of_life(void);
/* All of n bytes, raw; -1: gone. */
int gateway_send(struct gateway *g, const char *buf, size_t n);

/* ---- options.c ---- */

extern struct uwsgi_option plugin_options[];
/* Says what in uWSGI's own options breaks the Images API; -1 for what cannot work at all. */
int options_judge(struct error *e) MUST_CHECK;

#endif
