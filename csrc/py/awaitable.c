/* Observed coroutines and generators.
 *
 * One step is: begin or resume the call, drive the inner object once, pause or
 * end the call.  What is not observed (over, entered again while running,
 * refused by the inner object before its body starts) goes straight to the
 * inner object, which raises what it always raises. */
#include "py/observed.h"

#include "core/stack.h"
#include "py/exceptions.h"

/* Helpers. */

/* One step of an observed body: sends `value`, or throws. */
static PySendResult
observed_step(onex_observed *self, PyObject *value, PyObject *const *thrown,
              Py_ssize_t nthrown, PyObject **result)
{
    if (self->progress == ONEX_LINGERING) {
        return onex_observed_linger(self, value, thrown, nthrown, result);
    }
    if (onex_observed_enter(self) < 0) {
        onex_observed_abandon(self, self->stepped);
        return PYGEN_ERROR;
    }
    PySendResult sent = onex_observed_drive(self, self->stepped, value, thrown,
                                            nthrown, result);
    if (self->progress != ONEX_RUNNING) {
        return sent; /* not observed, after all */
    }
    if (sent == PYGEN_NEXT) {
        onex_observed_pause(self);
        return PYGEN_NEXT;
    }
    *result = onex_observed_over(self, sent == PYGEN_RETURN ? *result : NULL);
    return onex_observed_leave(self, result);
}

/* True when a step with this value is one of the body: not when the inner
 * object is going to refuse it. */
static inline bool
step_is_observed(onex_observed *self, PyObject *value)
{
    return self->progress == ONEX_SUSPENDED ||
           self->progress == ONEX_LINGERING ||
           (self->progress == ONEX_NEW && Py_IsNone(value));
}

static int
check_driveable(onex_observed *self)
{
    if (self->stepped == NULL) {
        PyErr_Format(PyExc_RuntimeError, "%R was collected as garbage", self);
        return -1;
    }
    if (onex_stack_is_low()) {
        PyErr_SetString(PyExc_RecursionError,
                        "maximum recursion depth exceeded: the C stack of "
                        "this thread is used up in an await or yield from");
        return -1;
    }
    return 0;
}

/* am_send. */
static PySendResult
observed_send_slot(onex_observed *self, PyObject *value, PyObject **result)
{
    *result = NULL;
    if (check_driveable(self) < 0) {
        return PYGEN_ERROR;
    }
    if (!step_is_observed(self, value)) {
        return PyIter_Send(self->stepped, value, result);
    }
    return observed_step(self, value, NULL, 0, result);
}

/* What the methods return for a step: the yielded value, or NULL with
 * StopIteration or another exception. */
static PyObject *
step_as_object(PySendResult sent, PyObject *result)
{
    if (sent != PYGEN_RETURN) {
        return result;
    }
    (void)onex_stop_iteration(result);
    Py_DECREF(result);
    return NULL;
}

/* Methods. */

static PyObject *
observed_iternext(onex_observed *self)
{
    PyObject *result;
    PySendResult sent = observed_send_slot(self, Py_None, &result);
    if (sent == PYGEN_RETURN && Py_IsNone(result)) {
        Py_DECREF(result);
        return NULL; /* spares the exception object */
    }
    return step_as_object(sent, result);
}

PyDoc_STRVAR(send_doc, "send($self, value, /)\n--\n\nResumes with value.");

static PyObject *
observed_send(onex_observed *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = observed_send_slot(self, value, &result);
    return step_as_object(sent, result);
}

PyDoc_STRVAR(throw_doc, "throw(value)\nthrow(type[, value[, "
                        "traceback]])\n\nResumes with an exception.");

static PyObject *
observed_throw(onex_observed *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = NULL;
    if (check_driveable(self) < 0) {
        return NULL;
    }
    if (self->progress == ONEX_SUSPENDED || self->progress == ONEX_LINGERING) {
        PySendResult sent = observed_step(self, NULL, args, nargs, &result);
        return step_as_object(sent, result);
    }
    /* Thrown into what never started, it ends without a body. */
    if (self->progress == ONEX_NEW) {
        self->progress = ONEX_OVER;
    }
    PyObject *method = PyObject_GetAttrString(self->stepped, "throw");
    if (method != NULL) {
        result = PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
        Py_DECREF(method);
    }
    return result;
}

PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\nEnds it, with GeneratorExit inside.");

static PyObject *
observed_close(onex_observed *self, PyObject *Py_UNUSED(ignored))
{
    if (self->stepped == NULL) {
        Py_RETURN_NONE;
    }
    bool observed = self->progress == ONEX_SUSPENDED;
    onex_observed_stop_waiting(self);
    if (self->progress == ONEX_NEW) {
        self->progress = ONEX_OVER;
    }
    if (observed) {
        (void)onex_observed_enter(self);
        self->call.waits = false; /* nobody could await it */
    }
    PyObject *result = NULL;
    PyObject *method = PyObject_GetAttrString(self->stepped, "close");
    if (method != NULL) {
        result = PyObject_CallNoArgs(method);
        Py_DECREF(method);
    }
    if (!observed) {
        return result;
    }
    if (result == NULL) {
        return onex_observed_over(self, NULL);
    }
    if (onex_observed_closed(self) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

/* Dropped midway: closed, as the inner object would be, with its end event. */
static void
observed_finalize(PyObject *object)
{
    onex_observed *self = (onex_observed *)object;
    if (self->progress != ONEX_SUSPENDED) {
        return;
    }
    PyObject *exception = onex_exception_take();
    PyObject *closed = observed_close(self, NULL);
    if (closed == NULL) {
        PyErr_WriteUnraisable(self->owner);
    }
    Py_XDECREF(closed);
    onex_exception_restore(exception);
}

static PyObject *
observed_await(PyObject *object)
{
    if (((onex_observed *)object)->progress == ONEX_SUSPENDED) {
        PyErr_SetString(PyExc_RuntimeError,
                        "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(object);
}

static PyMethodDef observed_methods[] = {
    {"send", (PyCFunction)observed_send, METH_O, send_doc},
    {"throw", (PyCFunction)(void (*)(void))observed_throw, METH_FASTCALL,
     throw_doc},
    {"close", (PyCFunction)observed_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

/* Slots, specs, setup. */

#define COMMON_SLOTS                                                           \
    {Py_tp_dealloc, onex_observed_dealloc},                                    \
        {Py_tp_traverse, onex_observed_traverse},                              \
        {Py_tp_clear, onex_observed_clear},                                    \
        {Py_tp_finalize, observed_finalize}, {Py_tp_repr, onex_observed_repr}, \
        {Py_tp_getattro, onex_observed_getattro},                              \
        {Py_tp_iternext, observed_iternext}, {Py_am_send, observed_send_slot}, \
        {Py_tp_methods, observed_methods},                                     \
        {Py_tp_members, onex_observed_members},                                \
    {                                                                          \
        Py_tp_getset, onex_observed_getset                                     \
    }

#define OBSERVED_SPEC(type_name, type_slots)                                   \
    {                                                                          \
        .name = "onex_events._core." type_name,                                \
        .basicsize = sizeof(onex_observed),                                    \
        .itemsize = sizeof(PyObject *),                                        \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |                     \
                 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, \
        .slots = type_slots,                                                   \
    }

static PyType_Slot coroutine_slots[] = {
    COMMON_SLOTS,
    {Py_am_await, observed_await},
    {0, NULL},
};

static PyType_Spec coroutine_spec =
    OBSERVED_SPEC("ObservedCoroutine", coroutine_slots);

static PyType_Slot generator_slots[] = {
    COMMON_SLOTS,
    {Py_tp_iter, PyObject_SelfIter},
    {0, NULL},
};

static PyType_Spec generator_spec =
    OBSERVED_SPEC("ObservedGenerator", generator_slots);

static PyType_Slot iterable_coroutine_slots[] = {
    COMMON_SLOTS,
    {Py_tp_iter, PyObject_SelfIter},
    {Py_am_await, observed_await},
    {0, NULL},
};

static PyType_Spec iterable_coroutine_spec =
    OBSERVED_SPEC("ObservedIterableCoroutine", iterable_coroutine_slots);

int
onex_awaitable_setup(PyObject *module, onex_state *st)
{
    st->coroutine_type = onex_add_type(module, &coroutine_spec, NULL);
    st->generator_type = onex_add_type(module, &generator_spec, NULL);
    st->iterable_coroutine_type =
        onex_add_type(module, &iterable_coroutine_spec, NULL);
    return st->coroutine_type == NULL || st->generator_type == NULL ||
                   st->iterable_coroutine_type == NULL
               ? -1
               : 0;
}
