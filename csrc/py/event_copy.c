/* Events from events: evolve, copy, pickle. */
#include "py/event.h"

/* --- evolve --- */

/* Adds a keyword unless it is there.  `items` holds `count` names and, from
 * `capacity` on, their values. */
static void
add_default(PyObject **items, Py_ssize_t capacity, Py_ssize_t *count,
            PyObject *name, PyObject *value)
{
    for (Py_ssize_t i = 0; i < *count; i++) {
        if (items[i] == name || PyUnicode_Compare(items[i], name) == 0) {
            return;
        }
    }
    items[*count] = name;
    items[capacity + *count] = value;
    ++*count;
}

/* Everything the event holds, as keywords of its constructor: for classes
 * with an __init__ or validators of their own.  New dict, or NULL. */
static PyObject *
as_keywords(onex_event *self, onex_event_class *cls)
{
    PyObject *data = PyDict_New();
    for (uint32_t i = 0; data != NULL && i < cls->n_fields; i++) {
        if (i == EVENT_id || i == EVENT_timestamp) {
            continue;
        }
        PyObject *value = event_value(self, cls, i);
        if (value == NULL
                ? PyErr_Occurred() != NULL
                : PyDict_SetItem(data, cls->fields[i].argument, value) < 0) {
            Py_CLEAR(data);
        }
    }
    if (data != NULL && self->rare != NULL && self->rare->extra != NULL &&
        PyDict_Update(data, self->rare->extra) < 0) {
        Py_CLEAR(data);
    }
    return data;
}

/* Extras of the source that `self` was not given. 0 / -1. */
static int
inherit_extras(onex_event *self, const onex_event *source)
{
    if (source->rare == NULL || source->rare->extra == NULL) {
        return 0;
    }
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL) {
        return -1;
    }
    PyObject *extra = PyDict_Copy(source->rare->extra);
    if (extra == NULL) {
        return -1;
    }
    if (rare->extra != NULL && PyDict_Update(extra, rare->extra) < 0) {
        Py_DECREF(extra);
        return -1;
    }
    Py_XSETREF(rare->extra, extra);
    event_holds(event_class_of(self)->st, self, extra);
    return 0;
}

/* The evolved event: new reference. */
static PyObject *
evolve(PyObject *op, PyObject *const *names, PyObject *const *values,
       Py_ssize_t count)
{
    onex_event *source = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)cls;
    if (type->tp_vectorcall == NULL || cls->has_before) {
        PyObject *data = as_keywords(source, cls);
        PyObject *result = NULL;
        for (Py_ssize_t i = 0; data != NULL && i < count; i++) {
            if (PyDict_SetItem(data, names[i], values[i]) < 0) {
                Py_CLEAR(data);
            }
        }
        if (data != NULL) {
            result = PyObject_Call((PyObject *)cls, cls->st->no_args, data);
            Py_DECREF(data);
        }
        return result;
    }
    onex_event *self = event_alloc(cls);
    if (self == NULL ||
        event_fill_evolved(self, cls, source, names, values, count) < 0 ||
        inherit_extras(self, source) < 0) {
        Py_XDECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* With defaults for up to two keywords. */
static PyObject *
evolve_with(PyObject *op, PyObject *const *args, PyObject *kwnames,
            PyObject *const defaults[][2], int n_defaults)
{
    PyObject *on_stack[32];
    PyObject **items = on_stack;
    Py_ssize_t count = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    Py_ssize_t capacity = count + n_defaults;
    if (2 * capacity > (Py_ssize_t)Py_ARRAY_LENGTH(on_stack)) {
        items = PyMem_New(PyObject *, 2 * capacity);
        if (items == NULL) {
            return PyErr_NoMemory();
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        items[i] = PyTuple_GET_ITEM(kwnames, i);
        items[capacity + i] = args[i];
    }
    for (int i = 0; i < n_defaults; i++) {
        add_default(items, capacity, &count, defaults[i][0], defaults[i][1]);
    }
    PyObject *result = evolve(op, items, items + capacity, count);
    if (items != on_stack) {
        PyMem_Free(items);
    }
    return result;
}

static int
no_positional(const char *method, Py_ssize_t count)
{
    if (count != 0) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes keyword arguments only, got %zd positional",
                     method, count);
        return -1;
    }
    return 0;
}

PyObject *
event_evolve(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    if (no_positional("evolve", nargs) < 0) {
        return NULL;
    }
    return evolve(self, kwnames == NULL ? NULL : &PyTuple_GET_ITEM(kwnames, 0),
                  args, kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
}

PyObject *
event_to_completed(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    onex_state *st = event_class_of(self)->st;
    if (no_positional("to_completed", nargs) < 0) {
        return NULL;
    }
    PyObject *const defaults[][2] = {{st->str_phase, st->phase_completed}};
    return evolve_with(self, args, kwnames, defaults, 1);
}

PyObject *
event_to_failed(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    onex_state *st = event_class_of(self)->st;
    PyObject *error = nargs > 0 ? args[0] : NULL;
    Py_ssize_t n_keywords = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < n_keywords; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "error") == 0) {
            if (error != NULL) {
                PyErr_SetString(PyExc_TypeError,
                                "to_failed() got multiple values for 'error'");
                return NULL;
            }
            error = args[nargs + i];
        }
    }
    if (nargs > 1 || error == NULL) {
        PyErr_Format(
            PyExc_TypeError,
            "to_failed() takes one positional argument, error, got %zd", nargs);
        return NULL;
    }
    PyObject *const defaults[][2] = {{st->str_phase, st->phase_failed},
                                     {st->str_error, error}};
    return evolve_with(self, args + nargs, kwnames, defaults, 2);
}

/* --- copies --- */

/* A blank event of the class with the raw forms and marks of `source`. */
static onex_event *
copy_blank(onex_event *source, onex_event_class *cls)
{
    onex_event *self = event_alloc(cls);
    if (self == NULL) {
        return NULL;
    }
    if (source->rare == NULL || source->rare->deleted == NULL) {
        event_derive_lineage(source); /* both have the same from now on */
    }
    self->time_us = source->time_us;
    memcpy(self->raw, source->raw, sizeof(self->raw));
    self->marks =
        (self->marks & EVENT_OF_OBJECT) | (source->marks & ~EVENT_OF_OBJECT);
    memcpy(&self->own[cls->n_own], &source->own[cls->n_own],
           cls->n_words * sizeof(uint64_t));
    return self;
}

/* A dict of the side block, copied. 0 / -1. */
static int
copy_dict(onex_event *self, PyObject **to, PyObject *from, bool deep,
          PyObject *memo)
{
    if (from == NULL) {
        return 0;
    }
    onex_state *st = event_class_of(self)->st;
    PyObject *copy = deep                 ? event_deepcopy(st, from, memo)
                     : PyDict_Check(from) ? PyDict_Copy(from)
                                          : PySet_New(from);
    if (copy == NULL) {
        return -1;
    }
    Py_XSETREF(*to, copy);
    event_holds(st, self, copy);
    return 0;
}

static int
copy_rest(onex_event *self, onex_event *source, bool deep, PyObject *memo)
{
    onex_event_rare *from = source->rare;
    if (from == NULL || (from->extra == NULL && from->privates == NULL &&
                         from->deleted == NULL)) {
        return 0;
    }
    onex_event_rare *to = event_rare(self);
    if (to == NULL ||
        copy_dict(self, &to->extra, from->extra, deep, memo) < 0 ||
        copy_dict(self, &to->privates, from->privates, deep, memo) < 0 ||
        copy_dict(self, &to->deleted, from->deleted, false, NULL) < 0) {
        return -1;
    }
    return 0;
}

static bool
is_shared_container(const onex_field *field)
{
    return field->kind == FIELD_LIST || field->kind == FIELD_DICT ||
           field->kind == FIELD_SET || field->kind == FIELD_COPY;
}

PyObject *
event_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    onex_event *source = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    onex_event *self = copy_blank(source, cls);
    if (self == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject **from = event_slot(source, field);
        PyObject *value = from == NULL ? NULL : *from;
        if (value == NULL && is_shared_container(field)) {
            value = event_value(source, cls, i);
            if (value == NULL && PyErr_Occurred()) {
                goto failed;
            }
        }
        if (value == NULL) {
            continue;
        }
        PyObject **to = event_slot_to_fill(self, field);
        if (to == NULL) {
            goto failed;
        }
        *to = Py_NewRef(value);
        event_holds(cls->st, self, value);
    }
    if (copy_rest(self, source, false, NULL) < 0) {
        goto failed;
    }
    return (PyObject *)self;
failed:
    Py_DECREF(self);
    return NULL;
}

PyObject *
event_deepcopy_event(PyObject *op, PyObject *memo)
{
    onex_event *source = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    onex_event *self = NULL;
    PyObject *key = NULL, *own_memo = NULL;
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    if (memo == NULL || memo == Py_None) {
        memo = own_memo = PyDict_New();
        if (memo == NULL) {
            return NULL;
        }
    }
    if (onex_recursion_enter(" while copying an event") < 0) {
        Py_XDECREF(own_memo);
        return NULL;
    }
    key = PyLong_FromVoidPtr(op);
    self = copy_blank(source, cls);
    if (key == NULL || self == NULL ||
        PyObject_SetItem(memo, key, (PyObject *)self) < 0) {
        goto failed;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject **from = event_slot(source, field);
        if (from == NULL || *from == NULL) {
            continue;
        }
        PyObject *value = *from;
        if (event_is_atomic(cls->st, value) || PyType_Check(value)) {
            Py_INCREF(value);
        }
        else {
            Py_INCREF(value);
            Py_SETREF(value, event_deepcopy(cls->st, value, memo));
            if (value == NULL) {
                goto failed;
            }
        }
        PyObject **to = event_slot_to_fill(self, field);
        if (to == NULL) {
            Py_DECREF(value);
            goto failed;
        }
        Py_XSETREF(*to, value);
        event_holds(cls->st, self, value);
    }
    if (copy_rest(self, source, true, memo) < 0) {
        goto failed;
    }
    onex_recursion_leave();
    Py_DECREF(key);
    Py_XDECREF(own_memo);
    return (PyObject *)self;
failed:
    onex_recursion_leave();
    Py_XDECREF(key);
    Py_XDECREF(self);
    Py_XDECREF(own_memo);
    return NULL;
}

/* Stores an unvalidated value under a name. 0 / -1. */
static int
put(onex_event *self, onex_event_class *cls, PyObject *name, PyObject *value)
{
    Py_ssize_t index = event_field_index(cls, name);
    if (index == -2) {
        return -1;
    }
    if (index >= 0) {
        return event_store(self, cls, (uint32_t)index, Py_NewRef(value));
    }
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL) {
        return -1;
    }
    PyObject **dict =
        cls->extra == EXTRA_ALLOW ? &rare->extra : &rare->attributes;
    if (*dict == NULL && (*dict = PyDict_New()) == NULL) {
        return -1;
    }
    event_holds(cls->st, self, *dict);
    return PyDict_SetItem(*dict, name, value);
}

static int
put_all(onex_event *self, PyObject *update)
{
    onex_event_class *cls = event_class_of(self);
    PyObject *items = PyMapping_Items(update);
    if (items == NULL) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && result == 0; i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        result = put(self, cls, PyTuple_GET_ITEM(pair, 0),
                     PyTuple_GET_ITEM(pair, 1));
    }
    Py_DECREF(items);
    return result;
}

PyObject *
event_model_copy(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"update", "deep", NULL};
    PyObject *update = Py_None;
    int deep = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$Op:model_copy", keywords,
                                     &update, &deep)) {
        return NULL;
    }
    if (update != Py_None && !PyDict_Check(update)) {
        PyObject *items = PyObject_GetAttrString(update, "items");
        if (items == NULL) {
            if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
                PyErr_Format(PyExc_TypeError,
                             "model_copy(): update must be a dict of field "
                             "values, got %.200s",
                             Py_TYPE(update)->tp_name);
            }
            return NULL;
        }
        Py_DECREF(items);
    }
    PyObject *copy =
        PyObject_CallMethod(op, deep ? "__deepcopy__" : "__copy__", NULL);
    if (copy != NULL && update != Py_None &&
        put_all((onex_event *)copy, update) < 0) {
        Py_CLEAR(copy);
    }
    return copy;
}

PyObject *
event_replace(PyObject *op, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 0) {
        return PyErr_Format(PyExc_TypeError,
                            "__replace__() takes keyword arguments only");
    }
    PyObject *copy = event_copy(op, NULL);
    if (copy != NULL && kwargs != NULL &&
        put_all((onex_event *)copy, kwargs) < 0) {
        Py_CLEAR(copy);
    }
    return copy;
}

/* --- pickle --- */

/* What an event is restored from: {"fields": {name: value}, "set": [names],
 * "extra": dict or None, "private": dict or None}, and "deleted": [names] where
 * there are any.  Values that would be made at first read and are the same for
 * every event are left out. */
PyObject *
event_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    PyObject *fields = PyDict_New(), *set = PyList_New(0), *result = NULL;
    if (fields == NULL || set == NULL) {
        goto done;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject **slot = event_slot(self, field);
        if ((slot == NULL || *slot == NULL) &&
            (field->rare || field->kind == FIELD_LIST ||
             field->kind == FIELD_DICT || field->kind == FIELD_SET)) {
            continue;
        }
        PyObject *value = event_value(self, cls, i);
        if (value == NULL ? PyErr_Occurred() != NULL
                          : PyDict_SetItem(fields, field->name, value) < 0) {
            goto done;
        }
        if (event_marked(self, cls, i) && PyList_Append(set, field->name) < 0) {
            goto done;
        }
    }
    onex_event_rare *rare = self->rare;
    result = Py_BuildValue(
        "{sOsOsOsO}", "fields", fields, "set", set, "extra",
        rare == NULL || rare->extra == NULL ? Py_None : rare->extra, "private",
        rare == NULL || rare->privates == NULL ? Py_None : rare->privates);
    if (result != NULL && rare != NULL && rare->deleted != NULL) {
        PyObject *deleted = PySequence_List(rare->deleted);
        if (deleted == NULL ||
            PyDict_SetItem(result, cls->st->str_deleted, deleted) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(deleted);
    }
done:
    Py_XDECREF(fields);
    Py_XDECREF(set);
    return result;
}

static int
set_dict(onex_event *self, PyObject **to, PyObject *state, PyObject *key)
{
    PyObject *value = PyDict_GetItemWithError(state, key);
    if (value == NULL || value == Py_None) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!PyDict_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "__setstate__(): %U must be a dict, got %.200s", key,
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_XSETREF(*to, Py_NewRef(value));
    event_holds(event_class_of(self)->st, self, value);
    return 0;
}

/* The index of a field by its name, -1 where it has none, -2 with an exception. */
static Py_ssize_t
index_of_name(onex_event_class *cls, PyObject *name)
{
    return PyUnicode_Check(name) ? event_field_index(cls, name) : -1;
}

/* Makes the fields what a state says; nobody else has the dict and the tuples
 * of names.  0 / -1 */
static int
restore(onex_event *self, onex_event_class *cls, PyObject *fields,
        PyObject *set, PyObject *deleted)
{
    Py_ssize_t position = 0, index;
    PyObject *name, *value;
    event_drop(self);
    self->marks &= EVENT_OF_OBJECT;
    memset(&self->own[cls->n_own], 0, cls->n_words * sizeof(uint64_t));
    while (PyDict_Next(fields, &position, &name, &value)) {
        index = index_of_name(cls, name);
        if (index == -2 ||
            (index >= 0 &&
             event_store(self, cls, (uint32_t)index, Py_NewRef(value)) < 0)) {
            return -1;
        }
    }
    if (event_make_defaults(self, cls, false) < 0) {
        return -1;
    }
    self->marks &= ~(((uint64_t)1 << EVENT_MARKS) - 1);
    memset(&self->own[cls->n_own], 0, cls->n_words * sizeof(uint64_t));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(set); i++) {
        index = index_of_name(cls, PyTuple_GET_ITEM(set, i));
        if (index == -2) {
            return -1;
        }
        if (index >= 0) {
            event_mark(self, cls, (uint32_t)index);
        }
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(deleted); i++) {
        index = index_of_name(cls, PyTuple_GET_ITEM(deleted, i));
        if (index == -1) {
            continue;
        }
        if (index == -2 || (event_value(self, cls, (uint32_t)index) != NULL
                                ? event_delete(self, cls, (uint32_t)index) < 0
                                : PyErr_Occurred() != NULL)) {
            return -1;
        }
    }
    return 0;
}

PyObject *
event_setstate(PyObject *op, PyObject *state)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    onex_state *st = cls->st;
    PyObject *fields = NULL, *set = NULL, *deleted = NULL;
    if (PyDict_Check(state)) {
        fields = PyDict_GetItemWithError(state, st->str_fields);
        set =
            fields == NULL ? NULL : PyDict_GetItemWithError(state, st->str_set);
        deleted = set == NULL ? NULL
                              : PyDict_GetItemWithError(state, st->str_deleted);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (fields == NULL || set == NULL || !PyDict_Check(fields) ||
        !PyList_Check(set) || (deleted != NULL && !PyList_Check(deleted))) {
        PyErr_SetString(PyExc_TypeError,
                        "__setstate__() takes what __getstate__ of an event "
                        "returned");
        return NULL;
    }
    /* Snapshots: a name that is a kind of str, and what is dropped, may run
     * Python code that changes them. */
    deleted = deleted == NULL ? PyTuple_New(0) : PyList_AsTuple(deleted);
    fields = deleted == NULL ? NULL : PyDict_Copy(fields);
    set = fields == NULL ? NULL : PyList_AsTuple(set);
    int restored = set == NULL ? -1 : restore(self, cls, fields, set, deleted);
    Py_XDECREF(fields);
    Py_XDECREF(set);
    Py_XDECREF(deleted);
    if (restored < 0) {
        return NULL;
    }
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL ||
        set_dict(self, &rare->extra, state, st->str_extra) < 0 ||
        set_dict(self, &rare->privates, state, st->str_private) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
event_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    onex_event_class *cls = event_class_of(op);
    onex_state *st = cls->st;
    PyObject *result = NULL, *state = NULL, *made_from = NULL;
    if (onex_recursion_enter(" while pickling an event") < 0) {
        return NULL; /* the pickler, which goes on with the state, recurses */
    }
    made_from = PyObject_CallMethod(cls->model, "made_from", NULL);
    state = made_from == NULL
                ? NULL
                : PyObject_CallMethodNoArgs(op, st->str___getstate__);
    if (state != NULL) {
        result = Py_BuildValue("OOO", st->revive, made_from, state);
    }
    Py_XDECREF(state);
    Py_XDECREF(made_from);
    onex_recursion_leave();
    return result;
}

PyObject *
event_revive(PyObject *module, PyObject *args)
{
    onex_state *st = onex_state_of_module(module);
    PyObject *cls, *arguments;
    if (!PyArg_ParseTuple(args, "OO!:revive", &cls, &PyTuple_Type,
                          &arguments)) {
        return NULL;
    }
    if (!onex_event_class_check(st, cls)) {
        PyErr_Format(PyExc_TypeError, "%R is no Event class", cls);
        return NULL;
    }
    cls = PyTuple_GET_SIZE(arguments) == 0 ? Py_NewRef(cls)
                                           : PyObject_GetItem(cls, arguments);
    if (cls == NULL) {
        return NULL;
    }
    PyObject *result = PyObject_CallMethodOneArg(cls, st->str___new__, cls);
    Py_DECREF(cls);
    return result;
}
