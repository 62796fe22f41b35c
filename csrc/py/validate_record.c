/* Validators of records: TypedDict, NamedTuple, dataclasses, Event classes.
 *
 * A record's fields are tuples (name, validator, flags, default); flags and
 * the meaning of default are below. */
#include "py/event_access.h"
#include "py/validate.h"

enum {
    FIELD_REQUIRED = 1,  /* an error when it is missing */
    FIELD_DEFAULT = 2,   /* default is the value */
    FIELD_FACTORY = 4,   /* default is called for the value */
    FIELD_COPY = 8,      /* the default value is deep-copied */
    FIELD_NO_INIT = 16,  /* dataclass: not taken from the input */
    FIELD_INIT_VAR = 32, /* dataclass: goes to __post_init__ only */
};

enum { EXTRA_IGNORE, EXTRA_FORBID, EXTRA_ALLOW };

typedef struct {
    PyObject *name, *validator, *preset;
    int flags;
} record_field;

static record_field
field_at(PyObject *fields, Py_ssize_t i)
{
    PyObject *field = PyTuple_GET_ITEM(fields, i);
    return (record_field){
        .name = PyTuple_GET_ITEM(field, 0),
        .validator = PyTuple_GET_ITEM(field, 1),
        .flags = (int)PyLong_AsLong(PyTuple_GET_ITEM(field, 2)),
        .preset = PyTuple_GET_ITEM(field, 3),
    };
}

/* Checks the shape of the fields once, at construction. */
static int
fields_check(onex_state *st, PyObject *fields)
{
    bool good = PyTuple_Check(fields);
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(fields); i++) {
        PyObject *field = PyTuple_GET_ITEM(fields, i);
        good = PyTuple_Check(field) && PyTuple_GET_SIZE(field) == 4 &&
               PyUnicode_Check(PyTuple_GET_ITEM(field, 0)) &&
               onex_validator_check(st, PyTuple_GET_ITEM(field, 1)) &&
               PyLong_Check(PyTuple_GET_ITEM(field, 2));
    }
    if (!good) {
        PyErr_SetString(PyExc_TypeError, "Validator(): bad fields");
    }
    return good ? 0 : -1;
}

/* A field's value when the input has none: 1 with a new reference, 0 when
 * there is none, -1 failed. */
static int
field_default(const record_field *field, PyObject **result)
{
    *result = NULL;
    if (field->flags & FIELD_FACTORY) {
        *result = PyObject_CallNoArgs(field->preset);
    }
    else if (field->flags & FIELD_COPY) {
        PyObject *copy = PyImport_ImportModule("copy");
        if (copy != NULL) {
            *result = PyObject_CallMethod(copy, "deepcopy", "O", field->preset);
            Py_DECREF(copy);
        }
    }
    else if (field->flags & FIELD_DEFAULT) {
        *result = Py_NewRef(field->preset);
    }
    else {
        return 0;
    }
    return *result == NULL ? -1 : 1;
}

static void
reject_missing(onex_check *check, PyObject *name, Py_ssize_t index,
               PyObject *input)
{
    onex_place place;
    onex_check_enter(check, &place, name, index);
    (void)onex_reject(check, "missing", input, NULL);
    onex_check_leave(check, &place);
}

/* input[name]: 1 with a new reference, 0 when it isn't there, -1 failed. */
static int
mapping_get(PyObject *input, PyObject *name, PyObject **result)
{
    if (PyDict_CheckExact(input)) {
        *result = Py_XNewRef(PyDict_GetItemWithError(input, name));
        return *result != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
    }
    /* Mapping.get with a default that nobody else has. */
    PyObject *nothing = PyTuple_New(1);
    if (nothing == NULL) {
        return -1;
    }
    PyTuple_SET_ITEM(nothing, 0, Py_NewRef(Py_None));
    *result = PyObject_CallMethod(input, "get", "OO", name, nothing);
    Py_DECREF(nothing);
    if (*result == nothing) {
        Py_CLEAR(*result);
        return 0;
    }
    return *result == NULL ? -1 : 1;
}

/* The input as a mapping: 1, 0 not one, -1 failed. */
static int
mapping_of(onex_state *st, PyObject *value, const onex_check *check)
{
    return check->mode != ONEX_FROM_PYTHON ? PyDict_Check(value)
                                           : onex_mapping_check(st, value);
}

/* A mapping whose items() raised (the current exception) or gave no pairs:
 * that stands for all errors since `mark`.  1, or -1 failed. */
static int
reject_mapping(onex_check *check, PyObject *input, Py_ssize_t mark)
{
    PyObject *problem;
    if (!PyErr_Occurred()) {
        problem = PyUnicode_FromString(
            "Mapping items must be tuples of (key, value) pairs");
    }
    else if (!PyErr_ExceptionMatches(PyExc_Exception) ||
             PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return -1;
    }
    else {
        problem = onex_exception_text();
    }
    if (onex_check_rewind(check, mark) < 0) {
        Py_XDECREF(problem);
        return -1;
    }
    (void)onex_reject_with(check, "mapping_type", input, "error", problem);
    return PyErr_Occurred() ? -1 : 1;
}

/* Deals with the keys that are no fields: `error` is what a forbidden one is.
 * Allowed ones go to `output` through `validator` (or None).  A key that is no
 * Unicode stands for all errors of the record since `mark`, as in pydantic.
 * 0, 1 when something was rejected, -1 failed. */
static int
record_extras(onex_state *st, PyObject *input, PyObject *used, int extra,
              const char *error, PyObject *validator, PyObject *output,
              Py_ssize_t mark, onex_check *check)
{
    PyObject *items =
        PyDict_CheckExact(input) ? PyDict_Items(input) : PyMapping_Items(input);
    int result = items == NULL ? reject_mapping(check, input, mark) : 0;
    for (Py_ssize_t i = 0;
         items != NULL && result >= 0 && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            result = reject_mapping(check, input, mark);
            break;
        }
        PyObject *key = PyTuple_GET_ITEM(pair, 0),
                 *item = PyTuple_GET_ITEM(pair, 1);
        onex_place place;
        int known = PyUnicode_Check(key) ? PySet_Contains(used, key) : 0;
        if (known != 0) {
            result = known < 0 ? -1 : result;
            continue;
        }
        if (PyUnicode_Check(key) && PyUnicode_AsUTF8(key) == NULL) {
            if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                PyErr_Clear();
                if (onex_check_rewind(check, mark) == 0) {
                    (void)onex_reject(check, "string_unicode", key, NULL);
                }
            }
            result = PyErr_Occurred() ? -1 : 1;
            break;
        }
        onex_check_enter(check, &place, key, 0);
        if (!PyUnicode_Check(key)) {
            (void)onex_reject(check, "invalid_key", key, NULL);
            result = 1;
        }
        else if (extra == EXTRA_FORBID) {
            (void)onex_reject(check, error, item, NULL);
            result = 1;
        }
        else if (extra == EXTRA_ALLOW) {
            PyObject *taken =
                validator == Py_None
                    ? Py_NewRef(item)
                    : onex_validate_field(st, validator, item, check);
            if (taken == NULL) {
                result = 1;
            }
            else if (PyDict_SetItem(output, key, taken) < 0) {
                result = -1;
            }
            Py_XDECREF(taken);
        }
        onex_check_leave(check, &place);
        if (PyErr_Occurred()) {
            result = -1;
        }
    }
    Py_XDECREF(items);
    return result;
}

/* Turns what a record's own code raised into line errors: ValueError and
 * AssertionError, validation errors with all their lines.  NULL always; other
 * exceptions stay set. */
static PyObject *
reject_raised(onex_state *st, onex_check *check, PyObject *input)
{
    bool value_error = PyErr_ExceptionMatches(PyExc_ValueError);
    if (!value_error && !PyErr_ExceptionMatches(PyExc_AssertionError)) {
        return NULL;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (onex_is_validation_error(st, error)) {
        (void)onex_check_absorb(check, error);
    }
    else {
        (void)onex_reject_with(check,
                               value_error ? "value_error" : "assertion_error",
                               input, "error", Py_NewRef(error));
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return NULL;
}

/* --------------------------------------------------------------- TypedDict */

/* args: fields, extra, validator of extra items or None */
static int
typeddict_prepare(onex_state *st, onex_validator *self)
{
    return fields_check(st, PyTuple_GET_ITEM(self->args, 0));
}

static PyObject *
typeddict_run(onex_state *st, onex_validator *self, PyObject *value,
              onex_check *check)
{
    PyObject *fields = PyTuple_GET_ITEM(self->args, 0);
    int extra = (int)PyLong_AsLong(PyTuple_GET_ITEM(self->args, 1));
    int mapping = mapping_of(st, value, check);
    if (mapping <= 0) {
        return mapping < 0 ? NULL
                           : onex_reject(check, "dict_type", value, NULL);
    }
    PyObject *output = PyDict_New();
    PyObject *used = extra == EXTRA_IGNORE ? NULL : PySet_New(NULL);
    bool good = output != NULL && (used != NULL || extra == EXTRA_IGNORE);
    Py_ssize_t set = 0, mark = onex_check_mark(check);
    for (Py_ssize_t i = 0; output != NULL && i < PyTuple_GET_SIZE(fields);
         i++) {
        record_field field = field_at(fields, i);
        PyObject *item;
        int found = mapping_get(value, field.name, &item);
        if (found > 0) {
            onex_place place;
            onex_check_enter(check, &place, field.name, 0);
            PyObject *taken =
                onex_validate_field(st, field.validator, item, check);
            onex_check_leave(check, &place);
            Py_DECREF(item);
            if (taken == NULL) {
                good = false;
            }
            else {
                set++;
                (void)PyDict_SetItem(output, field.name, taken);
                Py_DECREF(taken);
            }
            if (used != NULL && !PyErr_Occurred()) {
                (void)PySet_Add(used, field.name);
            }
        }
        else if (found == 0 && (field.flags & FIELD_REQUIRED)) {
            reject_missing(check, field.name, 0, value);
            good = false;
        }
        if (PyErr_Occurred()) {
            Py_CLEAR(output);
        }
    }
    if (output != NULL) {
        onex_check_add_fields_set(check, set);
        if (used != NULL) {
            int left = record_extras(st, value, used, extra, "extra_forbidden",
                                     PyTuple_GET_ITEM(self->args, 2), output,
                                     mark, check);
            good = good && left == 0;
        }
    }
    Py_XDECREF(used);
    if (!good) {
        Py_CLEAR(output);
    }
    return output;
}

/* --------------------------------------------------------------- NamedTuple */

/* args: class, fields */
static int
namedtuple_prepare(onex_state *st, onex_validator *self)
{
    if (!PyType_Check(PyTuple_GET_ITEM(self->args, 0))) {
        PyErr_SetString(PyExc_TypeError,
                        "Validator('namedtuple'): needs a class");
        return -1;
    }
    return fields_check(st, PyTuple_GET_ITEM(self->args, 1));
}

/* Appends what is at a place of the input, or the default; false when that was
 * rejected or failed. */
static bool
namedtuple_item(onex_state *st, const record_field *field, PyObject *item,
                PyObject *input, bool by_name, Py_ssize_t index,
                onex_check *check, PyObject *items)
{
    PyObject *taken = NULL;
    PyObject *key = by_name ? field->name : NULL;
    if (item != NULL) {
        onex_place place;
        onex_check_enter(check, &place, key, index);
        taken = onex_validate_field(st, field->validator, item, check);
        onex_check_leave(check, &place);
    }
    else if (field_default(field, &taken) == 0) {
        reject_missing(check, key, index, input);
    }
    bool good = taken != NULL && PyList_Append(items, taken) == 0;
    Py_XDECREF(taken);
    return good;
}

/* Fields by position from a list, tuple or iterable of them. */
static bool
namedtuple_positions(onex_state *st, onex_validator *self, PyObject *sequence,
                     bool longer, PyObject *value, bool by_name,
                     onex_check *check, PyObject *items)
{
    PyObject *fields = PyTuple_GET_ITEM(self->args, 1);
    Py_ssize_t n = PyTuple_GET_SIZE(fields), given = PyList_GET_SIZE(sequence);
    Py_ssize_t mark = onex_check_mark(check);
    bool good = true;
    for (Py_ssize_t i = 0; i < n && !PyErr_Occurred(); i++) {
        record_field field = field_at(fields, i);
        PyObject *item = i < given ? PyList_GET_ITEM(sequence, i) : NULL;
        good = namedtuple_item(st, &field, item, value, by_name, i, check,
                               items) &&
               good;
    }
    if (longer && !PyErr_Occurred() && onex_check_rewind(check, mark) == 0) {
        bool sized = PyList_Check(value) || PyTuple_Check(value) ||
                     PyAnySet_Check(value);
        PyObject *ctx =
            Py_BuildValue("{s:s,s:n,s:N}", "field_type", "NamedTuple",
                          "max_length", n, "actual_length",
                          sized ? PyLong_FromSsize_t(PyObject_Size(value))
                                : Py_NewRef(Py_None));
        if (ctx != NULL) {
            (void)onex_reject(check, "too_long", value, ctx);
        }
        good = false;
    }
    return good && !PyErr_Occurred();
}

/* Fields by name from a mapping; other keys are errors. */
static bool
namedtuple_names(onex_state *st, onex_validator *self, PyObject *value,
                 onex_check *check, PyObject *items)
{
    PyObject *fields = PyTuple_GET_ITEM(self->args, 1);
    PyObject *used = PySet_New(NULL);
    Py_ssize_t mark = onex_check_mark(check);
    bool good = used != NULL;
    for (Py_ssize_t i = 0; used != NULL && i < PyTuple_GET_SIZE(fields); i++) {
        record_field field = field_at(fields, i);
        PyObject *item = NULL;
        int found = mapping_get(value, field.name, &item);
        if (found > 0) {
            (void)PySet_Add(used, field.name);
        }
        if (!PyErr_Occurred()) {
            good = namedtuple_item(st, &field, item, value, true, i, check,
                                   items) &&
                   good;
        }
        Py_XDECREF(item);
        if (PyErr_Occurred()) {
            Py_DECREF(used);
            return false;
        }
    }
    if (used != NULL) {
        good = record_extras(st, value, used, EXTRA_FORBID, "extra_forbidden",
                             Py_None, NULL, mark, check) == 0 &&
               good;
    }
    Py_XDECREF(used);
    return good;
}

static PyObject *
namedtuple_run(onex_state *st, onex_validator *self, PyObject *value,
               onex_check *check)
{
    PyObject *cls = PyTuple_GET_ITEM(self->args, 0), *result = NULL;
    PyObject *sequence = NULL, *items = PyList_New(0);
    Py_ssize_t most = PyTuple_GET_SIZE(PyTuple_GET_ITEM(self->args, 1));
    bool good = false, longer = false;
    if (items == NULL) {
        return NULL;
    }
    int instance =
        check->mode == ONEX_FROM_PYTHON ? PyObject_IsInstance(value, cls) : 0;
    onex_exactness exactness = check->exactness;
    int listed = instance < 0 ? -1
                              : onex_sequence_of(st, value, most, check,
                                                 &sequence, &longer);
    if (listed > 0) {
        good = namedtuple_positions(st, self, sequence, longer, value,
                                    instance > 0, check, items);
    }
    else if (listed == 0) {
        int mapping = mapping_of(st, value, check);
        if (mapping > 0) {
            check->exactness = exactness; /* no sequence, but no worse */
            good = namedtuple_names(st, self, value, check, items);
        }
        else if (mapping == 0) {
            (void)onex_reject_with(check, "named_tuple_type", value,
                                   "class_name", Py_NewRef(self->name));
        }
    }
    if (good) {
        if (instance == 0) {
            onex_check_floor(check, ONEX_STRICT);
        }
        PyObject *args = PyList_AsTuple(items);
        if (args != NULL) {
            result = PyObject_Call(cls, args, NULL);
            Py_DECREF(args);
            if (result == NULL) {
                (void)reject_raised(st, check, value);
            }
        }
    }
    Py_XDECREF(sequence);
    Py_DECREF(items);
    return result;
}

/* --------------------------------------------------------------- dataclass */

/* args: class, fields, extra, calls __post_init__, has __slots__ */
static int
dataclass_prepare(onex_state *st, onex_validator *self)
{
    return onex_validator_set_exact(self, PyTuple_GET_ITEM(self->args, 0)) < 0
               ? -1
               : fields_check(st, PyTuple_GET_ITEM(self->args, 1));
}

/* Fills `values` (attributes) and `init_vars` from the dict. */
static bool
dataclass_fields(onex_state *st, onex_validator *self, PyObject *value,
                 onex_check *check, PyObject *values, PyObject *init_vars)
{
    PyObject *fields = PyTuple_GET_ITEM(self->args, 1);
    int extra = (int)PyLong_AsLong(PyTuple_GET_ITEM(self->args, 2));
    PyObject *used = PySet_New(NULL);
    Py_ssize_t set = 0, mark = onex_check_mark(check);
    bool good = used != NULL;
    for (Py_ssize_t i = 0; used != NULL && i < PyTuple_GET_SIZE(fields); i++) {
        record_field field = field_at(fields, i);
        PyObject *item = NULL, *taken = NULL;
        int found = 0;
        if (!(field.flags & FIELD_NO_INIT)) {
            found = mapping_get(value, field.name, &item);
        }
        if (found > 0) {
            onex_place place;
            onex_check_enter(check, &place, field.name, 0);
            taken = onex_validate_field(st, field.validator, item, check);
            onex_check_leave(check, &place);
            Py_DECREF(item);
            set += taken != NULL;
            if (!PyErr_Occurred()) {
                (void)PySet_Add(used, field.name);
            }
        }
        else if (found == 0 && field_default(&field, &taken) == 0 &&
                 !(field.flags & FIELD_NO_INIT)) {
            reject_missing(check, field.name, 0, value);
        }
        else if (taken != NULL && (field.flags & FIELD_NO_INIT)) {
            set++;
        }
        if (taken == NULL) {
            good = good && (field.flags & FIELD_NO_INIT);
        }
        else {
            (void)(field.flags & FIELD_INIT_VAR
                       ? PyList_Append(init_vars, taken)
                       : PyDict_SetItem(values, field.name, taken));
            Py_DECREF(taken);
        }
        if (PyErr_Occurred()) {
            Py_DECREF(used);
            return false;
        }
    }
    if (used != NULL && PyDict_Size(value) != PySet_GET_SIZE(used)) {
        good =
            record_extras(st, value, used, extra, "unexpected_keyword_argument",
                          Py_None, values, mark, check) == 0 &&
            good;
    }
    onex_check_add_fields_set(check, set);
    Py_XDECREF(used);
    return good && !PyErr_Occurred();
}

/* An instance that has the attributes, made without __init__. */
static PyObject *
dataclass_make(onex_validator *self, PyObject *values)
{
    PyObject *nothing = PyTuple_New(0);
    PyObject *made = nothing == NULL
                         ? NULL
                         : self->exact->tp_new(self->exact, nothing, NULL);
    Py_XDECREF(nothing);
    if (made == NULL) {
        return NULL;
    }
    int result = 0;
    if (PyTuple_GET_ITEM(self->args, 4) == Py_True) {
        PyObject *key, *item;
        Py_ssize_t at = 0;
        while (result == 0 && PyDict_Next(values, &at, &key, &item)) {
            result = PyObject_GenericSetAttr(made, key, item);
        }
    }
    else {
        PyObject *name = PyUnicode_InternFromString("__dict__");
        result =
            name == NULL ? -1 : PyObject_GenericSetAttr(made, name, values);
        Py_XDECREF(name);
    }
    if (result < 0) {
        Py_CLEAR(made);
    }
    return made;
}

static PyObject *
dataclass_run(onex_state *st, onex_validator *self, PyObject *value,
              onex_check *check)
{
    PyObject *result = NULL;
    if (check->mode == ONEX_FROM_PYTHON) {
        int instance = PyObject_IsInstance(value, (PyObject *)self->exact);
        if (instance != 0) {
            return instance < 0 ? NULL : Py_NewRef(value);
        }
    }
    if (!PyDict_Check(value)) {
        return onex_reject_with(check, "dataclass_type", value, "class_name",
                                Py_NewRef(self->name));
    }
    PyObject *values = PyDict_New(), *init_vars = PyList_New(0);
    if (values != NULL && init_vars != NULL &&
        dataclass_fields(st, self, value, check, values, init_vars)) {
        onex_check_floor(check, ONEX_STRICT);
        result = dataclass_make(self, values);
    }
    if (result != NULL && PyTuple_GET_ITEM(self->args, 3) == Py_True) {
        PyObject *method = PyObject_GetAttrString(result, "__post_init__");
        PyObject *args = PyList_AsTuple(init_vars), *done = NULL;
        if (method != NULL && args != NULL) {
            done = PyObject_Call(method, args, NULL);
        }
        Py_XDECREF(method);
        Py_XDECREF(args);
        if (done == NULL) {
            Py_CLEAR(result);
            (void)reject_raised(st, check, value);
        }
        Py_XDECREF(done);
    }
    Py_XDECREF(values);
    Py_XDECREF(init_vars);
    return result;
}

/* ------------------------------------------------------------------- model */

/* args: an Event class */
static int
model_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return onex_validator_set_exact(self, PyTuple_GET_ITEM(self->args, 0));
}

/* A mapping that is no dict as the class looks at it: what get() gives for its
 * arguments, then the rest if the class wants it.  New reference, or NULL:
 * rejected or failed. */
static PyObject *
mapping_as_dict(onex_state *st, PyObject *class, PyObject *value,
                onex_check *check)
{
    PyObject *names;
    int extras = onex_event_arguments(class, &names);
    PyObject *used = extras < 0 ? NULL : PySet_New(names);
    PyObject *dict = used == NULL ? NULL : PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < PyList_GET_SIZE(names); i++) {
        PyObject *name = PyList_GET_ITEM(names, i), *item = NULL;
        int found = mapping_get(value, name, &item);
        if (found < 0 || (found > 0 && PyDict_SetItem(dict, name, item) < 0)) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(item);
    }
    if (dict != NULL && extras > 0 &&
        record_extras(st, value, used, EXTRA_ALLOW, NULL, Py_None, dict,
                      onex_check_mark(check), check) != 0) {
        Py_CLEAR(dict);
    }
    Py_XDECREF(names);
    Py_XDECREF(used);
    return dict;
}

static PyObject *
model_run(onex_state *st, onex_validator *self, PyObject *value,
          onex_check *check)
{
    onex_visit visit;
    PyObject *dict = NULL, *result = NULL;
    int mapping = mapping_of(st, value, check);
    if (mapping < 0) {
        return NULL;
    }
    if (mapping && !PyDict_Check(value)) {
        dict = mapping_as_dict(st, (PyObject *)self->exact, value, check);
        if (dict == NULL) {
            return NULL;
        }
    }
    if (onex_visit_enter(check, &visit, self->exact, value) == 0) {
        result = onex_event_validate(st, (PyObject *)self->exact,
                                     dict == NULL ? value : dict, check);
        onex_visit_leave(check, &visit);
        if (result == NULL && PyErr_Occurred()) {
            (void)reject_raised(st, check, value);
        }
    }
    Py_XDECREF(dict);
    return result;
}

const onex_validator_kind onex_record_kinds[] = {
    {"typeddict", 3, 3, typeddict_prepare, typeddict_run},
    {"namedtuple", 2, 2, namedtuple_prepare, namedtuple_run},
    {"dataclass", 5, 5, dataclass_prepare, dataclass_run},
    {"model", 1, 1, model_prepare, model_run},
    {NULL, 0, 0, NULL, NULL},
};
