/* Validators of numbers: int, float, Decimal, with pydantic's string forms. */
#include "py/number_text.h"
#include "py/validate.h"

#include <string.h>

/* str -> int; new reference, or NULL rejected or failed. */
static PyObject *
int_of_text(const char *text, Py_ssize_t size, PyObject *input,
            onex_check *check)
{
    PyObject *result = NULL;
    onex_int_form form = onex_int_form_of(text, size);
    char small[64], *clean = NULL;
    if (form == ONEX_INT_TOO_LONG) {
        return onex_reject(check, "int_parsing_size", input, NULL);
    }
    if (form == ONEX_INT_BAD) {
        clean = size + 2 <= (Py_ssize_t)sizeof(small) ? small
                                                      : PyMem_Malloc(size + 2);
        if (clean == NULL) {
            return PyErr_NoMemory();
        }
        size = onex_int_clean(text, size, clean);
        if (size < 0 || onex_int_form_of(clean, size) != ONEX_INT_OK) {
            (void)onex_reject(check, "int_parsing", input, NULL);
            goto done;
        }
        text = clean;
    }
    result = PyLong_FromString(text, NULL, 10);
    if (result == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear(); /* sys.set_int_max_str_digits below the default */
        (void)onex_reject(check, "int_parsing_size", input, NULL);
    }
done:
    if (clean != small) {
        PyMem_Free(clean);
    }
    return result;
}

/* ------------------------------------------------------ Decimal, Fraction */

/* Caches a class of a module that is loaded; 1 found, 0 not loaded, -1. */
static int
loaded_class(PyObject **slot, const char *module_name, const char *name)
{
    if (*slot != NULL) {
        return 1;
    }
    PyObject *module_key = PyUnicode_FromString(module_name);
    if (module_key == NULL) {
        return -1;
    }
    PyObject *module = PyImport_GetModule(module_key);
    Py_DECREF(module_key);
    if (module == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    *slot = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return *slot == NULL ? onex_swallow() : 1;
}

int
onex_decimal_check(onex_state *st, PyObject *value)
{
    int loaded = loaded_class(&st->decimal_type, "decimal", "Decimal");
    return loaded > 0 ? PyObject_IsInstance(value, st->decimal_type) : loaded;
}

int
onex_fraction_check(onex_state *st, PyObject *value)
{
    int loaded = loaded_class(&st->fraction_type, "fractions", "Fraction");
    return loaded > 0 ? PyObject_IsInstance(value, st->fraction_type) : loaded;
}

/* Decimal and Fraction -> int. */
static PyObject *
int_of_ratio(PyObject *value, bool decimal, onex_check *check)
{
    if (decimal) {
        PyObject *finite = PyObject_CallMethod(value, "is_finite", NULL);
        int is = finite == NULL ? -1 : PyObject_IsTrue(finite);
        Py_XDECREF(finite);
        if (is <= 0) {
            return is < 0 ? NULL
                          : onex_reject(check, "finite_number", value, NULL);
        }
    }
    PyObject *ratio = PyObject_CallMethod(value, "as_integer_ratio", NULL);
    PyObject *result = NULL;
    if (ratio == NULL) {
        return NULL;
    }
    if (!PyTuple_Check(ratio) || PyTuple_GET_SIZE(ratio) != 2) {
        PyErr_SetString(PyExc_TypeError,
                        "as_integer_ratio() must return a pair");
    }
    else {
        int64_t below;
        int whole = onex_int64_of(PyTuple_GET_ITEM(ratio, 1), &below);
        if (whole > 0 && below == 1) {
            result = Py_NewRef(PyTuple_GET_ITEM(ratio, 0));
        }
        else if (whole >= 0) {
            (void)onex_reject(check, "int_from_float", value, NULL);
        }
    }
    Py_DECREF(ratio);
    return result;
}

/* --------------------------------------------------------------- int, float */

static int
int_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, (PyObject *)&PyLong_Type);
}

PyObject *
onex_int_from_double(double number, PyObject *input, onex_check *check)
{
    if (!(number - number == 0.0)) {
        return onex_reject(check, "finite_number", input, NULL);
    }
    if (number >= 9223372036854775808.0 || number <= -9223372036854775808.0) {
        /* Numbers of this size have no fraction. */
        return onex_reject(check, "int_parsing_size", input, NULL);
    }
    if ((double)(int64_t)number != number) {
        return onex_reject(check, "int_from_float", input, NULL);
    }
    return PyLong_FromLongLong((int64_t)number);
}

PyObject *
onex_validate_int(onex_state *st, onex_validator *self, PyObject *value,
                  onex_check *check)
{
    (void)self;
    const char *text;
    Py_ssize_t size;
    double number;
    PyObject *inner;
    if (PyLong_CheckExact(value)) {
        return Py_NewRef(value);
    }
    if (PyLong_Check(value)) {
        onex_check_floor(check, PyBool_Check(value) ? ONEX_LAX : ONEX_STRICT);
        return PyLong_Type.tp_as_number->nb_int(
            value); /* an int of int's type */
    }
    onex_check_floor(check, ONEX_LAX);
    int found = onex_text_of(value, "int_parsing", check, &text, &size);
    if (found != 0) {
        return found < 0 ? NULL : int_of_text(text, size, value, check);
    }
    if (PyFloat_CheckExact(value)) {
        return onex_int_from_double(PyFloat_AS_DOUBLE(value), value, check);
    }
    if ((found = onex_decimal_check(st, value)) != 0) {
        return found < 0 ? NULL : int_of_ratio(value, true, check);
    }
    if ((found = onex_fraction_check(st, value)) != 0) {
        return found < 0 ? NULL : int_of_ratio(value, false, check);
    }
    if ((found = onex_double_of(value, &number)) != 0) {
        return found < 0 ? NULL : onex_int_from_double(number, value, check);
    }
    if ((found = onex_enum_value(st, value, &inner)) != 0) {
        return found < 0 ? NULL : inner;
    }
    return onex_reject(check, "int_type", value, NULL);
}

static int
float_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, (PyObject *)&PyFloat_Type);
}

PyObject *
onex_validate_float(onex_state *st, onex_validator *self, PyObject *value,
                    onex_check *check)
{
    (void)st, (void)self;
    const char *text;
    Py_ssize_t size;
    double number;
    if (PyFloat_CheckExact(value)) {
        return Py_NewRef(value);
    }
    int found = onex_text_of(value, "float_parsing", check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        onex_check_floor(check, ONEX_LAX);
        found = onex_double_of_text(text, size, &number);
        if (found == 0) {
            return onex_reject(check, "float_parsing", value, NULL);
        }
    }
    else {
        onex_check_floor(check, PyBool_Check(value) ? ONEX_LAX : ONEX_STRICT);
        found = onex_double_of(value, &number);
        if (found == 0) {
            return onex_reject(check, "float_type", value, NULL);
        }
    }
    return found < 0 ? NULL : PyFloat_FromDouble(number);
}

/* ----------------------------------------------------------------- Decimal */

/* args: decimal.Decimal, decimal.DecimalException */
static int
decimal_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    if (!PyType_Check(PyTuple_GET_ITEM(self->args, 0))) {
        PyErr_SetString(PyExc_TypeError, "Validator('decimal'): needs Decimal");
        return -1;
    }
    return 0; /* no exact type: a NaN is rejected */
}

/* How many zeros the digits begin with. */
static size_t
leading_zeros(const char *digits, size_t count)
{
    size_t zeros = 0;
    while (zeros < count && digits[zeros] == '0') {
        zeros++;
    }
    return zeros;
}

/* A float's digits as Rust prints them: shortest, without an exponent. */
static PyObject *
plain_digits(PyObject *value)
{
    PyObject *result = NULL;
    /* What float.__repr__ says; a subclass may say anything. */
    char *text = PyOS_double_to_string(PyFloat_AsDouble(value), 'r', 0,
                                       Py_DTSF_ADD_DOT_0, NULL);
    if (text == NULL) {
        return NULL;
    }
    const char *e = strchr(text, 'e');
    size_t length = e == NULL ? strlen(text) : (size_t)(e - text);
    bool negative = *text == '-';
    char digits[40];
    size_t count = 0, point = 0;
    bool dotted = false;
    for (size_t i = negative ? 1 : 0; i < length && count < 32; i++) {
        if (text[i] == '.') {
            dotted = true;
            point = count;
        }
        else {
            digits[count++] = text[i];
        }
    }
    if (!dotted) {
        point = count;
    }
    if (text[0] == 'n' || text[negative ? 1 : 0] == 'i') {
        result = PyUnicode_FromString(*text == 'n' ? "NaN"
                                      : negative   ? "-inf"
                                                   : "inf");
        goto done;
    }
    /* Half way between two shortest forms Python takes the even one, Rust the
     * larger. */
    char *all =
        PyOS_double_to_string(PyFloat_AsDouble(value), 'e', 24, 0, NULL);
    if (all == NULL) {
        goto done;
    }
    char exact_digits[26];
    size_t n_exact = 0;
    for (const char *c = all; *c != 'e' && n_exact < 25; c++) {
        if (*c >= '0' && *c <= '9') {
            exact_digits[n_exact++] = *c;
        }
    }
    PyMem_Free(all);
    size_t lead = leading_zeros(digits, count);
    size_t given = count - lead;
    if (given > 0 && given < n_exact &&
        memcmp(exact_digits, digits + lead, given) == 0 &&
        exact_digits[given] == '5' && digits[count - 1] < '9') {
        size_t i = given + 1;
        while (i < n_exact && exact_digits[i] == '0') {
            i++;
        }
        if (i == n_exact) {
            digits[count - 1]++;
        }
    }
    long exponent = (long)point + (e == NULL ? 0 : strtol(e + 1, NULL, 10));
    while (count > 0 && (long)count > exponent && digits[count - 1] == '0') {
        count--;
    }
    char plain[420], *out = plain; /* a sign, "0.", 323 zeros, 17 digits */
    if (negative) {
        *out++ = '-';
    }
    if (exponent <= 0) {
        *out++ = '0';
        if (count > 0) {
            *out++ = '.';
            for (long i = exponent; i < 0; i++) {
                *out++ = '0';
            }
        }
    }
    for (long i = 0; i < (long)count || i < exponent; i++) {
        if (i == exponent && exponent > 0) {
            *out++ = '.';
        }
        *out++ = i < (long)count ? digits[i] : '0';
    }
    result = PyUnicode_FromStringAndSize(plain, out - plain);
done:
    PyMem_Free(text);
    return result;
}

/* Decimal(from), rejecting what is no decimal number. */
static PyObject *
decimal_make(onex_validator *self, PyObject *from, PyObject *input,
             onex_check *check)
{
    PyObject *made = PyObject_CallOneArg(PyTuple_GET_ITEM(self->args, 0), from);
    if (made == NULL) {
        if (PyErr_ExceptionMatches(PyTuple_GET_ITEM(self->args, 1))) {
            PyErr_Clear();
            return onex_reject(check, "decimal_parsing", input, NULL);
        }
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            return onex_reject(check, "decimal_type", input, NULL);
        }
    }
    return made;
}

/* Decimal(sign, digits, exponent): NULL without an exception and without a
 * line error when it is none. */
static PyObject *
decimal_of_triple(onex_validator *self, PyObject *value)
{
    PyObject *triple = PySequence_Tuple(value);
    PyObject *made = NULL;
    if (triple != NULL) {
        made = PyObject_CallOneArg(PyTuple_GET_ITEM(self->args, 0), triple);
        Py_DECREF(triple);
    }
    if (made == NULL) {
        (void)onex_swallow();
    }
    return made;
}

static PyObject *
decimal_run(onex_state *st, onex_validator *self, PyObject *value,
            onex_check *check)
{
    (void)st;
    PyObject *made = NULL, *from;
    PyObject *type = PyTuple_GET_ITEM(self->args, 0);
    bool json = check->mode == ONEX_FROM_JSON;
    int is;
    if ((PyObject *)Py_TYPE(value) == type) {
        made = Py_NewRef(value);
    }
    else if (PyUnicode_Check(value) ||
             (PyLong_Check(value) && !PyBool_Check(value))) {
        onex_check_floor(check, json ? ONEX_STRICT : ONEX_LAX);
        made = decimal_make(self, value, value, check);
    }
    else if (PyFloat_Check(value)) {
        onex_check_floor(check, json ? ONEX_STRICT : ONEX_LAX);
        from = json ? plain_digits(value) : PyObject_Str(value);
        if (from != NULL) {
            made = decimal_make(self, from, value, check);
            Py_DECREF(from);
        }
    }
    else if ((json ? PyList_CheckExact(value) : PyTuple_CheckExact(value)) &&
             PySequence_Size(value) == 3 &&
             (made = decimal_of_triple(self, value)) != NULL) {
        onex_check_floor(check, ONEX_LAX);
    }
    else if (PyErr_Occurred() || (is = PyObject_IsInstance(value, type)) < 0) {
        return NULL;
    }
    else if (is) {
        onex_check_floor(check, ONEX_STRICT);
        made = decimal_make(self, value, value, check);
    }
    else {
        return onex_reject(check, "decimal_type", value, NULL);
    }
    if (made == NULL) {
        return NULL;
    }
    PyObject *finite = PyObject_CallMethod(made, "is_finite", NULL);
    is = finite == NULL ? -1 : PyObject_IsTrue(finite);
    Py_XDECREF(finite);
    if (is <= 0) {
        Py_DECREF(made);
        return is < 0 ? NULL : onex_reject(check, "finite_number", value, NULL);
    }
    return made;
}

const onex_validator_kind onex_number_kinds[] = {
    {"int", 0, 0, int_prepare, onex_validate_int},
    {"float", 0, 0, float_prepare, onex_validate_float},
    {"decimal", 2, 2, decimal_prepare, decimal_run},
    {NULL, 0, 0, NULL, NULL},
};
