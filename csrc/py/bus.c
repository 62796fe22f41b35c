/* Bus: the C part of EventBus.  Queue, matching, history, delivery and
 * accounting are here; EventBus (onex_events/bus.py) adds what is off the hot
 * path: arguments, loops and threads, waiting, copies. */
#include <stddef.h>

#include "py/bus_internal.h"

#include "py/hook.h"
#include "py/emit.h"
#include "py/emitted.h"
#include "py/exceptions.h"
#include "py/handler_context.h"

#include <structmember.h>

/* --- shared by the bus's files -------------------------------------------------- */

static const char *const drop_names[ONEX_DROP_REASONS] = {
    [ONEX_DROP_QUEUE_FULL] = "queue_full",
    [ONEX_DROP_CLOSED] = "closed",
    [ONEX_DROP_EXIT] = "exit",
};

/* What telling somebody gave (a new reference or NULL), where the failure to
 * tell is not the caller's: it is reported. 0, or -1 with KeyboardInterrupt or
 * SystemExit. */
static int
told(onex_bus *bus, PyObject *done)
{
    if (done != NULL) {
        Py_DECREF(done);
        return 0;
    }
    if (onex_exception_is_exit((PyObject *)PyErr_Occurred())) {
        return -1;
    }
    PyErr_WriteUnraisable((PyObject *)bus);
    return 0;
}

int
onex_bus_count_drop(onex_bus *bus, onex_drop_reason reason, Py_ssize_t n)
{
    bus->dropped[reason] += (uint64_t)n;
    return n == 0 ? 0
                  : told(bus, PyObject_CallMethod((PyObject *)bus, "_dropped",
                                                  "s", drop_names[reason]));
}

PyObject *
onex_bus_drops(onex_bus *bus)
{
    PyObject *drops = PyDict_New();
    for (int i = 0; drops != NULL && i < ONEX_DROP_REASONS; i++) {
        if (bus->dropped[i] == 0) {
            continue;
        }
        PyObject *count = PyLong_FromUnsignedLongLong(bus->dropped[i]);
        if (count == NULL ||
            PyDict_SetItemString(drops, drop_names[i], count) < 0) {
            Py_CLEAR(drops);
        }
        Py_XDECREF(count);
    }
    return drops;
}

uint64_t
onex_bus_settled(onex_bus *bus)
{
    uint64_t settled =
        bus->queue.live > 0 ? bus->queue.head : onex_queue_tail(&bus->queue);
    if (bus->current != NULL && !bus->current->done &&
        bus->current->seq < settled) {
        settled = bus->current->seq;
    }
    for (onex_delivery *one = bus->in_flight; one != NULL; one = one->behind) {
        settled = one->seq < settled ? one->seq : settled;
    }
    return settled;
}

/* The same, with what the listeners have not seen yet. */
uint64_t
onex_bus_settled_for_all(onex_bus *bus)
{
    uint64_t settled = onex_bus_settled(bus);
    if (PyList_GET_SIZE(bus->batch_ends) > 0 && bus->batch_seq < settled) {
        settled = bus->batch_seq;
    }
    return settled;
}

int
onex_bus_announce(onex_bus *bus, PyObject *event, PyObject *receipt)
{
    onex_state *st = bus->st;
    int result = 0;
    if (receipt != NULL) {
        result = told(bus, PyObject_CallMethodNoArgs(receipt, st->str_finish));
    }
    if (result == 0 && PyList_GET_SIZE(bus->watchers) > 0) {
        result = told(bus, PyObject_CallMethodOneArg(
                               (PyObject *)bus, st->str__watch_handled, event));
    }
    /* Told without a number, which could find no memory. */
    if (result == 0 && bus->flush_below != 0 &&
        onex_bus_settled_for_all(bus) >= bus->flush_below) {
        result = told(
            bus, PyObject_CallMethodNoArgs((PyObject *)bus, st->str__flushed));
    }
    return result;
}

/* Calls bus.<method>(what, where, exception) with the exception that is set,
 * which is taken; -1 with KeyboardInterrupt and SystemExit, which stay. */
static int
log_exception(onex_bus *bus, const char *what, PyObject *where)
{
    if (onex_exception_is_exit((PyObject *)PyErr_Occurred())) {
        return -1;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(value, traceback);
    }
    PyObject *done =
        PyObject_CallMethod((PyObject *)bus, "_report", "sOO", what,
                            where == NULL ? Py_None : where, value);
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)bus);
    }
    Py_XDECREF(done);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return 0;
}

int
onex_bus_log_error(onex_bus *bus, PyObject *where)
{
    return log_exception(bus, "", where);
}

/* --- bus.h ------------------------------------------------------------------------ */

onex_listening *
onex_bus_listening(onex_state *st, PyObject *bus)
{
    return bus == NULL ? &st->default_listening : &((onex_bus *)bus)->listening;
}

PyObject *
onex_bus_default(onex_state *st)
{
    if (st->default_bus == NULL) {
        PyObject *module = PyImport_ImportModule("onex_events.bus");
        if (module == NULL) {
            return NULL;
        }
        PyObject *bus = PyObject_CallMethod(module, "_make_default", NULL);
        Py_DECREF(module);
        return bus; /* the default one, unless it was replaced since */
    }
    return Py_NewRef(st->default_bus);
}

int
onex_bus_interest(onex_state *st, PyObject *bus, PyObject *event_class,
                  PyObject *type_name, bool exact)
{
    PyObject *owner = bus == NULL ? onex_bus_default(st) : Py_NewRef(bus);
    if (owner == NULL) {
        return -1;
    }
    int interest = onex_bus_interest_of((onex_bus *)owner, event_class,
                                        type_name, exact, true);
    Py_DECREF(owner);
    return interest;
}

int
onex_bus_classes_changed(onex_state *st)
{
    st->default_listening.generation++;
    onex_hooks_engage(&st->default_listening, NULL);
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *module = PyDict_GetItemString(modules, "onex_events.bus");
    PyObject *changed = module == NULL
                            ? NULL
                            : PyObject_GetAttrString(module, "classes_changed");
    if (changed == NULL) {
        PyErr_Clear(); /* no bus yet, or half imported */
        return 0;
    }
    PyObject *done = PyObject_CallNoArgs(changed);
    Py_DECREF(changed);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int
onex_bus_report(onex_state *st, PyObject *bus, const char *what,
                PyObject *where)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *owner = bus == NULL ? onex_bus_default(st) : Py_NewRef(bus);
    if (owner == NULL) {
        PyErr_WriteUnraisable(where);
        PyErr_Restore(type, value, traceback);
        PyErr_WriteUnraisable(where);
        return 0;
    }
    PyErr_Restore(type, value, traceback);
    ((onex_bus *)owner)->handler_errors++;
    int result = log_exception((onex_bus *)owner, what, where);
    Py_DECREF(owner);
    return result;
}

/* --- construction ------------------------------------------------------------------ */

static PyObject *
bus_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
        PyObject *Py_UNUSED(kwargs))
{
    onex_state *st = onex_state_of_type(type);
    if (st == NULL) {
        return NULL;
    }
    onex_bus *bus = (onex_bus *)type->tp_alloc(type, 0);
    if (bus == NULL) {
        return NULL;
    }
    bus->st = st;
    onex_queue_init(&bus->queue);
    bus->max_queue_size = 10000;
    bus->overflow = ONEX_OVERFLOW_BLOCK;
    bus->subs = PyList_New(0);
    bus->filters = PyList_New(0);
    bus->type_counts = PyDict_New();
    bus->listeners = PyList_New(0);
    bus->batch = PyList_New(0);
    bus->batch_ends = PyList_New(0);
    bus->watchers = PyList_New(0);
    bus->history = onex_history_new(0);
    if (bus->subs == NULL || bus->filters == NULL || bus->type_counts == NULL ||
        bus->listeners == NULL || bus->batch == NULL ||
        bus->batch_ends == NULL || bus->watchers == NULL ||
        bus->history == NULL) {
        Py_DECREF((PyObject *)bus);
        return NULL;
    }
    return (PyObject *)bus;
}

static int
bus_traverse(PyObject *self, visitproc visit, void *arg)
{
    onex_bus *bus = (onex_bus *)self;
    Py_VISIT(Py_TYPE(self));
    int result = onex_queue_traverse(&bus->queue, visit, arg);
    if (result == 0 && bus->history != NULL) {
        result = onex_history_traverse(bus->st, bus->history, visit, arg);
    }
    if (result == 0) {
        result = onex_match_cache_traverse(&bus->matches, visit, arg);
    }
    if (result != 0) {
        return result;
    }
    Py_VISIT(bus->home);
    Py_VISIT((PyObject *)bus->current);
    Py_VISIT((PyObject *)bus->run);
    Py_VISIT(bus->spare.context);
    Py_VISIT((PyObject *)bus->spare.frame);
    Py_VISIT((PyObject *)bus->spare_delivery);
    for (onex_delivery *one = bus->in_flight; one != NULL; one = one->behind) {
        Py_VISIT((PyObject *)one);
    }
    Py_VISIT(bus->subs);
    Py_VISIT(bus->filters);
    Py_VISIT(bus->type_counts);
    Py_VISIT(bus->listeners);
    Py_VISIT(bus->batch);
    Py_VISIT(bus->batch_ends);
    Py_VISIT(bus->watchers);
    return 0;
}

static int
bus_clear(PyObject *self)
{
    onex_bus *bus = (onex_bus *)self;
    onex_queue_clear(&bus->queue);
    if (bus->history != NULL) {
        onex_history_clear(bus->history);
    }
    onex_match_cache_clear(&bus->matches);
    Py_CLEAR(bus->home);
    Py_CLEAR(bus->current);
    Py_CLEAR(bus->run);
    onex_handler_place_clear(&bus->spare);
    Py_CLEAR(bus->spare_delivery);
    onex_bus_let_go_in_flight(bus);
    return 0; /* the lists are cleared by the collector themselves */
}

static void
bus_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    onex_bus *bus = (onex_bus *)self;
    PyObject_GC_UnTrack(self);
    if (bus->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    (void)bus_clear(self);
    Py_CLEAR(bus->subs);
    Py_CLEAR(bus->filters);
    Py_CLEAR(bus->type_counts);
    Py_CLEAR(bus->listeners);
    Py_CLEAR(bus->batch);
    Py_CLEAR(bus->batch_ends);
    Py_CLEAR(bus->watchers);
    onex_history_free(bus->history);
    onex_ring_free(&bus->queue.ring);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --- slots, spec, setup ---------------------------------------------------- */

#define MEMBER(name, field, kind, flags)                                       \
    {name, kind, offsetof(onex_bus, field), flags, NULL}

static PyMemberDef bus_members[] = {
    MEMBER("_in_flight", in_flight_count, T_PYSSIZET, READONLY),
    MEMBER("_handler_errors", handler_errors, T_ULONGLONG, 0),
    MEMBER("_subs", subs, T_OBJECT, READONLY),
    MEMBER("_filters", filters, T_OBJECT, READONLY),
    MEMBER("_listeners", listeners, T_OBJECT, READONLY),
    MEMBER("_watchers", watchers, T_OBJECT, READONLY),
    MEMBER("_token", token, T_ULONGLONG, READONLY),
    MEMBER("_flush_below", flush_below, T_ULONGLONG, 0),
    MEMBER("_space_for", space_for, T_ULONGLONG, 0),
    MEMBER("_record_all", record_all, T_BOOL, 0),
    MEMBER("_background", background, T_BOOL, 0),
    MEMBER("_closed", closed, T_BOOL, 0),
    MEMBER("_exiting", exiting, T_BOOL, 0),
    MEMBER("__weaklistoffset__", weakrefs, T_PYSSIZET, READONLY),
    {NULL, 0, 0, 0, NULL},
};

#undef MEMBER

static PyType_Slot bus_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The C part of EventBus.")},
    {Py_tp_new, bus_new},
    {Py_tp_traverse, bus_traverse},
    {Py_tp_clear, bus_clear},
    {Py_tp_dealloc, bus_dealloc},
    {Py_tp_methods, onex_bus_methods},
    {Py_tp_members, bus_members},
    {Py_tp_getset, onex_bus_getset},
    {0, NULL},
};

static PyType_Spec bus_spec = {
    .name = "onex_events._core.Bus",
    .basicsize = sizeof(onex_bus),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bus_slots,
};

/* default_bus() -> the default bus, or None */
static PyObject *
core_default_bus(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    PyObject *bus = onex_state_of_module(module)->default_bus;
    return Py_NewRef(bus == NULL ? Py_None : bus);
}

/* set_default_bus(bus_or_none) */
static PyObject *
core_set_default_bus(PyObject *module, PyObject *bus)
{
    onex_state *st = onex_state_of_module(module);
    if (bus != Py_None &&
        !PyObject_TypeCheck(bus, (PyTypeObject *)st->bus_type)) {
        PyErr_Format(PyExc_TypeError, "bus must be an EventBus or None, not %R",
                     (PyObject *)Py_TYPE(bus));
        return NULL;
    }
    PyObject *old = st->default_bus;
    st->default_bus = bus == Py_None ? NULL : Py_NewRef(bus);
    st->default_listening.listening =
        bus == Py_None ? 0 : ((onex_bus *)bus)->listening.listening;
    st->default_listening.generation++;
    onex_hooks_engage(&st->default_listening, NULL);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

/* set_default_listening(flag): before there is a default bus, whether sites
 * are to make one (record-everything mode). */
static PyObject *
core_set_default_listening(PyObject *module, PyObject *flag)
{
    onex_state *st = onex_state_of_module(module);
    st->default_listening.listening = PyObject_IsTrue(flag);
    st->default_listening.generation++;
    onex_hooks_engage(&st->default_listening, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"default_bus", core_default_bus, METH_NOARGS, NULL},
    {"set_default_bus", core_set_default_bus, METH_O, NULL},
    {"set_default_listening", core_set_default_listening, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* ONEX_EVENTS_LAZY=0 when the module is imported: decorated functions are to
 * make every event from the first call on (EventBus checks the value). */
static bool
records_everything(void)
{
    const char *lazy = getenv("ONEX_EVENTS_LAZY");
    return lazy != NULL &&
           (strcmp(lazy, "0") == 0 || PyOS_stricmp(lazy, "false") == 0 ||
            PyOS_stricmp(lazy, "no") == 0 || PyOS_stricmp(lazy, "off") == 0);
}

int
onex_bus_setup(PyObject *module, onex_state *st)
{
    st->default_listening.listening = records_everything();
    if (onex_subscription_setup(module, st) < 0 ||
        onex_delivery_setup(module, st) < 0 ||
        onex_handler_run_setup(module, st) < 0 ||
        onex_emitted_setup(module, st) < 0 ||
        PyModule_AddFunctions(module, functions) < 0) {
        return -1;
    }
    st->str_asyncio_events = PyUnicode_InternFromString("asyncio.events");
    st->queue_full_error = PyErr_NewExceptionWithDoc(
        "onex_events.QueueFullError",
        "The event queue is full and its overflow policy is \"raise\".",
        PyExc_RuntimeError, NULL);
    if (st->str_asyncio_events == NULL || st->queue_full_error == NULL ||
        PyModule_AddObjectRef(module, "QueueFullError", st->queue_full_error) <
            0) {
        return -1;
    }
    st->bus_type = onex_add_type(module, &bus_spec, NULL);
    return st->bus_type == NULL ? -1 : 0;
}
