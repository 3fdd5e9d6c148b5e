/* SPDX-License-Identifier: Apache-2.0 */
/* A front end without sockets or threads, for tests: one request as a struct goes through a service, the
 * answer comes back as a struct. It can misbehave as clients do: vanish in the body or in the answer.
 *
 * It keeps the gateway's contract as front/http1 does: answers to HEAD have no body, a file that is
 * shorter than promised breaks the answer off, what may run inline is first run with inline_only. */
#ifndef FRONT_LOOPBACK_H
#define FRONT_LOOPBACK_H

#include "base/base.h"
#include "http/http.h"

/* What is not set is absent, zero or as the comment says. */
struct loopback_request {
    const char *method; /* NULL: GET */
    const char *target; /* path and query, raw */
    const struct http_header *headers;
    size_t n_headers;
    const void *body;
    size_t body_len; /* with body NULL: there is no body at all */
    bool chunked;    /* the body's length is not announced */
    size_t read_max; /* one read gives at most so much; 0: all that is asked for */
    bool read_fails; /* the client vanishes after read_fails_after bytes of its body */
    size_t read_fails_after;
    bool write_fails; /* … or after write_fails_after bytes of the answer's body */
    size_t write_fails_after;
    const char *prefix; /* NULL: "" */
    const char *scheme; /* NULL: "http" */
    const char *host;   /* NULL: "localhost:9292" */
    const char *peer;   /* NULL: "127.0.0.1" */
};

struct loopback_answer {
    struct arena *arena;         /* holds the headers */
    int status;                  /* 0: the service never called head() */
    struct http_headers headers; /* as the service gave them, nothing added */
    int64_t length;              /* as given to head() */
    struct str body;
    uint64_t body_read; /* how much of the request's body the service took */
    bool complete;      /* length bytes were written, or any number for length < 0 */
    bool was_inline;    /* answered without waiting */
};

/* Runs the request; fills *ret, to be given to loopback_done(). */
void loopback_run(const struct http_service *service, const struct loopback_request *rq,
                  struct loopback_answer *ret);
void loopback_done(struct loopback_answer *answer); /* for CLEANUP */
/* The answer's first header of that name (any case), or NULL. */
const char *loopback_header(const struct loopback_answer *answer, const char *name);

#endif
