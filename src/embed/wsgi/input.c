/* SPDX-License-Identifier: Apache-2.0 */
/* The request's body from wsgi.input. PEP 3333 lets an application read as many bytes as CONTENT_LENGTH says
 * and no more: of a chunked body it knows nothing. What servers do about one differs; where the end cannot be
 * known the request is refused, for the alternative is an image of no bytes that looks well. */
#include "embed/wsgi/extension_private.h"

#include <string.h>

enum {
    BLOCK = 64 * 1024,     /* small enough that a slow upload is seen to be alive */
    DRAIN_PIECE = 4 * 1024 /* the time limit is looked at between two of them */
};

static void keep_piece(struct gateway *g, PyObject *bytes)
{
    Py_XDECREF(g->piece);
    g->piece = bytes;
    g->piece_data = bytes ? PyBytes_AsString(bytes) : NULL;
    g->piece_len = bytes ? (size_t)PyBytes_Size(bytes) : 0;
    g->piece_at = 0;
}

/* The exception's text for the log; it is cleared. */
static void drop_exception(struct gateway *g)
{
    PyObject *type, *value, *trace, *text = NULL;
    const char *said = NULL;

    PyErr_Fetch(&type, &value, &trace);
    if (value)
        text = PyObject_Str(value);
    if (text)
        said = PyUnicode_AsUTF8AndSize(text, NULL);
    PyErr_Clear();
    log_info("%s %s: the body could not be read to its end: %s", g->rq.method ? g->rq.method : "?",
             g->rq.path ? g->rq.path : "?", said ? said : "no reason given");
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}

/* ---- how the body comes ---- */

static bool is_there(const char *text)
{
    return text && *text;
}

static bool is_http2(const struct gateway *g)
{
    const char *protocol = environ_get(&g->vars, "SERVER_PROTOCOL");

    return protocol && str_starts(protocol, "HTTP/") && protocol[5] >= '2';
}

/* HTTP/2 has no Transfer-Encoding to tell of a body without a length: whether there is one is seen by
 * reading. */
static bool may_hide_body(const struct gateway *g)
{
    const char *method = environ_get(&g->vars, "REQUEST_METHOD");

    return is_http2(g) && !is_there(environ_get(&g->vars, "CONTENT_LENGTH")) &&
           (str_eq(method, "POST") || str_eq(method, "PUT") || str_eq(method, "PATCH"));
}

/* A process of httpd's own rather than one of mod_wsgi's daemon processes. GIL. */
static bool is_embedded(const struct gateway *g)
{
    PyObject *group = PyDict_GetItemString(g->environ, "mod_wsgi.process_group");

    return group && PyUnicode_Check(group) && PyUnicode_GetLength(group) == 0;
}

/* mod_wsgi sets wsgi.input_terminated (4.9.4, 5.0.2), and yet the body of an HTTP/2 request without a
 * Content-Length cannot be had: a daemon process is handed none of it, and in httpd's own processes the body
 * of a stream that the client has reset ends like a whole one. There is a body in a request for which httpd
 * has made up a Transfer-Encoding, or which names a type of data. GIL. */
static bool loses_body(const struct gateway *g)
{
    return PyDict_GetItemString(g->environ, "mod_wsgi.process_group") &&
           (is_there(environ_get(&g->vars, "HTTP_TRANSFER_ENCODING")) ||
            is_there(environ_get(&g->vars, "CONTENT_TYPE")));
}

static PyObject *function_of(PyObject *object, const char *name)
{
    PyObject *function = object ? PyObject_GetAttrString(object, name) : NULL;

    if (!function)
        PyErr_Clear();
    return function;
}

/* uWSGI's HTTP router sends 100 Continue by itself. GIL. */
static bool router_continues(void)
{
    PyObject *uwsgi = PyImport_ImportModule("uwsgi");
    bool continues = uwsgi && uwsgi_has_option(uwsgi, "http-manage-expect");

    if (!uwsgi)
        PyErr_Clear();
    Py_XDECREF(uwsgi);
    return continues;
}

static void begin_uwsgi(struct gateway *g)
{
    PyObject *uwsgi = PyImport_ImportModule("uwsgi");
    bool router, passes;

    if (!uwsgi) {
        PyErr_Clear();
        return;
    }
    router = uwsgi_has_option(uwsgi, "http") || uwsgi_has_option(uwsgi, "https");
    passes = uwsgi_has_option(uwsgi, "http-chunked-input") || uwsgi_has_option(uwsgi, "http-raw-body");
    if (!router || passes) {
        Py_XDECREF(g->read);
        g->read = function_of(uwsgi, "chunked_read");
        g->way = BODY_UWSGI;
    }
    Py_DECREF(uwsgi);
}

void input_begin(struct gateway *g)
{
    const char *coding = environ_get(&g->vars, "HTTP_TRANSFER_ENCODING"),
               *length = environ_get(&g->vars, "CONTENT_LENGTH");
    PyObject *input = PyDict_GetItemString(g->environ, "wsgi.input");

    g->may_drain = g->server->continues_early;
    g->drains = g->server->drains && !(is_http2(g) && is_embedded(g));
    g->read = function_of(input, "read");
    g->way = environ_is_true(g->environ, "wsgi.input_terminated") ? BODY_TERMINATED : BODY_HIDDEN;
    if (g->server->is_uwsgi && coding && *coding && (!length || !*length))
        begin_uwsgi(g);
    g->lost = may_hide_body(g) && loses_body(g);
    if (g->way == BODY_TERMINATED && g->read && !g->lost && may_hide_body(g)) {
        PyObject *first = PyObject_CallFunction(g->read, "n", (Py_ssize_t)BLOCK);

        if (!first || !PyBytes_Check(first)) {
            PyErr_Clear();
            Py_XDECREF(first);
            g->body = BODY_GONE;
            return;
        }
        keep_piece(g, first);
    }
}

int input_judge(struct gateway *g, struct error *e)
{
    bool framed = environ_get(&g->vars, "BODY_FRAMING") != NULL;

    if (g->body == BODY_GONE)
        return error_set(e, ERROR_INVALID, "The request body could not be read.");
    if (g->rq.content_length == HTTP_BODY_NONE && (g->piece_len > 0 || g->lost))
        g->rq.content_length = HTTP_BODY_UNKNOWN;
    if (g->lost)
        g->way = BODY_HIDDEN;
    if (g->rq.content_length >= 0)
        g->way = BODY_BY_LENGTH;
    g->body_left = g->rq.content_length > 0 ? (uint64_t)g->rq.content_length : 0;
    g->body = g->body_left > 0 || g->rq.content_length == HTTP_BODY_UNKNOWN ? BODY_OPEN : BODY_COMPLETE;
    if (g->body != BODY_OPEN || (g->way != BODY_HIDDEN && !framed && g->read))
        return 0;
    error_set(e, ERROR_UNIMPLEMENTED, "%s",
              g->server->is_uwsgi
                  ? "This server is not set up to take a body of unknown length (uWSGI's option "
                    "http-chunked-input): send "
                    "Content-Length."
                  : "This server does not tell its applications where a body of unknown length ends: send "
                    "Content-Length.");
    e->status = 411;
    return -1;
}

/* ---- reading ---- */

static ssize_t give_up(struct gateway *g)
{
    g->body = BODY_GONE;
    return -1;
}

/* Asks the server for the next piece; false when there is none that makes sense. */
static bool fetch(struct gateway *g, size_t want)
{
    PyObject *bytes;

    gateway_enter(g);
    bytes = g->way == BODY_UWSGI ? PyObject_CallFunction(g->read, "l", g->app->body_seconds)
                                 : PyObject_CallFunction(g->read, "n", (Py_ssize_t)want);
    if (!bytes)
        drop_exception(g);
    if (bytes &&
        (!PyBytes_Check(bytes) || (g->way == BODY_BY_LENGTH && (size_t)PyBytes_Size(bytes) > want))) {
        Py_DECREF(bytes);
        bytes = NULL;
    }
    keep_piece(g, bytes);
    gateway_leave(g);
    return bytes != NULL;
}

ssize_t input_read(struct gateway *g, void *buf, size_t n)
{
    g->touched = true;
    if (g->body == BODY_COMPLETE || n == 0)
        return 0;
    if (g->body != BODY_OPEN)
        return -1;
    if (g->piece_at == g->piece_len) {
        size_t want = g->way == BODY_BY_LENGTH && g->body_left < BLOCK ? (size_t)g->body_left : BLOCK;

        if (!fetch(g, want))
            return give_up(g);
        if (g->piece_len == 0 && g->way == BODY_BY_LENGTH) /* the client went away: RFC 9112 section 8 */
            return give_up(g);
        if (g->piece_len == 0) {
            g->body = BODY_COMPLETE;
            return 0;
        }
    }
    if (n > g->piece_len - g->piece_at)
        n = g->piece_len - g->piece_at;
    memcpy(buf, g->piece_data + g->piece_at, n);
    g->piece_at += n;
    if (g->way == BODY_BY_LENGTH && (g->body_left -= n) == 0)
        g->body = BODY_COMPLETE;
    return (ssize_t)n;
}

/* A client that is still sending finds the connection reset and may lose the answer. */
void input_drain(struct gateway *g)
{
    int64_t until = clock_mono_us() + g->app->linger_us;
    const char *expect = environ_get(&g->vars, "HTTP_EXPECT");
    char buf[DRAIN_PIECE];

    if (g->drains)
        return;
    if (expect && *expect && !g->touched && !g->may_drain && !(g->server->is_uwsgi && router_continues()))
        return;
    while (g->body == BODY_OPEN && clock_mono_us() < until)
        if (input_read(g, buf, sizeof buf) < 0)
            return;
}
