/* Observed asynchronous generators, and the awaitables of their steps.
 *
 * The event loop must know the observed object, not the inner one, or closing
 * all generators at the end of a loop would pass by us: so it is the observed
 * object that the asyncgen hooks are told about, and the inner one is started
 * while there are none. */
#include "py/observed.h"

#include "core/stack.h"
#include "py/exceptions.h"

typedef enum {
    STEP_NEXT,  /* __anext__, or asend of anything a fresh generator takes */
    STEP_SEND,  /* asend of a value: a fresh generator refuses it */
    STEP_THROW, /* athrow */
    STEP_CLOSE, /* aclose */
} step_kind;

typedef struct {
    PyObject_HEAD
    onex_observed *generator;
    PyObject *inner;        /* what the inner generator's method gave */
    unsigned char kind;     /* step_kind */
    unsigned char progress; /* onex_progress: SUSPENDED while under way */
} async_step;

/* Helpers. */

/* True when driving this step enters the body, so that it is observed. */
static bool
step_is_observed(async_step *self)
{
    onex_observed *generator = self->generator;
    if (self->progress == ONEX_SUSPENDED) {
        return generator->progress == ONEX_SUSPENDED ||
               generator->progress == ONEX_LINGERING;
    }
    if (self->progress != ONEX_NEW || generator->step != NULL) {
        return false;
    }
    if (generator->progress == ONEX_NEW && self->kind >= STEP_THROW) {
        generator->progress = ONEX_OVER; /* ends without a body */
        return false;
    }
    return generator->progress == ONEX_SUSPENDED ||
           (generator->progress == ONEX_NEW && self->kind == STEP_NEXT);
}

/* Marks the step as the one that is under way.  0, or -1 with an exception. */
static int
step_enter(async_step *self)
{
    onex_observed *generator = self->generator;
    generator->step = (PyObject *)self;
    self->progress = ONEX_SUSPENDED;
    if (onex_observed_enter(generator) < 0) {
        onex_observed_abandon(generator, self->inner);
        generator->step = NULL;
        self->progress = ONEX_OVER;
        return -1;
    }
    return 0;
}

static void
step_over(async_step *self)
{
    self->progress = ONEX_OVER;
    if (self->generator->step == (PyObject *)self) {
        self->generator->step = NULL;
    }
}

/* The outcome of the step that ends the generator, as onex_observed_leave
 * takes it. */
static PyObject *
generator_ended(async_step *self, PyObject *result)
{
    onex_observed *generator = self->generator;
    if (result != NULL) { /* of aclose */
        if (onex_observed_closed(generator) < 0) {
            Py_CLEAR(result);
        }
        return result;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopAsyncIteration)) {
        return onex_observed_over(generator, NULL);
    }
    PyObject *stop = onex_exception_take();
    PyObject *none = onex_observed_over(generator, Py_NewRef(Py_None));
    if (none == NULL) {
        Py_DECREF(stop);
        return NULL;
    }
    Py_DECREF(none);
    onex_exception_restore(stop);
    return NULL;
}

/* One step of an observed body: sends `value`, or throws. */
static PySendResult
step_drive(async_step *self, PyObject *value, PyObject *const *thrown,
           Py_ssize_t nthrown, PyObject **result)
{
    onex_observed *generator = self->generator;
    PySendResult sent;
    if (generator->progress == ONEX_LINGERING) {
        sent = onex_observed_linger(generator, value, thrown, nthrown, result);
        if (sent != PYGEN_NEXT) {
            step_over(self);
        }
        return sent;
    }
    if (step_enter(self) < 0) {
        return PYGEN_ERROR;
    }
    sent = onex_observed_drive(generator, self->inner, value, thrown, nthrown,
                               result);
    bool observed = generator->progress == ONEX_RUNNING;
    if (sent == PYGEN_NEXT) {
        if (observed) {
            onex_observed_pause(generator);
        }
        return sent;
    }
    if (observed && sent == PYGEN_RETURN && self->kind != STEP_CLOSE) {
        onex_observed_pause(generator); /* at a yield */
    }
    else if (observed) {
        *result = generator_ended(self, sent == PYGEN_RETURN ? *result : NULL);
        sent = onex_observed_leave(generator, result);
        if (sent == PYGEN_NEXT) {
            return sent;
        }
    }
    step_over(self);
    return sent;
}

/* am_send. */
static PySendResult
step_send_slot(async_step *self, PyObject *value, PyObject **result)
{
    *result = NULL;
    if (onex_stack_is_low()) {
        PyErr_SetString(PyExc_RecursionError,
                        "maximum recursion depth exceeded: the C stack of "
                        "this thread is used up in an asynchronous generator");
        return PYGEN_ERROR;
    }
    return step_is_observed(self) ? step_drive(self, value, NULL, 0, result)
                                  : PyIter_Send(self->inner, value, result);
}

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

/* The step's construction, clear, traverse, dealloc. */

static PyObject *
step_new(onex_observed *generator, PyObject *inner, step_kind kind)
{
    onex_state *st = generator->call.site->state;
    async_step *self =
        PyObject_GC_New(async_step, (PyTypeObject *)st->async_step_type);
    if (self == NULL) {
        Py_DECREF(inner);
        return NULL;
    }
    self->generator = (onex_observed *)Py_NewRef((PyObject *)generator);
    self->inner = inner;
    self->kind = (unsigned char)kind;
    self->progress = ONEX_NEW;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int
step_traverse(async_step *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->generator);
    Py_VISIT(self->inner);
    return 0;
}

/* The generator knows the step by a borrowed reference only, so there is no
 * cycle to break here; what is cleared is never driven again. */
static void
step_dealloc(async_step *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    step_over(self);
    Py_CLEAR(self->inner);
    Py_CLEAR(self->generator);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* The step's methods. */

static PyObject *
step_iternext(async_step *self)
{
    PyObject *result;
    PySendResult sent = step_send_slot(self, Py_None, &result);
    return step_as_object(sent, result);
}

PyDoc_STRVAR(step_send_doc, "send($self, value, /)\n--\n\nResumes with value.");

static PyObject *
step_send(async_step *self, PyObject *value)
{
    PyObject *result;
    PySendResult sent = step_send_slot(self, value, &result);
    return step_as_object(sent, result);
}

PyDoc_STRVAR(step_throw_doc, "throw(value)\nthrow(type[, value[, "
                             "traceback]])\n\nResumes with an exception.");

static PyObject *
step_throw(async_step *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *result = NULL;
    if (step_is_observed(self)) {
        PySendResult sent = step_drive(self, NULL, args, nargs, &result);
        return step_as_object(sent, result);
    }
    PyObject *method = PyObject_GetAttrString(self->inner, "throw");
    if (method != NULL) {
        result = PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
        Py_DECREF(method);
    }
    return result;
}

/* Whether the inner generator is through: 1, 0, or -1 with an exception. */
static int
generator_is_finished(onex_observed *generator)
{
    PyObject *frame = PyObject_GetAttrString(generator->inner, "ag_frame");
    int finished = frame == NULL ? -1 : Py_IsNone(frame);
    Py_XDECREF(frame);
    return finished;
}

PyDoc_STRVAR(step_close_doc, "close($self, /)\n--\n\nGives the step up.");

static PyObject *
step_close(async_step *self, PyObject *Py_UNUSED(ignored))
{
    onex_observed *generator = self->generator;
    bool observed = self->progress == ONEX_SUSPENDED &&
                    generator->progress == ONEX_SUSPENDED;
    onex_observed_stop_waiting(generator);
    if (observed) {
        (void)onex_observed_enter(generator);
        generator->call.waits = false; /* nobody could await it */
    }
    PyObject *result = PyObject_CallMethod(self->inner, "close", NULL);
    step_over(self);
    if (!observed) {
        return result;
    }
    if (result == NULL) {
        return onex_observed_over(generator, NULL);
    }
    int finished = generator_is_finished(generator);
    if (finished == 0) {
        onex_observed_pause(generator); /* versions that leave it waiting */
    }
    else if (finished < 0 || onex_observed_closed(generator) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static PyMethodDef step_methods[] = {
    {"send", (PyCFunction)step_send, METH_O, step_send_doc},
    {"throw", (PyCFunction)(void (*)(void))step_throw, METH_FASTCALL,
     step_throw_doc},
    {"close", (PyCFunction)step_close, METH_NOARGS, step_close_doc},
    {NULL, NULL, 0, NULL},
};

/* The generator. */

/* Calls a method of the inner generator.  At the first step the asyncgen
 * hooks of this thread are told of the observed generator instead of the inner
 * one.  New reference or NULL. */
static PyObject *
call_inner(onex_observed *self, const char *name, PyObject *const *args,
           Py_ssize_t nargs)
{
    onex_state *st = self->call.site->state;
    PyObject *method = NULL, *result = NULL, *hooks = NULL, *none = NULL;
    if (self->inner == NULL) {
        PyErr_Format(PyExc_RuntimeError, "%R was collected as garbage", self);
        return NULL;
    }
    method = PyObject_GetAttrString(self->inner, name);
    if (method == NULL || self->hooked) {
        goto call;
    }
    hooks = PyObject_CallNoArgs(st->get_asyncgen_hooks);
    if (hooks == NULL) {
        goto done;
    }
    PyObject *firstiter = PyTuple_GET_ITEM(hooks, 0);
    PyObject *finalizer = PyTuple_GET_ITEM(hooks, 1);
    if (Py_IsNone(firstiter) && Py_IsNone(finalizer)) {
        self->hooked = true;
        goto call;
    }
    none = PyObject_CallFunctionObjArgs(st->set_asyncgen_hooks, Py_None,
                                        Py_None, NULL);
    if (none == NULL) {
        goto done;
    }
    self->hooked = true;
    Py_SETREF(none, NULL);
    result = PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
    PyObject *exception = onex_exception_take();
    /* The tuple that was got is what is set: this takes no memory. */
    none = PyObject_Call(st->set_asyncgen_hooks, hooks, NULL);
    if (exception != NULL) {
        PyErr_Clear();
        onex_exception_restore(exception);
    }
    if (result == NULL || none == NULL) {
        Py_CLEAR(result);
        goto done;
    }
    if (!Py_IsNone(finalizer)) {
        self->finalizer = Py_NewRef(finalizer);
    }
    if (!Py_IsNone(firstiter)) {
        Py_SETREF(none, PyObject_CallOneArg(firstiter, (PyObject *)self));
        if (none == NULL) {
            Py_CLEAR(result);
        }
    }
    goto done;
call:
    if (method != NULL) {
        result = PyObject_Vectorcall(method, args, (size_t)nargs, NULL);
    }
done:
    Py_XDECREF(none);
    Py_XDECREF(hooks);
    Py_XDECREF(method);
    return result;
}

static PyObject *
make_step(onex_observed *self, const char *name, PyObject *const *args,
          Py_ssize_t nargs, step_kind kind)
{
    PyObject *inner = call_inner(self, name, args, nargs);
    return inner == NULL ? NULL : step_new(self, inner, kind);
}

static PyObject *
generator_anext(onex_observed *self)
{
    return make_step(self, "__anext__", NULL, 0, STEP_NEXT);
}

PyDoc_STRVAR(asend_doc,
             "asend($self, value, /)\n--\n\nAn awaitable: the next value.");

static PyObject *
generator_asend(onex_observed *self, PyObject *value)
{
    return make_step(self, "asend", &value, 1,
                     Py_IsNone(value) ? STEP_NEXT : STEP_SEND);
}

PyDoc_STRVAR(athrow_doc,
             "athrow(value)\nathrow(type[, value[, traceback]])\n\n"
             "An awaitable: the next value after an exception inside.");

static PyObject *
generator_athrow(onex_observed *self, PyObject *const *args, Py_ssize_t nargs)
{
    return make_step(self, "athrow", args, nargs, STEP_THROW);
}

PyDoc_STRVAR(aclose_doc, "aclose($self, /)\n--\n\nAn awaitable: ends it, with "
                         "GeneratorExit inside.");

static PyObject *
generator_aclose(onex_observed *self, PyObject *Py_UNUSED(ignored))
{
    return make_step(self, "aclose", NULL, 0, STEP_CLOSE);
}

/* Dropped midway: the loop closes it, or where there is none its inner
 * generator closes itself as it goes. */
static void
generator_finalize(PyObject *object)
{
    onex_observed *self = (onex_observed *)object;
    if (self->progress == ONEX_OVER) {
        return;
    }
    PyObject *exception = onex_exception_take();
    if (self->finalizer != NULL) {
        PyObject *none = PyObject_CallOneArg(self->finalizer, object);
        if (none == NULL) {
            PyErr_WriteUnraisable(object);
        }
        Py_XDECREF(none);
    }
    else if (self->progress == ONEX_SUSPENDED) {
        onex_observed_stop_waiting(self);
        (void)onex_observed_enter(self);
        self->call.waits = false;
        Py_CLEAR(self->stepped);
        Py_CLEAR(self->inner);
        if (onex_observed_closed(self) < 0) {
            PyErr_WriteUnraisable(self->owner);
        }
    }
    onex_exception_restore(exception);
}

static PyMethodDef generator_methods[] = {
    {"asend", (PyCFunction)generator_asend, METH_O, asend_doc},
    {"athrow", (PyCFunction)(void (*)(void))generator_athrow, METH_FASTCALL,
     athrow_doc},
    {"aclose", (PyCFunction)generator_aclose, METH_NOARGS, aclose_doc},
    {NULL, NULL, 0, NULL},
};

/* Slots, specs, setup. */

static PyType_Slot step_slots[] = {
    {Py_tp_dealloc, step_dealloc},    {Py_tp_traverse, step_traverse},
    {Py_am_await, PyObject_SelfIter}, {Py_am_send, step_send_slot},
    {Py_tp_iter, PyObject_SelfIter},  {Py_tp_iternext, step_iternext},
    {Py_tp_methods, step_methods},    {0, NULL},
};

static PyType_Spec step_spec = {
    .name = "onex_events._core.ObservedAsyncStep",
    .basicsize = sizeof(async_step),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = step_slots,
};

static PyType_Slot generator_slots[] = {
    {Py_tp_dealloc, onex_observed_dealloc},
    {Py_tp_traverse, onex_observed_traverse},
    {Py_tp_clear, onex_observed_clear},
    {Py_tp_finalize, generator_finalize},
    {Py_tp_repr, onex_observed_repr},
    {Py_tp_getattro, onex_observed_getattro},
    {Py_am_aiter, PyObject_SelfIter},
    {Py_am_anext, generator_anext},
    {Py_tp_methods, generator_methods},
    {Py_tp_members, onex_observed_members},
    {Py_tp_getset, onex_observed_getset},
    {0, NULL},
};

static PyType_Spec generator_spec = {
    .name = "onex_events._core.ObservedAsyncGenerator",
    .basicsize = sizeof(onex_observed),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = generator_slots,
};

int
onex_async_generator_setup(PyObject *module, onex_state *st)
{
    st->async_step_type = onex_add_type(module, &step_spec, NULL);
    st->async_generator_type = onex_add_type(module, &generator_spec, NULL);
    st->get_asyncgen_hooks = Py_XNewRef(PySys_GetObject("get_asyncgen_hooks"));
    st->set_asyncgen_hooks = Py_XNewRef(PySys_GetObject("set_asyncgen_hooks"));
    if (st->async_step_type == NULL || st->async_generator_type == NULL) {
        return -1;
    }
    if (st->get_asyncgen_hooks == NULL || st->set_asyncgen_hooks == NULL) {
        PyErr_NoMemory(); /* sys has them: there was none to look */
        return -1;
    }
    return 0;
}
