/* Emitted: what `emit` returns.  The event is queued already; awaiting gives
 * it back at once, or, when the queue was full, after there is room. */
#include "py/emitted.h"
#include "py/exceptions.h"
#include "py/observed.h"

#include <stddef.h>

#include <structmember.h>

typedef struct onex_emitted {
    PyObject_HEAD
    onex_state *st; /* borrowed: the type keeps the module */
    PyObject *event;
    PyObject *waiter;   /* an awaitable that ends when there is room, or NULL */
    PyObject *iterator; /* the waiter's, once awaited */
    struct onex_emitted *next_free;
} onex_emitted;

/* Objects that were awaited at once are kept for the next emissions. */
#if defined(Py_GIL_DISABLED)
#define MOST_FREE 0
#else
#define MOST_FREE 16
#endif

PyObject *
onex_emitted_new(onex_state *st, PyObject *event)
{
    PyTypeObject *type = (PyTypeObject *)st->emitted_type;
    onex_emitted *self = st->free_emitted;
    if (self != NULL) {
        st->free_emitted = self->next_free;
        st->n_free_emitted--;
        (void)PyObject_Init((PyObject *)self, type);
    }
    else {
        self = PyObject_GC_New(onex_emitted, type);
        if (self == NULL) {
            return NULL;
        }
    }
    self->st = st;
    self->event = Py_NewRef(event);
    self->waiter = NULL;
    self->iterator = NULL;
    return (PyObject *)self;
}

void
onex_emitted_wait_for(PyObject *self, PyObject *waiter)
{
    ((onex_emitted *)self)->waiter = waiter;
    PyObject_GC_Track(self);
}

void
onex_emitted_teardown(onex_state *st)
{
    while (st->free_emitted != NULL) {
        onex_emitted *self = st->free_emitted;
        st->free_emitted = self->next_free;
        st->n_free_emitted--;
        PyObject_GC_Del(self);
    }
}

static int
emitted_traverse(PyObject *self, visitproc visit, void *arg)
{
    onex_emitted *emitted = (onex_emitted *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(emitted->event);
    Py_VISIT(emitted->waiter);
    Py_VISIT(emitted->iterator);
    return 0;
}

static int
emitted_clear(PyObject *self)
{
    onex_emitted *emitted = (onex_emitted *)self;
    Py_CLEAR(emitted->waiter);
    Py_CLEAR(emitted->iterator);
    return 0; /* an event is cleared by the collector itself */
}

static void
emitted_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    onex_emitted *emitted = (onex_emitted *)self;
    bool alive = ((PyHeapTypeObject *)type)->ht_module != NULL;
    onex_state *st = emitted->st; /* ours while the module is alive */
    PyObject_GC_UnTrack(self);
    (void)emitted_clear(self);
    Py_CLEAR(emitted->event);
    if (alive && st->keeps_free && st->n_free_emitted < MOST_FREE) {
        emitted->next_free = st->free_emitted;
        st->free_emitted = emitted;
        st->n_free_emitted++;
    }
    else {
        PyObject_GC_Del(self);
    }
    Py_DECREF(type);
}

static PySendResult
emitted_send(PyObject *self, PyObject *sent, PyObject **value)
{
    onex_emitted *emitted = (onex_emitted *)self;
    if (emitted->waiter != NULL && emitted->iterator == NULL) {
        emitted->iterator =
            PyObject_CallMethod(emitted->waiter, "__await__", NULL);
        if (emitted->iterator == NULL) {
            *value = NULL;
            return PYGEN_ERROR;
        }
    }
    if (emitted->iterator != NULL) {
        PyObject *result;
        PySendResult status = PyIter_Send(emitted->iterator, sent, &result);
        if (status != PYGEN_RETURN) {
            *value = result;
            return status;
        }
        Py_DECREF(result);
        Py_CLEAR(emitted->iterator);
        Py_CLEAR(emitted->waiter);
    }
    *value = Py_NewRef(emitted->event);
    return PYGEN_RETURN;
}

/* Raises StopIteration(value).  Up to 3.14 every await of an object like this
 * one ends so, and a new exception costs more than the whole emission: one is
 * used again as long as nobody has kept it.  It holds the last event until
 * the next emission or drain (onex_emitted_forget). */
static void
stop_with(onex_state *st, PyObject *value)
{
#ifndef Py_GIL_DISABLED
    PyStopIterationObject *stop = (PyStopIterationObject *)st->spare_stop;
    if (stop != NULL && Py_REFCNT((PyObject *)stop) == 1 &&
        stop->traceback == NULL && stop->context == NULL &&
        stop->cause == NULL && stop->dict == NULL &&
        Py_REFCNT(stop->args) == 1 && PyTuple_GET_SIZE(stop->args) == 1) {
        PyObject *before = stop->value;
        PyObject *before_in_args = PyTuple_GET_ITEM(stop->args, 0);
        stop->value = Py_NewRef(value);
        PyTuple_SET_ITEM(stop->args, 0, Py_NewRef(value));
        Py_XDECREF(before);
        Py_XDECREF(before_in_args);
        onex_exception_restore(Py_NewRef((PyObject *)stop));
        return;
    }
#endif
    (void)onex_stop_iteration(value);
#ifndef Py_GIL_DISABLED
    PyObject *raised = onex_exception_take();
    if (raised != NULL && st->keeps_free) {
        Py_XSETREF(st->spare_stop, Py_NewRef(raised));
    }
    onex_exception_restore(raised);
#endif
}

void
onex_emitted_forget(onex_state *st)
{
    PyStopIterationObject *stop = (PyStopIterationObject *)st->spare_stop;
    if (stop != NULL && Py_REFCNT((PyObject *)stop) == 1 &&
        stop->value != NULL && stop->value != Py_None &&
        Py_REFCNT(stop->args) == 1 && PyTuple_GET_SIZE(stop->args) == 1) {
        PyObject *value = stop->value;
        PyObject *in_args = PyTuple_GET_ITEM(stop->args, 0);
        stop->value = Py_NewRef(Py_None);
        PyTuple_SET_ITEM(stop->args, 0, Py_NewRef(Py_None));
        Py_DECREF(value);
        Py_XDECREF(in_args);
    }
}

static PyObject *
from_send(PyObject *self, PyObject *sent)
{
    PyObject *value;
    if (emitted_send(self, sent, &value) == PYGEN_RETURN) {
        stop_with(((onex_emitted *)self)->st, value);
        Py_CLEAR(value);
    }
    return value;
}

static PyObject *
emitted_iternext(PyObject *self)
{
    return from_send(self, Py_None);
}

static PyObject *
emitted_throw(PyObject *self, PyObject *args)
{
    onex_emitted *emitted = (onex_emitted *)self;
    if (emitted->iterator != NULL) {
        PyObject *method = PyObject_GetAttrString(emitted->iterator, "throw");
        if (method == NULL) {
            return NULL;
        }
        PyObject *result = PyObject_CallObject(method, args);
        Py_DECREF(method);
        return result;
    }
    PyObject *type, *value = NULL, *traceback = NULL;
    if (!PyArg_ParseTuple(args, "O|OO:throw", &type, &value, &traceback)) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    }
    else {
        PyErr_SetObject(type, value);
    }
    return NULL;
}

static PyObject *
emitted_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_emitted *emitted = (onex_emitted *)self;
    Py_CLEAR(emitted->iterator);
    Py_CLEAR(emitted->waiter);
    Py_RETURN_NONE;
}

/* asyncio and inspect take it for a coroutine. */
static PyObject *
emitted_get_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)&PyCoro_Type);
}

static PyObject *
emitted_get_none(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

static PyObject *
emitted_get_running(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_FALSE;
}

static PyObject *
emitted_get_name(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return PyUnicode_FromString("emit");
}

static PyMethodDef emitted_methods[] = {
    {"send", from_send, METH_O, NULL},
    {"throw", emitted_throw, METH_VARARGS, NULL},
    {"close", emitted_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef emitted_getset[] = {
    {"__class__", emitted_get_class, NULL, NULL, NULL},
    {"__name__", emitted_get_name, NULL, NULL, NULL},
    {"__qualname__", emitted_get_name, NULL, NULL, NULL},
    {"cr_await", emitted_get_none, NULL, NULL, NULL},
    {"cr_code", emitted_get_none, NULL, NULL, NULL},
    {"cr_frame", emitted_get_none, NULL, NULL, NULL},
    {"cr_origin", emitted_get_none, NULL, NULL, NULL},
    {"cr_running", emitted_get_running, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot emitted_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What ``EventBus.emit`` returns: awaiting it "
                                  "gives the event.")},
    {Py_tp_traverse, emitted_traverse},
    {Py_tp_clear, emitted_clear},
    {Py_tp_dealloc, emitted_dealloc},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, emitted_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, emitted_iternext},
    {Py_tp_methods, emitted_methods},
    {Py_tp_getset, emitted_getset},
    {0, NULL},
};

static PyType_Spec emitted_spec = {
    .name = "onex_events._core.Emitted",
    .basicsize = sizeof(onex_emitted),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = emitted_slots,
};

int
onex_emitted_setup(PyObject *module, onex_state *st)
{
    st->emitted_type = onex_add_type(module, &emitted_spec, NULL);
    return st->emitted_type == NULL ? -1 : 0;
}
