/* Emission, as the bus's methods call it. */
#ifndef ONEX_PY_EMIT_H
#define ONEX_PY_EMIT_H

#include "py/bus_internal.h"

/* An awaitable (Emitted), or NULL with an exception. */
PyObject *onex_bus_emit(onex_bus *bus, PyObject *event, PyObject *receipt);
/* The event, or NULL with an exception. */
PyObject *onex_bus_emit_sync(onex_bus *bus, PyObject *event);
/* 2: inside a handler of this bus, or on the thread inside its drain; 1:
 * inside a handler of another bus; 0: neither; -1: exception. */
int onex_bus_in_handler(onex_bus *bus);

#endif
