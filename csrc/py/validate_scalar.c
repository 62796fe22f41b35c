/* Validators of single values: any, none, bool, str, bytes, UUID, classes. */
#include "py/validate.h"

#include <string.h>

/* ----------------------------------------------------- looking at a value */

int
onex_swallow(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* True when bytes are UTF-8 as Rust and RFC 3629 define it. */
static int
utf8_check(const char *bytes, Py_ssize_t size)
{
    PyObject *text = PyUnicode_DecodeUTF8(bytes, size, "strict");
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(text);
    return 1;
}

int
onex_text_of(PyObject *value, const char *unicode_error, onex_check *check,
             const char **text, Py_ssize_t *size)
{
    if (PyUnicode_Check(value)) {
        *text = PyUnicode_AsUTF8AndSize(value, size);
        if (*text == NULL) {
            if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                PyErr_Clear(); /* lone surrogates */
                (void)onex_reject(check, "string_unicode", value, NULL);
            }
            return -1;
        }
        return 1;
    }
    if (PyBytes_Check(value)) {
        *text = PyBytes_AS_STRING(value);
        *size = PyBytes_GET_SIZE(value);
        int valid = utf8_check(*text, *size);
        if (valid == 0) {
            (void)onex_reject(check, unicode_error, value, NULL);
        }
        return valid == 1 ? 1 : -1;
    }
    return 0;
}

int
onex_int64_of(PyObject *value, int64_t *result)
{
    if (!PyLong_Check(value) &&
        (Py_TYPE(value)->tp_as_number == NULL ||
         Py_TYPE(value)->tp_as_number->nb_index == NULL)) {
        return 0;
    }
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return onex_swallow();
    }
    *result = number;
    return 1;
}

int
onex_double_of(PyObject *value, double *result)
{
    if (PyFloat_CheckExact(value)) {
        *result = PyFloat_AS_DOUBLE(value);
        return 1;
    }
    PyNumberMethods *number = Py_TYPE(value)->tp_as_number;
    if (number == NULL ||
        (number->nb_float == NULL && number->nb_index == NULL)) {
        return 0;
    }
    *result = PyFloat_AsDouble(value);
    if (*result == -1.0 && PyErr_Occurred()) {
        return onex_swallow();
    }
    return 1;
}

int
onex_enum_value(onex_state *st, PyObject *object, PyObject **result)
{
    if (st->enum_meta == NULL) {
        PyObject *module = PyImport_ImportModule("enum");
        if (module == NULL) {
            return -1;
        }
        st->enum_meta = PyObject_GetAttrString(module, "EnumMeta");
        Py_DECREF(module);
        if (st->enum_meta == NULL) {
            return -1;
        }
    }
    *result = NULL;
    if ((PyObject *)Py_TYPE(Py_TYPE(object)) != st->enum_meta) {
        return 0;
    }
    *result = PyObject_GetAttrString(object, "value");
    return *result == NULL ? onex_swallow() : 1;
}

int
onex_mapping_check(onex_state *st, PyObject *value)
{
    if (PyDict_Check(value)) {
        return 1;
    }
    if (PyList_Check(value) || PyTuple_Check(value) || PyUnicode_Check(value) ||
        PyLong_Check(value) || value == Py_None) {
        return 0;
    }
    if (st->mapping_abc == NULL) {
        PyObject *module = PyImport_ImportModule("collections.abc");
        if (module == NULL) {
            return -1;
        }
        st->mapping_abc = PyObject_GetAttrString(module, "Mapping");
        Py_DECREF(module);
        if (st->mapping_abc == NULL) {
            return -1;
        }
    }
    int is = PyObject_IsInstance(value, st->mapping_abc);
    return is < 0 ? onex_swallow() : is;
}

int
onex_check_rewind(onex_check *check, Py_ssize_t mark)
{
    if (check->errors == NULL) {
        return 0;
    }
    if (mark == 0) {
        Py_CLEAR(check->errors);
        return 0;
    }
    return PyList_SetSlice(check->errors, mark, PyList_GET_SIZE(check->errors),
                           NULL);
}

/* -------------------------------------------------------- any, none, bool */

static int
any_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    self->takes_any = 1;
    return 0;
}

static PyObject *
any_run(onex_state *st, onex_validator *self, PyObject *value,
        onex_check *check)
{
    (void)st, (void)self;
    onex_check_floor(check, ONEX_STRICT);
    return Py_NewRef(value);
}

static int
none_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    self->takes_none = 1;
    return 0;
}

static PyObject *
none_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    (void)st, (void)self;
    return onex_reject(check, "none_required", value, NULL);
}

static int
bool_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, (PyObject *)&PyBool_Type);
}

int
onex_bool_of_word(const char *text, Py_ssize_t size)
{
    static const char *const no[] = {"0", "f", "n", "no", "off", "false"};
    static const char *const yes[] = {"1", "t", "y", "on", "yes", "true"};
    char lower[6];
    if (size < 1 || size > 5) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        char c = text[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    lower[size] = '\0';
    for (size_t i = 0; i < Py_ARRAY_LENGTH(no); i++) {
        if (strcmp(lower, no[i]) == 0 && strlen(no[i]) == (size_t)size) {
            return 0;
        }
        if (strcmp(lower, yes[i]) == 0 && strlen(yes[i]) == (size_t)size) {
            return 1;
        }
    }
    return -1;
}

static PyObject *
bool_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    (void)st, (void)self;
    const char *text;
    Py_ssize_t size;
    int64_t integer = -1;
    double number;
    int found = onex_text_of(value, "bool_parsing", check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    onex_check_floor(check, ONEX_LAX);
    if (found) {
        integer = onex_bool_of_word(text, size);
    }
    else if ((found = onex_int64_of(value, &integer)) == 0) {
        found = onex_double_of(value, &number);
        if (found > 0) {
            /* With a fraction, out of int64, inf or nan it is no bool at all. */
            if (number > -9.2e18 && number < 9.2e18 &&
                (double)(int64_t)number == number) {
                integer = (int64_t)number;
            }
            else {
                found = 0;
            }
        }
    }
    if (found < 0) {
        return NULL;
    }
    if (!found) {
        return onex_reject(check, "bool_type", value, NULL);
    }
    if (integer != 0 && integer != 1) {
        return onex_reject(check, "bool_parsing", value, NULL);
    }
    return Py_NewRef(integer ? Py_True : Py_False);
}

/* --------------------------------------------------------------- str, bytes */

static int
str_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, (PyObject *)&PyUnicode_Type);
}

PyObject *
onex_validate_str(onex_state *st, onex_validator *self, PyObject *value,
                  onex_check *check)
{
    (void)self;
    const char *text;
    Py_ssize_t size;
    if (PyUnicode_CheckExact(value)) {
        if (check->mode != ONEX_FROM_PYTHON) {
            onex_check_floor(check, ONEX_STRICT);
        }
        return Py_NewRef(value);
    }
    if (PyUnicode_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        if (onex_text_of(value, "string_unicode", check, &text, &size) < 0) {
            return NULL;
        }
        return PyUnicode_FromStringAndSize(text, size);
    }
    onex_check_floor(check, ONEX_LAX);
    if (PyBytes_Check(value) || PyByteArray_Check(value)) {
        bool array = PyByteArray_Check(value);
        PyObject *decoded = PyUnicode_DecodeUTF8(
            array ? PyByteArray_AS_STRING(value) : PyBytes_AS_STRING(value),
            array ? PyByteArray_GET_SIZE(value) : PyBytes_GET_SIZE(value),
            "strict");
        if (decoded == NULL &&
            PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            PyErr_Clear();
            return onex_reject(check, "string_unicode", value, NULL);
        }
        return decoded;
    }
    PyObject *inner;
    int is_enum = onex_enum_value(st, value, &inner);
    if (is_enum < 0) {
        return NULL;
    }
    if (is_enum) {
        PyObject *shown = PyObject_Str(inner);
        Py_DECREF(inner);
        return shown;
    }
    return onex_reject(check, "string_type", value, NULL);
}

static int
bytes_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, (PyObject *)&PyBytes_Type);
}

static PyObject *
bytes_run(onex_state *st, onex_validator *self, PyObject *value,
          onex_check *check)
{
    (void)st, (void)self;
    if (PyBytes_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        return Py_NewRef(value);
    }
    onex_check_floor(check,
                     check->mode != ONEX_FROM_PYTHON ? ONEX_STRICT : ONEX_LAX);
    if (PyUnicode_Check(value)) {
        const char *text;
        Py_ssize_t size;
        if (onex_text_of(value, "string_unicode", check, &text, &size) < 0) {
            return NULL;
        }
        return PyBytes_FromStringAndSize(text, size);
    }
    if (PyByteArray_Check(value)) {
        return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(value),
                                         PyByteArray_GET_SIZE(value));
    }
    return onex_reject(check, "bytes_type", value, NULL);
}

/* ------------------------------------------------- instances and subclasses */

/* args: class, its name for messages. */
static int
instance_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, PyTuple_GET_ITEM(self->args, 0));
}

static PyObject *
instance_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st;
    if (check->mode != ONEX_FROM_PYTHON) {
        return onex_reject_with(check, "needs_python_object", value,
                                "method_name",
                                PyUnicode_FromString("isinstance"));
    }
    int is = PyObject_IsInstance(value, (PyObject *)self->exact);
    if (is < 0) {
        return NULL;
    }
    if (is) {
        return Py_NewRef(value);
    }
    return onex_reject_with(check, "is_instance_of", value, "class",
                            Py_NewRef(PyTuple_GET_ITEM(self->args, 1)));
}

static int
subclass_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    if (!PyType_Check(PyTuple_GET_ITEM(self->args, 0))) {
        PyErr_SetString(PyExc_TypeError,
                        "Validator('subclass'): needs a class");
        return -1;
    }
    return 0;
}

static PyObject *
subclass_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st;
    if (check->mode != ONEX_FROM_PYTHON) {
        return onex_reject_with(check, "needs_python_object", value,
                                "method_name",
                                PyUnicode_FromString("issubclass"));
    }
    if (PyType_Check(value)) {
        int is = PyObject_IsSubclass(value, PyTuple_GET_ITEM(self->args, 0));
        if (is < 0) {
            return NULL;
        }
        if (is) {
            return Py_NewRef(value);
        }
    }
    return onex_reject_with(check, "is_subclass_of", value, "class",
                            Py_NewRef(PyTuple_GET_ITEM(self->args, 1)));
}

/* Any class. */
static PyObject *
type_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    (void)st, (void)self;
    if (check->mode == ONEX_FROM_PYTHON && PyType_Check(value)) {
        return Py_NewRef(value);
    }
    return onex_reject(check, "is_type", value, NULL);
}

static PyObject *
callable_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st, (void)self;
    onex_check_floor(check, ONEX_LAX);
    if (check->mode == ONEX_FROM_PYTHON && PyCallable_Check(value)) {
        return Py_NewRef(value);
    }
    return onex_reject(check, "callable_type", value, NULL);
}

const onex_validator_kind onex_scalar_kinds[] = {
    {"any", 0, 0, any_prepare, any_run},
    {"none", 0, 0, none_prepare, none_run},
    {"bool", 0, 0, bool_prepare, bool_run},
    {"str", 0, 0, str_prepare, onex_validate_str},
    {"bytes", 0, 0, bytes_prepare, bytes_run},
    {"instance", 2, 2, instance_prepare, instance_run},
    {"subclass", 2, 2, subclass_prepare, subclass_run},
    {"type", 0, 0, NULL, type_run},
    {"callable", 0, 0, NULL, callable_run},
    {NULL, 0, 0, NULL, NULL},
};
