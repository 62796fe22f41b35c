/* Python's allocator for core structures. */
#ifndef ONEX_PY_ALLOCATOR_H
#define ONEX_PY_ALLOCATOR_H

#include <Python.h>

#include "core/alloc.h"

/* PyMem_Raw: counted by tracemalloc, usable without the GIL. */
extern const onex_allocator onex_python_allocator;

#endif
