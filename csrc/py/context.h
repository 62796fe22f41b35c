/* The context: which event is current, in which handler call we are.
 *
 * One ContextVar (st->current_frame_var) leads to the top frame of an
 * immutable linked stack, so that a copied context (create_task, to_thread,
 * copy_context) keeps what was current when it was copied, and costs nothing
 * to copy.
 *
 * Setting a ContextVar makes a new map of all variables, over a thousand
 * instructions, and a call does it twice.  So the variable's value is a *place*
 * for the top frame, which is written anew as long as nobody but the running
 * context has it: copies of a context share the map of its variables, maps that
 * differ in other variables share the values, so all three (map, its node,
 * place) must be referenced once.  A place that is shared stays as it is. */
#ifndef ONEX_PY_CONTEXT_H
#define ONEX_PY_CONTEXT_H

#include "py/module.h"

typedef struct onex_frame {
    PyObject_HEAD
    PyObject *event;          /* the current event; NULL only in a mark */
    struct onex_frame *outer; /* the frame below, or NULL */
    Py_ssize_t depth;         /* how many events are on the stack: 1 at the
                                * bottom, in a mark as in the frame below */
    /* The nearest frame that a bus made for a handler call: itself, that of
     * the handler in which this frame was pushed, or NULL.  Strong, except
     * when it is the frame itself (then borrowed). */
    struct onex_frame *handler;
    /* Only in a handler's own frame: the delivery and subscription (bus.h)
     * that it belongs to, and whether the handler still runs.  `active` is
     * cleared when the handler is over, so that tasks which outlive it are
     * not taken for it. */
    PyObject *delivery;
    PyObject *subscription;
    bool active;
    /* It was popped, its call is over or pauses, and there was no memory to make another
     * frame the top: it is passed over. */
    bool left;
    /* A handler's frame: it has yielded its turn, the drain went on. */
    bool yielded;
    /* The sampling decision of this root, inherited by nested calls:
     * -1 undecided, 0 sampled out, 1 kept. */
    signed char sampled;
} onex_frame;

/* The top frame of the running context: a new reference, or NULL (with an
 * exception only if PyErr_Occurred()). */
onex_frame *onex_context_top(onex_state *st);

/* Makes `frame` (or none, if NULL) the top of the running context. 0 / -1. */
int onex_context_set(onex_state *st, onex_frame *frame);

/* True when `frame` is the top of this context and no other context shares
 * any of it. */
bool
onex_context_has_alone(onex_state *st, PyObject *context, onex_frame *frame);

/* A new frame for `event` (strong reference taken) above `outer` (may be
 * NULL); handler and sampled are inherited from it.  New reference or NULL. */
onex_frame *onex_frame_new(onex_state *st, PyObject *event, onex_frame *outer);

/* A frame above `outer` (may be NULL) that shows the same event and only
 * carries marks: a handler (may be NULL) and a sampling decision.  New
 * reference or NULL. */
onex_frame *onex_frame_mark(onex_state *st, onex_frame *outer,
                            onex_frame *handler, int sampled);

/* Push: onex_context_set, counted in the statistics.  Pop: makes frame->outer
 * the top, if `frame` still is (without memory it is passed over).  0 / -1. */
int onex_context_push(onex_state *st, onex_frame *frame);
int onex_context_pop(onex_state *st, onex_frame *frame);

/* True while the running code is inside a handler call of any bus that is
 * still active; the frame is borrowed from `top`. */
static inline onex_frame *
onex_frame_active_handler(onex_frame *top)
{
    onex_frame *handler = top == NULL ? NULL : top->handler;
    return handler != NULL && handler->active ? handler : NULL;
}

#endif
