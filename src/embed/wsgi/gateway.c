/* SPDX-License-Identifier: Apache-2.0 */
/* One request of a WSGI server's as the service sees it. A small answer is handed over as a whole when it is
 * complete, a part of a file as something that the server iterates over; write() is for what comes piece by
 * piece. */
#include "embed/wsgi/extension_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    COLLECT_MAX = 64 * 1024,
    COPY_PIECE = 256 * 1024,
    WRAPPER_BLOCK = 128 * 1024,
};

void gateway_enter(struct gateway *g)
{
    PyEval_RestoreThread(g->thread);
    g->thread = NULL;
}

void gateway_leave(struct gateway *g)
{
    g->thread = PyEval_SaveThread();
}

/* ---- request ---- */

static const char *get_variable(void *arg, const char *name)
{
    const struct gateway *g = arg;

    return environ_get(&g->vars, name);
}

static const char *gateway_header(struct gateway *g, const char *name)
{
    return http_cgi_header(get_variable, g, g->rq.arena, name);
}

int gateway_read_head(struct gateway *g, struct error *e)
{
    if (http_cgi_request(&g->rq, get_variable, g, e) < 0)
        return -1;
    return input_judge(g, e);
}

/* ---- giving the answer to the server ---- */

/* What was raised is the server's to see, once the service is done. GIL. */
static void keep_exception(struct gateway *g)
{
    g->gone = true;
    PyErr_Fetch(&g->raised[0], &g->raised[1], &g->raised[2]);
}

static PyObject *native(const char *text)
{
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
}

/* GIL. */
static PyObject *header_list(struct gateway *g)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < g->headers.n; i++) {
        PyObject *name = native(g->headers.items[i].name), *value = native(g->headers.items[i].value);
        PyObject *pair = name && value ? PyTuple_Pack(2, name, value) : NULL;

        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return list;
}

/* Calls start_response(), once. GIL; -1 with the exception kept. */
static int start(struct gateway *g)
{
    PyObject *status, *headers;

    if (g->write)
        return 0;
    status = native(g->status_line);
    headers = header_list(g);
    if (status && headers)
        g->write = PyObject_CallFunctionObjArgs(g->start_response, status, headers, NULL);
    Py_XDECREF(status);
    Py_XDECREF(headers);
    if (g->write)
        return 0;
    keep_exception(g);
    return -1;
}

/* GIL. */
static int write_now(struct gateway *g, const char *data, size_t n)
{
    PyObject *bytes, *result;

    if (g->gone || start(g) < 0)
        return -1;
    if (n == 0)
        return 0;
    bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)n);
    result = bytes ? PyObject_CallFunctionObjArgs(g->write, bytes, NULL) : NULL;
    Py_XDECREF(bytes);
    if (!result) {
        keep_exception(g);
        return -1;
    }
    Py_DECREF(result);
    return 0;
}

static int flush(struct gateway *g, const char *data, size_t n)
{
    int result;

    gateway_enter(g);
    result = write_now(g, str_text(&g->out), g->out.len);
    str_clear(&g->out);
    if (result == 0)
        result = write_now(g, data, n);
    gateway_leave(g);
    return result;
}

/* ---- the answer as the service makes it ---- */

static void add_header(void *arg, const char *name, const char *value)
{
    struct gateway *g = arg;

    headers_add(g->rq.arena, &g->headers, arena_str(g->rq.arena, name), arena_str(g->rq.arena, value));
}

static int gateway_head(struct gateway *g, int status, const struct http_headers *h, int64_t length)
{
    const char *phrase = http_phrase(status);
    char date[CLOCK_TEXT_MAX];

    if (g->gone || embedded_answer_begin(&g->answer, &g->rq, status, h, length, add_header, g) < 0)
        return -1;
    if (g->server->wants_date && !g->answer.dated)
        add_header(g, "Date", clock_http(clock_now_us(), date));
    g->status_line = arena_printf(g->rq.arena, "%d %s", status, phrase ? phrase : "Unknown");
    return 0;
}

static int give(struct gateway *g, const char *data, size_t n)
{
    if (g->write || g->out.len + n > COLLECT_MAX)
        return flush(g, data, n);
    str_addn(&g->out, data, n);
    return 0;
}

static int gateway_write(struct gateway *g, const void *buf, size_t n)
{
    if (g->gone || !g->answer.headed)
        return -1;
    n = (size_t)embedded_answer_take(&g->answer, n);
    return n > 0 ? give(g, buf, n) : 0;
}

/* An open file description of our own, so that its position is ours alone. */
static int reopen(int fd)
{
    char path[40];
    int own;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, O_RDONLY | O_CLOEXEC);
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int copy_file(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    CLEANUP(mem_free_ptr) char *buf = mem_resize(NULL, COPY_PIECE);

    while (len > 0) {
        ssize_t n = embedded_read_file(fd, buf, len < COPY_PIECE ? (size_t)len : COPY_PIECE, offset);

        if (n <= 0)
            g->gone = true;
        if (n <= 0 || give(g, buf, (size_t)n) < 0)
            return -1;
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

/* What is the whole body is left for the server to send, after the service has returned. */
static int gateway_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    bool first = !g->write && g->out.len == 0;

    if (g->gone || !g->answer.headed)
        return -1;
    len = embedded_answer_take(&g->answer, len);
    if (len == 0)
        return 0;
    if (first && g->answer.left == 0 && (g->file = reopen(fd)) >= 0) {
        g->file_offset = offset;
        g->file_len = len;
        return 0;
    }
    return copy_file(g, fd, offset, len);
}

static bool gateway_aborted(struct gateway *g)
{
    return g->gone || g->body == BODY_GONE;
}

static const struct gateway_ops wsgi_gateway_ops = {
    .name = "wsgi",
    .read = input_read,
    .head = gateway_head,
    .write = gateway_write,
    .sendfile = gateway_sendfile,
    .header = gateway_header,
    .aborted = gateway_aborted,
};

/* ---- its life ---- */

void gateway_begin(struct gateway *g, struct application *app, struct module_state *state, PyObject *dict,
                   PyObject *start_response)
{
    *g = (struct gateway){
        .rq = { .ops = &wsgi_gateway_ops,
                .gateway = g,
                .arena = arena_make(8192),
                .content_length = HTTP_BODY_NONE,
                .started_us = clock_mono_us() },
        .app = app,
        .state = state,
        .environ = dict,
        .start_response = start_response,
        .server = server_find(dict),
        .out = STR_INIT,
        .file = -1,
    };
    environ_copy(&g->vars, g->rq.arena, dict);
    input_begin(g);
}

void gateway_finish(struct gateway *g)
{
    if (!g->answer.headed && !g->gone)
        embedded_refuse(&g->rq, g->body == BODY_GONE ? 400 : 500, "no answer was made");
    if (g->body != BODY_OPEN || g->drains || embedded_answer_is_short(&g->answer))
        return;
    /* The answer goes ahead of the rest of the body, for the client may be waiting for it. */
    if (g->file < 0 && flush(g, NULL, 0) == 0)
        input_drain(g);
}

/* The part of the file as the server sends it best. GIL. */
static PyObject *wrap_file(struct gateway *g)
{
    PyObject *wrapper = PyDict_GetItemString(g->environ, "wsgi.file_wrapper"), *io = NULL, *file = NULL,
             *made = NULL;
    enum file_wrapper may = g->server->file_wrapper;
    int fd = g->file;

    g->file = -1;
    if (!wrapper || may == FILE_WRAPPER_NEVER || (may == FILE_WRAPPER_FROM_START && g->file_offset > 0))
        return blocks_make(g->state->blocks_type, fd, g->file_offset, g->file_len,
                           g->server->is_uwsgi ? uwsgi_break_connection : NULL);
    io = PyImport_ImportModule("io");
    file = io ? PyObject_CallMethod(io, "FileIO", "is", fd, "rb") : NULL;
    if (!file)
        close(fd);
    if (file && g->file_offset > 0) {
        PyObject *at = PyObject_CallMethod(file, "seek", "L", (long long)g->file_offset);

        if (!at)
            Py_CLEAR(file);
        Py_XDECREF(at);
    }
    if (file)
        made = PyObject_CallFunction(wrapper, "Oi", file, (int)WRAPPER_BLOCK);
    Py_XDECREF(file);
    Py_XDECREF(io);
    return made;
}

static PyObject *whole_answer(struct gateway *g)
{
    PyObject *bytes, *list;

    if (g->out.len == 0)
        return PyList_New(0);
    bytes = PyBytes_FromStringAndSize(g->out.data, (Py_ssize_t)g->out.len);
    list = bytes ? PyList_New(1) : NULL;
    if (list)
        PyList_SetItem(list, 0, Py_NewRef(bytes));
    Py_XDECREF(bytes);
    return list;
}

PyObject *gateway_result(struct gateway *g)
{
    if (g->raised[0]) {
        PyErr_Restore(g->raised[0], g->raised[1], g->raised[2]);
        g->raised[0] = g->raised[1] = g->raised[2] = NULL;
        return NULL;
    }
    /* The server has to break the connection off: what was sent must not look whole. */
    if (g->gone || embedded_answer_is_short(&g->answer)) {
        PyErr_SetString(g->state->error_type, "the answer broke off");
        if (g->server->is_uwsgi)
            uwsgi_break_connection();
        return NULL;
    }
    if (start(g) < 0)
        return gateway_result(g);
    return g->file >= 0 ? wrap_file(g) : whole_answer(g);
}

void gateway_complain(struct gateway *g, const char *text)
{
    PyObject *errors, *result;

    gateway_enter(g);
    errors = PyDict_GetItemString(g->environ, "wsgi.errors");
    result = errors
                 ? PyObject_CallMethod(errors, "write", "s", arena_printf(g->rq.arena, "glint: %s\n", text))
                 : NULL;
    PyErr_Clear();
    Py_XDECREF(result);
    gateway_leave(g);
}

void gateway_end(struct gateway *g)
{
    fd_close(&g->file);
    Py_XDECREF(g->read);
    Py_XDECREF(g->piece);
    Py_XDECREF(g->write);
    for (size_t i = 0; i < COUNT(g->raised); i++)
        Py_XDECREF(g->raised[i]);
    str_done(&g->out);
    arena_free(g->rq.arena);
}
