/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/wsgi/extension_private.h"

#include <string.h>

/* Of a WSGI environ, which may hold the whole environment of the process. */
static const char *const wanted[] = { "HTTP_",          "CONTENT_",     "REQUEST_",     "SCRIPT_NAME",
                                      "PATH_INFO",      "QUERY_STRING", "RAW_URI",      "SERVER_",
                                      "REMOTE_",        "HTTPS",        "UWSGI_SCHEME", "BODY_FRAMING",
                                      "wsgi.url_scheme" };

static bool is_wanted(const char *name)
{
    for (size_t i = 0; i < COUNT(wanted); i++)
        if (str_starts(name, wanted[i]))
            return true;
    return false;
}

/* PEP 3333's native strings hold bytes as Latin-1. NULL for what is none, and for what has a NUL. */
static const char *bytes_of(struct arena *a, PyObject *text)
{
    PyObject *bytes = PyUnicode_AsLatin1String(text);
    const char *copy = NULL;

    if (!bytes) {
        PyErr_Clear();
        return NULL;
    }
    if (strlen(PyBytes_AsString(bytes)) == (size_t)PyBytes_Size(bytes))
        copy = arena_strn(a, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    Py_DECREF(bytes);
    return copy;
}

void environ_copy(struct environ *v, struct arena *a, PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    while (PyDict_Next(dict, &at, &key, &value)) {
        const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, NULL) : NULL;

        if (!name)
            PyErr_Clear();
        if (!name || !is_wanted(name) || !PyUnicode_Check(value))
            continue;
        *ARENA_PUSH(a, v->items, v->n, v->cap) =
            (struct variable){ .name = arena_str(a, name), .value = bytes_of(a, value) };
    }
}

const char *environ_get(const struct environ *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (str_eq(v->items[i].name, name))
            return v->items[i].value;
    return NULL;
}

bool environ_is_true(PyObject *dict, const char *key)
{
    PyObject *value = PyDict_GetItemString(dict, key);

    return value && PyObject_IsTrue(value) == 1;
}
