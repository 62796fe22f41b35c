/* The event object: allocation, construction, garbage collection, type. */
#include "py/event.h"

#include <structmember.h>

#include "core/clock.h"
#include "core/uuid.h"

#define PENDING_ON_STACK 32

/* --- allocation --- */

onex_event *
event_alloc(onex_event_class *cls)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    Py_ssize_t count = cls->n_own + cls->n_words;
    onex_event *self;
    if (cls->plain) {
        self = PyObject_GC_NewVar(onex_event, type, count);
        if (self != NULL) {
            memset(&self->rare, 0,
                   sizeof(onex_event) - offsetof(onex_event, rare) +
                       (size_t)count * sizeof(PyObject *));
        }
        return self;
    }
    return (onex_event *)type->tp_alloc(type, count);
}

/* --- construction --- */

int
event_stamp(onex_state *st, onex_event *self)
{
    onex_event_class *cls = event_class_of(self);
    bool needs_id = self->id == NULL && !(self->marks & EVENT_RAW(ONEX_ID)) &&
                    cls->fields[EVENT_id].kind == FIELD_GENERATED;
    bool needs_time = self->timestamp == NULL &&
                      !(self->marks & EVENT_RAW_TIME) &&
                      cls->fields[EVENT_timestamp].kind == FIELD_GENERATED;
    /* With an id of the caller's, the lineage can't be derived from it. */
    bool needs_lineage =
        !needs_id && self->lineage_id == NULL &&
        !(self->marks & EVENT_RAW(ONEX_LINEAGE_ID)) &&
        cls->fields[EVENT_lineage_id].kind == FIELD_GENERATED;
    (void)st;
    if (!needs_id && !needs_time && !needs_lineage) {
        return 0;
    }
    int64_t now = onex_clock_wall_ns();
    if (needs_time) {
        self->time_us = onex_clock_us_of_ns(now);
        self->marks |= EVENT_RAW_TIME;
    }
    if (needs_id || needs_lineage) {
        int which = needs_id ? ONEX_ID : ONEX_LINEAGE_ID;
        if (onex_uuid_next(onex_uuid_thread_generator(), now,
                           self->raw[which]) != ONEX_OK) {
            PyErr_SetString(PyExc_OSError,
                            "the system's source of random numbers failed");
            return -1;
        }
        self->marks |= EVENT_RAW(which);
    }
    return 0;
}

typedef struct {
    Py_ssize_t index; /* of the field; -1: an extra */
    PyObject *name, *value;
} argument;

static int
argument_index(onex_event_class *cls, PyObject *name, Py_ssize_t *index)
{
    if (cls->arguments == NULL) {
        *index = event_field_index(cls, name);
        return *index == -2 ? -1 : 0;
    }
    PyObject *number = PyDict_GetItemWithError(cls->arguments, name);
    *index = number == NULL ? -1 : PyLong_AsSsize_t(number);
    return PyErr_Occurred() ? -1 : 0;
}

/* Everything given, as a new dict: the input of a "missing" error. */
static PyObject *
given_dict(PyObject *const *names, PyObject *const *values, Py_ssize_t count)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < count; i++) {
        if (PyDict_SetItem(dict, names[i], values[i]) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Values of the fields before `index`, as default factories take them. */
static PyObject *
values_before(onex_event *self, onex_event_class *cls, uint32_t index)
{
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && i < index; i++) {
        PyObject *value = event_value(self, cls, i);
        if (value == NULL ? PyErr_Occurred() != NULL
                          : PyDict_SetItem(dict, cls->fields[i].name, value) <
                                0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Stores (steals) what the constructor accepted or made. 0 / -1. */
static int
keep(onex_event *self, onex_event_class *cls, uint32_t index, PyObject *value)
{
    onex_field *field = &cls->fields[index];
    if (field->rare && event_rare(self) == NULL) {
        Py_DECREF(value);
        return -1;
    }
    PyObject **slot = event_slot(self, field);
    PyObject *old = *slot;
    *slot = value;
    event_holds(cls->st, self, value);
    Py_XDECREF(old);
    return 0;
}

/* The default of an omitted field that must be made now. 0, also when it was
 * rejected (then it is in the check); -1 with an exception. */
static int
make_default(onex_event *self, onex_event_class *cls, uint32_t index,
             onex_check *check)
{
    onex_field *field = &cls->fields[index];
    PyObject *value = NULL;
    switch ((onex_field_kind)field->kind) {
    case FIELD_FACTORY:
        value = PyObject_CallNoArgs(field->value);
        break;
    case FIELD_DERIVED: {
        PyObject *before = values_before(self, cls, index);
        if (before != NULL) {
            value = PyObject_CallOneArg(field->value, before);
            Py_DECREF(before);
        }
        break;
    }
    case FIELD_VALIDATED: {
        PyObject *raw = PyObject_CallMethodNoArgs(field->info,
                                                  cls->st->str_make_default);
        if (raw != NULL) {
            onex_place place;
            onex_check_enter(check, &place, field->name, 0);
            value = onex_validate_field(cls->st, field->validator, raw, check);
            onex_check_leave(check, &place);
            Py_DECREF(raw);
            if (value == NULL && !PyErr_Occurred()) {
                return 0;
            }
        }
        break;
    }
    default:
        return 0;
    }
    return value == NULL ? -1 : keep(self, cls, index, value);
}

static int
keep_extra(onex_event *self, onex_event_class *cls, const argument *extra,
           onex_check *check)
{
    if (cls->extra == EXTRA_FORBID) {
        onex_place place;
        onex_check_enter(check, &place, extra->name, 0);
        (void)onex_reject(check, "extra_forbidden", extra->value, NULL);
        onex_check_leave(check, &place);
        return PyErr_Occurred() ? -1 : 0;
    }
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL ||
        (rare->extra == NULL && (rare->extra = PyDict_New()) == NULL)) {
        return -1;
    }
    event_holds(cls->st, self, rare->extra);
    return PyDict_SetItem(rare->extra, extra->name, extra->value);
}

/* The fields that the pointer compare did not settle, omitted ones that are
 * required or have a factory, extras: in the order of the fields. 0 / -1. */
static int
fill_rest(onex_event *self, onex_event_class *cls, argument *pending,
          Py_ssize_t n_pending, PyObject *const *names,
          PyObject *const *values, Py_ssize_t count, onex_mode mode)
{
    onex_check check = ONEX_CHECK_INIT(mode);
    onex_state *st = cls->st;
    PyObject *given = NULL;
    int result = -1;
    /* Few and mostly in order: insertion sort, stable; extras come last. */
    for (Py_ssize_t i = 1; i < n_pending; i++) {
        argument moved = pending[i];
        Py_ssize_t j = i;
        for (; j > 0 && (size_t)pending[j - 1].index > (size_t)moved.index;
             j--) {
            pending[j] = pending[j - 1];
        }
        pending[j] = moved;
    }
    Py_ssize_t next = 0;
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        if (next < n_pending && pending[next].index == (Py_ssize_t)i) {
            onex_place place;
            onex_check_enter(&check, &place, pending[next].name, 0);
            PyObject *value = onex_validate_field(
                st, field->validator, pending[next].value, &check);
            onex_check_leave(&check, &place);
            next++;
            if (value != NULL) {
                event_mark(self, cls, i);
                if (keep(self, cls, i, value) < 0) {
                    goto done;
                }
            }
            else if (PyErr_Occurred()) {
                goto done;
            }
        }
        else if (event_marked(self, cls, i)) {
            continue;
        }
        else if (field->kind == FIELD_REQUIRED) {
            if (given == NULL &&
                (given = given_dict(names, values, count)) == NULL) {
                goto done;
            }
            onex_place place;
            onex_check_enter(&check, &place, field->argument, 0);
            (void)onex_reject(&check, "missing", given, NULL);
            onex_check_leave(&check, &place);
            if (PyErr_Occurred()) {
                goto done;
            }
        }
        else if (make_default(self, cls, i, &check) < 0) {
            goto done;
        }
    }
    for (; next < n_pending; next++) {
        if (keep_extra(self, cls, &pending[next], &check) < 0) {
            goto done;
        }
    }
    if (onex_check_failed(&check)) {
        onex_validation_error(st, cls->title, &check);
        goto done;
    }
    result = 0;
done:
    Py_XDECREF(given);
    onex_check_clear(&check);
    return result;
}

/* subject_type goes with subject_id, actor_type with actor_id. 0 / -1. */
static int
check_pairs(onex_event *self, onex_event_class *cls)
{
    static const struct {
        uint32_t type, id;
        const char *message;
    } pairs[] = {
        {EVENT_subject_type, EVENT_subject_id,
         "Value error, subject_type and subject_id must both be set or both "
         "be None"},
        {EVENT_actor_type, EVENT_actor_id,
         "Value error, actor_type and actor_id must both be set or both be "
         "None"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(pairs); i++) {
        PyObject *type = event_value(self, cls, pairs[i].type);
        PyObject *id = type == NULL ? NULL
                                    : event_value(self, cls, pairs[i].id);
        if (PyErr_Occurred()) {
            return -1;
        }
        if (type == NULL || id == NULL ||
            (type == Py_None) == (id == Py_None)) {
            continue;
        }
        onex_check check = ONEX_CHECK_INIT(ONEX_FROM_PYTHON);
        PyObject *given = PyDict_New();
        if (given != NULL &&
            PyDict_SetItem(given, cls->fields[pairs[i].type].name, type) == 0 &&
            PyDict_SetItem(given, cls->fields[pairs[i].id].name, id) == 0) {
            (void)onex_reject_message(&check, "value_error", pairs[i].message,
                                      given);
            if (!PyErr_Occurred()) {
                onex_validation_error(cls->st, cls->title, &check);
            }
        }
        Py_XDECREF(given);
        onex_check_clear(&check);
        return -1;
    }
    return 0;
}

/* Defaults that are there for the taking. */
static inline void
fill_defaults(onex_event *self, onex_event_class *cls, uint32_t given_own)
{
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        if (hot[i] == NULL) {
            hot[i] = Py_XNewRef(cls->hot[i]);
        }
    }
    /* What link set before, keeps its raw form only while the pointer is
     * NULL; nothing is raw at construction but id, lineage and time. */
    if (given_own < cls->n_own) {
        for (uint32_t i = 0; i < cls->n_own; i++) {
            const onex_field *field = &cls->fields[EVENT_BASE_FIELDS + i];
            if (self->own[i] == NULL && field->kind == FIELD_CONSTANT) {
                self->own[i] = Py_NewRef(field->value);
                if (!field->atomic_default) {
                    event_holds(cls->st, self, field->value);
                }
            }
        }
    }
}

/* event_fill without the validators of the raw input. */
static int
fill(onex_event *self, onex_event_class *cls, PyObject *const *names,
     PyObject *const *values, Py_ssize_t count, onex_mode mode)
{
    onex_state *st = cls->st;
    argument on_stack[PENDING_ON_STACK];
    argument *pending = on_stack;
    Py_ssize_t n_pending = 0;
    uint32_t given_own = 0, given_required = 0;
    int result = -1;

    if (count > PENDING_ON_STACK) {
        pending = PyMem_New(argument, count);
        if (pending == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t index;
        PyObject *value = values[i];
        if (argument_index(cls, names[i], &index) < 0) {
            goto done;
        }
        if (index < 0) {
            if (cls->extra != EXTRA_IGNORE) {
                pending[n_pending++] = (argument){-1, names[i], value};
            }
            continue;
        }
        onex_field *field = &cls->fields[index];
        given_required += field->kind == FIELD_REQUIRED;
        if (Py_TYPE(value) != field->exact || field->rare ||
            mode != ONEX_FROM_PYTHON) {
            pending[n_pending++] = (argument){index, names[i], value};
            continue;
        }
        PyObject **slot = (PyObject **)((char *)self + field->offset);
        Py_XSETREF(*slot, Py_NewRef(value));
        event_mark(self, cls, (uint32_t)index);
        given_own += index >= EVENT_BASE_FIELDS;
        if (!field->atomic) {
            event_holds(st, self, value);
        }
    }
    if ((n_pending > 0 || given_required < cls->n_required || cls->eager) &&
        fill_rest(self, cls, pending, n_pending, names, values, count, mode) <
            0) {
        goto done;
    }
    fill_defaults(self, cls, given_own);
    if (event_stamp(st, self) < 0) {
        goto done;
    }
    if ((self->rare != NULL || cls->checks_pairs) &&
        check_pairs(self, cls) < 0) {
        goto done;
    }
    if (cls->has_hooks) {
        PyObject *called = PyObject_CallMethodOneArg(
            cls->model, st->str_after_construction, (PyObject *)self);
        if (called == NULL) {
            goto done;
        }
        Py_DECREF(called);
    }
    result = 0;
done:
    if (pending != on_stack) {
        PyMem_Free(pending);
    }
    return result;
}

/* event_fill where validators want the raw input: a dict, which they may
 * exchange. */
static int
fill_hooked(onex_event *self, onex_event_class *cls, PyObject *const *names,
            PyObject *const *values, Py_ssize_t count, onex_mode mode)
{
    int result = -1;
    PyObject *data = NULL, *keys = NULL, *items = NULL;
    PyObject *given = given_dict(names, values, count);
    if (given == NULL) {
        return -1;
    }
    data = PyObject_CallMethodOneArg(cls->model,
                                     cls->st->str_before_construction, given);
    if (data == NULL) {
        goto done;
    }
    if (!PyDict_Check(data)) {
        PyErr_Format(PyExc_TypeError,
                     "a model validator of mode 'before' of %U must return the "
                     "dict of the fields, got %.200s",
                     cls->heap.ht_name, Py_TYPE(data)->tp_name);
        goto done;
    }
    keys = PyDict_Keys(data);
    items = keys == NULL ? NULL : PyDict_Values(data);
    if (items == NULL) {
        goto done;
    }
    result = fill(self, cls, ((PyListObject *)keys)->ob_item,
                  ((PyListObject *)items)->ob_item, PyList_GET_SIZE(keys),
                  mode);
done:
    Py_XDECREF(items);
    Py_XDECREF(keys);
    Py_XDECREF(data);
    Py_DECREF(given);
    return result;
}

int
event_fill(onex_event *self, onex_event_class *cls, PyObject *const *names,
           PyObject *const *values, Py_ssize_t count, onex_mode mode)
{
    return cls->has_before
               ? fill_hooked(self, cls, names, values, count, mode)
               : fill(self, cls, names, values, count, mode);
}

PyObject *
event_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                 PyObject *kwnames)
{
    onex_event_class *cls = (onex_event_class *)type;
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
    PyObject *const *names =
        kwnames == NULL ? NULL : &PyTuple_GET_ITEM(kwnames, 0);
    Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    if (event_fill(self, cls, names, args, count, ONEX_FROM_PYTHON) < 0) {
        Py_DECREF(self);
        return NULL;
    }
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
                     "%R can't be instantiated: make a subclass of Event", type);
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
    self->marks = 0;
    memset(&self->own[cls->n_own], 0, cls->n_words * sizeof(uint64_t));
    int result = event_fill(self, cls, items, items + count, n,
                            ONEX_FROM_PYTHON);
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
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

void
event_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    if (type->tp_finalize != NULL) {
        if (!PyObject_GC_IsTracked(op)) {
            PyObject_GC_Track(op); /* it may be resurrected */
        }
        if (PyObject_CallFinalizerFromDealloc(op) < 0) {
            return;
        }
    }
    if (!PyObject_GC_IsTracked(op)) {
        event_free((onex_event *)op, type); /* holds nothing that is nested */
        return;
    }
    PyObject_GC_UnTrack(op);
    Py_TRASHCAN_BEGIN(op, event_dealloc)
    event_free((onex_event *)op, type);
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
    {0},
};

static PyMethodDef event_methods[] = {
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
    return PyModule_AddFunctions(module, event_functions);
}
