/* Raw access to events for linking, indices and dispatch. */
#include "py/event_access.h"

#include "py/event.h"

static const uint8_t field_of_id[] = {
    [ONEX_ID] = EVENT_id,
    [ONEX_LINEAGE_ID] = EVENT_lineage_id,
    [ONEX_PARENT_ID] = EVENT_parent_id,
    [ONEX_ROOT_ID] = EVENT_root_id,
};

/* Where the id's object is. */
static inline PyObject **
id_slot(onex_event *self, onex_id_field which)
{
    switch (which) {
    case ONEX_ID:
        return &self->id;
    case ONEX_LINEAGE_ID:
        return &self->lineage_id;
    case ONEX_PARENT_ID:
        return &self->parent_id;
    default:
        return &self->root_id;
    }
}

static PyObject *
id_name(const onex_state *st, onex_id_field which)
{
    switch (which) {
    case ONEX_ID:
        return st->str_id;
    case ONEX_LINEAGE_ID:
        return st->str_lineage_id;
    case ONEX_PARENT_ID:
        return st->str_parent_id;
    default:
        return st->str_root_id;
    }
}

static inline bool
is_event_class(const onex_state *st, PyObject *object)
{
    PyTypeObject *meta = (PyTypeObject *)st->event_meta_type;
    return Py_TYPE(object) == meta || PyType_IsSubtype(Py_TYPE(object), meta);
}

static inline bool
is_event(const onex_state *st, PyObject *object)
{
    return is_event_class(st, (PyObject *)Py_TYPE(object)) &&
           ((onex_event_class *)Py_TYPE(object))->fields != NULL;
}

bool
onex_event_class_check(onex_state *st, PyObject *object)
{
    return is_event_class(st, object);
}

bool
onex_event_check(onex_state *st, PyObject *object)
{
    return is_event(st, object);
}

/* The text of a name that is no exact str: one of its own, which hashes and
 * compares without the program's code.  Takes the name's reference. */
static PyObject *
as_text(PyObject *name)
{
    PyObject *text =
        PyUnicode_Check(name) ? Py_NewRef(name) : PyObject_Str(name);
    Py_DECREF(name);
    if (text != NULL && !PyUnicode_CheckExact(text)) {
        Py_SETREF(text, PyUnicode_FromObject(text));
    }
    return text;
}

PyObject *
onex_event_type_name(onex_state *st, PyObject *event)
{
    PyObject *name = is_event(st, event) ? ((onex_event *)event)->type : NULL;
    name =
        name != NULL ? Py_NewRef(name) : PyObject_GetAttr(event, st->str_type);
    return name == NULL || PyUnicode_CheckExact(name) ? name : as_text(name);
}

/* The bytes of an id field, or NULL when it holds no UUID. */
static inline const uint8_t *
own_id(onex_state *st, onex_event *self, onex_id_field which)
{
    if (!(self->marks & EVENT_RAW(which))) {
        PyObject *value = *id_slot(self, which);
        if (value == Py_None) {
            return NULL;
        }
        if (value != NULL) {
            if (event_uuid_bytes(st, value, self->raw[which]) <= 0) {
                PyErr_Clear();
                return NULL;
            }
        }
        else {
            if (which == ONEX_LINEAGE_ID &&
                (self->rare == NULL || self->rare->deleted == NULL)) {
                event_derive_lineage(self);
            }
            if (!(self->marks & EVENT_RAW(which))) {
                return NULL;
            }
        }
        self->marks |= EVENT_RAW(which); /* UUIDs do not change */
    }
    return self->raw[which];
}

static inline void
set_own_id(onex_event *self, onex_id_field which, const uint8_t bytes[16])
{
    memcpy(self->raw[which], bytes, 16);
    self->marks |= EVENT_RAW(which);
    event_mark(self, event_class_of(self), field_of_id[which]);
    Py_CLEAR(*id_slot(self, which));
}

int
onex_event_get_id(onex_state *st, PyObject *event, onex_id_field which,
                  uint8_t bytes[16])
{
    if (!is_event(st, event)) {
        PyObject *value = PyObject_GetAttr(event, id_name(st, which));
        if (value == NULL) {
            return -1;
        }
        int found = event_uuid_bytes(st, value, bytes);
        Py_DECREF(value);
        return found;
    }
    const uint8_t *own = own_id(st, (onex_event *)event, which);
    if (own == NULL) {
        return 0;
    }
    memcpy(bytes, own, 16);
    return 1;
}

int
onex_event_set_id(onex_state *st, PyObject *event, onex_id_field which,
                  const uint8_t bytes[16])
{
    if (!is_event(st, event)) {
        PyObject *value = event_uuid(st, bytes);
        if (value == NULL) {
            return -1;
        }
        int result = PyObject_SetAttr(event, id_name(st, which), value);
        Py_DECREF(value);
        return result;
    }
    set_own_id((onex_event *)event, which, bytes);
    return 0;
}

/* Copies an id of another model's event, of whatever kind it is: 1; 0 when
 * there is none (id itself must be there); -1 with an exception. */
static int
copy_id(onex_state *st, PyObject *event, onex_id_field to, PyObject *parent,
        onex_id_field from)
{
    PyObject *value = PyObject_GetAttr(parent, id_name(st, from));
    if (value == NULL) {
        if (from == ONEX_ID || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    uint8_t bytes[16];
    int result = event_uuid_bytes(st, value, bytes);
    if (result > 0) {
        result = onex_event_set_id(st, event, to, bytes) < 0 ? -1 : 1;
    }
    else if (result == 0) {
        int is_set = from == ONEX_ROOT_ID ? PyObject_IsTrue(value)
                                          : from == ONEX_ID || value != Py_None;
        result = is_set <= 0                                           ? is_set
                 : PyObject_SetAttr(event, id_name(st, to), value) < 0 ? -1
                                                                       : 1;
    }
    Py_DECREF(value);
    return result;
}

/* The usual case: two events whose ids are UUIDs.  False: it is not that. */
static bool
link_own(onex_state *st, onex_event *event, onex_event *parent, bool lineage)
{
    const uint8_t *id = own_id(st, parent, ONEX_ID);
    const uint8_t *line = lineage ? own_id(st, parent, ONEX_LINEAGE_ID) : NULL;
    const uint8_t *root = own_id(st, parent, ONEX_ROOT_ID);
    if (id == NULL || (lineage && line == NULL) || event == parent) {
        return false;
    }
    if (root == NULL) {
        PyObject *value = *id_slot(parent, ONEX_ROOT_ID);
        if (value != NULL && value != Py_None) {
            return false;
        }
        root = id;
    }
    set_own_id(event, ONEX_PARENT_ID, id);
    set_own_id(event, ONEX_ROOT_ID, root);
    if (lineage) {
        set_own_id(event, ONEX_LINEAGE_ID, line);
    }
    return true;
}

int
onex_event_link(onex_state *st, PyObject *event, PyObject *parent, bool lineage)
{
    if (is_event(st, event) && is_event(st, parent) &&
        link_own(st, (onex_event *)event, (onex_event *)parent, lineage)) {
        return 0;
    }
    if (copy_id(st, event, ONEX_PARENT_ID, parent, ONEX_ID) < 0) {
        return -1;
    }
    int result = copy_id(st, event, ONEX_ROOT_ID, parent, ONEX_ROOT_ID);
    if (result == 0) {
        result = copy_id(st, event, ONEX_ROOT_ID, parent, ONEX_ID);
    }
    if (result >= 0 && lineage) {
        result = copy_id(st, event, ONEX_LINEAGE_ID, parent, ONEX_LINEAGE_ID);
    }
    return result < 0 ? -1 : 0;
}

int
onex_event_set_duration(onex_state *st, PyObject *event, double ms)
{
    PyObject *value = PyFloat_FromDouble(ms);
    if (value == NULL) {
        return -1;
    }
    if (is_event(st, event)) {
        return event_store((onex_event *)event, event_class_of(event),
                           EVENT_duration_ms, value);
    }
    int result = PyObject_SetAttr(event, st->str_duration_ms, value);
    Py_DECREF(value);
    return result;
}
