/* Histogram: the core's log-linear histogram as a Python object. */
#ifndef ONEX_PY_HISTOGRAM_H
#define ONEX_PY_HISTOGRAM_H

#include "py/module.h"

#include "core/histogram.h"

typedef struct {
    PyObject_HEAD
    onex_histogram values; /* Guard: the GIL */
} onex_histogram_object;

/* New reference to an empty Histogram, or NULL with an exception. */
onex_histogram_object *onex_histogram_new(onex_state *st);

/* Counts a value; 0, or -1 with MemoryError.  Runs no Python. */
int onex_histogram_add(onex_histogram_object *self, int64_t value);

#endif
