/* The context stack: frames, the ContextVar that holds the top one, and the
 * functions of spec 1 section 4 that are more than a line of Python. */
#include "py/context.h"

#include "py/event_access.h"

/* A frame whose event is current is *visible*; it is one deeper than the
 * frame below.  A *mark* (onex_frame_mark) is as deep as the frame below and
 * shows the same event: it only carries a sampling decision, or the handler
 * in which the stack was cleared.  So the current event is always
 * top->event, and walking skips frames that are no deeper than their outer. */
static inline bool
frame_is_visible(const onex_frame *self)
{
    return self->depth > (self->outer == NULL ? 0 : self->outer->depth);
}

/* Construction.
 *
 * A call makes one frame and each handler call another, and they live for a
 * moment: up to MOST_FREE_FRAMES are kept for the next ones, untracked and
 * without a reference to anything, the type included. */

#if defined(Py_GIL_DISABLED)
#define MOST_FREE_FRAMES 0
#else
#define MOST_FREE_FRAMES 32
#endif

static onex_frame *
frame_alloc(onex_state *st, PyObject *event, onex_frame *outer,
            onex_frame *handler, Py_ssize_t depth, signed char sampled)
{
    PyTypeObject *type = (PyTypeObject *)st->frame_type;
    onex_frame *self = st->free_frames;
    if (self != NULL) {
        st->free_frames = self->outer;
        st->n_free_frames--;
        (void)PyObject_Init((PyObject *)self, type);
    }
    else if ((self = PyObject_GC_New(onex_frame, type)) == NULL) {
        return NULL;
    }
    self->event = Py_XNewRef(event);
    self->outer = (onex_frame *)Py_XNewRef((PyObject *)outer);
    self->depth = depth;
    self->handler = (onex_frame *)Py_XNewRef((PyObject *)handler);
    self->delivery = NULL;
    self->subscription = NULL;
    self->active = false;
    self->yielded = false;
    self->sampled = sampled;
    PyObject_GC_Track(self);
    return self;
}

onex_frame *
onex_frame_new(onex_state *st, PyObject *event, onex_frame *outer)
{
    if (outer == NULL) {
        return frame_alloc(st, event, NULL, NULL, 1, -1);
    }
    return frame_alloc(st, event, outer, outer->handler, outer->depth + 1,
                       outer->sampled);
}

onex_frame *
onex_frame_mark(onex_state *st, onex_frame *outer, onex_frame *handler,
                int sampled)
{
    return frame_alloc(st, outer == NULL ? NULL : outer->event, outer, handler,
                       outer == NULL ? 0 : outer->depth, (signed char)sampled);
}

/* Clear, traverse, dealloc. */

static int
frame_traverse(onex_frame *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->event);
    Py_VISIT(self->outer);
    if (self->handler != self) {
        Py_VISIT(self->handler);
    }
    Py_VISIT(self->delivery);
    Py_VISIT(self->subscription);
    return 0;
}

static int
frame_clear(onex_frame *self)
{
    Py_CLEAR(self->event);
    Py_CLEAR(self->outer);
    if (self->handler == self) {
        self->handler = NULL;
    }
    Py_CLEAR(self->handler);
    Py_CLEAR(self->delivery);
    Py_CLEAR(self->subscription);
    return 0;
}

static void
frame_dealloc(onex_frame *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    /* A stack of any depth goes frame by frame, not by recursion. */
    onex_frame *outer = self->outer;
    self->outer = NULL;
    (void)frame_clear(self);
    onex_state *st = (onex_state *)PyType_GetModuleState(type);
    if (st != NULL && st->keeps_free && st->n_free_frames < MOST_FREE_FRAMES) {
        self->outer = st->free_frames;
        st->free_frames = self;
        st->n_free_frames++;
    }
    else {
        PyObject_GC_Del(self);
    }
    Py_DECREF(type);
    while (outer != NULL && Py_REFCNT(outer) == 1) {
        onex_frame *next = outer->outer;
        outer->outer = NULL;
        Py_DECREF(outer);
        outer = next;
    }
    Py_XDECREF(outer);
}

void
onex_context_teardown(onex_state *st)
{
    while (st->free_frames != NULL) {
        onex_frame *frame = st->free_frames;
        st->free_frames = frame->outer;
        st->n_free_frames--;
        PyObject_GC_Del(frame);
    }
}

/* Access from C. */

onex_frame *
onex_context_top(onex_state *st)
{
    PyObject *top;
    if (PyContextVar_Get(st->current_frame_var, NULL, &top) < 0) {
        return NULL;
    }
    if (top == Py_None) {
        Py_DECREF(top);
        return NULL;
    }
    return (onex_frame *)top;
}

int
onex_context_set(onex_state *st, onex_frame *frame)
{
    PyObject *token = PyContextVar_Set(
        st->current_frame_var, frame == NULL ? Py_None : (PyObject *)frame);
    if (token == NULL) {
        return -1;
    }
    Py_DECREF(token);
    return 0;
}

int
onex_context_restore(onex_state *st, PyObject *token, onex_frame *frame)
{
    if (token == NULL) {
        return onex_context_set(st, frame);
    }
    int result = PyContextVar_Reset(st->current_frame_var, token);
    if (result < 0) {
        PyErr_Clear(); /* another context after all */
        result = onex_context_set(st, frame);
    }
    return result;
}

int
onex_context_push(onex_state *st, onex_frame *frame, PyObject **token)
{
    PyObject *made = PyContextVar_Set(st->current_frame_var, (PyObject *)frame);
    if (made == NULL) {
        return -1;
    }
    if (token != NULL) {
        *token = made;
    }
    else {
        Py_DECREF(made);
    }
    st->context_pushes++;
    if (frame->depth > st->context_max_depth) {
        st->context_max_depth = frame->depth;
    }
    return 0;
}

int
onex_context_pop(onex_state *st, onex_frame *frame)
{
    int result = 0;
    onex_frame *top = onex_context_top(st);
    if (top == frame) {
        result = onex_context_set(st, frame->outer);
        st->context_pops++;
    }
    else if (top == NULL && PyErr_Occurred()) {
        result = -1;
    }
    Py_XDECREF(top);
    return result;
}

/* Functions. */

/* Checks that `object` can be a current event: it needs an id. */
static int
check_event(const char *function, PyObject *object, PyObject *id_name)
{
    PyObject *id = PyObject_GetAttr(object, id_name);
    if (id == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Format(PyExc_TypeError,
                     "%s: argument 'event' is %R, expected an event "
                     "(an object with an id)",
                     function, object);
        return -1;
    }
    Py_DECREF(id);
    return 0;
}

PyDoc_STRVAR(
    get_current_parent_event_doc,
    "get_current_parent_event()\n--\n\n"
    "The event under which new events are linked in this context, or None.");

static PyObject *
get_current_parent_event(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_frame *top = onex_context_top(onex_state_of_module(module));
    if (top == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    PyObject *event = Py_NewRef(top->event == NULL ? Py_None : top->event);
    Py_DECREF(top);
    return event;
}

PyDoc_STRVAR(
    push_event_context_doc,
    "push_event_context(event, /)\n--\n\n"
    "Makes `event` the current event of this context, until it is popped.");

static PyObject *
push_event_context(PyObject *module, PyObject *event)
{
    onex_state *st = onex_state_of_module(module);
    PyObject *result = NULL;
    onex_frame *frame = NULL;
    if (check_event("push_event_context", event, st->str_id) < 0) {
        return NULL;
    }
    onex_frame *top = onex_context_top(st);
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    frame = onex_frame_new(st, event, top);
    if (frame == NULL || onex_context_push(st, frame, NULL) < 0) {
        goto done;
    }
    result = Py_NewRef(Py_None);
done:
    Py_XDECREF(frame);
    Py_XDECREF(top);
    return result;
}

/* What is the top once the frame `below` should be: `below` itself if it
 * carries the same handler and sampling decision as `top`, else a mark that
 * keeps them.  New reference, or NULL (an exception only if PyErr_Occurred). */
static onex_frame *
keep_marks(onex_state *st, onex_frame *top, onex_frame *below)
{
    onex_frame *handler = below == NULL ? NULL : below->handler;
    int sampled = below == NULL ? -1 : below->sampled;
    if (top->handler == handler &&
        (top->sampled == sampled || handler == NULL)) {
        return (onex_frame *)Py_XNewRef((PyObject *)below);
    }
    return onex_frame_mark(st, below, top->handler, top->sampled);
}

PyDoc_STRVAR(
    pop_event_context_doc,
    "pop_event_context()\n--\n\n"
    "Takes the current event off this context and returns it; None, with a\n"
    "RuntimeWarning, when there is none.");

static PyObject *
pop_event_context(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_state *st = onex_state_of_module(module);
    PyObject *event = NULL;
    onex_frame *below = NULL;
    onex_frame *top = onex_context_top(st);
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    onex_frame *frame = top;
    while (frame != NULL && !frame_is_visible(frame)) {
        frame = frame->outer;
    }
    if (frame == NULL) {
        st->context_unmatched++;
        Py_XDECREF(top);
        if (PyErr_WarnEx(PyExc_RuntimeWarning,
                         "pop_event_context: there is no current event in "
                         "this context (more pops than pushes?)",
                         1) < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    below = keep_marks(st, top, frame->outer);
    if ((below == NULL && PyErr_Occurred()) ||
        onex_context_set(st, below) < 0) {
        goto done;
    }
    st->context_pops++;
    event = Py_NewRef(frame->event);
done:
    Py_XDECREF(below);
    Py_DECREF(top);
    return event;
}

PyDoc_STRVAR(get_context_depth_doc,
             "get_context_depth()\n--\n\n"
             "How many events are on this context's stack.");

static PyObject *
get_context_depth(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_frame *top = onex_context_top(onex_state_of_module(module));
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t depth = top == NULL ? 0 : top->depth;
    Py_XDECREF(top);
    return PyLong_FromSsize_t(depth);
}

PyDoc_STRVAR(get_context_stack_doc,
             "get_context_stack()\n--\n\n"
             "A new list of this context's events, the outermost first.");

static PyObject *
get_context_stack(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_frame *top = onex_context_top(onex_state_of_module(module));
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t index = top == NULL ? 0 : top->depth;
    PyObject *stack = PyList_New(index);
    if (stack != NULL) {
        for (onex_frame *frame = top; index > 0; frame = frame->outer) {
            if (frame_is_visible(frame)) {
                PyList_SET_ITEM(stack, --index, Py_NewRef(frame->event));
            }
        }
    }
    Py_XDECREF(top);
    return stack;
}

PyDoc_STRVAR(get_root_event_doc,
             "get_root_event()\n--\n\n"
             "The outermost event of this context's stack, or None.");

static PyObject *
get_root_event(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_frame *top = onex_context_top(onex_state_of_module(module));
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *root = Py_None;
    for (onex_frame *frame = top; frame != NULL; frame = frame->outer) {
        if (frame_is_visible(frame)) {
            root = frame->event;
        }
    }
    Py_INCREF(root);
    Py_XDECREF(top);
    return root;
}

PyDoc_STRVAR(clear_context_doc, "clear_context()\n--\n\n"
                                "Empties this context's stack.");

static PyObject *
clear_context(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_state *st = onex_state_of_module(module);
    onex_frame *top = onex_context_top(st);
    if (top == NULL) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        st->context_unmatched = 0;
        Py_RETURN_NONE;
    }
    PyObject *result = NULL;
    onex_frame *bottom = keep_marks(st, top, NULL);
    if ((bottom != NULL || !PyErr_Occurred()) &&
        onex_context_set(st, bottom) == 0) {
        st->context_pops += (uint64_t)top->depth;
        st->context_unmatched = 0;
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(bottom);
    Py_DECREF(top);
    return result;
}

PyDoc_STRVAR(
    context_counts_doc,
    "_context_counts()\n--\n\n"
    "(pushes, pops, deepest stack, pops that met an empty stack) of this\n"
    "interpreter, all contexts together.");

static PyObject *
context_counts(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    onex_state *st = onex_state_of_module(module);
    return Py_BuildValue("KKnK", (unsigned long long)st->context_pushes,
                         (unsigned long long)st->context_pops,
                         st->context_max_depth,
                         (unsigned long long)st->context_unmatched);
}

PyDoc_STRVAR(context_enter_doc,
             "_context_enter(event, /)\n--\n\n"
             "Pushes `event` and returns the frame to give to _context_leave.");

static PyObject *
context_enter(PyObject *module, PyObject *event)
{
    onex_state *st = onex_state_of_module(module);
    if (check_event("EventContextManager", event, st->str_id) < 0) {
        return NULL;
    }
    onex_frame *top = onex_context_top(st);
    if (top == NULL && PyErr_Occurred()) {
        return NULL;
    }
    onex_frame *frame = onex_frame_new(st, event, top);
    if (frame != NULL && onex_context_push(st, frame, NULL) < 0) {
        Py_CLEAR(frame);
    }
    Py_XDECREF(top);
    return (PyObject *)frame;
}

PyDoc_STRVAR(context_leave_doc, "_context_leave(frame, /)\n--\n\n"
                                "Restores what was current before "
                                "_context_enter, if its frame is current.");

static PyObject *
context_leave(PyObject *module, PyObject *frame)
{
    onex_state *st = onex_state_of_module(module);
    if (!Py_IS_TYPE(frame, (PyTypeObject *)st->frame_type)) {
        PyErr_Format(PyExc_TypeError,
                     "_context_leave: expected a frame, not %R", frame);
        return NULL;
    }
    if (onex_context_pop(st, (onex_frame *)frame) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(link_event_doc,
             "_link_event(event, parent, /)\n--\n\n"
             "Sets parent_id, root_id and lineage_id of a child of `parent`.");

static PyObject *
context_link_event(PyObject *module, PyObject *args)
{
    PyObject *event, *parent;
    if (!PyArg_ParseTuple(args, "OO:_link_event", &event, &parent) ||
        onex_event_link(onex_state_of_module(module), event, parent, true) <
            0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef context_functions[] = {
    {"get_current_parent_event", get_current_parent_event, METH_NOARGS,
     get_current_parent_event_doc},
    {"push_event_context", push_event_context, METH_O, push_event_context_doc},
    {"pop_event_context", pop_event_context, METH_NOARGS,
     pop_event_context_doc},
    {"get_context_depth", get_context_depth, METH_NOARGS,
     get_context_depth_doc},
    {"get_context_stack", get_context_stack, METH_NOARGS,
     get_context_stack_doc},
    {"get_root_event", get_root_event, METH_NOARGS, get_root_event_doc},
    {"clear_context", clear_context, METH_NOARGS, clear_context_doc},
    {"_context_counts", context_counts, METH_NOARGS, context_counts_doc},
    {"_context_enter", context_enter, METH_O, context_enter_doc},
    {"_context_leave", context_leave, METH_O, context_leave_doc},
    {"_link_event", context_link_event, METH_VARARGS, link_event_doc},
    {NULL, NULL, 0, NULL},
};

/* Slots, spec, setup. */

static PyType_Slot frame_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("An entry of the context stack.")},
    {Py_tp_dealloc, frame_dealloc},
    {Py_tp_traverse, frame_traverse},
    {Py_tp_clear, frame_clear},
    {0, NULL},
};

static PyType_Spec frame_spec = {
    .name = "onex_events._core._Frame",
    .basicsize = sizeof(onex_frame),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = frame_slots,
};

int
onex_context_setup(PyObject *module, onex_state *st)
{
    st->frame_type = PyType_FromModuleAndSpec(module, &frame_spec, NULL);
    if (st->frame_type == NULL) {
        return -1;
    }
    st->keeps_free = true;
    st->current_frame_var = PyContextVar_New("onex_events.current", NULL);
    if (st->current_frame_var == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, context_functions);
}
