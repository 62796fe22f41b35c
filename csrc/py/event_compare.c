/* Equality, hash, repr, iteration. */
#include "py/event.h"

/* --- equality --- */

/* Value of a field that only a comparison asks for: what nobody has read is
 * compared raw where both sides are. 1, 0, -1. */
static int
field_equal(onex_event *a, onex_event *b, onex_event_class *of_a,
            onex_event_class *of_b, uint32_t index)
{
    onex_field *field = &of_a->fields[index];
    PyObject **slot_a = event_slot(a, field);
    PyObject **slot_b = event_slot(b, &of_b->fields[index]);
    PyObject *value_a = slot_a == NULL ? NULL : *slot_a;
    PyObject *value_b = slot_b == NULL ? NULL : *slot_b;
    if (value_a != NULL && value_a == value_b) {
        return 1;
    }
    int which = event_raw_of(index);
    if (which >= 0) {
        uint64_t raw = EVENT_RAW(which);
        if (a->marks & raw && b->marks & raw) {
            return memcmp(a->raw[which], b->raw[which], 16) == 0;
        }
    }
    if (index == EVENT_timestamp && value_a == NULL && value_b == NULL &&
        a->marks & EVENT_RAW_TIME && b->marks & EVENT_RAW_TIME) {
        return a->time_us == b->time_us;
    }
    bool untouched = (a->rare == NULL || a->rare->deleted == NULL) &&
                     (b->rare == NULL || b->rare->deleted == NULL);
    if (value_a == NULL && value_b == NULL && untouched &&
        (field->rare || field->kind == FIELD_DICT ||
         field->kind == FIELD_LIST || field->kind == FIELD_SET)) {
        return 1;
    }
    value_a = event_value(a, of_a, index);
    value_b = value_a == NULL && PyErr_Occurred() ? NULL
                                                  : event_value(b, of_b, index);
    if (value_a == NULL || value_b == NULL) {
        return PyErr_Occurred() ? -1 : value_a == value_b;
    }
    Py_INCREF(value_a);
    Py_INCREF(value_b);
    int equal = PyObject_RichCompareBool(value_a, value_b, Py_EQ);
    Py_DECREF(value_a);
    Py_DECREF(value_b);
    return equal;
}

/* Two dicts of the side blocks, NULL counting as empty. 1, 0, -1. */
static int
dicts_equal(PyObject *a, PyObject *b)
{
    if (a == NULL && b == NULL) {
        return 1;
    }
    if (a == NULL || b == NULL) {
        return PyDict_Size(a == NULL ? b : a) == 0;
    }
    return PyObject_RichCompareBool(a, b, Py_EQ);
}

/* The class without its type arguments: borrowed. */
static PyObject *
origin_of(onex_event_class *cls)
{
    return cls->origin == NULL ? (PyObject *)cls : cls->origin;
}

static int
events_equal(onex_event *a, onex_event *b)
{
    onex_event_class *of_a = event_class_of(a), *of_b = event_class_of(b);
    if (of_a != of_b && (origin_of(of_a) != origin_of(of_b) ||
                         of_a->n_fields != of_b->n_fields)) {
        return 0;
    }
    if (event_class_ready(of_a) < 0 || event_class_ready(of_b) < 0) {
        return -1;
    }
    event_derive_lineage(a);
    event_derive_lineage(b);
    for (uint32_t i = 0; i < of_a->n_fields; i++) {
        int equal = field_equal(a, b, of_a, of_b, i);
        if (equal <= 0) {
            return equal;
        }
    }
    int equal = dicts_equal(a->rare == NULL ? NULL : a->rare->extra,
                            b->rare == NULL ? NULL : b->rare->extra);
    return equal <= 0 ? equal
                      : dicts_equal(a->rare == NULL ? NULL : a->rare->privates,
                                    b->rare == NULL ? NULL : b->rare->privates);
}

PyObject *
event_richcompare(PyObject *a, PyObject *b, int op)
{
    onex_state *st = event_class_of(a)->st;
    if ((op != Py_EQ && op != Py_NE) || !onex_event_check(st, b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (a == b) {
        return PyBool_FromLong(op == Py_EQ);
    }
    if (onex_recursion_enter(" while comparing events") < 0) {
        return NULL;
    }
    int equal = events_equal((onex_event *)a, (onex_event *)b);
    onex_recursion_leave();
    return equal < 0 ? NULL : PyBool_FromLong(equal == (op == Py_EQ));
}

Py_hash_t
event_hash(PyObject *op)
{
    onex_event_class *cls = event_class_of(op);
    if (!cls->frozen) {
        PyErr_Format(PyExc_TypeError,
                     "unhashable type: '%U' (its fields can change; set "
                     "frozen=True in model_config)",
                     cls->heap.ht_name);
        return -1;
    }
    /* Equal events have equal ids; the other fields need not be hashable. */
    PyObject *id = event_value((onex_event *)op, cls, EVENT_id);
    if (id == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError,
                            "unhashable: the event's id was deleted");
        }
        return -1;
    }
    Py_INCREF(id);
    Py_hash_t hash = PyObject_Hash(id);
    Py_DECREF(id);
    return hash;
}

/* --- repr --- */

/* "name=value" of the fields that were given or assigned, and of the extras:
 * a list of str, or NULL. */
static PyObject *
shown_fields(onex_event *self, onex_event_class *cls)
{
    PyObject *parts = PyList_New(0);
    for (uint32_t i = 0; parts != NULL && i < cls->n_fields; i++) {
        if (!event_marked(self, cls, i) || !cls->fields[i].in_repr) {
            continue;
        }
        PyObject *value = event_value(self, cls, i);
        if (value == NULL) {
            if (PyErr_Occurred()) {
                Py_CLEAR(parts);
            }
            continue;
        }
        Py_INCREF(value);
        PyObject *part =
            PyUnicode_FromFormat("%U=%R", cls->fields[i].name, value);
        Py_DECREF(value);
        if (part == NULL || PyList_Append(parts, part) < 0) {
            Py_CLEAR(parts);
        }
        Py_XDECREF(part);
    }
    PyObject *extra = self->rare == NULL ? NULL : self->rare->extra;
    PyObject *items =
        parts == NULL || extra == NULL ? NULL : PyDict_Items(extra);
    for (Py_ssize_t i = 0;
         items != NULL && parts != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        PyObject *part = PyUnicode_FromFormat(
            "%U=%R", PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
        if (part == NULL || PyList_Append(parts, part) < 0) {
            Py_CLEAR(parts);
        }
        Py_XDECREF(part);
    }
    Py_XDECREF(items);
    if (PyErr_Occurred()) {
        Py_CLEAR(parts);
    }
    return parts;
}

/* The shown fields joined. */
static PyObject *
describe(PyObject *op, const char *separator)
{
    PyObject *result = NULL;
    PyObject *parts = shown_fields((onex_event *)op, event_class_of(op));
    PyObject *joint = parts == NULL ? NULL : PyUnicode_FromString(separator);
    if (joint != NULL) {
        result = PyUnicode_Join(joint, parts);
    }
    Py_XDECREF(joint);
    Py_XDECREF(parts);
    return result;
}

PyObject *
event_repr(PyObject *op)
{
    onex_event_class *cls = event_class_of(op);
    int entered = Py_ReprEnter(op);
    if (entered != 0) {
        return entered < 0 ? NULL
                           : PyUnicode_FromFormat("%U(...)", cls->heap.ht_name);
    }
    PyObject *result = NULL;
    if (onex_recursion_enter(" while getting the repr of an event") == 0) {
        PyObject *inner = describe(op, ", ");
        if (inner != NULL) {
            result = PyUnicode_FromFormat("%U(%U)", cls->heap.ht_name, inner);
            Py_DECREF(inner);
        }
        onex_recursion_leave();
    }
    Py_ReprLeave(op);
    return result;
}

PyObject *
event_str(PyObject *op)
{
    int entered = Py_ReprEnter(op);
    if (entered != 0) {
        return entered < 0 ? NULL : PyUnicode_FromString("...");
    }
    PyObject *result = NULL;
    if (onex_recursion_enter(" while getting the text of an event") == 0) {
        result = describe(op, " ");
        onex_recursion_leave();
    }
    Py_ReprLeave(op);
    return result;
}

/* --- iteration: (name, value) pairs, as Pydantic's models --- */

PyObject *
event_iter(PyObject *op)
{
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    PyObject *pairs = PyList_New(0), *result = NULL;
    for (uint32_t i = 0; pairs != NULL && i < cls->n_fields; i++) {
        PyObject *value = event_value(self, cls, i);
        if (value == NULL) {
            if (PyErr_Occurred()) {
                Py_CLEAR(pairs);
            }
            continue;
        }
        PyObject *pair = PyTuple_Pack(2, cls->fields[i].name, value);
        if (pair == NULL || PyList_Append(pairs, pair) < 0) {
            Py_CLEAR(pairs);
        }
        Py_XDECREF(pair);
    }
    if (pairs != NULL && self->rare != NULL && self->rare->extra != NULL) {
        PyObject *items = PyDict_Items(self->rare->extra);
        if (items == NULL ||
            PyList_SetSlice(pairs, PyList_GET_SIZE(pairs),
                            PyList_GET_SIZE(pairs), items) < 0) {
            Py_CLEAR(pairs);
        }
        Py_XDECREF(items);
    }
    if (pairs != NULL) {
        result = PyObject_GetIter(pairs);
        Py_DECREF(pairs);
    }
    return result;
}
