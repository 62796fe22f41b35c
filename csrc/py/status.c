/* Python's allocator for core structures, core codes as exceptions. */
#include "py/status.h"

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

int
onex_raise_status(onex_status status)
{
    switch (status) {
    case ONEX_OK:
        return 0;
    case ONEX_NO_MEMORY:
        PyErr_NoMemory();
        return -1;
    case ONEX_NO_ENTROPY:
        PyErr_SetString(PyExc_OSError,
                        "the operating system's random source failed");
        return -1;
    case ONEX_FULL:
        PyErr_SetString(PyExc_OverflowError, "the structure is full");
        return -1;
    case ONEX_MALFORMED:
        PyErr_SetString(PyExc_ValueError, "malformed text");
        return -1;
    case ONEX_RANGE:
        PyErr_SetString(PyExc_OverflowError, "value out of range");
        return -1;
    }
    PyErr_Format(PyExc_SystemError, "unknown core status %d", (int)status);
    return -1;
}
