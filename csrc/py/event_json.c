/* model_dump_json.
 *
 * Ids, times, phase, numbers and strings are written here, ids and times from
 * their raw forms without objects being made; arbitrary values are msgspec's
 * share and its bytes are spliced in.  What has filters or an indent goes by
 * way of the dict. */
#include "py/event_dump.h"

#include "core/rfc3339.h"
#include "core/uuid.h"

/* --- a growing buffer of UTF-8 --- */

typedef struct {
    char *data;
    size_t size, capacity;
    bool ascii;
    char on_stack[1536];
} text_buffer;

static void
buffer_init(text_buffer *buffer)
{
    buffer->data = buffer->on_stack;
    buffer->size = 0;
    buffer->capacity = sizeof(buffer->on_stack);
    buffer->ascii = true;
}

static void
buffer_clear(text_buffer *buffer)
{
    if (buffer->data != buffer->on_stack) {
        PyMem_Free(buffer->data);
    }
}

/* Room for `size` more bytes. 0 / -1. */
static int
buffer_grow(text_buffer *buffer, size_t size)
{
    if (size > (size_t)PY_SSIZE_T_MAX / 4 ||
        buffer->size > (size_t)PY_SSIZE_T_MAX / 4) {
        PyErr_NoMemory();
        return -1;
    }
    size_t capacity = 2 * (buffer->capacity + size);
    char *data;
    if (buffer->data == buffer->on_stack) {
        data = PyMem_Malloc(capacity);
        if (data != NULL) {
            memcpy(data, buffer->on_stack, buffer->size);
        }
    }
    else {
        data = PyMem_Realloc(buffer->data, capacity);
    }
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

static inline int
buffer_reserve(text_buffer *buffer, size_t size)
{
    return buffer->capacity - buffer->size >= size ? 0
                                                   : buffer_grow(buffer, size);
}

static inline int
put(text_buffer *buffer, const char *text, size_t size)
{
    if (buffer_reserve(buffer, size) < 0) {
        return -1;
    }
    memcpy(buffer->data + buffer->size, text, size);
    buffer->size += size;
    return 0;
}

#define PUT(buffer, literal) put(buffer, literal, sizeof(literal) - 1)

static PyObject *
buffer_as_text(const text_buffer *buffer)
{
    if (!buffer->ascii) {
        return PyUnicode_DecodeUTF8(buffer->data, (Py_ssize_t)buffer->size,
                                    NULL);
    }
    PyObject *text = PyUnicode_New((Py_ssize_t)buffer->size, 127);
    if (text != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(text), buffer->data, buffer->size);
    }
    return text;
}

/* --- scalars --- */

/* 0: as it is; else the letter behind the backslash, 'u' for \u00XX. */
static const char escapes[256] = {
    [0] = 'u',    [1] = 'u',  [2] = 'u',    [3] = 'u',     [4] = 'u',
    [5] = 'u',    [6] = 'u',  [7] = 'u',    ['\b'] = 'b',  ['\t'] = 't',
    ['\n'] = 'n', [11] = 'u', ['\f'] = 'f', ['\r'] = 'r',  [14] = 'u',
    [15] = 'u',   [16] = 'u', [17] = 'u',   [18] = 'u',    [19] = 'u',
    [20] = 'u',   [21] = 'u', [22] = 'u',   [23] = 'u',    [24] = 'u',
    [25] = 'u',   [26] = 'u', [27] = 'u',   [28] = 'u',    [29] = 'u',
    [30] = 'u',   [31] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static int
put_string(text_buffer *buffer, const char *text, size_t size)
{
    if (buffer_reserve(buffer, 6 * size + 2) < 0) {
        return -1;
    }
    char *out = buffer->data + buffer->size;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char escape = escapes[c];
        if (escape == 0) {
            *out++ = (char)c;
        }
        else {
            *out++ = '\\';
            *out++ = escape;
            if (escape == 'u') {
                static const char digits[] = "0123456789abcdef";
                *out++ = '0';
                *out++ = '0';
                *out++ = digits[c >> 4];
                *out++ = digits[c & 15];
            }
        }
    }
    *out++ = '"';
    buffer->size = (size_t)(out - buffer->data);
    return 0;
}

/* A str (or a str subclass taken by its text). */
static int
put_text(text_buffer *buffer, PyObject *value)
{
    if (PyUnicode_IS_ASCII(value)) {
        return put_string(buffer, (const char *)PyUnicode_1BYTE_DATA(value),
                          (size_t)PyUnicode_GET_LENGTH(value));
    }
    PyObject *encoded = PyUnicode_AsUTF8String(value);
    if (encoded == NULL) {
        return -1;
    }
    buffer->ascii = false;
    int result = put_string(buffer, PyBytes_AS_STRING(encoded),
                            (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return result;
}

static int
put_int(text_buffer *buffer, PyObject *value)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0) {
        PyObject *text = PyLong_Type.tp_repr(value);
        if (text == NULL) {
            return -1;
        }
        int result = put(buffer, (const char *)PyUnicode_1BYTE_DATA(text),
                         (size_t)PyUnicode_GET_LENGTH(text));
        Py_DECREF(text);
        return result;
    }
    char digits[24];
    char *end = digits + sizeof(digits), *at = end;
    unsigned long long rest = number < 0 ? 0ull - (unsigned long long)number
                                         : (unsigned long long)number;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        *--at = '-';
    }
    return put(buffer, at, (size_t)(end - at));
}

static int
put_float(text_buffer *buffer, double number)
{
    if (number != number || number - number != 0) {
        return PUT(buffer, "null"); /* as pydantic: JSON has neither */
    }
    char *text = PyOS_double_to_string(number, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return -1;
    }
    int result = put(buffer, text, strlen(text));
    PyMem_Free(text);
    return result;
}

static int
put_uuid(text_buffer *buffer, const uint8_t id[16])
{
    char text[ONEX_UUID_TEXT + 2];
    text[0] = text[ONEX_UUID_TEXT + 1] = '"';
    onex_uuid_format(id, text + 1);
    return put(buffer, text, sizeof(text));
}

static int
put_time(text_buffer *buffer, int64_t us)
{
    char text[ONEX_RFC3339_TEXT + 2];
    size_t size = onex_rfc3339_format(us, ONEX_UTC_Z, text + 1);
    text[0] = text[size + 1] = '"';
    return put(buffer, text, size + 2);
}

/* --- values --- */

/* Anything else: what msgspec makes of its JSON-native form. */
static int
put_other(onex_dump *dump, text_buffer *buffer, PyObject *value,
          PyObject *declared)
{
    onex_state *st = dump->st;
    if (event_need_msgspec(st) < 0) {
        return -1;
    }
    dump->declared = onex_declared_told(declared);
    /* Of native values, too, a TypedDict leaves out its None. */
    bool whole = !dump->exclude_none || dump->declared == NULL;
    PyObject *native = whole && event_is_native(value)
                           ? Py_NewRef(value)
                           : event_dump_value(dump, value, NULL, NULL);
    dump->declared = NULL;
    if (native == NULL) {
        return -1;
    }
    PyObject *encoded = PyObject_CallOneArg(st->json_encode, native);
    Py_DECREF(native);
    if (encoded == NULL) {
        return -1;
    }
    int result = -1;
    if (PyBytes_Check(encoded)) {
        const char *bytes = PyBytes_AS_STRING(encoded);
        size_t size = (size_t)PyBytes_GET_SIZE(encoded);
        for (size_t i = 0; buffer->ascii && i < size; i++) {
            buffer->ascii = (signed char)bytes[i] >= 0;
        }
        result = put(buffer, bytes, size);
    }
    Py_DECREF(encoded);
    return result;
}

static int
put_value(onex_dump *dump, text_buffer *buffer, PyObject *value,
          PyObject *declared)
{
    onex_state *st = dump->st;
    if (value == Py_None) {
        return PUT(buffer, "null");
    }
    if (PyUnicode_CheckExact(value) ||
        (PyObject *)Py_TYPE(value) == st->event_phase_type) {
        return put_text(buffer, value);
    }
    if (PyLong_CheckExact(value)) {
        return put_int(buffer, value);
    }
    if (PyFloat_CheckExact(value)) {
        return put_float(buffer, PyFloat_AS_DOUBLE(value));
    }
    if (PyBool_Check(value)) {
        return value == Py_True ? PUT(buffer, "true") : PUT(buffer, "false");
    }
    if (PyDict_CheckExact(value) && PyDict_GET_SIZE(value) == 0) {
        return PUT(buffer, "{}");
    }
    if (PyList_CheckExact(value) && PyList_GET_SIZE(value) == 0) {
        return PUT(buffer, "[]");
    }
    uint8_t id[16];
    if ((PyObject *)Py_TYPE(value) == st->uuid_type &&
        event_uuid_bytes(st, value, id) == 1) {
        return put_uuid(buffer, id);
    }
    char time[ONEX_RFC3339_TEXT + 2];
    size_t size = event_time_text(st, value, time + 1);
    if (size != 0) {
        time[0] = time[size + 1] = '"';
        return put(buffer, time, size + 2);
    }
    return put_other(dump, buffer, value, declared);
}

/* The value of field `index`, made only if there is no raw form: 0; 1 for a
 * field without a value, -1. */
static int
put_field(onex_dump *dump, text_buffer *buffer, onex_event *self,
          onex_event_class *cls, uint32_t index)
{
    onex_field *field = &cls->fields[index];
    PyObject **slot = event_slot(self, field);
    PyObject *value = slot == NULL ? NULL : *slot;
    int which = event_raw_of(index);
    if (which >= 0 && self->marks & EVENT_RAW(which)) {
        return put_uuid(buffer, self->raw[which]);
    }
    if (index == EVENT_timestamp && self->marks & EVENT_RAW_TIME &&
        (value == NULL || event_time_is_utc(cls->st, value))) {
        return put_time(buffer, self->time_us);
    }
    if (value == NULL) {
        if (self->rare == NULL || self->rare->deleted == NULL) {
            if (field->kind == FIELD_DICT) {
                return PUT(buffer, "{}");
            }
            if (field->kind == FIELD_LIST) {
                return PUT(buffer, "[]");
            }
        }
        value = event_value(self, cls, index);
        if (value == NULL) {
            return PyErr_Occurred() ? -1 : 1;
        }
    }
    Py_INCREF(value);
    int result = put_value(dump, buffer, value, field->validator);
    Py_DECREF(value);
    return result;
}

/* ,"name": without the comma if it is the first. 0 / -1. */
static int
put_key(const onex_dump *dump, text_buffer *buffer, const onex_field *field,
        bool first)
{
    PyObject *name = event_dump_name(dump, field);
    if (name == field->name) {
        const char *key = PyBytes_AS_STRING(field->json_key);
        size_t size = (size_t)PyBytes_GET_SIZE(field->json_key);
        buffer->ascii &= PyUnicode_IS_ASCII(name);
        return put(buffer, key + first, size - first);
    }
    if (!first && PUT(buffer, ",") < 0) {
        return -1;
    }
    return put_text(buffer, name) < 0 ? -1 : PUT(buffer, ":");
}

/* True when the field has its default, of which the JSON is known. */
static inline bool
has_default(onex_event *self, const onex_field *field)
{
    if (self->rare != NULL && self->rare->deleted != NULL) {
        return false;
    }
    PyObject **slot = event_slot(self, field);
    PyObject *value = slot == NULL ? NULL : *slot;
    return value == NULL
               ? field->rare || field->kind == FIELD_DICT ||
                     field->kind == FIELD_LIST
               : value == field->value && field->kind == FIELD_CONSTANT;
}

/* ,"name":default of every field whose default is a constant: bytes.
 * 0 / -1. */
static int
prepare_defaults(const onex_dump *first, onex_event_class *cls)
{
    onex_dump own = *first, *dump = &own;
    own.by_alias = false; /* whatever the first dump asks for */
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        text_buffer buffer;
        if (field->kind != FIELD_CONSTANT && field->kind != FIELD_DICT &&
            field->kind != FIELD_LIST) {
            continue;
        }
        if (field->kind == FIELD_CONSTANT &&
            !event_is_atomic(cls->st, field->value)) {
            continue;
        }
        buffer_init(&buffer);
        int status = put_key(dump, &buffer, field, false);
        if (status == 0) {
            status =
                field->kind == FIELD_DICT ? PUT(&buffer, "{}")
                : field->kind == FIELD_LIST
                    ? PUT(&buffer, "[]")
                    : put_value(dump, &buffer, field->value, field->validator);
        }
        if (status == 0) {
            field->json_default_ascii = buffer.ascii;
            Py_XSETREF(field->json_default,
                       PyBytes_FromStringAndSize(buffer.data,
                                                 (Py_ssize_t)buffer.size));
        }
        buffer_clear(&buffer);
        if (status < 0 || field->json_default == NULL) {
            return -1;
        }
    }
    cls->json_ready = true;
    return 0;
}

/* The whole event without filters. 0 / -1. */
static int
put_event(onex_dump *dump, text_buffer *buffer, onex_event *self,
          onex_event_class *cls)
{
    bool first = true;
    bool skips =
        dump->exclude_none || dump->exclude_unset || dump->exclude_defaults;
    if (PUT(buffer, "{") < 0) {
        return -1;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        if (!field->in_dump) {
            continue;
        }
        if (skips) {
            PyObject *value = event_value(self, cls, i);
            int skipped = value == NULL
                              ? (PyErr_Occurred() ? -1 : 1)
                              : event_dump_skips(dump, self, cls, i, value);
            if (skipped < 0) {
                return -1;
            }
            if (skipped) {
                continue;
            }
        }
        if (field->json_default != NULL && !skips && !dump->by_alias &&
            has_default(self, field)) {
            const char *whole = PyBytes_AS_STRING(field->json_default);
            size_t size = (size_t)PyBytes_GET_SIZE(field->json_default);
            if (put(buffer, whole + first, size - first) < 0) {
                return -1;
            }
            buffer->ascii &= field->json_default_ascii;
            first = false;
            continue;
        }
        size_t before = buffer->size;
        if (put_key(dump, buffer, field, first) < 0) {
            return -1;
        }
        int status = put_field(dump, buffer, self, cls, i);
        if (status < 0) {
            return -1;
        }
        if (status > 0) {
            buffer->size = before;
        }
        else {
            first = false;
        }
    }
    return PUT(buffer, "}");
}

/* --- msgspec --- */

int
event_need_msgspec(onex_state *st)
{
    if (st->json_encode != NULL) {
        return 0;
    }
    PyObject *encoder = NULL;
    PyObject *module = PyImport_ImportModule("msgspec.json");
    if (module == NULL) {
        return -1;
    }
    PyObject *decode = PyObject_GetAttrString(module, "decode"), *format = NULL;
    if (decode != NULL &&
        (format = PyObject_GetAttrString(module, "format")) != NULL &&
        (encoder = PyObject_CallMethod(module, "Encoder", NULL)) != NULL &&
        (st->json_encode = PyObject_GetAttrString(encoder, "encode")) != NULL) {
        Py_XSETREF(st->json_decode, Py_NewRef(decode));
        Py_XSETREF(st->json_format, Py_NewRef(format));
    }
    Py_XDECREF(decode);
    Py_XDECREF(format);
    Py_XDECREF(encoder);
    Py_DECREF(module);
    return st->json_encode == NULL ? -1 : 0;
}

/* By way of the dict: filters, extras, serializers, indent. */
static PyObject *
json_of_dict(onex_dump *dump, PyObject *op, PyObject *include,
             PyObject *exclude, PyObject *indent)
{
    onex_state *st = dump->st;
    PyObject *encoded = NULL, *text = NULL;
    PyObject *dict = event_dump(dump, op, include, exclude);
    if (dict == NULL || event_need_msgspec(st) < 0) {
        goto done;
    }
    encoded = PyObject_CallOneArg(st->json_encode, dict);
    if (encoded != NULL && indent != NULL) {
        PyObject *keywords = Py_BuildValue("{sO}", "indent", indent);
        PyObject *args = keywords == NULL ? NULL : PyTuple_Pack(1, encoded);
        Py_SETREF(encoded, args == NULL ? NULL
                                        : PyObject_Call(st->json_format, args,
                                                        keywords));
        Py_XDECREF(args);
        Py_XDECREF(keywords);
    }
    if (encoded != NULL) {
        text = PyUnicode_FromEncodedObject(encoded, "utf-8", NULL);
    }
done:
    Py_XDECREF(encoded);
    Py_XDECREF(dict);
    return text;
}

PyObject *
event_model_dump_json(PyObject *op, PyObject *args, PyObject *kwargs)
{
    onex_dump dump;
    PyObject *include, *exclude, *indent;
    onex_event *self = (onex_event *)op;
    onex_event_class *cls = event_class_of(op);
    if (event_class_ready(cls) < 0 ||
        event_dump_options(cls, args, kwargs, &dump, &include, &exclude,
                           &indent) < 0 ||
        onex_recursion_enter(" while dumping an event") < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (include != NULL || exclude != NULL || indent != NULL ||
        cls->has_serializers || cls->has_computed ||
        (self->rare != NULL && self->rare->extra != NULL)) {
        result = json_of_dict(&dump, op, include, exclude, indent);
    }
    else {
        text_buffer buffer;
        buffer_init(&buffer);
        if ((cls->json_ready || prepare_defaults(&dump, cls) == 0) &&
            put_event(&dump, &buffer, self, cls) == 0) {
            result = buffer_as_text(&buffer);
        }
        buffer_clear(&buffer);
    }
    onex_recursion_leave();
    return result;
}
