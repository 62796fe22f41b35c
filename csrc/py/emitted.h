/* Emitted: the awaitable that `emit` returns. */
#ifndef ONEX_PY_EMITTED_H
#define ONEX_PY_EMITTED_H

#include "py/module.h"

PyObject *onex_emitted_new(onex_state *st, PyObject *event);

/* `waiter` (stolen) is awaited before the event is given back; said once, of a
 * new one. */
void onex_emitted_wait_for(PyObject *self, PyObject *waiter);

/* Lets go of the event that was last awaited. */
void onex_emitted_forget(onex_state *st);

void onex_emitted_teardown(onex_state *st);

#endif
