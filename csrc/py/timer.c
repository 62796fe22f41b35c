/* Timer: `with profiler.timer(name): ...`
 *
 * The usual timer is made, entered and left once, by one thread and task: its
 * start is kept in `first`, and entering costs a clock read.  A timer may also
 * be entered again while it runs, by the same task (nested) or by others; then
 * the later starts are kept in a list, each with the thread and task it belongs
 * to, and leaving takes the latest of its own.  The first start needs no owner:
 * it belongs to whoever finds none of its own in the list. */
#include "py/timer.h"

#include "core/clock.h"

typedef struct {
    unsigned long thread;
    PyObject *task; /* asyncio's current task, or NULL */
    int64_t started_ns;
} timer_start;

typedef struct {
    PyObject_HEAD
    PyObject *name;
    onex_histogram_object *histogram;
    /* Guard of all below: the GIL. */
    bool running;       /* whether first_ns is a start */
    int64_t first_ns;   /* monotonic */
    timer_start *later; /* starts made while another was there */
    Py_ssize_t later_count;
    Py_ssize_t later_capacity;
} timer_object;

/* Helpers. */

/* asyncio's current task as a new reference, NULL where there is none.  Runs
 * Python; leaves no exception. */
static PyObject *
current_task(void)
{
    PyObject *task = NULL;
    PyObject *name = PyUnicode_FromString("asyncio");
    PyObject *asyncio = name == NULL ? NULL : PyImport_GetModule(name);
    if (asyncio != NULL) {
        task = PyObject_CallMethod(asyncio, "current_task", NULL);
    }
    PyErr_Clear(); /* no running loop: RuntimeError */
    Py_XDECREF(name);
    Py_XDECREF(asyncio);
    if (task == Py_None) {
        Py_CLEAR(task);
    }
    return task;
}

/* Adds a start with its owner: 0, or -1 with an exception. */
static int
timer_push_later(timer_object *self)
{
    PyObject *task = current_task();
    if (self->later_count == self->later_capacity) {
        Py_ssize_t capacity =
            self->later_capacity == 0 ? 4 : 2 * self->later_capacity;
        timer_start *later =
            PyMem_Resize(self->later, timer_start, (size_t)capacity);
        if (later == NULL) {
            Py_XDECREF(task);
            PyErr_NoMemory();
            return -1;
        }
        self->later = later;
        self->later_capacity = capacity;
    }
    self->later[self->later_count++] = (timer_start){
        .thread = PyThread_get_thread_ident(),
        .task = task,
        .started_ns = onex_clock_monotonic_ns(),
    };
    return 0;
}

/* Takes the caller's latest start out of the list and returns true, or false
 * when it has none there.  *task is a reference that the caller must drop once
 * the timer is consistent. */
static bool
timer_pop_later(timer_object *self, int64_t *started_ns, PyObject **task)
{
    unsigned long thread = PyThread_get_thread_ident();
    PyObject *own = current_task();
    bool found = false;
    for (Py_ssize_t i = self->later_count; i-- > 0;) {
        timer_start *start = &self->later[i];
        if (start->thread == thread && start->task == own) {
            *started_ns = start->started_ns;
            *task = start->task;
            self->later_count--;
            memmove(start, start + 1,
                    (size_t)(self->later_count - i) * sizeof *start);
            found = true;
            break;
        }
    }
    Py_XDECREF(own);
    return found;
}

/* Construction. */

PyObject *
onex_timer_new(onex_state *st, PyObject *name, onex_histogram_object *histogram)
{
    PyTypeObject *type = (PyTypeObject *)st->timer_type;
    timer_object *self = PyObject_GC_New(timer_object, type);
    if (self == NULL) {
        return NULL;
    }
    self->name = Py_NewRef(name);
    self->histogram = (onex_histogram_object *)Py_NewRef(histogram);
    self->running = false;
    self->first_ns = 0;
    self->later = NULL;
    self->later_count = 0;
    self->later_capacity = 0;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* Clear, traverse, dealloc. */

static int
timer_traverse(timer_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->name);
    Py_VISIT(self->histogram);
    for (Py_ssize_t i = 0; i < self->later_count; i++) {
        Py_VISIT(self->later[i].task);
    }
    return 0;
}

/* Tasks only: a cycle can go through nothing else, and a timer that is still
 * used after the collector's clear keeps its name and histogram. */
static int
timer_clear(timer_object *self)
{
    timer_start *later = self->later;
    Py_ssize_t count = self->later_count;
    self->later = NULL;
    self->later_count = 0;
    self->later_capacity = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(later[i].task);
    }
    PyMem_Free(later);
    return 0;
}

static void
timer_dealloc(timer_object *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)timer_clear(self);
    Py_DECREF(self->name);
    Py_DECREF(self->histogram);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* Methods. */

static PyObject *
timer_enter(timer_object *self, PyObject *Py_UNUSED(none))
{
    if (self->running || self->later_count > 0) {
        if (timer_push_later(self) < 0) {
            return NULL;
        }
    }
    else {
        self->running = true;
        self->first_ns = onex_clock_monotonic_ns();
    }
    return Py_NewRef(self);
}

/* Records the time since the caller's latest enter.  Returns False: exceptions
 * go on. */
static PyObject *
timer_exit(timer_object *self, PyObject *const *Py_UNUSED(args),
           Py_ssize_t Py_UNUSED(nargs))
{
    int64_t now = onex_clock_monotonic_ns();
    int64_t started;
    PyObject *task = NULL;
    if (self->later_count > 0 && timer_pop_later(self, &started, &task)) {
        Py_XDECREF(task);
    }
    else if (self->running) {
        self->running = false;
        started = self->first_ns;
    }
    else {
        PyErr_Format(PyExc_RuntimeError,
                     "timer %R is left without having been entered",
                     self->name);
        return NULL;
    }
    if (onex_histogram_add(self->histogram, now - started) < 0) {
        return NULL;
    }
    Py_RETURN_FALSE;
}

static PyObject *
timer_repr(timer_object *self)
{
    return PyUnicode_FromFormat("<Timer %R>", self->name);
}

static PyObject *
timer_get_name(timer_object *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->name);
}

/* Slots, spec, setup. */

static PyMethodDef timer_methods[] = {
    {"__enter__", (PyCFunction)timer_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))timer_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef timer_getset[] = {
    {"name", (getter)timer_get_name, NULL,
     PyDoc_STR("What the duration is recorded under."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Records how long its ``with`` block takes; made by "
                       "``Profiler.timer``.")},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_repr, timer_repr},
    {Py_tp_methods, timer_methods},
    {Py_tp_getset, timer_getset},
    {0, NULL},
};

static PyType_Spec timer_spec = {
    .name = "onex_events._core.Timer",
    .basicsize = sizeof(timer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = timer_slots,
};

int
onex_timer_setup(PyObject *module, onex_state *st)
{
    st->timer_type = onex_add_type(module, &timer_spec, NULL);
    return st->timer_type == NULL ? -1 : 0;
}
