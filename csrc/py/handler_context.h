/* The context that a handler runs in, with its frame as the current one. */
#ifndef ONEX_PY_HANDLER_CONTEXT_H
#define ONEX_PY_HANDLER_CONTEXT_H

#include "py/bus_internal.h"

/* The frame of one handler call: new reference or NULL. */
onex_frame *onex_handler_frame(onex_state *st, onex_delivery *delivery,
                               onex_subscription *sub, onex_frame *outer);

/* Its call is over. */
void onex_handler_frame_over(onex_state *st, onex_frame *frame);

/* A context made for a frame (which takes what is current where the emitter's
 * context is propagated as its outer one), entered: new reference or NULL. */
PyObject *onex_handler_enter_new(onex_delivery *delivery, onex_frame *frame);

/* Leaves a context; keeps an exception that is set. */
void onex_handler_leave(onex_bus *bus, PyObject *context);

/* Frame and context of one handler call, entered; 0 / -1 (nothing entered). */
int onex_handler_enter(onex_delivery *delivery, onex_subscription *sub,
                       onex_handler_place *place);

/* Leaves and releases the place, or keeps it for the next handler. */
void onex_handler_place_leave(onex_bus *bus, onex_handler_place *place);
void onex_handler_place_clear(onex_handler_place *place);

#endif
