/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a file as an iterable of bytes: what wsgi.file_wrapper is meant to be. */
#include "embed/wsgi/extension_private.h"

#include <unistd.h>

enum { BLOCK = 128 * 1024 };

struct blocks {
    PyObject_HEAD int fd;
    uint64_t offset, left;
    void (*failed)(void);
};

PyObject *blocks_make(PyObject *type, int fd, uint64_t offset, uint64_t len, void (*failed)(void))
{
    allocfunc alloc = (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    struct blocks *b = (struct blocks *)alloc((PyTypeObject *)type, 0);

    if (!b) {
        close(fd);
        return NULL;
    }
    b->fd = fd;
    b->offset = offset;
    b->left = len;
    b->failed = failed;
    return (PyObject *)b;
}

static void shut(struct blocks *b)
{
    fd_close(&b->fd);
}

/* All of n bytes; 0 when the file ends before, -1 with errno set. */
static int read_all(int fd, char *buf, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t got = embedded_read_file(fd, buf, n, offset);

        if (got <= 0)
            return (int)got;
        buf += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 1;
}

static PyObject *blocks_next(PyObject *self)
{
    struct blocks *b = (struct blocks *)self;
    size_t n = b->left < BLOCK ? (size_t)b->left : BLOCK;
    PyObject *block;
    int whole;

    if (n == 0 || b->fd < 0)
        return NULL;
    block = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (!block)
        return NULL;
    Py_BEGIN_ALLOW_THREADS whole = read_all(b->fd, PyBytes_AsString(block), n, b->offset);
    Py_END_ALLOW_THREADS if (whole <= 0)
    {
        Py_DECREF(block);
        if (whole < 0)
            PyErr_SetFromErrno(PyExc_OSError);
        else
            PyErr_SetString(PyExc_OSError, "the stored data ended early");
        if (b->failed)
            b->failed();
        return NULL;
    }
    b->offset += n;
    b->left -= n;
    return block;
}

static PyObject *blocks_iter(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *blocks_close(PyObject *self, PyObject *ignored UNUSED)
{
    struct blocks *b = (struct blocks *)self;

    if (b->fd >= 0 && b->left > 0)
        log_info("a download was left with %llu bytes to send", (unsigned long long)b->left);
    shut(b);
    Py_RETURN_NONE;
}

static void blocks_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    shut((struct blocks *)self);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    { "close", blocks_close, METH_NOARGS, "Lets the file go." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, (void *)"Blocks of a part of a file." },
    { Py_tp_dealloc, (void *)blocks_dealloc },
    { Py_tp_iter, (void *)blocks_iter },
    { Py_tp_iternext, (void *)blocks_next },
    { Py_tp_methods, methods },
    { 0, NULL },
};

PyType_Spec blocks_spec = {
    .name = "glint._glint.Blocks",
    .basicsize = sizeof(struct blocks),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};
