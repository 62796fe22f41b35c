/* Emitted: the awaitable that `emit` returns. */
#ifndef ONEX_PY_EMITTED_H
#define ONEX_PY_EMITTED_H

#include "py/module.h"

/* `waiter` (may be NULL): awaited before the event is given back. */
PyObject *onex_emitted_new(onex_state *st, PyObject *event, PyObject *waiter);

/* Lets go of the event that was last awaited. */
void onex_emitted_forget(onex_state *st);

void onex_emitted_teardown(onex_state *st);

#endif
