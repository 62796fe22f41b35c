/* The context stack: frames, the ContextVar that holds the top one, and the
 * functions of spec 1 section 4 that are more than a line of Python. */
#include "py/context.h"

#include "py/event_access.h"
#include "py/exceptions.h"

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
    self->left = false;
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
    onex_state *st = onex_state_at_dealloc(type);
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

/* The place of the top frame. */

typedef struct {
    PyObject_HEAD
    onex_frame *top; /* or NULL */
} top_place;

static int
place_traverse(top_place *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->top);
    return 0;
}

static int
place_clear(top_place *self)
{
    Py_CLEAR(self->top);
    return 0;
}

static void
place_dealloc(top_place *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)place_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot place_slots[] = {
    {Py_tp_doc, PyDoc_STR("Where a context keeps its top frame.")},
    {Py_tp_dealloc, place_dealloc},
    {Py_tp_traverse, place_traverse},
    {Py_tp_clear, place_clear},
    {0, NULL},
};

static PyType_Spec place_spec = {
    .name = "onex_events._core.Place",
    .basicsize = sizeof(top_place),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = place_slots,
};

#ifndef Py_GIL_DISABLED

/* A Context, the map and its nodes visit what they hold for the collector;
 * nothing else tells. */

static int
pick_variables(PyObject *object, void *arg)
{
    if (!PyContext_CheckExact(object)) {
        *(PyObject **)arg = object;
    }
    return 0;
}

static int
pick_only(PyObject *object, void *arg)
{
    *(PyObject **)arg = object;
    return 0;
}

typedef struct {
    PyTypeObject *type;
    top_place *found;
} place_search;

static int
pick_place(PyObject *object, void *arg)
{
    place_search *search = (place_search *)arg;
    if (!Py_IS_TYPE(object, search->type)) {
        return 0;
    }
    search->found = (top_place *)object;
    return 1;
}

#endif

/* The place that this context alone has, or NULL: borrowed.  In a map of many
 * variables it may be too deep to be seen, and is not looked for. */
static top_place *
own_place(onex_state *st, PyObject *context)
{
#ifdef Py_GIL_DISABLED
    (void)st;
    (void)context;
    return NULL; /* reference counts of other threads are not to be seen */
#else
    PyObject *variables = NULL, *root = NULL;
    (void)Py_TYPE(context)->tp_traverse(context, pick_variables, &variables);
    if (variables == NULL || Py_REFCNT(variables) != 1 ||
        Py_TYPE(variables)->tp_traverse == NULL) {
        return NULL;
    }
    (void)Py_TYPE(variables)->tp_traverse(variables, pick_only, &root);
    if (root == NULL || Py_REFCNT(root) != 1 ||
        Py_TYPE(root)->tp_traverse == NULL) {
        return NULL;
    }
    place_search search = {(PyTypeObject *)st->place_type, NULL};
    (void)Py_TYPE(root)->tp_traverse(root, pick_place, &search);
    return search.found != NULL && Py_REFCNT(search.found) == 1 ? search.found
                                                                : NULL;
#endif
}

/* Access from C. */

onex_frame *
onex_context_top(onex_state *st)
{
    PyObject *value;
    if (PyContextVar_Get(st->current_frame_var, NULL, &value) < 0) {
        return NULL;
    }
    onex_frame *top = NULL;
    if (value != NULL && Py_IS_TYPE(value, (PyTypeObject *)st->place_type)) {
        top = ((top_place *)value)->top;
        while (top != NULL && top->left) {
            top = top->outer;
        }
        Py_XINCREF((PyObject *)top);
    }
    Py_XDECREF(value);
    return top;
}

/* After an error of PyContextVar_Set: has it set the place all the same, and
 * only had no memory for the token?  The error is cleared then. */
static bool
place_is_set(onex_state *st, top_place *place)
{
    PyObject *exception = onex_exception_take(), *value = NULL;
    bool is_set = PyContextVar_Get(st->current_frame_var, NULL, &value) == 0 &&
                  value == (PyObject *)place;
    Py_XDECREF(value);
    if (is_set) {
        Py_XDECREF(exception);
    }
    else {
        PyErr_Clear();
        onex_exception_restore(exception);
    }
    return is_set;
}

int
onex_context_set(onex_state *st, onex_frame *frame)
{
    PyObject *context = PyThreadState_Get()->context;
    top_place *place = context == NULL ? NULL : own_place(st, context);
    if (place != NULL) {
        Py_XINCREF((PyObject *)frame);
        Py_XSETREF(place->top, frame);
        return 0;
    }
    place = PyObject_GC_New(top_place, (PyTypeObject *)st->place_type);
    if (place == NULL) {
        return -1;
    }
    place->top = (onex_frame *)Py_XNewRef((PyObject *)frame);
    PyObject_GC_Track(place);
    PyObject *token =
        PyContextVar_Set(st->current_frame_var, (PyObject *)place);
    int result = token == NULL && !place_is_set(st, place) ? -1 : 0;
    Py_DECREF(place);
    Py_XDECREF(token);
    return result;
}

bool
onex_context_has_alone(onex_state *st, PyObject *context, onex_frame *frame)
{
    const top_place *place = own_place(st, context);
    return place != NULL && place->top == frame;
}

int
onex_context_push(onex_state *st, onex_frame *frame)
{
    if (onex_context_set(st, frame) < 0) {
        return -1;
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
        if (onex_context_set(st, frame->outer) < 0) {
            frame->left = true;
            PyErr_WriteUnraisable(frame->event);
        }
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
    if (frame == NULL || onex_context_push(st, frame) < 0) {
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
    if (frame != NULL && onex_context_push(st, frame) < 0) {
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
    st->place_type = PyType_FromModuleAndSpec(module, &place_spec, NULL);
    if (st->frame_type == NULL || st->place_type == NULL) {
        return -1;
    }
    st->keeps_free = true;
    st->current_frame_var = PyContextVar_New("onex_events.current", NULL);
    if (st->current_frame_var == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, context_functions);
}
