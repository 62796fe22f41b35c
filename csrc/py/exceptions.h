/* The raised exception as one object, on every supported version. */
#ifndef ONEX_PY_EXCEPTIONS_H
#define ONEX_PY_EXCEPTIONS_H

#include "py/module.h"

/* True for KeyboardInterrupt and SystemExit, which are never swallowed; not for
 * NULL. */
static inline bool
onex_exception_is_exit(PyObject *type)
{
    return PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt) ||
           PyErr_GivenExceptionMatches(type, PyExc_SystemExit);
}

/* Takes the raised exception, with its traceback: a new reference, or NULL
 * when none is set. */
static inline PyObject *
onex_exception_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Raises it again, unchanged; steals the reference; NULL: nothing. */
static inline void
onex_exception_restore(PyObject *exception)
{
    if (exception == NULL) {
        return;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception,
                  PyException_GetTraceback(exception));
#endif
}

#endif
