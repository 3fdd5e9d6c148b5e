/* SPDX-License-Identifier: Apache-2.0 */
/* What servers do beyond PEP 3333, as read in them and measured: Debian 12's mod_wsgi 4.9.4, uWSGI 2.0.21,
 * gunicorn 20.1, waitress 2.1. */
#include "embed/wsgi/extension_private.h"

#include <sys/socket.h>

static const struct server servers[] = {
    /* httpd reads on by itself after an answer, but not in a stream of HTTP/2; it sends 100 when a daemon
     * process asks for the body. */
    { .name = "mod_wsgi", .key = "mod_wsgi.version", .file_wrapper = FILE_WRAPPER_ALWAYS, .drains = true },
    /* Its file_wrapper sends the whole file whatever is asked for. */
    { .name = "uWSGI", .key = "uwsgi.version", .is_uwsgi = true, .wants_date = true },
    /* It gives socket.sendfile() a length and no offset. */
    { .name = "gunicorn",
      .key = "SERVER_SOFTWARE",
      .value_prefix = "gunicorn",
      .file_wrapper = FILE_WRAPPER_FROM_START,
      .continues_early = true },
    /* It has the whole body before it calls. Its file_wrapper spins when the file has become shorter. */
    { .name = "waitress", .key = "SERVER_SOFTWARE", .value_prefix = "waitress", .drains = true },
    { .name = "unknown" },
};

static bool is_there(PyObject *dict, const struct server *s)
{
    PyObject *value = s->key ? PyDict_GetItemString(dict, s->key) : NULL;
    const char *text;

    if (!s->key)
        return true;
    if (!value || !s->value_prefix)
        return value != NULL;
    text = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
    if (!text)
        PyErr_Clear();
    return text && str_starts(text, s->value_prefix);
}

const struct server *server_find(PyObject *dict)
{
    const struct server *s = servers;

    while (!is_there(dict, s))
        s++;
    return s;
}

/* The keys of uwsgi.opt are str, its values bytes. */
bool uwsgi_has_option(PyObject *uwsgi, const char *name)
{
    PyObject *options = PyObject_GetAttrString(uwsgi, "opt");
    bool found = options && PyDict_Check(options) && PyDict_GetItemString(options, name);

    Py_XDECREF(options);
    PyErr_Clear();
    return found;
}

void uwsgi_break_connection(void)
{
    struct linger none = { .l_onoff = 1, .l_linger = 0 };
    PyObject *kept[3], *uwsgi, *number;
    long fd = -1;

    PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
    uwsgi = PyImport_ImportModule("uwsgi");
    number = uwsgi ? PyObject_CallMethod(uwsgi, "connection_fd", NULL) : NULL;
    if (number)
        fd = PyLong_AsLong(number);
    PyErr_Clear();
    Py_XDECREF(number);
    Py_XDECREF(uwsgi);
    if (fd >= 0) {
        setsockopt((int)fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        shutdown((int)fd, SHUT_RDWR);
    }
    PyErr_Restore(kept[0], kept[1], kept[2]);
}
