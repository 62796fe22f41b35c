/* Where csrc/core meets Python: its allocator and its error codes. */
#ifndef ONEX_PY_STATUS_H
#define ONEX_PY_STATUS_H

#include "py/module.h"

#include "core/alloc.h"
#include "core/status.h"

/* PyMem_Raw: counted by tracemalloc, usable without the GIL. */
extern const onex_allocator onex_python_allocator;

/* Sets the exception that a core function's code stands for and returns -1;
 * ONEX_OK: sets none and returns 0. */
int onex_raise_status(onex_status status);

#endif
