/* Validator of UUIDs: from the forms of RFC 9562 section 4 and from 16 bytes,
 * with pydantic's words for what is none. */
#include "py/event.h"
#include "py/validate.h"

#include <string.h>

#include "core/uuid.h"

static const struct {
    int start, length;
} uuid_groups[5] = {{0, 8}, {9, 4}, {14, 4}, {19, 4}, {24, 12}};

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* Takes {…} and urn:uuid:… off. Returns the length of what is left before. */
static int
uuid_unwrap(const char **text, Py_ssize_t *size)
{
    if (*size >= 2 && (*text)[0] == '{' && (*text)[*size - 1] == '}') {
        *text += 1;
        *size -= 2;
        return 1;
    }
    if (*size >= 9 && memcmp(*text, "urn:uuid:", 9) == 0) {
        *text += 9;
        *size -= 9;
        return 9;
    }
    return 0;
}

/* The character at the beginning of valid UTF-8; its width in bytes. */
static int
utf8_char(const char *text, Py_UCS4 *c)
{
    const unsigned char *t = (const unsigned char *)text;
    if (t[0] < 0x80) {
        *c = t[0];
        return 1;
    }
    int width = t[0] < 0xe0 ? 2 : t[0] < 0xf0 ? 3 : 4;
    *c = t[0] & (0xff >> (width + 1));
    for (int i = 1; i < width; i++) {
        *c = *c << 6 | (t[i] & 0x3f);
    }
    return width;
}

/* Why a text is no UUID, in pydantic's words; new reference or NULL. */
static PyObject *
uuid_problem(const char *whole, Py_ssize_t whole_size)
{
    const char *text = whole;
    Py_ssize_t size = whole_size, hyphens = 0, bounds[4] = {0, 0, 0, 0};
    int offset = 0;
    if (whole_size > 45) {
        return PyUnicode_FromFormat("invalid length: found %zd", whole_size);
    }
    if (whole_size == 38 || whole_size == 45) {
        /* Wrapped as it should be: the problem lies within. */
        const char *inner = whole;
        Py_ssize_t inner_size = whole_size;
        offset = uuid_unwrap(&inner, &inner_size);
        text = inner;
        size = inner_size;
        if (size == 36) {
            whole_size = 36;
            offset = 0;
        }
    }
    else if (whole_size != 32 && whole_size != 36) {
        offset = uuid_unwrap(&text, &size);
    }
    for (Py_ssize_t i = 0; i < size;) {
        /* Of other than ASCII characters the low byte counts. */
        Py_UCS4 c;
        int width = utf8_char(text + i, &c);
        if ((c & 0xff) == '-') {
            if (hyphens < 4) {
                bounds[hyphens] = i;
            }
            hyphens++;
        }
        else if (!is_hex((char)(c & 0xff))) {
            PyObject *found = PyUnicode_DecodeUTF8(text + i, width, "replace");
            if (found == NULL) {
                return NULL;
            }
            PyObject *problem = PyUnicode_FromFormat(
                "invalid character: found `%U` at %zd", found, i + offset);
            Py_DECREF(found);
            return problem;
        }
        i += width;
    }
    if (hyphens == 0 && offset == 0 && whole_size != 36) {
        return PyUnicode_FromFormat("invalid length: found %zd", whole_size);
    }
    if (hyphens != 4) {
        return PyUnicode_FromFormat(
            "invalid group count: expected 5, found %zd", hyphens + 1);
    }
    int group = 0;
    Py_ssize_t length = whole_size - uuid_groups[4].start;
    while (group < 4 && bounds[group] == uuid_groups[group + 1].start - 1) {
        group++;
    }
    if (group < 4) {
        length = bounds[group] - uuid_groups[group].start;
    }
    return PyUnicode_FromFormat(
        "invalid group length in group %d: expected %d, found %zd", group,
        uuid_groups[group].length, length);
}

static int
uuid_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, PyTuple_GET_ITEM(self->args, 0));
}

/* args: UUID, and SafeUUID.safe for what pydantic makes. */
static PyObject *
uuid_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    const char *text;
    Py_ssize_t size;
    uint8_t id[ONEX_UUID_SIZE];
    if (PyObject_TypeCheck(value, self->exact)) {
        return Py_NewRef(value);
    }
    if (check->mode == ONEX_FROM_PYTHON) {
        onex_check_floor(check, ONEX_LAX);
    }
    if (PyUnicode_Check(value)) {
        text = PyUnicode_AsUTF8AndSize(value, &size);
        if (text == NULL) { /* lone surrogates: no str that could be read */
            PyErr_Clear();
            return onex_reject(check,
                               PyUnicode_CheckExact(value) ? "string_unicode"
                                                           : "uuid_type",
                               value, NULL);
        }
        if (onex_uuid_parse(text, (size_t)size, id) != ONEX_OK) {
            return onex_reject_with(check, "uuid_parsing", value, "error",
                                    uuid_problem(text, size));
        }
        return event_uuid_marked(st, id, PyTuple_GET_ITEM(self->args, 1));
    }
    if (PyBytes_Check(value)) {
        text = PyBytes_AS_STRING(value);
        size = PyBytes_GET_SIZE(value);
        if (size == ONEX_UUID_SIZE) {
            memcpy(id, text, ONEX_UUID_SIZE);
        }
        else if (onex_uuid_parse(text, (size_t)size, id) != ONEX_OK) {
            return onex_reject_with(
                check, "uuid_parsing", value, "error",
                PyUnicode_FromFormat(
                    "invalid length: expected 16 bytes, found %zd", size));
        }
        return event_uuid_marked(st, id, PyTuple_GET_ITEM(self->args, 1));
    }
    return onex_reject(check, "uuid_type", value, NULL);
}

const onex_validator_kind onex_uuid_kinds[] = {
    {"uuid", 2, 2, uuid_prepare, uuid_run},
    {NULL, 0, 0, NULL, NULL},
};
