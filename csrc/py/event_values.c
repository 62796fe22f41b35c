/* Values made at first read: UUID and datetime objects from raw forms, fresh
 * containers, copies of defaults; and storing into fields. */
#include "py/event.h"

#include <datetime.h>
#include <structmember.h>

#include "core/rfc3339.h"
#include "core/uuid.h"

/* --- UUID objects --- */

/* An int of 16 bytes in network order: new reference. */
static PyObject *
int_from_bytes(const uint8_t bytes[16])
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromNativeBytes(bytes, 16,
                                  Py_ASNATIVEBYTES_BIG_ENDIAN |
                                      Py_ASNATIVEBYTES_UNSIGNED_BUFFER);
#else
    /* No public function before 3.13 makes an int of more than 64 bits. */
    return _PyLong_FromByteArray(bytes, 16, 0, 0);
#endif
}

/* 1, or 0 when the int does not fit, or -1 with an exception. */
static int
int_as_bytes(PyObject *value, uint8_t bytes[16])
{
#if PY_VERSION_HEX >= 0x030D0000
    Py_ssize_t size = PyLong_AsNativeBytes(
        value, bytes, 16,
        Py_ASNATIVEBYTES_BIG_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER |
            Py_ASNATIVEBYTES_REJECT_NEGATIVE);
    if (size < 0) {
        if (PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    return size <= 16;
#else
    if (_PyLong_AsByteArray((PyLongObject *)value, bytes, 16, 0, 0) < 0) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    return 1;
#endif
}

PyObject *
event_uuid_marked(onex_state *st, const uint8_t bytes[16], PyObject *is_safe)
{
    PyObject *number = int_from_bytes(bytes);
    if (number == NULL) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)st->uuid_type;
    PyObject *uuid = type->tp_alloc(type, 0);
    if (uuid == NULL) {
        Py_DECREF(number);
        return NULL;
    }
    /* Its two members can't refer back to it: nothing for the collector. */
    PyObject_GC_UnTrack(uuid);
    *(PyObject **)((char *)uuid + st->uuid_int_offset) = number;
    *(PyObject **)((char *)uuid + st->uuid_safe_offset) = Py_NewRef(is_safe);
    return uuid;
}

PyObject *
event_uuid(onex_state *st, const uint8_t bytes[16])
{
    return event_uuid_marked(st, bytes, st->uuid_safe_unknown);
}

int
event_uuid_bytes(onex_state *st, PyObject *value, uint8_t bytes[16])
{
    if ((PyObject *)Py_TYPE(value) != st->uuid_type &&
        !PyObject_TypeCheck(value, (PyTypeObject *)st->uuid_type)) {
        return 0;
    }
    PyObject *number = *(PyObject **)((char *)value + st->uuid_int_offset);
    if (number == NULL || !PyLong_Check(number)) {
        return 0;
    }
    return int_as_bytes(number, bytes);
}

/* --- times --- */

static inline PyDateTime_CAPI *
datetime_api(const onex_state *st)
{
    return (PyDateTime_CAPI *)st->datetime_api;
}

PyObject *
event_datetime(onex_state *st, int64_t us)
{
    PyDateTime_CAPI *api = datetime_api(st);
    onex_civil at;
    if (onex_civil_from_us(us, &at) != ONEX_OK) {
        PyErr_SetString(PyExc_OverflowError,
                        "the time is out of datetime's years 1 to 9999");
        return NULL;
    }
    return api->DateTime_FromDateAndTime(at.year, at.month, at.day, at.hour,
                                         at.minute, at.second, at.microsecond,
                                         api->TimeZone_UTC, api->DateTimeType);
}

bool
event_time_is_utc(const onex_state *st, PyObject *value)
{
    PyDateTime_CAPI *api = datetime_api(st);
    return Py_TYPE(value) == api->DateTimeType &&
           PyDateTime_DATE_GET_TZINFO(value) == api->TimeZone_UTC;
}

size_t
event_time_text(onex_state *st, PyObject *value, char text[ONEX_RFC3339_TEXT])
{
    PyDateTime_CAPI *api = datetime_api(st);
    if (Py_TYPE(value) != api->DateTimeType) {
        return 0;
    }
    PyObject *zone = PyDateTime_DATE_GET_TZINFO(value);
    if (zone != api->TimeZone_UTC && zone != Py_None) {
        return 0;
    }
    onex_civil at = {
        .year = PyDateTime_GET_YEAR(value),
        .month = PyDateTime_GET_MONTH(value),
        .day = PyDateTime_GET_DAY(value),
        .hour = PyDateTime_DATE_GET_HOUR(value),
        .minute = PyDateTime_DATE_GET_MINUTE(value),
        .second = PyDateTime_DATE_GET_SECOND(value),
        .microsecond = PyDateTime_DATE_GET_MICROSECOND(value),
    };
    int64_t us;
    if (onex_us_from_civil(&at, &us) != ONEX_OK) {
        return 0;
    }
    return onex_rfc3339_format(us, zone == Py_None ? ONEX_UTC_NONE : ONEX_UTC_Z,
                               text);
}

/* --- lineage --- */

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The fresh lineage_id of an event that nobody asks for costs nothing: it is a
 * function of the id, so that it is the same whenever and wherever (also on
 * both sides of a fork) it is first asked for.  The first 8 bytes, time and
 * version, are the id's; the 62 random bits go through a permutation that has
 * the time in it, so different ids give different lineages, and one that is
 * equal to its id is as improbable as two equal random ids. */
void
event_derive_lineage(onex_event *self)
{
    if (self->marks & EVENT_RAW(ONEX_LINEAGE_ID) || self->lineage_id != NULL) {
        return;
    }
    onex_event_class *cls = event_class_of(self);
    uint8_t id[16];
    if (self->marks & EVENT_RAW(ONEX_ID)) {
        memcpy(id, self->raw[ONEX_ID], 16);
    }
    else if (self->id == NULL || event_uuid_bytes(cls->st, self->id, id) <= 0) {
        PyErr_Clear();
        if (onex_uuid7(id) != ONEX_OK) {
            return;
        }
    }
    uint8_t *out = self->raw[ONEX_LINEAGE_ID];
    uint64_t high = 0, low = 0;
    for (int i = 0; i < 8; i++) {
        high = high << 8 | id[i];
        low = low << 8 | id[8 + i];
    }
    /* Four Feistel rounds over the 62 bits: a permutation for any round
     * function. */
    uint32_t left = (uint32_t)(low >> 31 & 0x7fffffff);
    uint32_t right = (uint32_t)(low & 0x7fffffff);
    for (uint32_t round = 0; round < 4; round++) {
        uint32_t next =
            left ^ (uint32_t)(mix(high + ((uint64_t)round << 56) +
                                  0x9e3779b97f4a7c15u * (right + 1)) &
                              0x7fffffff);
        left = right;
        right = next;
    }
    low = (uint64_t)left << 31 | right;
    memcpy(out, id, 8);
    out[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    for (int i = 7; i >= 0; i--) {
        out[8 + i] = (uint8_t)(low & 0xff);
        low >>= 8;
    }
    out[8] = (uint8_t)(0x80 | (out[8] & 0x3f));
    self->marks |= EVENT_RAW(ONEX_LINEAGE_ID);
}

/* --- fields --- */

onex_event_rare *
event_rare(onex_event *self)
{
    if (self->rare == NULL) {
        self->rare = PyMem_Calloc(1, sizeof(onex_event_rare));
        if (self->rare == NULL) {
            PyErr_NoMemory();
        }
    }
    return self->rare;
}

PyObject *
event_extras(onex_event *self, onex_event_class *cls)
{
    onex_event_rare *rare = event_rare(self);
    if (rare == NULL ||
        (rare->extra == NULL && (rare->extra = PyDict_New()) == NULL)) {
        return NULL;
    }
    event_holds(cls->st, self, rare->extra);
    return rare->extra;
}

PyObject *
event_deepcopy(onex_state *st, PyObject *value, PyObject *memo)
{
    if (st->deepcopy == NULL) {
        PyObject *module = PyImport_ImportModule("copy");
        if (module == NULL) {
            return NULL;
        }
        st->deepcopy = PyObject_GetAttrString(module, "deepcopy");
        Py_DECREF(module);
        if (st->deepcopy == NULL) {
            return NULL;
        }
    }
    PyObject *args[2] = {value, memo};
    return PyObject_Vectorcall(st->deepcopy, args, memo == NULL ? 1 : 2, NULL);
}

static const int8_t raw_of_field[EVENT_BASE_FIELDS] = {
    [EVENT_id] = ONEX_ID + 1,
    [EVENT_lineage_id] = ONEX_LINEAGE_ID + 1,
    [EVENT_parent_id] = ONEX_PARENT_ID + 1,
    [EVENT_root_id] = ONEX_ROOT_ID + 1,
};

int
event_raw_of(uint32_t index)
{
    return index < EVENT_BASE_FIELDS ? raw_of_field[index] - 1 : -1;
}

/* What the field's default gives now: new reference, or NULL (with or without
 * an exception as event_value). */
static PyObject *
default_value(onex_event_class *cls, const onex_field *field)
{
    switch ((onex_field_kind)field->kind) {
    case FIELD_CONSTANT:
        return Py_NewRef(field->value);
    case FIELD_COPY:
        return event_deepcopy(cls->st, field->value, NULL);
    case FIELD_LIST:
        return PyList_New(0);
    case FIELD_DICT:
        return PyDict_New();
    case FIELD_SET:
        return PySet_New(NULL);
    default:
        return NULL;
    }
}

static bool
is_deleted(onex_event *self, PyObject *name)
{
    if (self->rare == NULL || self->rare->deleted == NULL) {
        return false;
    }
    return PySet_Contains(self->rare->deleted, name) == 1;
}

PyObject *
event_value(onex_event *self, onex_event_class *cls, uint32_t index)
{
    onex_field *field = &cls->fields[index];
    PyObject **slot = event_slot(self, field);
    if (slot != NULL && *slot != NULL) {
        return *slot;
    }
    if (is_deleted(self, field->name)) {
        return NULL;
    }
    onex_state *st = cls->st;
    PyObject *value = NULL;
    if (index < EVENT_BASE_FIELDS) {
        int raw = raw_of_field[index] - 1;
        if (raw == ONEX_LINEAGE_ID && field->kind == FIELD_GENERATED) {
            event_derive_lineage(self);
        }
        if (raw >= 0 && self->marks & EVENT_RAW(raw)) {
            value = event_uuid(st, self->raw[raw]);
            if (value == NULL) {
                return NULL;
            }
        }
        else if (index == EVENT_timestamp && self->marks & EVENT_RAW_TIME) {
            value = event_datetime(st, self->time_us);
            if (value == NULL) {
                return NULL;
            }
        }
    }
    if (value == NULL) {
        if (field->rare && field->kind == FIELD_CONSTANT) {
            return field->value; /* no side block for reading a default */
        }
        value = default_value(cls, field);
        if (value == NULL) {
            return NULL;
        }
    }
    slot = event_slot_to_fill(self, field);
    if (slot == NULL) {
        Py_DECREF(value);
        return NULL;
    }
    if (*slot != NULL) { /* made meanwhile by what ran in deepcopy */
        Py_DECREF(value);
        return *slot;
    }
    *slot = value;
    event_holds(st, self, value);
    return value;
}

int
event_store(onex_event *self, onex_event_class *cls, uint32_t index,
            PyObject *value)
{
    onex_field *field = &cls->fields[index];
    PyObject **slot = event_slot_to_fill(self, field);
    if (slot == NULL) {
        Py_DECREF(value);
        return -1;
    }
    if (self->rare != NULL && self->rare->deleted != NULL &&
        PySet_Discard(self->rare->deleted, field->name) < 0) {
        Py_DECREF(value);
        return -1;
    }
    if (index < EVENT_BASE_FIELDS) {
        if (raw_of_field[index] != 0) {
            self->marks &= ~EVENT_RAW(raw_of_field[index] - 1);
        }
        else if (index == EVENT_timestamp) {
            self->marks &= ~EVENT_RAW_TIME;
        }
    }
    PyObject *old = *slot;
    *slot = value;
    event_mark(self, cls, index);
    event_holds(cls->st, self, value);
    Py_XDECREF(old);
    return 0;
}

int
event_delete(onex_event *self, onex_event_class *cls, uint32_t index)
{
    onex_field *field = &cls->fields[index];
    if (event_value(self, cls, index) == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetObject(PyExc_AttributeError, field->name);
        }
        return -1;
    }
    PyObject **slot = event_slot_to_fill(self, field);
    onex_event_rare *rare = event_rare(self);
    if (slot == NULL || rare == NULL) {
        return -1;
    }
    if (rare->deleted == NULL) {
        rare->deleted = PySet_New(NULL);
        if (rare->deleted == NULL) {
            return -1;
        }
    }
    if (PySet_Add(rare->deleted, field->name) < 0) {
        return -1;
    }
    if (index < EVENT_BASE_FIELDS && raw_of_field[index] != 0) {
        self->marks &= ~EVENT_RAW(raw_of_field[index] - 1);
    }
    else if (index == EVENT_timestamp) {
        self->marks &= ~EVENT_RAW_TIME;
    }
    Py_CLEAR(*slot);
    return 0;
}

/* --- setup --- */

/* Offset of an object member of a class with __slots__, or -1 with an
 * exception. */
static Py_ssize_t
slot_offset(PyObject *type, const char *name)
{
    PyObject *member = PyObject_GetAttrString(type, name);
    if (member == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(member, &PyMemberDescr_Type)) {
        PyMemberDef *definition = ((PyMemberDescrObject *)member)->d_member;
        if (definition->type == T_OBJECT_EX) {
            offset = definition->offset;
        }
    }
    Py_DECREF(member);
    if (offset < 0) {
        PyErr_Format(PyExc_ImportError,
                     "uuid.UUID.%s is no slot in this version of Python", name);
    }
    return offset;
}

int
event_values_setup(onex_state *st)
{
    int result = -1;
    (void)PyDateTimeAPI; /* the header's own variable, one for all
                            interpreters; ours is in the state */
    PyObject *safe = NULL;
    st->datetime_api = PyCapsule_Import(PyDateTime_CAPSULE_NAME, 0);
    PyObject *uuid = PyImport_ImportModule("uuid");
    if (st->datetime_api == NULL || uuid == NULL) {
        goto done;
    }
    st->uuid_type = PyObject_GetAttrString(uuid, "UUID");
    safe = PyObject_GetAttrString(uuid, "SafeUUID");
    if (st->uuid_type == NULL || safe == NULL) {
        goto done;
    }
    st->uuid_safe_unknown = PyObject_GetAttrString(safe, "unknown");
    if (st->uuid_safe_unknown == NULL) {
        goto done;
    }
    st->uuid_int_offset = slot_offset(st->uuid_type, "int");
    st->uuid_safe_offset = slot_offset(st->uuid_type, "is_safe");
    if (st->uuid_int_offset < 0 || st->uuid_safe_offset < 0) {
        goto done;
    }
    result = 0;
done:
    Py_XDECREF(safe);
    Py_XDECREF(uuid);
    return result;
}
