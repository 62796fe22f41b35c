/* Timer: the context manager that puts a duration into a histogram. */
#ifndef ONEX_PY_TIMER_H
#define ONEX_PY_TIMER_H

#include "py/histogram.h"

/* New reference to a timer that is not running, or NULL with an exception. */
PyObject *onex_timer_new(onex_state *st, PyObject *name,
                         onex_histogram_object *histogram);

#endif
