/* SPDX-License-Identifier: Apache-2.0 */
/* What the extension's files share. Python's stable ABI of 3.11, so that one file serves every later version.
 *
 * Who holds the GIL: a request runs without it. What is marked "GIL" below is called with it and keeps it;
 * the rest of the gateway takes it by gateway_enter() for as long as it touches an object. */
#ifndef EMBED_WSGI_EXTENSION_PRIVATE_H
#define EMBED_WSGI_EXTENSION_PRIVATE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "embed/embed.h"

/* ---- module.c ---- */

/* Per interpreter: mod_wsgi has several in one process. */
struct module_state {
    PyObject *application_type, *blocks_type, *error_type;
};

struct application {
    PyObject_HEAD struct embedded *service;
    int64_t linger_us;
    long body_seconds;
};

/* ---- environ.c ---- */

struct variable {
    const char *name, *value; /* value NULL: it is no text that could be passed on */
};

/* The variables that a request is made of, copied, so that they are asked for without the GIL. */
struct environ {
    struct variable *items;
    size_t n, cap;
};

void environ_copy(struct environ *v, struct arena *a, PyObject *dict); /* GIL */
const char *environ_get(const struct environ *v, const char *name);
bool environ_is_true(PyObject *dict, const char *key); /* GIL */

/* ---- servers.c ---- */

enum file_wrapper {
    FILE_WRAPPER_NEVER,      /* it sends another part of the file than the one asked for, or is unknown */
    FILE_WRAPPER_FROM_START, /* it heeds Content-Length, not the file's position */
    FILE_WRAPPER_ALWAYS
};

/* What is known of a server beyond PEP 3333. */
struct server {
    const char *name;
    const char *key, *value_prefix; /* in the environ; value_prefix NULL: any value */
    enum file_wrapper file_wrapper;
    bool drains;          /* an answer reaches a client that is still sending, by HTTP/1.1 */
    bool continues_early; /* 100 Continue is sent before the application is called */
    bool is_uwsgi;        /* chunked bodies come only by uwsgi.chunked_read() */
    bool wants_date;
};

const struct server *server_find(PyObject *dict); /* GIL; never NULL */
/* Whether one of uWSGI's own options was given; GIL. */
bool uwsgi_has_option(PyObject *uwsgi, const char *name);

/* uWSGI would keep the connection after an application that raised, and its client waiting. Within a request;
 * GIL. */
void uwsgi_break_connection(void);

/* ---- gateway.c, input.c ---- */

enum body_way {
    BODY_BY_LENGTH,
    BODY_TERMINATED, /* wsgi.input ends where the body ends */
    BODY_UWSGI,
    BODY_HIDDEN, /* the server says that there is one, and not where it ends */
};

enum body_state { BODY_OPEN, BODY_COMPLETE, BODY_GONE };

struct gateway {
    struct http_request rq;
    struct application *app;
    struct module_state *state;
    PyThreadState *thread; /* NULL while the GIL is held */
    struct environ vars;
    const struct server *server;

    PyObject *environ, *start_response; /* borrowed from the caller */
    PyObject *read;  /* a function of the number of bytes, or of the timeout for uWSGI; or NULL */
    PyObject *piece; /* bytes that were read and are not used up */
    const char *piece_data;
    size_t piece_len, piece_at;

    enum body_way way;
    enum body_state body;
    uint64_t body_left;
    bool lost;      /* there is a body without a length, and the server does not hand on all of it */
    bool touched;   /* a part of the body was asked for */
    bool drains;    /* the server itself reads what is left of the body */
    bool may_drain; /* reading on after the answer cannot provoke a 100 Continue */

    struct embedded_answer answer;
    const char *status_line;
    struct http_headers headers;
    struct str out;  /* not yet given to the server */
    PyObject *write; /* what start_response() returned; NULL before */
    bool gone;
    PyObject *raised[3]; /* by start_response() or write(), for the server to see */

    int file; /* -1, or what is left to send is this part of it */
    uint64_t file_offset, file_len;
};

void gateway_enter(struct gateway *g); /* takes the GIL */
void gateway_leave(struct gateway *g);

void gateway_begin(struct gateway *g, struct application *app, struct module_state *state, PyObject *dict,
                   PyObject *start_response); /* GIL */
int gateway_read_head(struct gateway *g, struct error *e) MUST_CHECK;
void gateway_finish(struct gateway *g); /* after the service, without the GIL */
PyObject *
gateway_result(struct gateway *g);   /* GIL; what the application returns, or NULL with an exception */
void gateway_end(struct gateway *g); /* GIL */
/* To wsgi.errors: what the operator of the web server has to know. */
void gateway_complain(struct gateway *g, const char *text);

void input_begin(struct gateway *g); /* GIL */
/* After the head is known. -1: there is a body that cannot be had. */
int input_judge(struct gateway *g, struct error *e) MUST_CHECK;
ssize_t input_read(struct gateway *g, void *buf, size_t n);
void input_drain(struct gateway *g);

/* ---- blocks.c ---- */

extern PyType_Spec blocks_spec;
/* An iterable of blocks of a part of the file; fd becomes its own. failed (may be NULL) is called when the
 * file turns out to be shorter. GIL. */
PyObject *blocks_make(PyObject *type, int fd, uint64_t offset, uint64_t len, void (*failed)(void));

#endif
