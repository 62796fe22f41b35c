/* Validators that choose: nullable, union, literal, enum; and those that stand
 * for others: ref (recursive types), pydantic (what our table lacks). */
#include "py/validate.h"

/* ----------------------------------------------------------------- nullable */

static int
nullable_prepare(onex_state *st, onex_validator *self)
{
    onex_validator *inner = (onex_validator *)onex_validator_child(st, self, 0);
    if (inner == NULL) {
        return -1;
    }
    self->takes_none = 1;
    self->takes_any = inner->takes_any;
    self->takes_equal = inner->takes_equal;
    return onex_validator_set_exact(self, (PyObject *)inner->exact);
}

static PyObject *
nullable_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    onex_validator *inner = (onex_validator *)PyTuple_GET_ITEM(self->args, 0);
    return inner->run(st, inner, value, check);
}

/* -------------------------------------------------------------------- union */

static int
union_prepare(onex_state *st, onex_validator *self)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->args); i++) {
        onex_validator *choice =
            (onex_validator *)onex_validator_child(st, self, i);
        if (choice == NULL) {
            return -1;
        }
        self->takes_equal |= choice->takes_equal;
    }
    return 0;
}

/* Smart mode: every choice is tried; the first that takes the value exactly
 * (and has no fields) wins at once, else the one with most fields set, else
 * the best match, else the first.  A choice whose exact type is the value's
 * is found by pointer compare before any is tried: what an earlier choice
 * could take exactly is the value itself as well, unless it is a literal (for
 * which True is 1). */
static PyObject *
union_run(onex_state *st, onex_validator *self, PyObject *value,
          onex_check *check)
{
    PyObject *args = self->args, *best = NULL;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!(check->mode != ONEX_FROM_PYTHON && PyUnicode_CheckExact(value))) {
        for (Py_ssize_t i = 0; i < n; i++) {
            onex_validator *choice =
                (onex_validator *)PyTuple_GET_ITEM(args, i);
            if (choice->exact == Py_TYPE(value)) {
                return Py_NewRef(value);
            }
            if (choice->takes_equal) {
                break;
            }
        }
    }
    onex_exactness outer_exactness = check->exactness;
    onex_exactness best_exactness = ONEX_LAX;
    Py_ssize_t outer_fields = check->fields_set, best_fields = -1;
    Py_ssize_t mark = onex_check_mark(check);
    for (Py_ssize_t i = 0; i < n; i++) {
        onex_validator *choice = (onex_validator *)PyTuple_GET_ITEM(args, i);
        Py_ssize_t before = onex_check_mark(check);
        onex_place place;
        check->exactness = ONEX_EXACT;
        check->fields_set = -1;
        onex_check_enter(check, &place, choice->name, 0);
        PyObject *taken = onex_validate(st, (PyObject *)choice, value, check);
        onex_check_leave(check, &place);
        if (taken == NULL) {
            if (PyErr_Occurred() ||
                (best != NULL && onex_check_rewind(check, before) < 0)) {
                Py_CLEAR(best);
                goto done;
            }
            continue;
        }
        if (check->exactness == ONEX_EXACT && check->fields_set < 0) {
            Py_XSETREF(best, taken);
            best_exactness = ONEX_EXACT;
            best_fields = -1;
            break;
        }
        bool better = best == NULL;
        if (!better) {
            better = best_fields >= 0 && check->fields_set >= 0 &&
                             best_fields != check->fields_set
                         ? best_fields < check->fields_set
                         : best_exactness < check->exactness;
        }
        if (better) {
            Py_XSETREF(best, taken);
            best_exactness = check->exactness;
            best_fields = check->fields_set;
        }
        else {
            Py_DECREF(taken);
        }
    }
    if (best != NULL && onex_check_rewind(check, mark) < 0) {
        Py_CLEAR(best);
    }
done:
    check->exactness = outer_exactness;
    check->fields_set = outer_fields;
    if (best != NULL) {
        onex_check_floor(check, best_exactness);
        if (best_fields >= 0) {
            onex_check_add_fields_set(check, best_fields);
        }
    }
    return best;
}

/* ------------------------------------------------------------------- lookup */

/* Where literals and enums look a value up; a tuple made by annotations.py:
 *   bools {bool: result}, ints {int: result}, strs {str: result},
 *   others {hashable: result}, pairs ((unhashable, result), ...),
 *   primitives {bool, int or str: result}: the last resort, by == and hash,
 *   so that 1.0 finds 1. */
enum { L_BOOLS, L_INTS, L_STRS, L_OTHERS, L_PAIRS, L_PRIMITIVES, L_COUNT };

static int
lookup_check(PyObject *lookup)
{
    bool good = PyTuple_Check(lookup) && PyTuple_GET_SIZE(lookup) == L_COUNT;
    for (int i = 0; good && i < L_COUNT; i++) {
        PyObject *part = PyTuple_GET_ITEM(lookup, i);
        good = i == L_PAIRS ? PyTuple_Check(part) : PyDict_Check(part);
    }
    if (!good) {
        PyErr_SetString(PyExc_TypeError, "Validator(): bad lookup tables");
    }
    return good ? 0 : -1;
}

/* dict[key] where unhashable keys and broken __eq__ are just not found: 1 with
 * a new reference, 0, -1. */
static int
lookup_in(PyObject *lookup, int part, PyObject *key, PyObject **result)
{
    PyObject *dict = PyTuple_GET_ITEM(lookup, part);
    if (PyDict_GET_SIZE(dict) == 0) {
        return 0;
    }
    PyObject *found = PyDict_GetItemWithError(dict, key);
    if (found == NULL) {
        return PyErr_Occurred() ? onex_swallow() : 0;
    }
    *result = Py_NewRef(found);
    return 1;
}

/* lookup_in for a str; -1 also when rejected, for a lone surrogate. */
static int
lookup_text(PyObject *lookup, PyObject *text, onex_check *check,
            PyObject **result)
{
    if (PyDict_GET_SIZE(PyTuple_GET_ITEM(lookup, L_STRS)) > 0 &&
        PyUnicode_AsUTF8(text) == NULL) {
        PyErr_Clear();
        (void)onex_reject(check, "string_unicode", text, NULL);
        return -1;
    }
    return lookup_in(lookup, L_STRS, text, result);
}

static int
lookup_value(PyObject *lookup, PyObject *value, onex_check *check,
             PyObject **result)
{
    int found = 0;
    int64_t number;
    if (PyBool_Check(value)) {
        found = lookup_in(lookup, L_BOOLS, value, result);
    }
    else if (check->mode == ONEX_FROM_JSON_KEY && PyUnicode_Check(value)) {
        /* Among keys words stand for bools even here. */
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(value, &size);
        int word = text == NULL ? -1 : onex_bool_of_word(text, size);
        PyErr_Clear();
        if (word >= 0) {
            found =
                lookup_in(lookup, L_BOOLS, word ? Py_True : Py_False, result);
        }
    }
    if (found == 0 && PyLong_CheckExact(value)) {
        if (PyDict_GET_SIZE(PyTuple_GET_ITEM(lookup, L_INTS)) > 0 &&
            (found = onex_int64_of(value, &number)) <= 0) {
            if (found == 0) {
                (void)onex_reject(check, "int_parsing_size", value, NULL);
            }
            return -1;
        }
        found = lookup_in(lookup, L_INTS, value, result);
    }
    if (found == 0 && PyUnicode_CheckExact(value)) {
        found = lookup_text(lookup, value, check, result);
    }
    if (found == 0) {
        found = lookup_in(lookup, L_OTHERS, value, result);
    }
    if (found == 0) {
        PyObject *pairs = PyTuple_GET_ITEM(lookup, L_PAIRS);
        for (Py_ssize_t i = 0; found == 0 && i < PyTuple_GET_SIZE(pairs); i++) {
            PyObject *pair = PyTuple_GET_ITEM(pairs, i);
            found = PyObject_RichCompareBool(PyTuple_GET_ITEM(pair, 0), value,
                                             Py_EQ);
            if (found < 0) {
                found = onex_swallow();
            }
            if (found > 0) {
                *result = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
            }
        }
    }
    if (found == 0) {
        found = lookup_in(lookup, L_PRIMITIVES, value, result);
    }
    return found;
}

/* The value taken as int, str or float first, as a field of that type would
 * take it.  1 with a new reference, 0, -1 failed or (an integer beyond int64)
 * rejected. */
static int
lookup_coerced(onex_state *st, PyObject *lookup, int part,
               onex_validate_func coerce, PyObject *value, onex_check *check,
               PyObject **result)
{
    int64_t number;
    if (PyDict_GET_SIZE(PyTuple_GET_ITEM(lookup, part)) == 0) {
        return 0;
    }
    onex_check scratch = ONEX_CHECK_INIT(check->mode);
    PyObject *key = coerce(st, NULL, value, &scratch);
    onex_check_clear(&scratch);
    if (key == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int found = part == L_INTS ? onex_int64_of(key, &number) : 1;
    if (found == 0) {
        (void)onex_reject(check, "int_parsing_size", key, NULL);
        found = -1;
    }
    else if (found > 0) {
        found = part == L_STRS ? lookup_text(lookup, key, check, result)
                               : lookup_in(lookup, part, key, result);
    }
    Py_DECREF(key);
    return found;
}

/* ------------------------------------------------------------ literal, enum */

/* args: expected (for the message), lookup */
static int
literal_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    self->takes_equal = 1;
    return lookup_check(PyTuple_GET_ITEM(self->args, 1));
}

static int
ref_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    self->takes_equal = 1; /* what it stands for is not known yet */
    return 0;
}

static PyObject *
literal_run(onex_state *st, onex_validator *self, PyObject *value,
            onex_check *check)
{
    (void)st;
    PyObject *result = NULL;
    int found =
        lookup_value(PyTuple_GET_ITEM(self->args, 1), value, check, &result);
    if (found == 0) {
        return onex_reject_with(check, "literal_error", value, "expected",
                                Py_NewRef(PyTuple_GET_ITEM(self->args, 0)));
    }
    return result;
}

/* args: class, "int" "str" "float" or "", expected, lookup, _missing_ or None */
static int
enum_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    if (!PyUnicode_Check(PyTuple_GET_ITEM(self->args, 1)) ||
        lookup_check(PyTuple_GET_ITEM(self->args, 3)) < 0) {
        PyErr_SetString(PyExc_TypeError, "Validator('enum'): bad arguments");
        return -1;
    }
    return onex_validator_set_exact(self, PyTuple_GET_ITEM(self->args, 0));
}

/* Members by value: 1 with a new reference, 0, -1 rejected or failed. */
static int
enum_find(onex_state *st, onex_validator *self, PyObject *value,
          onex_check *check, PyObject **result)
{
    PyObject *lookup = PyTuple_GET_ITEM(self->args, 3);
    Py_UCS4 kind =
        PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(self->args, 1)) == 0
            ? 0
            : PyUnicode_READ_CHAR(PyTuple_GET_ITEM(self->args, 1), 0);
    switch (kind) {
    case 'i':
        return lookup_coerced(st, lookup, L_INTS, onex_validate_int, value,
                              check, result);
    case 's':
        return lookup_coerced(st, lookup, L_STRS, onex_validate_str, value,
                              check, result);
    case 'f':
        return lookup_coerced(st, lookup, L_OTHERS, onex_validate_float, value,
                              check, result);
    default:
        break;
    }
    int found = lookup_value(lookup, value, check, result);
    if (found == 0 && PyUnicode_Check(value)) {
        found = lookup_coerced(st, lookup, L_STRS, onex_validate_str, value,
                               check, result);
    }
    else if (found == 0 && (PyLong_Check(value) || PyFloat_Check(value))) {
        found = lookup_coerced(st, lookup, L_INTS, onex_validate_int, value,
                               check, result);
    }
    return found;
}

static PyObject *
enum_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    PyObject *result = NULL, *missing = PyTuple_GET_ITEM(self->args, 4);
    if (Py_TYPE(value) == self->exact) {
        return Py_NewRef(value);
    }
    onex_check_floor(check, ONEX_LAX);
    int found = enum_find(st, self, value, check, &result);
    if (found != 0) {
        return found < 0 ? NULL : result;
    }
    result = PyObject_CallOneArg((PyObject *)self->exact, value);
    if (result != NULL || onex_swallow() < 0) {
        return result;
    }
    if (missing != Py_None) {
        result = PyObject_CallOneArg(missing, value);
        if (result == NULL && onex_swallow() < 0) {
            return NULL;
        }
        if (result != NULL) {
            int is = PyObject_IsInstance(result, (PyObject *)self->exact);
            if (is > 0) {
                return result;
            }
            if (is == 0 && result != Py_None) {
                PyErr_Format(PyExc_TypeError,
                             "error in %.200s._missing_: returned %R instead "
                             "of None or a valid member",
                             self->exact->tp_name, result);
            }
            Py_DECREF(result);
            if (PyErr_Occurred()) {
                return NULL;
            }
        }
    }
    return onex_reject_with(check, "enum", value, "expected",
                            Py_NewRef(PyTuple_GET_ITEM(self->args, 2)));
}

/* ------------------------------------------------------------ ref, pydantic */

static PyObject *
ref_run(onex_state *st, onex_validator *self, PyObject *value,
        onex_check *check)
{
    onex_visit visit;
    if (self->target == NULL) {
        return PyErr_Format(PyExc_RuntimeError,
                            "validator %U is used before it is complete",
                            self->name);
    }
    if (onex_visit_enter(check, &visit, self->target, value) < 0) {
        return NULL;
    }
    PyObject *result = onex_validate(st, self->target, value, check);
    onex_visit_leave(check, &visit);
    return result;
}

/* args: validate_python, validate_json of a pydantic.TypeAdapter */
static PyObject *
pydantic_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st;
    PyObject *result = NULL, *text = NULL;
    if (check->mode != ONEX_FROM_PYTHON) {
        PyObject *json = PyImport_ImportModule("json");
        if (json != NULL) {
            text = PyObject_CallMethod(json, "dumps", "O", value);
            Py_DECREF(json);
        }
        if (text == NULL) {
            return NULL;
        }
        result = PyObject_CallOneArg(PyTuple_GET_ITEM(self->args, 1), text);
        Py_DECREF(text);
    }
    else {
        result = PyObject_CallOneArg(PyTuple_GET_ITEM(self->args, 0), value);
    }
    if (result == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        (void)onex_check_absorb(check, error);
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    }
    onex_check_floor(check, ONEX_LAX);
    return result;
}

const onex_validator_kind onex_choice_kinds[] = {
    {"nullable", 1, 1, nullable_prepare, nullable_run},
    {"union", 2, -1, union_prepare, union_run},
    {"literal", 2, 2, literal_prepare, literal_run},
    {"enum", 5, 5, enum_prepare, enum_run},
    {"ref", 0, 0, ref_prepare, ref_run},
    {"pydantic", 2, 2, NULL, pydantic_run},
    {NULL, 0, 0, NULL, NULL},
};
