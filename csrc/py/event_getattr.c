/* Attribute access.
 *
 * Reads.  Hot and own fields are T_OBJECT_EX members: where the class reads
 * attributes with the interpreter's hook for __getattr__, a repeated read is a
 * specialised instruction (3 ns), but the first one, of a pointer that is
 * NULL, makes and drops an AttributeError before it comes to __getattr__
 * (440 ns on 3.13).  event_getattro looks at the pointer first (60 ns with the
 * UUID made), but the interpreter does not specialise reads of a class that
 * has a function of its own.  It looks at tp_getattro only when it specialises
 * an instruction and on reads that are not specialised.  So a class has
 * event_getattro, takes the hook after HITS_TO_HOOK reads that event_getattro
 * found made already, and takes event_getattro back after MISSES_TO_OWN first
 * reads through the hook.  Both give the same results; both pointers are only
 * exchanged for classes whose __getattr__ and __getattribute__ are ours.
 * 3.11 never specialises with __getattr__: event_getattro alone is used. */
#include "py/event.h"

#define HITS_TO_HOOK 64
#define MISSES_TO_OWN 8

static PyObject *
unknown_attribute(PyObject *self, PyObject *name)
{
    PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute %R",
                 Py_TYPE(self)->tp_name, name);
    return NULL;
}

/* A private attribute's default, made for this event and kept: new reference,
 * or NULL with or without an exception. */
static PyObject *
private_default(onex_event *self, onex_event_class *cls, PyObject *name)
{
    if (cls->model == NULL || cls->model == Py_None) {
        return NULL;
    }
    PyObject *value = PyObject_CallMethodOneArg(
        cls->model, cls->st->str_private_default, name);
    if (value == NULL) {
        if (PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
        }
        return NULL;
    }
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL ||
        (rare->privates == NULL && (rare->privates = PyDict_New()) == NULL) ||
        PyDict_SetItem(rare->privates, name, value) < 0) {
        Py_DECREF(value);
        return NULL;
    }
    event_holds(cls->st, self, rare->privates);
    return value;
}

/* What is no attribute of the class: made fields, extras, private attributes.
 * New reference, or NULL with an exception. */
static PyObject *
find_missing(PyObject *op, PyObject *name)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    Py_ssize_t index = cls->fields == NULL ? -1 : event_field_index(cls, name);
    if (index == -2) {
        return NULL;
    }
    if (index >= 0) {
        PyObject *value = event_value(self, cls, (uint32_t)index);
        if (value != NULL) {
            return Py_NewRef(value);
        }
        return PyErr_Occurred() ? NULL : unknown_attribute(op, name);
    }
    PyObject *dicts[] = {
        self->rare == NULL ? NULL : self->rare->extra,
        self->rare == NULL ? NULL : self->rare->privates,
        self->rare == NULL ? NULL : self->rare->attributes,
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(dicts); i++) {
        PyObject *value =
            dicts[i] == NULL ? NULL : PyDict_GetItemWithError(dicts[i], name);
        if (value != NULL) {
            return Py_NewRef(value);
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    if (PyUnicode_GET_LENGTH(name) > 0 && PyUnicode_READ_CHAR(name, 0) == '_') {
        PyObject *value = private_default(self, cls, name);
        if (value != NULL || PyErr_Occurred()) {
            return value;
        }
    }
    return unknown_attribute(op, name);
}

/* __getattr__: the hook has found nothing. */
PyObject *
event_missing_attribute(PyObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "attribute name must be str, not %.200s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    PyObject *value = find_missing(self, name);
    onex_event_class *cls = event_class_of(self);
    if (value != NULL && cls->own_getattr && ++cls->misses >= MISSES_TO_OWN &&
        Py_TYPE(self)->tp_getattro == cls->hook) {
        cls->hits = 0;
        Py_TYPE(self)->tp_getattro = event_getattro;
    }
    return value;
}

PyObject *
event_getattro(PyObject *op, PyObject *name)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    onex_state *st = cls->st;
    /* The fields that are made at first read and read most. */
    uint32_t index;
    if (name == st->str_id && self->id == NULL) {
        index = EVENT_id;
    }
    else if (name == st->str_timestamp && self->timestamp == NULL) {
        index = EVENT_timestamp;
    }
    else if (name == st->str_parent_id && self->parent_id == NULL) {
        index = EVENT_parent_id;
    }
    else if (name == st->str_root_id && self->root_id == NULL) {
        index = EVENT_root_id;
    }
    else if (name == st->str_lineage_id && self->lineage_id == NULL) {
        index = EVENT_lineage_id;
    }
    else if (name == st->str_metadata && self->metadata == NULL) {
        index = EVENT_metadata;
    }
    else {
        PyObject *value = PyObject_GenericGetAttr(op, name);
        if (value != NULL) {
#if PY_VERSION_HEX >= 0x030C0000
            if (cls->own_getattr && ++cls->hits >= HITS_TO_HOOK &&
                Py_TYPE(op)->tp_getattro == event_getattro) {
                cls->misses = 0;
                Py_TYPE(op)->tp_getattro = cls->hook;
            }
#endif
            return value;
        }
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
        return find_missing(op, name);
    }
    if (cls->fields == NULL) {
        return unknown_attribute(op, name);
    }
    PyObject *value = event_value(self, cls, index);
    if (value != NULL) {
        return Py_NewRef(value);
    }
    return PyErr_Occurred() ? NULL : unknown_attribute(op, name);
}

/* --- assignment --- */

static int
set_in_dict(onex_state *st, onex_event *self, PyObject **dict, PyObject *name,
            PyObject *value)
{
    if (value == NULL) {
        if (*dict != NULL && PyDict_Contains(*dict, name) == 1) {
            return PyDict_DelItem(*dict, name);
        }
        if (!PyErr_Occurred()) {
            unknown_attribute((PyObject *)self, name);
        }
        return -1;
    }
    if (*dict == NULL && (*dict = PyDict_New()) == NULL) {
        return -1;
    }
    event_holds(st, self, *dict);
    return PyDict_SetItem(*dict, name, value);
}

static int
set_class(PyObject *self, PyObject *name, PyObject *value)
{
    onex_event_class *old = event_class_of(self);
    onex_event_class *new = (onex_event_class *)value;
    if (value == NULL || !onex_event_class_check(old->st, value)) {
        PyErr_Format(PyExc_TypeError,
                     "__class__ of an event can only be an Event class, got %R",
                     value == NULL ? Py_None : value);
        return -1;
    }
    bool same = new->fields != NULL && new->n_fields == old->n_fields &&
                new->plain == old->plain;
    for (uint32_t i = 0; same && i < new->n_fields; i++) {
        same = new->fields[i].name == old->fields[i].name;
    }
    if (!same) {
        PyErr_Format(PyExc_TypeError,
                     "__class__ assignment: %R has other fields than %R", value,
                     (PyObject *)old);
        return -1;
    }
    return PyObject_GenericSetAttr(self, name, value);
}

/* An attribute that is no field.  0 / -1. */
static int
set_other(onex_event *self, onex_event_class *cls, PyObject *name,
          PyObject *value)
{
    PyObject *op = (PyObject *)self;
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0) {
        return set_class(op, name, value);
    }
    /* Properties and the like; constants of the class stay read-only. */
    PyObject *found = PyObject_GetAttr((PyObject *)cls, name);
    if (found != NULL) {
        Py_DECREF(found);
        return PyObject_GenericSetAttr(op, name, value);
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    bool is_private =
        PyUnicode_GET_LENGTH(name) > 0 && PyUnicode_READ_CHAR(name, 0) == '_';
    if (is_private || cls->extra == EXTRA_ALLOW) {
        onex_event_rare *rare = event_rare(self);
        if (rare == NULL) {
            return -1;
        }
        return set_in_dict(cls->st, self,
                           is_private ? &rare->privates : &rare->extra, name,
                           value);
    }
    if (value == NULL) {
        unknown_attribute(op, name);
    }
    else {
        PyErr_Format(PyExc_ValueError, "\"%U\" object has no field \"%U\"",
                     cls->heap.ht_name, name);
    }
    return -1;
}

static int
refuse_frozen(onex_event_class *cls, PyObject *name, PyObject *value,
              const char *type)
{
    onex_check check = ONEX_CHECK_INIT(ONEX_FROM_PYTHON);
    onex_place place;
    onex_check_enter(&check, &place, name, 0);
    (void)onex_reject(&check, type, value == NULL ? Py_None : value, NULL);
    onex_check_leave(&check, &place);
    if (!PyErr_Occurred()) {
        onex_validation_error(cls->st, cls->heap.ht_name, &check);
    }
    onex_check_clear(&check);
    return -1;
}

int
event_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "attribute name must be str, not %.200s",
                     Py_TYPE(name)->tp_name);
        return -1;
    }
    Py_ssize_t index = cls->fields == NULL ? -1 : event_field_index(cls, name);
    if (index == -2) {
        return -1;
    }
    if (cls->frozen && (index >= 0 || cls->extra == EXTRA_ALLOW)) {
        return refuse_frozen(cls, name, value, "frozen_instance");
    }
    if (index < 0) {
        return set_other(self, cls, name, value);
    }
    if (cls->fields[index].frozen) {
        return refuse_frozen(cls, name, value, "frozen_field");
    }
    if (value == NULL) {
        return event_delete(self, cls, (uint32_t)index);
    }
    return event_store(self, cls, (uint32_t)index, Py_NewRef(value));
}

/* --- fields of the side block, and what Pydantic's models show --- */

static PyObject *
rare_get(PyObject *self, void *closure)
{
    onex_event_class *cls = event_class_of(self);
    uint32_t index = (uint32_t)(uintptr_t)closure;
    if (cls->fields == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the event's class is not ready");
        return NULL;
    }
    PyObject *value = event_value((onex_event *)self, cls, index);
    if (value == NULL && !PyErr_Occurred()) {
        return unknown_attribute(self, cls->fields[index].name);
    }
    return Py_XNewRef(value);
}

static int
rare_set(PyObject *self, PyObject *value, void *closure)
{
    onex_event_class *cls = event_class_of(self);
    uint32_t index = (uint32_t)(uintptr_t)closure;
    if (cls->fields == NULL) {
        PyErr_SetString(PyExc_AttributeError, "the event's class is not ready");
        return -1;
    }
    return event_setattro(self, cls->fields[index].name, value);
}

static PyObject *
get_fields_set(PyObject *op, void *Py_UNUSED(closure))
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    PyObject *names = PySet_New(self->rare == NULL ? NULL : self->rare->extra);
    for (uint32_t i = 0; names != NULL && i < cls->n_fields; i++) {
        if (event_marked(self, cls, i) &&
            PySet_Add(names, cls->fields[i].name) < 0) {
            Py_CLEAR(names);
        }
    }
    return names;
}

static PyObject *
get_extra(PyObject *op, void *Py_UNUSED(closure))
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (cls->extra != EXTRA_ALLOW) {
        Py_RETURN_NONE;
    }
    return Py_XNewRef(event_extras(self, cls));
}

/* Fields, extras and what was put into it before (functools.cached_property
 * does): one dict an event, brought up to date at each access; what is put
 * into it under a field's name changes no field. */
static PyObject *
get_dict(PyObject *op, void *Py_UNUSED(closure))
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL || (rare->attributes == NULL &&
                         (rare->attributes = PyDict_New()) == NULL)) {
        return NULL;
    }
    PyObject *dict = Py_NewRef(rare->attributes);
    event_holds(cls->st, self, dict);
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        PyObject *value = event_value(self, cls, i);
        int status = 0;
        if (value != NULL) {
            status = PyDict_SetItem(dict, cls->fields[i].name, value);
        }
        else if (PyErr_Occurred()) {
            status = -1;
        }
        if (status < 0) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    if (rare->extra != NULL && PyDict_Update(dict, rare->extra) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *
get_model_fields(PyObject *op, void *Py_UNUSED(closure))
{
    return PyObject_GetAttr((PyObject *)Py_TYPE(op),
                            event_class_of(op)->st->str_model_fields);
}

#define RARE(name)                                                             \
    {#name, rare_get, rare_set, NULL, (void *)(uintptr_t)EVENT_##name}

PyGetSetDef event_getset[] = {
    RARE(subject_type),
    RARE(subject_id),
    RARE(actor_type),
    RARE(actor_id),
    RARE(context),
    RARE(children_ids),
    RARE(pending_children),
    RARE(completed_children),
    RARE(failed_children),
    RARE(error),
    {"model_fields_set", get_fields_set, NULL,
     PyDoc_STR("Names of the fields that were given or assigned."), NULL},
    {"__pydantic_fields_set__", get_fields_set, NULL, NULL, NULL},
    {"model_extra", get_extra, NULL,
     PyDoc_STR("Extra fields (dict) of a class with extra='allow', else None."),
     NULL},
    {"__dict__", get_dict, NULL,
     PyDoc_STR("Names and values of the fields, as of now."), NULL},
    {"model_fields", get_model_fields, NULL,
     PyDoc_STR("The class's fields: name -> FieldInfo."), NULL},
    {0},
};
