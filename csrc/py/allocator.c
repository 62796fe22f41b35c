/* Python's allocator for core structures. */
#include "py/allocator.h"

static void *
python_allocate(void *Py_UNUSED(context), size_t size)
{
    return PyMem_RawMalloc(size);
}

static void
python_release(void *Py_UNUSED(context), void *pointer)
{
    PyMem_RawFree(pointer);
}

const onex_allocator onex_python_allocator = {
    .allocate = python_allocate,
    .release = python_release,
    .context = NULL,
};
