/* SPDX-License-Identifier: Apache-2.0 */
/* glint._glint: the Images API as a WSGI application (PEP 3333).
 *
 * An application reads its configuration when it is made, opens nothing, and is opened by the process that
 * serves its first request: made before a fork, it is good in every child. */
#include "embed/wsgi/extension_private.h"

#include <string.h>

extern char **environ;

/* ---- making one ---- */

struct texts {
    const char **items;
    size_t n, cap;
};

/* The texts of any iterable of str; None gives none. -1 with an exception set. */
static int read_texts(struct arena *a, PyObject *from, struct texts *ret)
{
    PyObject *it, *item;

    if (from == Py_None)
        return 0;
    it = PyObject_GetIter(from);
    if (!it)
        return -1;
    while ((item = PyIter_Next(it))) {
        const char *text = PyUnicode_Check(item) ? PyUnicode_AsUTF8AndSize(item, NULL) : NULL;

        if (text)
            *ARENA_PUSH(a, ret->items, ret->n, ret->cap) = arena_str(a, text);
        else if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a list of str is wanted");
        Py_DECREF(item);
        if (!text)
            break;
    }
    Py_DECREF(it);
    if (PyErr_Occurred())
        return -1;
    if (ret->n > 0)
        *ARENA_PUSH(a, ret->items, ret->n, ret->cap) = NULL;
    return 0;
}

static struct module_state *state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

static int load(struct application *app, struct arena *a, PyObject *files, PyObject *dirs, PyObject *options,
                struct module_state *state)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    struct texts f = { 0 }, d = { 0 }, o = { 0 };
    struct conf_request rq = { .environment = environ };
    struct error e;

    if (read_texts(a, files, &f) < 0 || read_texts(a, dirs, &d) < 0 || read_texts(a, options, &o) < 0)
        return -1;
    rq.files = f.items;
    rq.dirs = d.items;
    rq.overrides = o.items;
    if (embedded_load(&rq, &app->service, &e) < 0) {
        PyErr_SetString(state->error_type, embedded_error_text(&e, &text));
        return -1;
    }
    app->linger_us = embedded_seconds_us(app->service, "linger_timeout");
    app->body_seconds = (long)(embedded_seconds_us(app->service, "body_timeout") / CLOCK_SECOND);
    return 0;
}

static PyObject *application_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = { (char *)"config_files", (char *)"config_dirs", (char *)"options", NULL };
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *files = Py_None, *dirs = Py_None, *options = Py_None;
    struct application *app;
    struct arena *a;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:Application", names, &files, &dirs, &options))
        return NULL;
    app = (struct application *)alloc(type, 0);
    if (!app)
        return NULL;
    a = arena_make(1024);
    if (load(app, a, files, dirs, options, state_of_type(type)) < 0)
        Py_CLEAR(app);
    arena_free(a);
    return (PyObject *)app;
}

static void application_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    struct application *app = (struct application *)self;

    Py_BEGIN_ALLOW_THREADS embedded_free(app->service);
    Py_END_ALLOW_THREADS release(self);
    Py_DECREF(type);
}

/* ---- calling it ---- */

static void serve(struct gateway *g)
{
    struct http_service service;
    struct error e;

    error_clear(&e);
    if (gateway_read_head(g, &e) < 0) {
        embedded_refuse(&g->rq, e.status, e.message);
        if (e.status == 411)
            gateway_complain(g, e.message);
    } else if (embedded_open(g->app->service, &service, &e) < 0) {
        embedded_refuse(&g->rq, 503, "The image service is not ready; its log says why.");
        gateway_complain(g, e.message);
    } else {
        (void)service.serve(service.arg, &g->rq);
    }
    gateway_finish(g);
}

static PyObject *application_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *environ_dict, *start_response, *result;
    struct gateway g;

    if (kwargs && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "a WSGI application is called with positional arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO:Application", &environ_dict, &start_response))
        return NULL;
    if (!PyDict_Check(environ_dict)) {
        PyErr_SetString(PyExc_TypeError, "the environ has to be a dict");
        return NULL;
    }
    gateway_begin(&g, (struct application *)self, state_of_type(Py_TYPE(self)), environ_dict, start_response);
    gateway_leave(&g);
    serve(&g);
    gateway_enter(&g);
    result = gateway_result(&g);
    gateway_end(&g);
    return result;
}

static PyType_Slot application_slots[] = {
    { Py_tp_doc,
      (void *)"Application(config_files=None, config_dirs=None, options=None)\n\n"
              "The Images API as a WSGI application. Without files and directories Glance's places are "
              "searched; options are GROUP.OPTION=VALUE. Raises glint.Error when the configuration is "
              "wrong." },
    { Py_tp_new, (void *)application_new },
    { Py_tp_dealloc, (void *)application_dealloc },
    { Py_tp_call, (void *)application_call },
    { 0, NULL },
};

static PyType_Spec application_spec = {
    .name = "glint._glint.Application",
    .basicsize = sizeof(struct application),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = application_slots,
};

/* ---- the module ---- */

static int module_exec(PyObject *module)
{
    struct module_state *s = PyModule_GetState(module);

    s->error_type = PyErr_NewException("glint.Error", PyExc_RuntimeError, NULL);
    s->application_type = PyType_FromModuleAndSpec(module, &application_spec, NULL);
    s->blocks_type = PyType_FromModuleAndSpec(module, &blocks_spec, NULL);
    if (!s->error_type || !s->application_type || !s->blocks_type)
        return -1;
    if (PyModule_AddObjectRef(module, "Error", s->error_type) < 0 ||
        PyModule_AddObjectRef(module, "Application", s->application_type) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "version", GLINT_VERSION);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *s = PyModule_GetState(module);

    Py_VISIT(s->error_type);
    Py_VISIT(s->application_type);
    Py_VISIT(s->blocks_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct module_state *s = PyModule_GetState(module);

    Py_CLEAR(s->error_type);
    Py_CLEAR(s->application_type);
    Py_CLEAR(s->blocks_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    { Py_mod_exec, (void *)module_exec },
    { 0, NULL },
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "glint._glint",
    .m_doc = "The Images API, in C.",
    .m_size = sizeof(struct module_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__glint(void);

__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__glint(void)
{
    return PyModuleDef_Init(&module_definition);
}
