/* The callable that stands for a decorated function. */
#ifndef ONEX_PY_SITE_FUNCTION_H
#define ONEX_PY_SITE_FUNCTION_H

#include "py/call.h"

/* Two types share this layout: SiteFunction for targets that bind as methods
 * (functions and what behaves like them), SiteCallable for other callable
 * objects, which do not. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Py_ssize_t target_vectorcall; /* offset in the target; 0: none */
    onex_site site;
    PyObject *name;
    PyObject *qualname;
    PyObject *module;
    PyObject *doc;
    PyObject *dict;
    PyObject *weakrefs;
} onex_site_function;

#endif
