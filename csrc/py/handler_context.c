/* The context that a handler runs in, with its frame as the current one.
 *
 * A new context with one variable set costs about a thousand instructions, a
 * handler that does nothing a few hundred.  So what a finished handler leaves
 * behind is used again for the next one, if nobody has kept any of it: the
 * Context object, the map of its variables (a copied context shares it) and
 * the frame must each be referenced by us alone, and the handler must have set
 * no variable.  Then the frame is given the next event in place. */
#include "py/handler_context.h"

#include "py/exceptions.h"

/* --- frames -------------------------------------------------------------------- */

onex_frame *
onex_handler_frame(onex_state *st, onex_delivery *delivery,
                   onex_subscription *sub, onex_frame *outer)
{
    onex_frame *frame = onex_frame_new(st, delivery->event, outer);
    if (frame == NULL) {
        return NULL;
    }
    Py_CLEAR(frame->handler);
    frame->handler = frame;
    frame->delivery = Py_NewRef((PyObject *)delivery);
    frame->subscription = Py_NewRef((PyObject *)sub);
    frame->active = true;
    st->active_handlers++;
    return frame;
}

void
onex_handler_frame_over(onex_state *st, onex_frame *frame)
{
    if (frame->active) {
        frame->active = false;
        st->active_handlers--;
    }
}

/* --- entering and leaving -------------------------------------------------------- */

/* A new context, entered, with `frame` current: new reference or NULL. */
PyObject *
onex_handler_enter_new(onex_delivery *delivery, onex_frame *frame)
{
    onex_state *st = delivery->bus->st;
    PyObject *context = delivery->context == NULL
                            ? PyContext_New()
                            : PyContext_Copy(delivery->context);
    if (context == NULL || PyContext_Enter(context) < 0) {
        Py_XDECREF(context);
        return NULL;
    }
    if (delivery->context != NULL) {
        onex_frame *outer = onex_context_top(st);
        if (outer == NULL && PyErr_Occurred()) {
            goto error;
        }
        if (outer != NULL) {
            frame->depth = outer->depth + 1;
            frame->sampled = outer->sampled;
            Py_XSETREF(frame->outer, outer);
        }
    }
    if (onex_context_set(st, frame) == 0) {
        return context;
    }
error:
    onex_handler_leave(delivery->bus, context);
    Py_DECREF(context);
    return NULL;
}

int
onex_handler_enter(onex_delivery *delivery, onex_subscription *sub,
                   onex_handler_place *place)
{
    onex_bus *bus = delivery->bus;
    onex_frame *frame = bus->spare.frame;
    if (frame != NULL && delivery->context == NULL) {
        *place = bus->spare;
        bus->spare = (onex_handler_place){NULL, NULL};
        if (PyContext_Enter(place->context) == 0) {
            frame->event = Py_NewRef(delivery->event);
            frame->delivery = Py_NewRef((PyObject *)delivery);
            frame->subscription = Py_NewRef((PyObject *)sub);
            frame->active = true;
            bus->st->active_handlers++;
            return 0;
        }
        onex_handler_place_clear(place);
        return -1;
    }
    place->frame = onex_handler_frame(bus->st, delivery, sub, NULL);
    place->context = place->frame == NULL
                         ? NULL
                         : onex_handler_enter_new(delivery, place->frame);
    if (place->context == NULL) {
        if (place->frame != NULL) {
            onex_handler_frame_over(bus->st, place->frame);
            Py_CLEAR(place->frame);
        }
        return -1;
    }
    return 0;
}

void
onex_handler_leave(onex_bus *bus, PyObject *context)
{
    PyObject *exception = PyErr_Occurred() ? onex_exception_take() : NULL;
    if (PyContext_Exit(context) < 0) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    onex_exception_restore(exception);
}

/* Is everything of the place ours alone, as we made it?  (Not to be told by the
 * map's address: the next map may have it.) */
static bool
nobody_kept(onex_state *st, const onex_handler_place *place)
{
    /* What is asked of the context must not be asked with an exception set. */
    return !PyErr_Occurred() && place->frame->outer == NULL &&
           Py_REFCNT(place->context) == 1 &&
           PyObject_Length(place->context) == 1 &&
           Py_REFCNT(place->frame) == 2 && !place->frame->yielded &&
           onex_context_has_alone(st, place->context, place->frame);
}

void
onex_handler_place_leave(onex_bus *bus, onex_handler_place *place)
{
    onex_handler_leave(bus, place->context);
    if (bus->spare.frame == NULL && nobody_kept(bus->st, place)) {
        onex_frame *frame = place->frame;
        PyObject *event = frame->event, *delivery = frame->delivery,
                 *sub = frame->subscription;
        frame->event = NULL;
        frame->delivery = NULL;
        frame->subscription = NULL;
        frame->sampled = -1;
        bus->spare = *place;
        Py_XDECREF(event);
        Py_XDECREF(delivery);
        Py_XDECREF(sub);
        return;
    }
    onex_handler_place_clear(place);
}

void
onex_handler_place_clear(onex_handler_place *place)
{
    PyObject *context = place->context;
    onex_frame *frame = place->frame;
    *place = (onex_handler_place){NULL, NULL};
    Py_XDECREF(context);
    Py_XDECREF((PyObject *)frame);
}
