/* The event object: allocation, construction, garbage collection, type. */
#include "py/event.h"

#include <structmember.h>

#include "core/clock.h"
#include "core/uuid.h"

/* --- allocation ---
 *
 * A program that emits drops about as many events as it makes.  Up to
 * UNUSED_MOST dropped ones of each number of own fields are kept and used
 * again: saves a third of the time of creating and dropping one.  Guard: the
 * GIL; free-threaded builds keep none.  They are linked by `rare`. */

#ifdef Py_GIL_DISABLED
#define UNUSED_MOST 0
#else
#define UNUSED_MOST 64
#endif

onex_event *
event_alloc_raw(onex_event_class *cls)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    uint32_t count = cls->n_own + cls->n_words;
    onex_state *st = cls->st;
    if (count < ONEX_UNUSED_SIZES && st->unused_events[count].first != NULL) {
        onex_event *self = st->unused_events[count].first;
        st->unused_events[count].first = self->rare;
        st->unused_events[count].length--;
        PyObject_InitVar((PyVarObject *)self, type, (Py_ssize_t)count);
        return self;
    }
    return PyObject_GC_NewVar(onex_event, type, (Py_ssize_t)count);
}

/* Keeps the memory of a dead, untracked event for reuse. False: free it. */
static inline bool
keep_unused(onex_event_class *cls, onex_event *self)
{
    uint32_t count = cls->n_own + cls->n_words;
    onex_state *st = cls->st;
    if (count >= ONEX_UNUSED_SIZES ||
        st->unused_events[count].length >= UNUSED_MOST || !cls->plain ||
        ((PyTypeObject *)cls)->tp_finalize != NULL ||
        st->event_base_type == NULL) {
        return false;
    }
    self->rare = st->unused_events[count].first;
    st->unused_events[count].first = self;
    st->unused_events[count].length++;
    return true;
}

void
onex_event_free_unused(onex_state *st)
{
    for (int i = 0; i < ONEX_UNUSED_SIZES; i++) {
        onex_event *self;
        while ((self = st->unused_events[i].first) != NULL) {
            st->unused_events[i].first = self->rare;
            /* Its class may be gone; freeing looks at the type's flags. */
            Py_SET_TYPE(self, (PyTypeObject *)st->event_base_type);
            PyObject_GC_Del(self);
        }
        st->unused_events[i].length = 0;
    }
}

onex_event *
event_alloc(onex_event_class *cls)
{
    Py_ssize_t count = cls->n_own + cls->n_words;
    onex_event *self;
    if (cls->plain) {
        self = event_alloc_raw(cls);
        if (self != NULL) {
            memset(&self->rare, 0,
                   sizeof(onex_event) - offsetof(onex_event, rare) +
                       (size_t)count * sizeof(PyObject *));
        }
        return self;
    }
    PyTypeObject *type = (PyTypeObject *)cls;
    self = (onex_event *)type->tp_alloc(type, count);
    if (self != NULL) {
        self->marks = EVENT_TRACKED;
    }
    return self;
}

/* --- construction --- */

PyObject *
event_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                 PyObject *kwnames)
{
    onex_event_class *cls = (onex_event_class *)type;
    PyObject *const *names =
        kwnames == NULL ? NULL : &PyTuple_GET_ITEM(kwnames, 0);
    Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (PyVectorcall_NARGS(nargsf) == 0) {
        PyObject *event = event_make_shaped(cls, names, args, count);
        if (event != NULL || PyErr_Occurred()) {
            return event;
        }
    }
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    if (PyVectorcall_NARGS(nargsf) != 0) {
        PyErr_Format(PyExc_TypeError,
                     "%U() takes keyword arguments only, but %zd positional "
                     "were given",
                     cls->heap.ht_name, PyVectorcall_NARGS(nargsf));
        return NULL;
    }
    if (PyType_GetFlags((PyTypeObject *)type) & Py_TPFLAGS_IS_ABSTRACT) {
        /* object.__new__ words the error. */
        return PyBaseObject_Type.tp_new((PyTypeObject *)type, cls->st->no_args,
                                        NULL);
    }
    onex_event *self = event_alloc(cls);
    if (self == NULL) {
        return NULL;
    }
    if (event_fill(self, cls, names, args, count, ONEX_FROM_PYTHON) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    event_learn_shape(cls, names, args, count);
    return (PyObject *)self;
}

static PyObject *
event_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
          PyObject *Py_UNUSED(kwargs))
{
    onex_state *st = onex_state_of_type(type);
    if (st == NULL) {
        return NULL;
    }
    if (!onex_event_class_check(st, (PyObject *)type)) {
        PyErr_Format(PyExc_TypeError,
                     "%R can't be instantiated: make a subclass of Event",
                     type);
        return NULL;
    }
    onex_event_class *cls = (onex_event_class *)type;
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    if (PyType_GetFlags(type) & Py_TPFLAGS_IS_ABSTRACT) {
        return PyBaseObject_Type.tp_new(type, cls->st->no_args, NULL);
    }
    return (PyObject *)event_alloc(cls);
}

int
event_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (args != NULL && PyTuple_GET_SIZE(args) != 0) {
        PyErr_Format(PyExc_TypeError,
                     "%U() takes keyword arguments only, but %zd positional "
                     "were given",
                     cls->heap.ht_name, PyTuple_GET_SIZE(args));
        return -1;
    }
    if (event_class_ready(cls) < 0) {
        return -1;
    }
    Py_ssize_t count = kwargs == NULL ? 0 : PyDict_GET_SIZE(kwargs);
    PyObject **items = PyMem_New(PyObject *, 2 * count + 1);
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t position = 0, n = 0;
    PyObject *name, *value;
    while (kwargs != NULL && n < count &&
           PyDict_Next(kwargs, &position, &name, &value)) {
        items[n] = Py_NewRef(name);
        items[count + n] = Py_NewRef(value);
        n++;
    }
    event_drop(self); /* a second __init__ begins anew */
    self->marks &= EVENT_OF_OBJECT;
    memset(&self->own[cls->n_own], 0, cls->n_words * sizeof(uint64_t));
    int result =
        event_fill(self, cls, items, items + count, n, ONEX_FROM_PYTHON);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_DECREF(items[i]);
        Py_DECREF(items[count + i]);
    }
    PyMem_Free(items);
    return result;
}

/* --- garbage collection --- */

/* Number of object pointers behind the struct. */
static inline Py_ssize_t
own_count(const onex_event *self)
{
    return event_class_of(self)->n_own;
}

int
event_traverse(PyObject *op, visitproc visit, void *arg)
{
    onex_event *self = (onex_event *)op;
    Py_VISIT(Py_TYPE(op));
    if (self->rare != NULL) {
        PyObject **rare = (PyObject **)self->rare;
        for (size_t i = 0; i < EVENT_RARE_OBJECTS; i++) {
            Py_VISIT(rare[i]);
        }
    }
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        Py_VISIT(hot[i]);
    }
    for (Py_ssize_t i = 0; i < own_count(self); i++) {
        Py_VISIT(self->own[i]);
    }
    return 0;
}

static void
free_rare(onex_event *self)
{
    onex_event_rare *rare = self->rare;
    if (rare == NULL) {
        return;
    }
    self->rare = NULL;
    PyObject **objects = (PyObject **)rare;
    for (size_t i = 0; i < EVENT_RARE_OBJECTS; i++) {
        Py_XDECREF(objects[i]);
    }
    PyMem_Free(rare);
}

void
event_drop(onex_event *self)
{
    free_rare(self);
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        Py_CLEAR(hot[i]);
    }
    for (Py_ssize_t i = 0; i < own_count(self); i++) {
        Py_CLEAR(self->own[i]);
    }
}

int
event_clear(PyObject *self)
{
    event_drop((onex_event *)self);
    return 0;
}

/* Nobody can see the event any more: no need to leave NULLs. */
static inline void
event_free(onex_event *self, PyTypeObject *type)
{
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    free_rare(self);
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        Py_XDECREF(hot[i]);
    }
    Py_ssize_t count = ((onex_event_class *)type)->n_own;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(self->own[i]);
    }
    if (!keep_unused((onex_event_class *)type, self)) {
        type->tp_free((PyObject *)self);
    }
    Py_DECREF(type);
}

void
event_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    if (type->tp_finalize != NULL) {
        event_track((onex_event *)op); /* it may be resurrected */
        if (PyObject_CallFinalizerFromDealloc(op) < 0) {
            return;
        }
    }
    if (!(((onex_event *)op)->marks & EVENT_TRACKED)) {
        event_free((onex_event *)op, type); /* holds nothing that is nested */
        return;
    }
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, event_dealloc) event_free((onex_event *)op, type);
    Py_TRASHCAN_END
}

/* --- methods, spec, setup --- */

static PyObject *
method_class_getitem(PyObject *cls, PyObject *parameters)
{
    onex_state *st = onex_state_of_type((PyTypeObject *)cls);
    if (st == NULL) {
        return NULL;
    }
    return PyObject_CallMethodObjArgs(st->model_module, st->str_parametrise,
                                      cls, parameters, NULL);
}

static PyObject *
method_deepcopy(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1) {
        return PyErr_Format(PyExc_TypeError,
                            "__deepcopy__() takes at most one argument, memo");
    }
    return event_deepcopy_event(self, nargs == 0 ? NULL : args[0]);
}

/* What pydantic asks classes for, and JSON Schema: onex_events.interop. */
static PyObject *
call_interop(PyObject *cls, const char *function, PyObject *args,
             PyObject *kwargs)
{
    PyObject *result = NULL, *callable = NULL, *all = NULL;
    PyObject *module = PyImport_ImportModule("onex_events.interop");
    if (module == NULL) {
        return NULL;
    }
    callable = PyObject_GetAttrString(module, function);
    all = PyTuple_New(PyTuple_GET_SIZE(args) + 1);
    if (callable != NULL && all != NULL) {
        PyTuple_SET_ITEM(all, 0, Py_NewRef(cls));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        }
        result = PyObject_Call(callable, all, kwargs);
    }
    Py_XDECREF(all);
    Py_XDECREF(callable);
    Py_DECREF(module);
    return result;
}

static PyObject *
method_core_schema(PyObject *cls, PyObject *args)
{
    return call_interop(cls, "core_schema", args, NULL);
}

static PyObject *
method_json_schema(PyObject *cls, PyObject *args)
{
    return call_interop(cls, "json_schema_for_pydantic", args, NULL);
}

static PyObject *
method_model_json_schema(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    return call_interop(cls, "model_json_schema", args, kwargs);
}

static PyObject *
method_model_rebuild(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    return call_interop(cls, "model_rebuild", args, kwargs);
}

static PyObject *
method_model_post_init(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(context))
{
    Py_RETURN_NONE;
}

PyDoc_STRVAR(new_id_doc, "new_id($module, /)\n--\n\n"
                         "A fresh id: UUIDv7, ascending within a thread.");

static PyObject *
new_id(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    uint8_t id[16];
    if (onex_uuid7(id) != ONEX_OK) {
        PyErr_SetString(PyExc_OSError,
                        "the system's source of random numbers failed");
        return NULL;
    }
    return event_uuid(onex_state_of_module(module), id);
}

PyDoc_STRVAR(now_doc, "now($module, /)\n--\n\n"
                      "The time, UTC, aware, in whole microseconds.");

static PyObject *
now(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return event_datetime(onex_state_of_module(module), onex_clock_wall_us());
}

static PyMethodDef event_functions[] = {
    {"new_id", new_id, METH_NOARGS, new_id_doc},
    {"now", now, METH_NOARGS, now_doc},
    {"revive", event_revive, METH_VARARGS,
     PyDoc_STR("revive($module, cls, arguments, /)\n--\n\n"
               "A blank event, for unpickling.")},
    {0},
};

#define METHOD(name, function, flags, doc)                                     \
    {name, (PyCFunction)(void (*)(void))(function), flags, PyDoc_STR(doc)}

static PyMethodDef event_methods[] = {
    METHOD("evolve", event_evolve, METH_FASTCALL | METH_KEYWORDS,
           "evolve($self, /, **changes)\n--\n\n"
           "A new event: these fields with the changes, validated.\n\n"
           "It keeps the lineage_id and has an id and a timestamp of its own, "
           "unless they are among the changes."),
    METHOD("to_completed", event_to_completed, METH_FASTCALL | METH_KEYWORDS,
           "to_completed($self, /, **changes)\n--\n\n"
           "evolve() into phase COMPLETED."),
    METHOD("to_failed", event_to_failed, METH_FASTCALL | METH_KEYWORDS,
           "to_failed($self, error, **changes)\n--\n\n"
           "evolve() into phase FAILED with the error's text."),
    METHOD("__copy__", event_copy, METH_NOARGS, "A shallow copy."),
    METHOD("__deepcopy__", method_deepcopy, METH_FASTCALL, "A deep copy."),
    METHOD("__replace__", event_replace, METH_VARARGS | METH_KEYWORDS,
           "A copy with other values, unvalidated (copy.replace)."),
    METHOD("__getstate__", event_getstate, METH_NOARGS, "For pickle."),
    METHOD("__setstate__", event_setstate, METH_O, "For pickle."),
    METHOD("__reduce__", event_reduce, METH_NOARGS, "For pickle."),
    METHOD("model_copy", event_model_copy, METH_VARARGS | METH_KEYWORDS,
           "model_copy($self, /, *, update=None, deep=False)\n--\n\n"
           "A copy, with the values of the dict `update`, unvalidated."),
    METHOD("model_dump", event_model_dump, METH_VARARGS | METH_KEYWORDS,
           "model_dump($self, /, **options)\n--\n\n"
           "The fields as a dict.\n\n"
           "mode: 'python' or 'json' (JSON-native values). include, exclude: "
           "sets of\nnames, or dicts of them to filters for what is below. "
           "exclude_none,\nexclude_unset, exclude_defaults, by_alias: flags. "
           "fallback: called with what\nJSON has no form for."),
    METHOD("model_dump_json", event_model_dump_json,
           METH_VARARGS | METH_KEYWORDS,
           "model_dump_json($self, /, **options)\n--\n\n"
           "The fields as JSON text; options as model_dump, and indent "
           "(spaces)."),
    METHOD("model_validate", event_model_validate,
           METH_CLASS | METH_VARARGS | METH_KEYWORDS,
           "model_validate($cls, /, obj, **options)\n--\n\n"
           "An event from a dict (an event of this class as it is; with\n"
           "from_attributes=True any object), validated."),
    METHOD("model_validate_json", event_model_validate_json,
           METH_CLASS | METH_VARARGS | METH_KEYWORDS,
           "model_validate_json($cls, /, json_data, **options)\n--\n\n"
           "An event from JSON text, validated by JSON's rules."),
    METHOD("model_construct", event_model_construct,
           METH_CLASS | METH_VARARGS | METH_KEYWORDS,
           "model_construct($cls, _fields_set=None, **values)\n--\n\n"
           "An event of these values, not validated."),
    METHOD("__get_pydantic_core_schema__", method_core_schema,
           METH_CLASS | METH_VARARGS, "For pydantic: events as field types."),
    METHOD("__get_pydantic_json_schema__", method_json_schema,
           METH_CLASS | METH_VARARGS, "For pydantic: events as field types."),
    METHOD("model_json_schema", method_model_json_schema,
           METH_CLASS | METH_VARARGS | METH_KEYWORDS,
           "model_json_schema($cls, /, **options)\n--\n\n"
           "The JSON Schema of the class's events."),
    METHOD("model_rebuild", method_model_rebuild,
           METH_CLASS | METH_VARARGS | METH_KEYWORDS,
           "model_rebuild($cls, /, *, force=False, raise_errors=True, "
           "**ignored)\n--\n\n"
           "Resolves annotations that named what was not defined.\n\n"
           "True when that is done now, None when it was before. It happens at "
           "the first\nuse without being asked for."),
    {"model_post_init", method_model_post_init, METH_O,
     PyDoc_STR("Called when an event has been validated; for subclasses.")},
    {"__getattr__", event_missing_attribute, METH_O, NULL},
    {"__class_getitem__", method_class_getitem, METH_O | METH_CLASS,
     PyDoc_STR("The class for one kind of subject: Event[Doc].")},
    {0},
};

#define HOT(name) {#name, T_OBJECT_EX, offsetof(onex_event, name), 0, NULL}

static PyMemberDef event_members[] = {
    HOT(id),
    HOT(type),
    HOT(phase),
    HOT(timestamp),
    HOT(lineage_id),
    HOT(parent_id),
    HOT(root_id),
    HOT(metadata),
    HOT(duration_ms),
    {"__weaklistoffset__", T_PYSSIZET, offsetof(onex_event, weakrefs), READONLY,
     NULL},
    {0},
};

static PyType_Slot event_slots[] = {
    {Py_tp_doc, PyDoc_STR("What every Event is made of; subclass Event.")},
    {Py_tp_new, event_new},
    {Py_tp_init, event_init},
    {Py_tp_dealloc, event_dealloc},
    {Py_tp_traverse, event_traverse},
    {Py_tp_clear, event_clear},
    {Py_tp_setattro, event_setattro},
    {Py_tp_richcompare, event_richcompare},
    {Py_tp_hash, event_hash},
    {Py_tp_repr, event_repr},
    {Py_tp_str, event_str},
    {Py_tp_iter, event_iter},
    {Py_tp_methods, event_methods},
    {Py_tp_members, event_members},
    {Py_tp_getset, event_getset},
    {0, NULL},
};

static PyType_Spec event_spec = {
    .name = "onex_events._core.EventBase",
    .basicsize = sizeof(onex_event),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = event_slots,
};

int
onex_event_setup(PyObject *module, onex_state *st)
{
    if (event_values_setup(st) < 0) {
        return -1;
    }
    st->no_args = PyTuple_New(0);
    if (st->no_args == NULL) {
        return -1;
    }
    st->event_base_type = onex_add_type(module, &event_spec, NULL);
    if (st->event_base_type == NULL) {
        return -1;
    }
    if (PyModule_AddFunctions(module, event_functions) < 0) {
        return -1;
    }
    st->revive = PyObject_GetAttrString(module, "revive");
    return st->revive == NULL ? -1 : 0;
}
