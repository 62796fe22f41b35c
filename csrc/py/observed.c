/* What the observed types share: construction, attributes, the beginning and
 * the end of what they observe. */
#include "py/observed.h"

#include "py/exceptions.h"

/* StopIteration. */

PyObject *
onex_stop_iteration(PyObject *value)
{
    PyTypeObject *type = (PyTypeObject *)PyExc_StopIteration;
    PyObject *args = PyTuple_Pack(1, value);
    if (args == NULL) {
        return NULL;
    }
    /* What its __init__ does with one argument, without the call. */
    PyObject *stop = type->tp_new(type, args, NULL);
    Py_DECREF(args);
    if (stop != NULL) {
        Py_XSETREF(((PyStopIterationObject *)stop)->value, Py_NewRef(value));
        onex_exception_restore(stop);
    }
    return NULL;
}

PyObject *
onex_stop_iteration_value(void)
{
    if (!PyErr_Occurred()) {
        return Py_NewRef(Py_None);
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return NULL;
    }
    PyObject *stop = onex_exception_take();
    PyObject *value = ((PyStopIterationObject *)stop)->value;
    value = Py_NewRef(value == NULL ? Py_None : value);
    Py_DECREF(stop);
    return value;
}

/* Construction. */

/* What has to be driven for `inner`: itself, if it is a coroutine, generator
 * or the like, else what its __await__ gives.  New reference; NULL without an
 * exception when it is neither. */
static PyObject *
find_stepped(onex_site *site, PyObject *inner)
{
    PyAsyncMethods *methods = Py_TYPE(inner)->tp_as_async;
    if (site->kind != ONEX_COROUTINE) {
        /* A generator function's code always gives one. */
        return Py_NewRef(inner);
    }
    if (PyCoro_CheckExact(inner) || PyGen_CheckExact(inner) ||
        (methods != NULL && methods->am_send != NULL)) {
        return Py_NewRef(inner);
    }
    if (methods == NULL || methods->am_await == NULL) {
        return NULL;
    }
    return methods->am_await(inner);
}

/* Objects of calls with few arguments are kept for the next ones, untracked
 * and without a reference to anything: they all have FEW_SLOTS slots. */

#define FEW_SLOTS 4

#if defined(Py_GIL_DISABLED)
#define MOST_FREE 0
#else
#define MOST_FREE 16
#endif

static onex_observed *
observed_alloc(onex_state *st, PyTypeObject *type, Py_ssize_t total)
{
    if (total > FEW_SLOTS) {
        return PyObject_GC_NewVar(onex_observed, type, total);
    }
    onex_observed *self = st->free_observed;
    if (self != NULL) {
        st->free_observed = (onex_observed *)self->inner;
        st->n_free_observed--;
        (void)PyObject_InitVar((PyVarObject *)self, type, total);
    }
    else {
        self = PyObject_GC_NewVar(onex_observed, type, FEW_SLOTS);
        if (self != NULL) {
            Py_SET_SIZE(self, total);
        }
    }
    return self;
}

/* The type's reference is the caller's to drop.  What was finalized would not
 * be again: the mark is out of our reach. */
static void
observed_free(onex_state *st, onex_observed *self)
{
    if (st != NULL && st->keeps_free && Py_SIZE(self) <= FEW_SLOTS &&
        st->n_free_observed < MOST_FREE &&
        !PyObject_GC_IsFinalized((PyObject *)self)) {
        self->inner = (PyObject *)st->free_observed;
        st->free_observed = self;
        st->n_free_observed++;
    }
    else {
        PyObject_GC_Del(self);
    }
}

void
onex_observed_teardown(onex_state *st)
{
    while (st->free_observed != NULL) {
        onex_observed *self = st->free_observed;
        st->free_observed = (onex_observed *)self->inner;
        st->n_free_observed--;
        PyObject_GC_Del(self);
    }
}

PyObject *
onex_observed_new(onex_site *site, PyObject *inner, PyObject *const *args,
                  size_t nargsf, PyObject *kwnames)
{
    onex_state *st = site->state;
    PyObject *type;
    switch (site->kind) {
    case ONEX_COROUTINE:
        type = st->coroutine_type;
        break;
    case ONEX_GENERATOR:
        type = st->generator_type;
        break;
    case ONEX_ITERABLE_COROUTINE:
        type = st->iterable_coroutine_type;
        break;
    default:
        type = st->async_generator_type;
    }
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    Py_ssize_t total =
        nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    PyObject *stepped = find_stepped(site, inner);
    if (stepped == NULL) {
        /* Nothing that could be observed: whoever awaits it hears of it. */
        if (onex_exception_is_exit((PyObject *)PyErr_Occurred())) {
            Py_CLEAR(inner);
        }
        else {
            PyErr_Clear();
        }
        return inner;
    }
    onex_observed *self = observed_alloc(st, (PyTypeObject *)type, total);
    if (self == NULL) {
        Py_DECREF(stepped);
        if (onex_bus_report(site->state, site->bus, "no memory to observe",
                            site->owner) < 0) {
            Py_CLEAR(inner);
        }
        return inner;
    }
    self->inner = inner;
    self->stepped = stepped;
    self->owner = Py_NewRef(site->owner);
    self->kwnames = Py_XNewRef(kwnames);
    self->waiting = NULL;
    self->outcome = NULL;
    self->weakrefs = NULL;
    self->finalizer = NULL;
    self->step = NULL;
    self->progress = ONEX_NEW;
    self->kind = site->kind;
    self->raised = false;
    self->hooked = false;
    self->slots[0] = NULL;
    for (Py_ssize_t i = 0; i < total; i++) {
        self->slots[i + 1] = Py_NewRef(args[i]);
    }
    self->call = (onex_call){
        .site = site,
        .args = self->slots + 1,
        .nargsf = (size_t)nargs | PY_VECTORCALL_ARGUMENTS_OFFSET,
        .kwnames = kwnames,
        .started_ns = -1,
    };
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* Steps. */

/* Takes over what the call has to wait for.  It is never worth an error. */
static void
take_wait(onex_observed *self)
{
    PyObject *wait = self->call.wait;
    if (wait == NULL) {
        return;
    }
    self->call.wait = NULL;
    PyObject *exception = onex_exception_take();
    PyAsyncMethods *methods = Py_TYPE(wait)->tp_as_async;
    if (methods != NULL && methods->am_await != NULL) {
        self->waiting = methods->am_await(wait);
        if (self->waiting == NULL) {
            PyErr_WriteUnraisable(wait);
        }
    }
    Py_DECREF(wait);
    onex_exception_restore(exception);
}

int
onex_observed_enter(onex_observed *self)
{
    self->call.waits = self->kind != ONEX_GENERATOR;
    if (self->progress == ONEX_NEW) {
        self->progress = ONEX_RUNNING;
        /* Nobody may be listening any more: the call is not observed then. */
        if (!onex_site_wanted(self->call.site)) {
            self->progress = ONEX_OVER;
        }
        else if (onex_call_begin(&self->call) < 0) {
            self->progress = ONEX_OVER;
            return -1;
        }
        take_wait(self);
    }
    else {
        self->progress = ONEX_RUNNING;
        onex_call_resume(&self->call);
    }
    return 0;
}

void
onex_observed_pause(onex_observed *self)
{
    self->progress = ONEX_SUSPENDED;
    onex_call_suspend(&self->call);
}

/* Lets go of the arguments, as a body that is over lets go of its locals. */
static void
drop_arguments(onex_observed *self)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_CLEAR(self->slots[i + 1]);
    }
    Py_CLEAR(self->kwnames);
}

PyObject *
onex_observed_over(onex_observed *self, PyObject *result)
{
    self->progress = ONEX_OVER;
    result = onex_call_end(&self->call, result);
    take_wait(self);
    if (result == NULL) {
        PyObject *exception = onex_exception_take();
        drop_arguments(self);
        onex_exception_restore(exception);
    }
    else {
        drop_arguments(self);
    }
    return result;
}

/* One step of anything that can be sent to. */
static PySendResult
drive(PyObject *target, PyObject *value, PyObject *const *thrown,
      Py_ssize_t nthrown, PyObject **result)
{
    if (thrown == NULL) {
        return PyIter_Send(target, value, result);
    }
    PyObject *method = PyObject_GetAttrString(target, "throw");
    *result = NULL;
    if (method == NULL) {
        return PYGEN_ERROR;
    }
    *result = PyObject_Vectorcall(method, thrown, (size_t)nthrown, NULL);
    Py_DECREF(method);
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    *result = onex_stop_iteration_value();
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

PySendResult
onex_observed_drive(onex_observed *self, PyObject *stepped, PyObject *value,
                    PyObject *const *thrown, Py_ssize_t nthrown,
                    PyObject **result)
{
    if (self->waiting != NULL) {
        PySendResult sent =
            drive(self->waiting, value, thrown, nthrown, result);
        if (sent == PYGEN_NEXT) {
            return sent;
        }
        Py_CLEAR(self->waiting);
        if (sent == PYGEN_ERROR) {
            onex_observed_abandon(self, stepped);
            return sent;
        }
        Py_CLEAR(*result);
        onex_call_restart_clock(&self->call);
        value = Py_None;
        thrown = NULL;
    }
    return drive(stepped, value, thrown, nthrown, result);
}

PySendResult
onex_observed_linger(onex_observed *self, PyObject *value,
                     PyObject *const *thrown, Py_ssize_t nthrown,
                     PyObject **result)
{
    PySendResult sent = drive(self->waiting, value, thrown, nthrown, result);
    if (sent == PYGEN_NEXT) {
        return sent;
    }
    PyObject *outcome = self->outcome;
    self->outcome = NULL;
    self->progress = ONEX_OVER;
    Py_CLEAR(self->waiting);
    if (sent == PYGEN_ERROR) {
        Py_XDECREF(outcome);
        return sent;
    }
    Py_CLEAR(*result);
    if (self->raised) {
        onex_exception_restore(outcome);
        return PYGEN_ERROR;
    }
    *result = outcome;
    return PYGEN_RETURN;
}

PySendResult
onex_observed_leave(onex_observed *self, PyObject **result)
{
    if (self->waiting == NULL) {
        return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
    }
    self->raised = *result == NULL;
    self->outcome = self->raised ? onex_exception_take() : *result;
    self->progress = ONEX_LINGERING;
    return onex_observed_linger(self, Py_None, NULL, 0, result);
}

void
onex_observed_stop_waiting(onex_observed *self)
{
    PyObject *waiting = self->waiting;
    if (waiting == NULL) {
        return;
    }
    self->waiting = NULL;
    PyObject *exception = onex_exception_take();
    PyObject *closed = PyObject_CallMethod(waiting, "close", NULL);
    if (closed == NULL) {
        PyErr_WriteUnraisable(waiting);
    }
    Py_XDECREF(closed);
    Py_DECREF(waiting);
    if (self->progress == ONEX_LINGERING) {
        self->progress = ONEX_OVER;
        Py_CLEAR(self->outcome);
    }
    onex_exception_restore(exception);
}

int
onex_observed_closed(onex_observed *self)
{
    PyErr_SetNone(PyExc_GeneratorExit);
    (void)onex_observed_over(self, NULL);
    if (!PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

void
onex_observed_abandon(onex_observed *self, PyObject *unstarted)
{
    PyObject *exception = onex_exception_take();
    PyObject *closed = PyObject_CallMethod(unstarted, "close", NULL);
    if (closed == NULL) {
        PyErr_WriteUnraisable(self->owner);
    }
    Py_XDECREF(closed);
    onex_exception_restore(exception);
}

/* Clear, traverse, dealloc. */

int
onex_observed_traverse(onex_observed *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->inner);
    Py_VISIT(self->stepped);
    Py_VISIT(self->owner);
    Py_VISIT(self->kwnames);
    Py_VISIT(self->waiting);
    Py_VISIT(self->outcome);
    Py_VISIT(self->finalizer);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        Py_VISIT(self->slots[i + 1]);
    }
    return onex_call_traverse(&self->call, visit, arg);
}

int
onex_observed_clear(onex_observed *self)
{
    self->progress = ONEX_OVER;
    onex_call_clear(&self->call);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->stepped);
    Py_CLEAR(self->owner);
    Py_CLEAR(self->waiting);
    Py_CLEAR(self->outcome);
    Py_CLEAR(self->finalizer);
    drop_arguments(self);
    return 0;
}

void
onex_observed_dealloc(onex_observed *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if ((self->progress == ONEX_SUSPENDED || self->finalizer != NULL) &&
        PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return; /* resurrected */
    }
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    (void)onex_observed_clear(self);
    observed_free(onex_state_at_dealloc(type), self);
    Py_DECREF(type);
}

/* Attributes. */

PyObject *
onex_observed_getattro(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GenericGetAttr(object, name);
    onex_observed *self = (onex_observed *)object;
    if (value != NULL || self->inner == NULL ||
        !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    PyErr_Clear();
    return PyObject_GetAttr(self->inner, name);
}

PyObject *
onex_observed_repr(onex_observed *self)
{
    if (self->inner == NULL) {
        return PyUnicode_FromFormat("<observed, cleared, at %p>", (void *)self);
    }
    return PyUnicode_FromFormat("<observed %R>", self->inner);
}

static PyObject *
observed_get_class(onex_observed *self, void *Py_UNUSED(closure))
{
    switch (self->kind) {
    case ONEX_COROUTINE:
        return Py_NewRef((PyObject *)&PyCoro_Type);
    case ONEX_GENERATOR:
    case ONEX_ITERABLE_COROUTINE:
        return Py_NewRef((PyObject *)&PyGen_Type);
    default:
        return Py_NewRef((PyObject *)&PyAsyncGen_Type);
    }
}

static int
check_not_cleared(onex_observed *self)
{
    if (self->inner == NULL) {
        PyErr_Format(PyExc_AttributeError, "%R was collected as garbage", self);
        return -1;
    }
    return 0;
}

static PyObject *
observed_get_forwarded(onex_observed *self, void *name)
{
    return check_not_cleared(self) < 0
               ? NULL
               : PyObject_GetAttrString(self->inner, (const char *)name);
}

static int
observed_set_forwarded(onex_observed *self, PyObject *value, void *name)
{
    return check_not_cleared(self) < 0
               ? -1
               : PyObject_SetAttrString(self->inner, (const char *)name, value);
}

#define FORWARDED(name)                                                        \
    {name, (getter)observed_get_forwarded, (setter)observed_set_forwarded,     \
     NULL, (void *)name}

PyGetSetDef onex_observed_getset[] = {
    {"__class__", (getter)observed_get_class, NULL, NULL, NULL},
    FORWARDED("__name__"),
    FORWARDED("__qualname__"),
    {NULL, NULL, NULL, NULL, NULL},
};

PyMemberDef onex_observed_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(onex_observed, weakrefs),
     Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
