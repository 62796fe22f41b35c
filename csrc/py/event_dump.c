/* model_dump: an event as a dict.
 *
 * Values of the common types are taken care of here; the others go to
 * onex_events.dumping.simplify, which gives something simpler for the next
 * round. */
#include "py/event_dump.h"

#include "core/rfc3339.h"
#include "core/uuid.h"

#include <math.h>

/* --- include and exclude --- */

/* One of Pydantic's filters: a set of names (indices), or a dict of them to
 * True, `...` or a filter for what is below; "__all__" stands for every one.
 * 0: not named; 1: named whole; 2: named with `*next` (borrowed); -1. */
static int
filter_entry(PyObject *filter, PyObject *key, PyObject **next)
{
    *next = NULL;
    if (PyAnySet_Check(filter)) {
        int found = PySet_Contains(filter, key);
        if (found == 0 && PyUnicode_Check(key) == 0) {
            PyObject *all = PyUnicode_FromString("__all__");
            found = all == NULL ? -1 : PySet_Contains(filter, all);
            Py_XDECREF(all);
        }
        return found;
    }
    if (!PyDict_Check(filter)) {
        PyErr_Format(PyExc_TypeError,
                     "include and exclude take a set or a dict, got %.200s",
                     Py_TYPE(filter)->tp_name);
        return -1;
    }
    PyObject *entry = PyDict_GetItemWithError(filter, key);
    if (entry == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        entry = PyDict_GetItemString(filter, "__all__");
        if (entry == NULL) {
            return 0;
        }
    }
    if (entry == Py_Ellipsis || entry == Py_True) {
        return 1;
    }
    if (entry == Py_False) {
        return 0;
    }
    if (!PyAnySet_Check(entry) && !PyDict_Check(entry)) {
        PyErr_Format(PyExc_TypeError,
                     "include and exclude take a set, a dict, True or ... for "
                     "%R, got %.200s",
                     key, Py_TYPE(entry)->tp_name);
        return -1;
    }
    *next = entry;
    return 2;
}

/* 1: goes into the dump with the filters for what is below it (borrowed or
 * NULL); 0: left out; -1. */
static int
passes(PyObject *include, PyObject *exclude, PyObject *key,
       PyObject **next_include, PyObject **next_exclude)
{
    *next_include = *next_exclude = NULL;
    if (exclude != NULL) {
        int named = filter_entry(exclude, key, next_exclude);
        if (named < 0 || named == 1) {
            return named < 0 ? -1 : 0;
        }
    }
    if (include != NULL) {
        int named = filter_entry(include, key, next_include);
        if (named <= 0) {
            return named;
        }
    }
    return 1;
}

/* --- values --- */

static int
need_dumping(onex_state *st)
{
    if (st->dumping_module == NULL) {
        st->dumping_module = PyImport_ImportModule("onex_events.dumping");
    }
    return st->dumping_module == NULL ? -1 : 0;
}

/* True when no value in the dict or list can be a container: then Python mode
 * needs no more than a copy. */
static bool
is_flat(const onex_state *st, PyObject *container)
{
    if (PyDict_CheckExact(container)) {
        Py_ssize_t position = 0;
        PyObject *key, *value;
        while (PyDict_Next(container, &position, &key, &value)) {
            if (!event_is_atomic(st, value) || !event_is_atomic(st, key)) {
                return false;
            }
        }
        return true;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(container); i++) {
        if (!event_is_atomic(st, PyList_GET_ITEM(container, i))) {
            return false;
        }
    }
    return true;
}

/* A value of which something else is declared than of what it is in. */
static PyObject *
dump_part(onex_dump *dump, PyObject *value, PyObject *declared,
          PyObject *include, PyObject *exclude)
{
    PyObject *outer = dump->declared;
    dump->declared = declared;
    PyObject *result = event_dump_value(dump, value, include, exclude);
    dump->declared = outer;
    return result;
}

/* A dict's key: in JSON mode its text; in Python mode itself, unless its dump
 * is a text (a Fraction's is). */
static PyObject *
dump_key(onex_dump *dump, PyObject *key, PyObject *declared)
{
    if (PyUnicode_CheckExact(key)) {
        return Py_NewRef(key);
    }
    if (dump->json) {
        return need_dumping(dump->st) < 0
                   ? NULL
                   : PyObject_CallMethodObjArgs(
                         dump->st->dumping_module, dump->st->str_json_key, key,
                         declared == NULL ? Py_None : declared, NULL);
    }
    PyObject *dumped = event_is_atomic(dump->st, key)
                           ? Py_NewRef(key)
                           : dump_part(dump, key, declared, NULL, NULL);
    if (dumped != NULL && !PyUnicode_CheckExact(dumped)) {
        Py_SETREF(dumped, Py_NewRef(key));
    }
    return dumped;
}

static PyObject *
dump_dict(onex_dump *dump, PyObject *dict, PyObject *include, PyObject *exclude)
{
    PyObject *declared = dump->declared;
    bool leaves_none = dump->exclude_none && onex_declared_fields(declared);
    if (!dump->json && include == NULL && exclude == NULL && !leaves_none &&
        is_flat(dump->st, dict)) {
        return PyDict_Copy(dict);
    }
    PyObject *result = PyDict_New(), *key, *value;
    PyObject *items = result == NULL ? NULL : PyDict_Items(dict);
    if (items == NULL) {
        Py_XDECREF(result);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *below_include, *below_exclude;
        key = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
        value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
        int wanted =
            passes(include, exclude, key, &below_include, &below_exclude);
        if (wanted == 0 || (leaves_none && value == Py_None)) {
            continue;
        }
        PyObject *name = NULL, *dumped = NULL;
        if (wanted > 0) {
            dumped =
                dump_part(dump, value, onex_declared_part(declared, key, i),
                          below_include, below_exclude);
        }
        if (dumped != NULL) {
            name = dump_key(dump, key, onex_declared_key(declared));
        }
        int status = name == NULL ? -1 : PyDict_SetItem(result, name, dumped);
        Py_XDECREF(name);
        Py_XDECREF(dumped);
        if (status < 0) {
            Py_CLEAR(result);
            break;
        }
    }
    Py_DECREF(items);
    return result;
}

/* Lists, tuples and sets; `sequence` is a list or tuple of the items. */
static PyObject *
dump_items(onex_dump *dump, PyObject *sequence, PyObject *include,
           PyObject *exclude)
{
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0;
         result != NULL && i < PySequence_Fast_GET_SIZE(sequence); i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, i));
        PyObject *below_include = NULL, *below_exclude = NULL, *dumped = NULL;
        int wanted = 1;
        if (include != NULL || exclude != NULL) {
            PyObject *index = PyLong_FromSsize_t(i);
            wanted = index == NULL ? -1
                                   : passes(include, exclude, index,
                                            &below_include, &below_exclude);
            Py_XDECREF(index);
        }
        if (wanted > 0) {
            dumped = dump_part(dump, item,
                               onex_declared_part(dump->declared, NULL, i),
                               below_include, below_exclude);
        }
        if (wanted != 0 &&
            (dumped == NULL || PyList_Append(result, dumped) < 0)) {
            Py_CLEAR(result);
        }
        Py_XDECREF(dumped);
        Py_DECREF(item);
    }
    return result;
}

static PyObject *
dump_sequence(onex_dump *dump, PyObject *value, PyObject *include,
              PyObject *exclude)
{
    if (!dump->json && include == NULL && exclude == NULL &&
        PyList_CheckExact(value) && is_flat(dump->st, value)) {
        return PyList_GetSlice(value, 0, PyList_GET_SIZE(value));
    }
    PyObject *items = PySequence_List(value), *result = NULL;
    if (items != NULL) {
        result = dump_items(dump, items, include, exclude);
        Py_DECREF(items);
    }
    if (result == NULL || dump->json || PyList_Check(value)) {
        return result;
    }
    PyObject *list = result;
    result = PyTuple_Check(value)       ? PyList_AsTuple(list)
             : PyFrozenSet_Check(value) ? PyFrozenSet_New(list)
                                        : PySet_New(list);
    Py_DECREF(list);
    return result;
}

static bool
is_finite(PyObject *value)
{
    return PyFloat_CheckExact(value) && isfinite(PyFloat_AS_DOUBLE(value));
}

/* True when the whole value is JSON-native: nothing to convert or copy. */
static bool
is_native(PyObject *value, int depth)
{
    if (value == Py_None || PyUnicode_CheckExact(value) ||
        PyBool_Check(value) || PyLong_CheckExact(value) || is_finite(value)) {
        return true;
    }
    if (depth == 0) {
        return false;
    }
    if (PyDict_CheckExact(value)) {
        Py_ssize_t position = 0;
        PyObject *key, *item;
        while (PyDict_Next(value, &position, &key, &item)) {
            if (!PyUnicode_CheckExact(key) || !is_native(item, depth - 1)) {
                return false;
            }
        }
        return true;
    }
    if (PyList_CheckExact(value)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++) {
            if (!is_native(PyList_GET_ITEM(value, i), depth - 1)) {
                return false;
            }
        }
        return true;
    }
    return false;
}

static PyObject *
uuid_text(const uint8_t id[16])
{
    PyObject *text = PyUnicode_New(ONEX_UUID_TEXT, 127);
    if (text != NULL) {
        onex_uuid_format(id, (char *)PyUnicode_1BYTE_DATA(text));
    }
    return text;
}

static PyObject *
time_text(int64_t us)
{
    char text[ONEX_RFC3339_TEXT];
    size_t size = onex_rfc3339_format(us, ONEX_UTC_Z, text);
    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
}

static PyObject *
dump_container(onex_dump *dump, PyObject *value, PyObject *include,
               PyObject *exclude)
{
    if (dump->json && dump->depth == ONEX_DUMP_JSON_DEPTH) {
        PyErr_SetString(PyExc_ValueError,
                        "Maximum serialization depth exceeded");
        return NULL;
    }
    dump->depth++;
    if (onex_event_check(dump->st, value)) {
        dump->declared = NULL;
    }
    PyObject *result = onex_event_check(dump->st, value)
                           ? event_dump(dump, value, include, exclude)
                       : PyDict_CheckExact(value)
                           ? dump_dict(dump, value, include, exclude)
                           : dump_sequence(dump, value, include, exclude);
    dump->depth--;
    return result;
}

/* Everything that is no plain container: dumping.simplify says what it is
 * made of; the result is dumped in turn. */
static PyObject *
dump_other(onex_dump *dump, PyObject *value, PyObject *include,
           PyObject *exclude)
{
    onex_state *st = dump->st;
    if (need_dumping(st) < 0) {
        return NULL;
    }
    PyObject *simple = PyObject_CallMethodObjArgs(
        st->dumping_module, st->str_simplify, value,
        dump->json ? Py_True : Py_False,
        dump->fallback == NULL ? Py_None : dump->fallback,
        dump->exclude_none ? Py_True : Py_False,
        dump->declared == NULL ? Py_None : dump->declared, NULL);
    if (simple == NULL || simple == value) {
        return simple;
    }
    /* The parts of a record are declared by its own fields. */
    PyObject *result = PyDict_CheckExact(simple) || PyTuple_CheckExact(simple)
                           ? dump_container(dump, simple, include, exclude)
                           : event_dump_value(dump, simple, include, exclude);
    if (result != NULL && !dump->json &&
        (PyDict_Check(value) ||
         (PyList_CheckExact(simple) && !PyList_Check(value)))) {
        Py_SETREF(result,
                  PyObject_CallMethodObjArgs(
                      st->dumping_module, st->str_like, value, result,
                      dump->declared == NULL ? Py_None : dump->declared, NULL));
    }
    Py_DECREF(simple);
    return result;
}

PyObject *
event_dump_value(onex_dump *dump, PyObject *value, PyObject *include,
                 PyObject *exclude)
{
    onex_state *st = dump->st;
    if (value == Py_None || PyUnicode_CheckExact(value) ||
        PyBool_Check(value) || PyLong_CheckExact(value) || is_finite(value) ||
        (PyFloat_CheckExact(value) && !dump->json)) {
        return Py_NewRef(value);
    }
    if ((PyObject *)Py_TYPE(value) == st->uuid_type) {
        uint8_t id[16];
        return dump->json && event_uuid_bytes(st, value, id) == 1
                   ? uuid_text(id)
                   : Py_NewRef(value);
    }
    if (!dump->json && (!PyType_IS_GC(Py_TYPE(value)) || PyType_Check(value) ||
                        (PyObject *)Py_TYPE(value) == st->event_phase_type)) {
        return Py_NewRef(value); /* no container */
    }
    char text[ONEX_RFC3339_TEXT];
    size_t size = dump->json ? event_time_text(st, value, text) : 0;
    if (size != 0) {
        return PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
    }
    PyObject *outer = dump->declared, *result = NULL;
    if (outer != NULL && (need_dumping(st) < 0 ||
                          onex_declared_for(st, &dump->declared, value) < 0)) {
        goto done;
    }
    if (onex_recursion_enter(" while dumping an event") < 0) {
        goto done;
    }
    if (onex_event_check(st, value) || PyDict_CheckExact(value) ||
        PyList_CheckExact(value) || PyTuple_CheckExact(value) ||
        PyAnySet_CheckExact(value)) {
        result = dump_container(dump, value, include, exclude);
    }
    else {
        result = dump_other(dump, value, include, exclude);
    }
    onex_recursion_leave();
    if (result != NULL && dump->json && onex_declared_twice(dump->declared)) {
        dump->declared = NULL;
        Py_SETREF(result, event_dump_value(dump, result, NULL, NULL));
    }
done:
    dump->declared = outer;
    return result;
}

/* --- events --- */

PyObject *
event_dump_name(const onex_dump *dump, const onex_field *field)
{
    return dump->by_alias ? field->dumped_as : field->name;
}

int
event_dump_skips(const onex_dump *dump, onex_event *self, onex_event_class *cls,
                 uint32_t index, PyObject *value)
{
    if (dump->exclude_none && value == Py_None) {
        return 1;
    }
    if (dump->exclude_unset && !event_marked(self, cls, index)) {
        return 1;
    }
    if (!dump->exclude_defaults) {
        return 0;
    }
    const onex_field *field = &cls->fields[index];
    switch ((onex_field_kind)field->kind) {
    case FIELD_CONSTANT:
    case FIELD_COPY:
        return PyObject_RichCompareBool(field->value, value, Py_EQ);
    case FIELD_LIST:
        return PyList_CheckExact(value) && PyList_GET_SIZE(value) == 0;
    case FIELD_DICT:
        return PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0;
    case FIELD_SET:
        return PyAnySet_CheckExact(value) && PySet_GET_SIZE(value) == 0;
    default:
        return 0;
    }
}

/* What the field's value becomes, with what nobody has read yet left unmade
 * where that is possible: new reference, NULL without exception for a deleted
 * field. */
static PyObject *
dump_field(onex_dump *dump, onex_event *self, onex_event_class *cls,
           uint32_t index, PyObject *include, PyObject *exclude)
{
    onex_field *field = &cls->fields[index];
    PyObject **slot = event_slot(self, field);
    PyObject *value = slot == NULL ? NULL : *slot;
    bool untouched =
        value == NULL && (self->rare == NULL || self->rare->deleted == NULL);
    if (untouched) {
        if (field->kind == FIELD_DICT) {
            return PyDict_New();
        }
        if (field->kind == FIELD_LIST) {
            return PyList_New(0);
        }
        if (dump->json) {
            int which = event_raw_of(index);
            if (which >= 0 && self->marks & EVENT_RAW(which)) {
                return uuid_text(self->raw[which]);
            }
            if (index == EVENT_timestamp && self->marks & EVENT_RAW_TIME) {
                return time_text(self->time_us);
            }
        }
    }
    value = event_value(self, cls, index);
    if (value == NULL) {
        return NULL;
    }
    Py_INCREF(value);
    PyObject *result;
    if (field->serializer != NULL) {
        result = PyObject_CallFunctionObjArgs(
            field->serializer, (PyObject *)self, value,
            dump->json ? Py_True : Py_False, NULL);
        if (result != NULL && dump->json) {
            Py_SETREF(result, event_dump_value(dump, result, include, exclude));
        }
    }
    else if (dump->json || dump->exclude_none) {
        result = dump_part(dump, value, onex_declared_told(field->validator),
                           include, exclude);
    }
    else {
        result = event_dump_value(dump, value, include, exclude);
    }
    Py_DECREF(value);
    return result;
}

/* Adds the extras and what the class computes. 0 / -1. */
static int
dump_rest(onex_dump *dump, onex_event *self, onex_event_class *cls,
          PyObject *result, PyObject *include, PyObject *exclude)
{
    PyObject *sources[2] = {NULL, NULL};
    int status = 0;
    if (self->rare != NULL && self->rare->extra != NULL) {
        sources[0] = Py_NewRef(self->rare->extra);
    }
    if (cls->has_computed) {
        sources[1] = PyObject_CallMethodOneArg(
            cls->model, dump->st->str_computed_values, (PyObject *)self);
        status = sources[1] == NULL ? -1 : 0;
    }
    for (int s = 0; s < 2 && status == 0; s++) {
        PyObject *items = sources[s] == NULL ? NULL : PyDict_Items(sources[s]);
        if (items == NULL) {
            status = sources[s] == NULL ? 0 : -1;
            continue;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items) && status == 0; i++) {
            PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
            PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
            PyObject *below_include, *below_exclude;
            int wanted =
                passes(include, exclude, name, &below_include, &below_exclude);
            if (wanted < 0) {
                status = -1;
            }
            if (wanted <= 0 || (dump->exclude_none && value == Py_None)) {
                continue;
            }
            PyObject *dumped =
                event_dump_value(dump, value, below_include, below_exclude);
            status = dumped == NULL ? -1 : PyDict_SetItem(result, name, dumped);
            Py_XDECREF(dumped);
        }
        Py_DECREF(items);
    }
    Py_XDECREF(sources[0]);
    Py_XDECREF(sources[1]);
    return status;
}

/* A dict of all fields with their constant defaults (None for the others):
 * copying it costs less than inserting so many names.  New reference. */
static PyObject *
copy_template(onex_event_class *cls)
{
    if (cls->dump_template == NULL) {
        PyObject *template = PyDict_New();
        for (uint32_t i = 0; template != NULL && i < cls->n_fields; i++) {
            onex_field *field = &cls->fields[i];
            PyObject *value =
                field->kind == FIELD_CONSTANT ? field->value : Py_None;
            if (PyDict_SetItem(template, field->name, value) < 0) {
                Py_CLEAR(template);
            }
        }
        cls->dump_template = template;
        if (template == NULL) {
            return NULL;
        }
    }
    return PyDict_Copy(cls->dump_template);
}

/* event_dump without filters and aliases in Python mode, of an event of which
 * nothing was deleted: new reference. */
static PyObject *
dump_whole(onex_dump *dump, onex_event *self, onex_event_class *cls)
{
    PyObject *result = copy_template(cls);
    if (result == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject **slot = event_slot(self, field);
        PyObject *value = slot == NULL ? NULL : *slot;
        if (field->kind == FIELD_CONSTANT &&
            (value == NULL ? field->rare : value == field->value) &&
            event_is_atomic(dump->st, field->value)) {
            continue;
        }
        if (value != NULL && event_is_atomic(dump->st, value)) {
            Py_INCREF(value);
        }
        else {
            value = dump_field(dump, self, cls, i, NULL, NULL);
        }
        if (value == NULL && !PyErr_Occurred()) {
            if (PyDict_DelItem(result, field->name) == 0) {
                continue;
            }
        }
        if (value == NULL || PyDict_SetItem(result, field->name, value) < 0) {
            Py_XDECREF(value);
            Py_DECREF(result);
            return NULL;
        }
        Py_DECREF(value);
    }
    return result;
}

PyObject *
event_dump(onex_dump *dump, PyObject *op, PyObject *include, PyObject *exclude)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    bool filters = include != NULL || exclude != NULL;
    bool skips =
        dump->exclude_none || dump->exclude_unset || dump->exclude_defaults;
    if (!filters && !skips && !dump->json && !dump->by_alias &&
        cls->dumps_whole &&
        (self->rare == NULL ||
         (self->rare->extra == NULL && self->rare->deleted == NULL))) {
        return dump_whole(dump, self, cls);
    }
    PyObject *result = PyDict_New();
    if (result == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject *below_include = NULL, *below_exclude = NULL;
        if (!field->in_dump) {
            continue;
        }
        if (filters) {
            int wanted = passes(include, exclude, field->name, &below_include,
                                &below_exclude);
            if (wanted < 0) {
                goto failed;
            }
            if (wanted == 0) {
                continue;
            }
        }
        if (skips) {
            PyObject *value = event_value(self, cls, i);
            if (value == NULL) {
                if (PyErr_Occurred()) {
                    goto failed;
                }
                continue;
            }
            int skipped = event_dump_skips(dump, self, cls, i, value);
            if (skipped < 0) {
                goto failed;
            }
            if (skipped) {
                continue;
            }
        }
        PyObject *value =
            dump_field(dump, self, cls, i, below_include, below_exclude);
        if (value == NULL) {
            if (PyErr_Occurred()) {
                goto failed;
            }
            continue;
        }
        int status =
            PyDict_SetItem(result, event_dump_name(dump, field), value);
        Py_DECREF(value);
        if (status < 0) {
            goto failed;
        }
    }
    if (((self->rare != NULL && self->rare->extra != NULL) ||
         cls->has_computed) &&
        dump_rest(dump, self, cls, result, include, exclude) < 0) {
        goto failed;
    }
    return result;
failed:
    Py_XDECREF(result);
    return NULL;
}

/* --- methods --- */

int
event_dump_options(onex_event_class *cls, PyObject *args, PyObject *kwargs,
                   onex_dump *dump, PyObject **include, PyObject **exclude,
                   PyObject **indent)
{
    static char *for_dict[] = {"mode",
                               "include",
                               "exclude",
                               "context",
                               "by_alias",
                               "exclude_unset",
                               "exclude_defaults",
                               "exclude_none",
                               "round_trip",
                               "warnings",
                               "fallback",
                               "serialize_as_any",
                               "exclude_computed_fields",
                               "polymorphic_serialization",
                               NULL};
    static char *for_json[] = {"indent",
                               "include",
                               "exclude",
                               "context",
                               "by_alias",
                               "exclude_unset",
                               "exclude_defaults",
                               "exclude_none",
                               "round_trip",
                               "warnings",
                               "fallback",
                               "serialize_as_any",
                               "exclude_computed_fields",
                               "ensure_ascii",
                               "polymorphic_serialization",
                               NULL};
    PyObject *first = NULL, *by_alias = Py_None, *fallback = Py_None;
    PyObject *ignored = NULL;
    int unset = 0, defaults = 0, none = 0;
    *include = *exclude = NULL;
    *dump = (onex_dump){.st = cls->st};
    if (kwargs == NULL && PyTuple_GET_SIZE(args) == 0) {
        dump->by_alias = cls->dumps_by_alias;
        dump->json = indent != NULL;
        if (indent != NULL) {
            *indent = NULL;
        }
        return 0;
    }
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs,
            indent == NULL ? "|$OOOOOpppOOOOOO:model_dump"
                           : "|$OOOOOpppOOOOOOO:model_dump_json",
            indent == NULL ? for_dict : for_json, &first, include, exclude,
            &ignored, &by_alias, &unset, &defaults, &none, &ignored, &ignored,
            &fallback, &ignored, &ignored, &ignored, &ignored)) {
        return -1;
    }
    if (*include == Py_None) {
        *include = NULL;
    }
    if (*exclude == Py_None) {
        *exclude = NULL;
    }
    if (by_alias == Py_None) {
        dump->by_alias = cls->dumps_by_alias;
    }
    else {
        int truth = PyObject_IsTrue(by_alias);
        if (truth < 0) {
            return -1;
        }
        dump->by_alias = truth;
    }
    dump->exclude_unset = unset;
    dump->exclude_defaults = defaults;
    dump->exclude_none = none;
    if (fallback != Py_None) {
        dump->fallback = fallback;
    }
    if (indent != NULL) {
        dump->json = true;
        *indent = first == Py_None ? NULL : first;
        return 0;
    }
    if (first == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(first)) {
        PyErr_Format(PyExc_TypeError,
                     "model_dump(): mode must be 'python' or 'json', got %R",
                     first);
        return -1;
    }
    dump->json = PyUnicode_CompareWithASCIIString(first, "json") == 0;
    return 0;
}

PyObject *
event_model_dump(PyObject *op, PyObject *args, PyObject *kwargs)
{
    onex_dump dump;
    PyObject *include, *exclude;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0 ||
        event_dump_options(cls, args, kwargs, &dump, &include, &exclude, NULL) <
            0) {
        return NULL;
    }
    if (onex_recursion_enter(" while dumping an event") < 0) {
        return NULL;
    }
    PyObject *result = event_dump(&dump, op, include, exclude);
    onex_recursion_leave();
    return result;
}

/* For JSON: is the value native as it is? */
bool
event_is_native(PyObject *value)
{
    return is_native(value, 32);
}
