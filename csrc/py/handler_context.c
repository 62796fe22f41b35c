/* The context that a handler runs in, with its frame as the current one.
 *
 * A new context with one variable set costs about a thousand instructions, a
 * handler that does nothing a few hundred.  So what a finished handler leaves
 * behind is used again for the next one, if nobody has kept any of it: the
 * Context object, the map of its variables (a copied context shares it) and
 * the frame must each be referenced by us alone, and the map must be the very
 * one that we made.  Then the frame is given the next event in place. */
#include "py/handler_context.h"

/* --- the variables' map ------------------------------------------------------- */

static int
pick_variables(PyObject *object, void *arg)
{
    if (!PyContext_CheckExact(object)) {
        *(PyObject **)arg = object;
    }
    return 0;
}

/* The map that a Context refers to: borrowed, NULL when it isn't seen.  A
 * Context visits it for the collector; nothing else tells. */
static PyObject *
variables_of(PyObject *context)
{
    PyObject *variables = NULL;
    (void)Py_TYPE(context)->tp_traverse(context, pick_variables, &variables);
    return variables;
}

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
        bus->spare = (onex_handler_place){NULL, NULL, NULL};
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
    place->variables = NULL;
    place->frame = onex_handler_frame(bus->st, delivery, sub, NULL);
    place->context = place->frame == NULL
                         ? NULL
                         : onex_handler_enter_new(delivery, place->frame);
    if (place->context == NULL) {
        Py_CLEAR(place->frame);
        return -1;
    }
    if (delivery->context == NULL) {
        place->variables = variables_of(place->context);
    }
    return 0;
}

void
onex_handler_leave(onex_bus *bus, PyObject *context)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyContext_Exit(context) < 0) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    PyErr_Restore(type, value, traceback);
}

/* Is everything of the place ours alone, as we made it? */
static bool
nobody_kept(const onex_handler_place *place)
{
#ifdef Py_GIL_DISABLED
    (void)place;
    return false; /* reference counts of other threads are not to be seen */
#else
    return place->variables != NULL && Py_REFCNT(place->context) == 1 &&
           variables_of(place->context) == place->variables &&
           Py_REFCNT(place->variables) == 1 && Py_REFCNT(place->frame) == 2 &&
           !place->frame->yielded;
#endif
}

void
onex_handler_place_leave(onex_bus *bus, onex_handler_place *place)
{
    onex_handler_leave(bus, place->context);
    if (bus->spare.frame == NULL && nobody_kept(place)) {
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
    *place = (onex_handler_place){NULL, NULL, NULL};
    Py_XDECREF(context);
    Py_XDECREF((PyObject *)frame);
}
