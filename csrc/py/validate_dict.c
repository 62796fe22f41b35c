/* Validator of dicts and other mappings. */
#include "py/validate.h"

static int
dict_prepare(onex_state *st, onex_validator *self)
{
    return onex_validator_child(st, self, 0) == NULL ||
                   onex_validator_child(st, self, 1) == NULL
               ? -1
               : 0;
}

/* One entry into `output`; 0 taken, 1 rejected, -1 failed. */
static int
dict_entry(onex_state *st, onex_validator *self, PyObject *key, PyObject *value,
           onex_check *check, PyObject *output)
{
    onex_place at_key, at_mark;
    int result = 1;
    onex_check_enter(check, &at_key, key, 0);
    onex_check_enter(check, &at_mark, st->key_mark, 0);
    onex_mode mode = check->mode;
    if (mode == ONEX_FROM_JSON) {
        check->mode = ONEX_FROM_JSON_KEY;
    }
    PyObject *taken_key =
        onex_validate_field(st, PyTuple_GET_ITEM(self->args, 0), key, check);
    check->mode = mode;
    onex_check_leave(check, &at_mark);
    PyObject *taken = NULL;
    if (taken_key != NULL || !PyErr_Occurred()) {
        taken = onex_validate_field(st, PyTuple_GET_ITEM(self->args, 1), value,
                                    check);
    }
    onex_check_leave(check, &at_key);
    if (taken_key != NULL && taken != NULL) {
        result = PyDict_SetItem(output, taken_key, taken);
    }
    else if (PyErr_Occurred()) {
        result = -1;
    }
    Py_XDECREF(taken_key);
    Py_XDECREF(taken);
    return result;
}

/* The dict's copy when every key is a str and every value of the exact type:
 * nothing then runs Python code, so the dict can be gone through in place.
 * NULL without an exception when it is not so. */
static PyObject *
dict_copy_exact(PyObject *dict, const onex_validator *keys,
                const onex_validator *values)
{
    if (keys->exact != &PyUnicode_Type || values->exact == NULL) {
        return NULL;
    }
    PyObject *output = PyDict_New(), *key, *value;
    Py_ssize_t at = 0;
    while (output != NULL && PyDict_Next(dict, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || Py_TYPE(value) != values->exact ||
            PyDict_SetItem(output, key, value) < 0) {
            Py_CLEAR(output);
        }
    }
    return output;
}

/* Entries of a mapping that is no dict, as a list; NULL rejected or failed. */
static PyObject *
mapping_items(PyObject *value, onex_check *check)
{
    PyObject *items = PyMapping_Items(value);
    if (items == NULL && PyErr_ExceptionMatches(PyExc_Exception) &&
        !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return onex_reject_with(check, "mapping_type", value, "error",
                                onex_exception_text());
    }
    return items;
}

static PyObject *
dict_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    PyObject *items = NULL, *output = NULL;
    bool good = true;
    int mapping = check->mode != ONEX_FROM_PYTHON
                      ? PyDict_Check(value)
                      : onex_mapping_check(st, value);
    if (mapping <= 0) {
        return mapping < 0 ? NULL
                           : onex_reject(check, "dict_type", value, NULL);
    }
    onex_validator *keys = (onex_validator *)PyTuple_GET_ITEM(self->args, 0);
    onex_validator *values = (onex_validator *)PyTuple_GET_ITEM(self->args, 1);
    if (PyDict_CheckExact(value) && keys->takes_any && values->takes_any) {
        if (PyDict_GET_SIZE(value) > 0) {
            onex_check_floor(check, ONEX_STRICT);
        }
        return PyDict_Copy(value);
    }
    if (PyDict_CheckExact(value) && check->mode == ONEX_FROM_PYTHON) {
        output = dict_copy_exact(value, keys, values);
        if (output != NULL || PyErr_Occurred()) {
            return output;
        }
    }
    /* A list of the entries: validators may run code that changes the dict. */
    items = PyDict_CheckExact(value) ? PyDict_Items(value)
                                     : mapping_items(value, check);
    output = items == NULL ? NULL : PyDict_New();
    Py_ssize_t mark = onex_check_mark(check);
    for (Py_ssize_t i = 0; output != NULL && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            if (onex_check_rewind(check, mark) == 0) {
                (void)onex_reject_with(
                    check, "mapping_type", value, "error",
                    PyUnicode_FromString("Mapping items must be tuples of "
                                         "(key, value) pairs"));
            }
            Py_CLEAR(output);
            break;
        }
        int entry = dict_entry(st, self, PyTuple_GET_ITEM(pair, 0),
                               PyTuple_GET_ITEM(pair, 1), check, output);
        if (entry < 0) {
            Py_CLEAR(output);
        }
        else if (entry > 0) {
            good = false;
        }
    }
    Py_XDECREF(items);
    if (!good) {
        Py_CLEAR(output);
    }
    return output;
}

const onex_validator_kind onex_dict_kinds[] = {
    {"dict", 2, 2, dict_prepare, dict_run},
    {NULL, 0, 0, NULL, NULL},
};
