/* HandlerRun: the call of a handler that does not finish at once, as an
 * awaitable.  Whoever awaits it steps the handler, in the handler's own
 * context; the handler's end is accounted for here, and what it raised goes
 * no further (KeyboardInterrupt and SystemExit excepted). */
#include <stddef.h>

#include "py/bus_internal.h"
#include "py/handler_context.h"

#include <structmember.h>

#include "core/clock.h"

/* --- construction ----------------------------------------------------------- */

onex_handler_run *
onex_handler_run_new(onex_delivery *delivery, onex_subscription *sub,
                     onex_frame *frame, PyObject *context, PyObject *iterator,
                     PyObject *yielded, int64_t started_ns)
{
    onex_state *st = delivery->bus->st;
    onex_frame *own_frame = frame != NULL
                                ? (onex_frame *)Py_NewRef((PyObject *)frame)
                                : onex_handler_frame(st, delivery, sub, NULL);
    if (own_frame == NULL) {
        return NULL;
    }
    onex_handler_run *run =
        PyObject_GC_New(onex_handler_run, (PyTypeObject *)st->handler_run_type);
    if (run == NULL) {
        if (frame == NULL) {
            onex_handler_frame_over(st, own_frame);
        }
        Py_DECREF((PyObject *)own_frame);
        return NULL;
    }
    run->delivery = (onex_delivery *)Py_NewRef((PyObject *)delivery);
    run->sub = (onex_subscription *)Py_NewRef((PyObject *)sub);
    run->frame = own_frame;
    run->context = Py_XNewRef(context);
    run->iterator = Py_XNewRef(iterator);
    run->yielded = Py_XNewRef(yielded);
    run->started_ns = started_ns;
    run->finished = false;
    run->timed_out = false;
    PyObject_GC_Track(run);
    return run;
}

void
onex_handler_run_detach(onex_handler_run *run)
{
    if (!run->finished && !run->frame->yielded) {
        onex_delivery_detach(run->delivery);
        run->frame->yielded = true;
        run->delivery->pending++;
    }
}

static int
run_traverse(PyObject *self, visitproc visit, void *arg)
{
    onex_handler_run *run = (onex_handler_run *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)run->delivery);
    Py_VISIT((PyObject *)run->sub);
    Py_VISIT((PyObject *)run->frame);
    Py_VISIT(run->context);
    Py_VISIT(run->iterator);
    Py_VISIT(run->yielded);
    return 0;
}

static int
run_clear(PyObject *self)
{
    onex_handler_run *run = (onex_handler_run *)self;
    Py_CLEAR(run->delivery);
    Py_CLEAR(run->sub);
    Py_CLEAR(run->frame);
    Py_CLEAR(run->context);
    Py_CLEAR(run->iterator);
    Py_CLEAR(run->yielded);
    return 0;
}

static void
run_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)run_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- stepping ---------------------------------------------------------------- */

/* Enters the handler's context, making it at the first step.  0 / -1 */
static int
enter(onex_handler_run *run)
{
    if (run->context != NULL) {
        return PyContext_Enter(run->context);
    }
    run->context = onex_handler_enter_new(run->delivery, run->frame);
    return run->context == NULL ? -1 : 0;
}

/* Calls the handler: its value, or NULL with run->iterator set (it is to be
 * stepped), or NULL with an exception. */
static PyObject *
begin(onex_handler_run *run)
{
    run->started_ns = onex_clock_monotonic_ns();
    PyObject *handler = onex_subscription_handler(run->sub);
    if (handler == NULL) {
        Py_RETURN_NONE; /* held weakly, and gone */
    }
    PyObject *result = PyObject_CallOneArg(handler, run->delivery->event);
    Py_DECREF(handler);
    if (result != NULL && onex_is_awaitable(result)) {
        run->iterator = onex_awaitable_iterator(result);
        Py_CLEAR(result);
    }
    return result;
}

/* The end: accounts for it; PYGEN_RETURN, or PYGEN_ERROR with an exception
 * that goes on. */
static PySendResult
end(onex_handler_run *run, PyObject *result, PyObject **value)
{
    run->finished = true;
    Py_CLEAR(run->iterator);
    int status = onex_handler_over(run->delivery, run->sub, run->frame,
                                   run->started_ns, result, run->timed_out);
    Py_XDECREF(result);
    *value = NULL;
    if (status < 0) {
        return PYGEN_ERROR;
    }
    *value = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult
run_send(PyObject *self, PyObject *sent, PyObject **value)
{
    onex_handler_run *run = (onex_handler_run *)self;
    *value = NULL;
    if (run->finished) {
        *value = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    if (run->yielded != NULL) {
        *value = run->yielded;
        run->yielded = NULL;
        return PYGEN_NEXT;
    }
    if (enter(run) < 0) {
        return end(run, NULL, value);
    }
    PyObject *result = NULL;
    PySendResult status = PYGEN_ERROR;
    if (run->iterator == NULL) {
        result = begin(run);
        status = result != NULL ? PYGEN_RETURN : PYGEN_ERROR;
    }
    if (run->iterator != NULL) {
        status = PyIter_Send(run->iterator, sent, &result);
    }
    if (status != PYGEN_NEXT) {
        status = end(run, status == PYGEN_RETURN ? result : NULL, value);
    }
    else {
        *value = result;
    }
    onex_handler_leave(run->delivery->bus, run->context);
    return status;
}

static PyObject *
from_send(PySendResult status, PyObject *value)
{
    if (status == PYGEN_NEXT) {
        return value;
    }
    if (status == PYGEN_RETURN) {
        PyErr_SetNone(PyExc_StopIteration);
        Py_DECREF(value);
    }
    return NULL;
}

static PyObject *
run_iternext(PyObject *self)
{
    PyObject *value;
    PySendResult status = run_send(self, Py_None, &value);
    return from_send(status, value);
}

/* throw(type[, value[, traceback]]): into the handler. */
static PyObject *
run_throw(PyObject *self, PyObject *args)
{
    onex_handler_run *run = (onex_handler_run *)self;
    if (run->finished || enter(run) < 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetNone(PyExc_StopIteration);
        }
        return NULL;
    }
    Py_CLEAR(run->yielded);
    PyObject *method = run->iterator == NULL
                           ? NULL
                           : PyObject_GetAttrString(run->iterator, "throw");
    PyObject *result = NULL;
    if (method != NULL) {
        result = PyObject_CallObject(method, args);
        Py_DECREF(method);
    }
    else {
        /* Not started, or nothing that takes exceptions: it ends here. */
        PyErr_Clear();
        PyObject *exc = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0)
                                                   : PyExc_GeneratorExit;
        if (PyExceptionInstance_Check(exc)) {
            PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
        }
        else {
            PyErr_SetNone(exc);
        }
    }
    if (result == NULL) {
        PyObject *value, *returned = NULL;
        if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyObject *type, *stop, *traceback;
            PyErr_Fetch(&type, &stop, &traceback);
            PyErr_NormalizeException(&type, &stop, &traceback);
            returned = PyObject_GetAttrString(stop, "value");
            Py_XDECREF(type);
            Py_XDECREF(stop);
            Py_XDECREF(traceback);
        }
        PySendResult status = end(run, returned, &value);
        (void)from_send(status, value);
    }
    onex_handler_leave(run->delivery->bus, run->context);
    return result;
}

/* close(): an unfinished handler is given up and counted as cancelled. */
static PyObject *
run_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_handler_run *run = (onex_handler_run *)self;
    if (run->finished) {
        Py_RETURN_NONE;
    }
    PyObject *iterator = Py_XNewRef(run->iterator);
    if (iterator != NULL) {
        PyObject *closed = PyObject_CallMethod(iterator, "close", NULL);
        if (closed == NULL) {
            PyErr_Clear();
        }
        Py_XDECREF(closed);
        Py_DECREF(iterator);
    }
    if (!run->finished) {
        PyObject *value;
        PyErr_SetString(PyExc_GeneratorExit,
                        "the handler's event loop ended before it did");
        if (end(run, NULL, &value) == PYGEN_ERROR) {
            return NULL;
        }
        Py_XDECREF(value);
    }
    Py_RETURN_NONE;
}

/* call(): runs a synchronous handler to its end in this thread.  True, or
 * False when it returned an awaitable, which is now to be awaited. */
static PyObject *
run_call(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_handler_run *run = (onex_handler_run *)self;
    bool entered = enter(run) == 0;
    PyObject *value, *result = entered ? begin(run) : NULL;
    PySendResult status = PYGEN_RETURN;
    bool awaits = run->iterator != NULL;
    if (!awaits) {
        status = end(run, result, &value);
        if (status == PYGEN_RETURN) {
            Py_DECREF(value);
        }
    }
    if (entered) {
        onex_handler_leave(run->delivery->bus, run->context);
    }
    return status == PYGEN_ERROR ? NULL : PyBool_FromLong(!awaits);
}

/* --- slots, spec, setup ------------------------------------------------------ */

static PyMethodDef run_methods[] = {
    {"throw", run_throw, METH_VARARGS, NULL},
    {"close", run_close, METH_NOARGS, NULL},
    {"call", run_call, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef run_members[] = {
    {"delivery", T_OBJECT, offsetof(onex_handler_run, delivery), READONLY,
     NULL},
    {"subscription", T_OBJECT, offsetof(onex_handler_run, sub), READONLY, NULL},
    {"frame", T_OBJECT, offsetof(onex_handler_run, frame), READONLY, NULL},
    {"finished", T_BOOL, offsetof(onex_handler_run, finished), READONLY, NULL},
    {"timed_out", T_BOOL, offsetof(onex_handler_run, timed_out), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot run_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A handler's call, to be awaited.")},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_dealloc, run_dealloc},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, run_send},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, run_iternext},
    {Py_tp_methods, run_methods},
    {Py_tp_members, run_members},
    {0, NULL},
};

static PyType_Spec run_spec = {
    .name = "onex_events._core.HandlerRun",
    .basicsize = sizeof(onex_handler_run),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = run_slots,
};

int
onex_handler_run_setup(PyObject *module, onex_state *st)
{
    st->handler_run_type = onex_add_type(module, &run_spec, NULL);
    return st->handler_run_type == NULL ? -1 : 0;
}
