/* Subscription and HandlerStats. */
#include "py/subscription.h"

#include "py/bus_internal.h"

#include <stddef.h>
#include <structmember.h>

/* --- helpers ------------------------------------------------------------ */

PyObject *
onex_subscription_handler(onex_subscription *sub)
{
    if (!sub->weak) {
        return Py_XNewRef(sub->handler);
    }
    PyObject *ref = Py_XNewRef(sub->handler);
    if (ref == NULL) {
        return NULL;
    }
    PyObject *handler = PyObject_CallNoArgs(ref);
    Py_DECREF(ref);
    if (handler == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (handler == Py_None) {
        Py_CLEAR(handler);
    }
    return handler;
}

int
onex_subscription_matches(onex_subscription *sub, PyTypeObject *cls,
                          PyObject *type_name)
{
    if (sub->event_types != NULL) {
        Py_ssize_t n = PyTuple_GET_SIZE(sub->event_types);
        Py_ssize_t i = 0;
        while (i < n && !PyType_IsSubtype(cls, (PyTypeObject *)PyTuple_GET_ITEM(
                                                   sub->event_types, i))) {
            i++;
        }
        if (i == n) {
            return 0;
        }
    }
    if (sub->pattern != NULL && type_name != NULL) {
        if (!PyUnicode_Check(type_name)) {
            return 0;
        }
        PyObject *found =
            PyObject_CallMethod(sub->pattern, "match", "O", type_name);
        if (found == NULL) {
            return -1;
        }
        Py_DECREF(found);
        return found != Py_None;
    }
    return 1;
}

/* --- construction ------------------------------------------------------- */

static PyObject *
none_to_null(PyObject *object)
{
    return object == Py_None ? NULL : Py_NewRef(object);
}

/* Subscription(bus, handler, event_types, pattern, predicate, priority, *,
 * weak, is_async, loop, name, stats, timeout, concurrency, ordered_by,
 * lanes, internal): made by EventBus.subscribe, which checks the arguments. */
static PyObject *
subscription_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {
        "bus",      "handler", "event_types", "pattern",    "predicate",
        "priority", "weak",    "is_async",    "loop",       "name",
        "stats",    "timeout", "concurrency", "ordered_by", "lanes",
        "internal", NULL};
    PyObject *bus, *handler, *event_types, *pattern, *predicate, *loop, *name,
        *stats, *timeout, *ordered_by, *lanes;
    int priority, weak, is_async, internal;
    Py_ssize_t concurrency;
    onex_state *st = onex_state_of_type(type);
    if (st == NULL) {
        return NULL;
    }
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "O!OOOOi$ppOUOOnOOp:Subscription", names,
            st->bus_type, &bus, &handler, &event_types, &pattern, &predicate,
            &priority, &weak, &is_async, &loop, &name, &stats, &timeout,
            &concurrency, &ordered_by, &lanes, &internal)) {
        return NULL;
    }
    bool typed = event_types == Py_None || PyTuple_Check(event_types);
    for (Py_ssize_t i = 0;
         typed && event_types != Py_None && i < PyTuple_GET_SIZE(event_types);
         i++) {
        typed = PyType_Check(PyTuple_GET_ITEM(event_types, i));
    }
    if (!typed) {
        return PyErr_Format(PyExc_TypeError,
                            "Subscription: event_types must be a tuple of "
                            "classes or None, not %R; use bus.subscribe()",
                            event_types);
    }
    double seconds = -1.0;
    if (timeout != Py_None) {
        seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
    }
    onex_subscription *sub = (onex_subscription *)type->tp_alloc(type, 0);
    if (sub == NULL) {
        return NULL;
    }
    sub->bus = Py_NewRef(bus);
    sub->handler = Py_NewRef(handler);
    sub->event_types = none_to_null(event_types);
    sub->pattern = none_to_null(pattern);
    sub->predicate = none_to_null(predicate);
    sub->loop = none_to_null(loop);
    sub->name = Py_NewRef(name);
    sub->stats = none_to_null(stats);
    sub->ordered_by = none_to_null(ordered_by);
    sub->lanes = none_to_null(lanes);
    sub->timeout = seconds;
    sub->concurrency = concurrency;
    sub->priority = priority;
    sub->weak = weak;
    sub->is_async = is_async;
    sub->internal = internal;
    return (PyObject *)sub;
}

static int
subscription_traverse(PyObject *self, visitproc visit, void *arg)
{
    onex_subscription *sub = (onex_subscription *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(sub->handler);
    Py_VISIT(sub->event_types);
    Py_VISIT(sub->pattern);
    Py_VISIT(sub->predicate);
    Py_VISIT(sub->loop);
    Py_VISIT(sub->bus);
    Py_VISIT(sub->name);
    Py_VISIT(sub->stats);
    Py_VISIT(sub->ordered_by);
    Py_VISIT(sub->lanes);
    return 0;
}

static int
subscription_clear(PyObject *self)
{
    onex_subscription *sub = (onex_subscription *)self;
    Py_CLEAR(sub->handler);
    Py_CLEAR(sub->predicate);
    Py_CLEAR(sub->loop);
    Py_CLEAR(sub->bus);
    Py_CLEAR(sub->lanes);
    return 0;
}

static void
subscription_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    onex_subscription *sub = (onex_subscription *)self;
    if (sub->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    (void)subscription_clear(self);
    Py_CLEAR(sub->event_types);
    Py_CLEAR(sub->pattern);
    Py_CLEAR(sub->name);
    Py_CLEAR(sub->stats);
    Py_CLEAR(sub->ordered_by);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- methods ------------------------------------------------------------ */

PyDoc_STRVAR(cancel_doc, "cancel($self, /)\n--\n\n"
                         "Stop listening; the same as "
                         "``bus.unsubscribe(self)``.  Repeating it is no "
                         "error.");

static PyObject *
subscription_cancel(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_subscription *sub = (onex_subscription *)self;
    if (sub->bus == NULL) {
        Py_RETURN_NONE;
    }
    return PyObject_CallMethod(sub->bus, "unsubscribe", "O", self);
}

/* Callback of a weak handler's reference: runs where the handler died, so it
 * only marks; the lists are swept by the bus's next change. */
static PyObject *
subscription_expire(PyObject *self, PyObject *Py_UNUSED(reference))
{
    onex_subscription *sub = (onex_subscription *)self;
    if (sub->bus != NULL && sub->active) {
        onex_bus_expire((onex_bus *)sub->bus, sub);
    }
    Py_RETURN_NONE;
}

/* _enable(): for the subscriptions that stand for listeners' filters. */
static PyObject *
subscription_enable(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((onex_subscription *)self)->active = true;
    Py_RETURN_NONE;
}

static PyObject *
subscription_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self);
}

static PyObject *
subscription_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    PyObject *done = subscription_cancel(self, NULL);
    if (done == NULL) {
        return NULL;
    }
    Py_DECREF(done);
    Py_RETURN_FALSE;
}

static PyObject *
subscription_repr(PyObject *self)
{
    onex_subscription *sub = (onex_subscription *)self;
    return PyUnicode_FromFormat("<Subscription of %U%s>", sub->name,
                                sub->active ? "" : ", ended");
}

static PyObject *
subscription_get_handler(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *handler = onex_subscription_handler((onex_subscription *)self);
    return handler == NULL ? Py_NewRef(Py_None) : handler;
}

static PyObject *
subscription_get_timeout(PyObject *self, void *Py_UNUSED(closure))
{
    double timeout = ((onex_subscription *)self)->timeout;
    return timeout < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(timeout);
}

/* --- slots, spec -------------------------------------------------------- */

static PyMethodDef subscription_methods[] = {
    {"cancel", subscription_cancel, METH_NOARGS, cancel_doc},
    {"_enable", subscription_enable, METH_NOARGS, NULL},
    {"_expire", subscription_expire, METH_O, NULL},
    {"__enter__", subscription_enter, METH_NOARGS, NULL},
    {"__exit__", subscription_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef subscription_getset[] = {
    {"handler", subscription_get_handler, NULL,
     PyDoc_STR("The handler, or None when it was held weakly and is gone."),
     NULL},
    {"timeout", subscription_get_timeout, NULL,
     PyDoc_STR("Seconds one call may take, or None."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define MEMBER(name, kind)                                                     \
    {#name, kind, offsetof(onex_subscription, name), READONLY, NULL}

static PyMemberDef subscription_members[] = {
    MEMBER(event_types, T_OBJECT),
    MEMBER(pattern, T_OBJECT),
    MEMBER(predicate, T_OBJECT),
    MEMBER(bus, T_OBJECT),
    MEMBER(name, T_OBJECT),
    MEMBER(ordered_by, T_OBJECT),
    MEMBER(concurrency, T_PYSSIZET),
    MEMBER(priority, T_INT),
    MEMBER(weak, T_BOOL),
    MEMBER(is_async, T_BOOL),
    MEMBER(active, T_BOOL),
    {"_lanes", T_OBJECT, offsetof(onex_subscription, lanes), 0, NULL},
    {"_loop", T_OBJECT, offsetof(onex_subscription, loop), 0, NULL},
    {"_internal", T_BOOL, offsetof(onex_subscription, internal), READONLY,
     NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(onex_subscription, weakrefs),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

#undef MEMBER

PyDoc_STRVAR(subscription_doc,
             "What ``EventBus.subscribe`` returns: ``cancel()`` it, or use it "
             "as a context manager that ends it.");

static PyType_Slot subscription_slots[] = {
    {Py_tp_doc, (void *)subscription_doc},
    {Py_tp_new, subscription_new},
    {Py_tp_traverse, subscription_traverse},
    {Py_tp_clear, subscription_clear},
    {Py_tp_dealloc, subscription_dealloc},
    {Py_tp_repr, subscription_repr},
    {Py_tp_methods, subscription_methods},
    {Py_tp_members, subscription_members},
    {Py_tp_getset, subscription_getset},
    {0, NULL},
};

static PyType_Spec subscription_spec = {
    .name = "onex_events._core.Subscription",
    .basicsize = sizeof(onex_subscription),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = subscription_slots,
};

static PyObject *
stats_snapshot(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    onex_handler_stats *stats = (onex_handler_stats *)self;
    double ms = 1e-6;
    double count = stats->count ? (double)stats->count : 1.0;
    return Py_BuildValue(
        "{s:K,s:d,s:d,s:d}", "count", (unsigned long long)stats->count,
        "avg_ms", (double)stats->total_ns * ms / count, "max_ms",
        (double)stats->max_ns * ms, "min_ms", (double)stats->min_ns * ms);
}

static PyMethodDef stats_methods[] = {
    {"snapshot", stats_snapshot, METH_NOARGS,
     PyDoc_STR("snapshot($self, /)\n--\n\n"
               "The figures so far: count, avg_ms, max_ms, min_ms.")},
    {NULL, NULL, 0, NULL},
};

static int
stats_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
stats_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot stats_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Call counts and times of one handler.")},
    {Py_tp_dealloc, stats_dealloc},
    {Py_tp_traverse, stats_traverse},
    {Py_tp_methods, stats_methods},
    {0, NULL},
};

static PyType_Spec stats_spec = {
    .name = "onex_events._core.HandlerStats",
    .basicsize = sizeof(onex_handler_stats),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stats_slots,
};

/* --- setup -------------------------------------------------------------- */

int
onex_subscription_setup(PyObject *module, onex_state *st)
{
    st->subscription_type = onex_add_type(module, &subscription_spec, NULL);
    if (st->subscription_type == NULL) {
        return -1;
    }
    st->handler_stats_type = onex_add_type(module, &stats_spec, NULL);
    return st->handler_stats_type == NULL ? -1 : 0;
}
