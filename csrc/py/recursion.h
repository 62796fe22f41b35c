/* The bound of functions that call themselves through the values they meet.
 *
 * Py_EnterRecursiveCall counts calls (10,000 of them on 3.12 and 3.13), which
 * overflows a thread's stack of 1 MB and any stack when frames are large; it
 * knows bytes from 3.14 on.  The stack itself is asked as well. */
#ifndef ONEX_PY_RECURSION_H
#define ONEX_PY_RECURSION_H

#include <Python.h>

#include "core/stack.h"

/* Enters a recursive function; `where` is " while ...".  0, to be followed by
 * onex_recursion_leave; -1 with RecursionError. */
static inline int
onex_recursion_enter(const char *where)
{
    if (onex_stack_is_low()) {
        PyErr_Format(PyExc_RecursionError,
                     "maximum recursion depth exceeded%s: the C stack of this "
                     "thread is used up",
                     where);
        return -1;
    }
    return Py_EnterRecursiveCall(where) ? -1 : 0;
}

static inline void
onex_recursion_leave(void)
{
    Py_LeaveRecursiveCall();
}

#endif
