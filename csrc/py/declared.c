#include "py/declared.h"

/* What the parts of a validator's values are declared by. */
typedef enum {
    NO_PARTS,
    ONE_FOR_ALL,     /* args[0] */
    ITERABLE,        /* args[0], of any iterable */
    ONE_FOR_EACH,    /* args[index] */
    KEY_AND_VALUE,   /* args[0], args[1] */
    FIELDS_OF_DICT,  /* (name, validator, ...) in args[0]; others by args[2] */
    FIELDS_OF_TUPLE, /* the same in args[1], in their order */
    FIELDS_OF_CLASS, /* the same in args[1]; args[0] is the class */
    UNTOLD,          /* pydantic's own affair: as declared */
    /* Not the value's own: */
    STANDS_FOR_INNER,  /* args[0] */
    STANDS_FOR_TARGET, /* target */
    STANDS_FOR_ONE,    /* one of args */
} onex_parts;

static const struct {
    const char *kind;
    onex_parts parts;
    PyTypeObject *type; /* of the values, a subclass included */
} table[] = {
    {"list", ONE_FOR_ALL, &PyList_Type},
    {"set", ONE_FOR_ALL, &PySet_Type},
    {"frozenset", ONE_FOR_ALL, &PyFrozenSet_Type},
    {"tuple_of", ONE_FOR_ALL, &PyTuple_Type},
    {"sequence", ITERABLE, &PyBaseObject_Type},
    {"tuple", ONE_FOR_EACH, &PyTuple_Type},
    {"dict", KEY_AND_VALUE, &PyDict_Type},
    {"typeddict", FIELDS_OF_DICT, &PyDict_Type},
    {"namedtuple", FIELDS_OF_TUPLE, NULL},
    {"dataclass", FIELDS_OF_CLASS, NULL},
    {"pydantic", UNTOLD, &PyBaseObject_Type},
    {"nullable", STANDS_FOR_INNER, NULL},
    {"ref", STANDS_FOR_TARGET, NULL},
    {"union", STANDS_FOR_ONE, NULL},
};

enum { KINDS = sizeof(table) / sizeof(table[0]) };

/* References that refer to nothing else have no end. */
enum { MOST_STEPS = 255 };

/* In the args, or `depth` tuples further in: a field is one in a tuple of them. */
static bool
any_told(onex_state *st, PyObject *args, int depth)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *arg = PyTuple_GET_ITEM(args, i);
        if (onex_validator_check(st, arg) && ((onex_validator *)arg)->told) {
            return true;
        }
        if (depth > 0 && PyTuple_Check(arg) && any_told(st, arg, depth - 1)) {
            return true;
        }
    }
    return false;
}

void
onex_declared_prepare(onex_state *st, onex_validator *self)
{
    const char *kind = self->kind->name;
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(table[i].kind, kind) == 0) {
            self->parts = (uint8_t)(i + 1);
        }
    }
    static const char *const tell[] = {"float", "typeddict", "dataclass",
                                       "pydantic", "ref"};
    for (size_t i = 0; i < sizeof(tell) / sizeof(tell[0]); i++) {
        self->told |= strcmp(tell[i], kind) == 0;
    }
    self->told |= any_told(st, self->args, 2);
}

static onex_parts
parts_of(PyObject *declared)
{
    uint8_t number = ((onex_validator *)declared)->parts;
    return number == 0 ? NO_PARTS : table[number - 1].parts;
}

static PyObject *
arg_of(PyObject *declared, Py_ssize_t index)
{
    return PyTuple_GET_ITEM(((onex_validator *)declared)->args, index);
}

/* The choice of a union, or NULL: borrowed.  0 / -1. */
static int
choose(onex_state *st, PyObject **declared, PyObject *value)
{
    PyObject *chosen = PyObject_CallMethodObjArgs(
        st->dumping_module, st->str_chosen, *declared, value, NULL);
    if (chosen == NULL) {
        return -1;
    }
    PyObject *choices = ((onex_validator *)*declared)->args;
    *declared = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(choices); i++) {
        if (PyTuple_GET_ITEM(choices, i) == chosen) {
            *declared = chosen;
        }
    }
    Py_DECREF(chosen);
    return 0;
}

int
onex_declared_for(onex_state *st, PyObject **declared, PyObject *value)
{
    for (int step = 0; step < MOST_STEPS && *declared != NULL; step++) {
        const onex_validator *self = (onex_validator *)*declared;
        if (!self->told) {
            break;
        }
        switch (parts_of(*declared)) {
        case STANDS_FOR_INNER:
            *declared = arg_of(*declared, 0);
            continue;
        case STANDS_FOR_TARGET:
            *declared = self->target;
            continue;
        case STANDS_FOR_ONE:
            if (choose(st, declared, value) < 0) {
                return -1;
            }
            continue;
        case NO_PARTS:
            return 0;
        default:
            break;
        }
        PyTypeObject *type = table[self->parts - 1].type;
        if (type == NULL) {
            type = (PyTypeObject *)arg_of(*declared, 0);
        }
        if (!PyObject_TypeCheck(value, type)) {
            break;
        }
        return 0;
    }
    *declared = NULL;
    return 0;
}

/* The validator of the field of that name: borrowed or NULL. */
static PyObject *
field_named(PyObject *fields, PyObject *name)
{
    for (Py_ssize_t i = 0; name != NULL && i < PyTuple_GET_SIZE(fields); i++) {
        PyObject *field = PyTuple_GET_ITEM(fields, i);
        PyObject *own = PyTuple_GET_ITEM(field, 0);
        if (own == name ||
            (PyUnicode_Check(name) && PyUnicode_Compare(own, name) == 0)) {
            return PyTuple_GET_ITEM(field, 1);
        }
    }
    return NULL;
}

PyObject *
onex_declared_part(PyObject *declared, PyObject *key, Py_ssize_t index)
{
    PyObject *found;
    if (declared == NULL) {
        return NULL;
    }
    switch (parts_of(declared)) {
    case ONE_FOR_ALL:
    case ITERABLE:
        return arg_of(declared, 0);
    case ONE_FOR_EACH:
        return index < PyTuple_GET_SIZE(((onex_validator *)declared)->args)
                   ? arg_of(declared, index)
                   : NULL;
    case KEY_AND_VALUE:
        return arg_of(declared, 1);
    case FIELDS_OF_DICT:
        found = field_named(arg_of(declared, 0), key);
        return found != NULL                    ? found
               : arg_of(declared, 2) == Py_None ? NULL
                                                : arg_of(declared, 2);
    case FIELDS_OF_TUPLE:
        found = arg_of(declared, 1);
        return index < PyTuple_GET_SIZE(found)
                   ? PyTuple_GET_ITEM(PyTuple_GET_ITEM(found, index), 1)
                   : NULL;
    case FIELDS_OF_CLASS:
        return field_named(arg_of(declared, 1), key);
    case UNTOLD:
        return declared;
    default:
        return NULL;
    }
}

PyObject *
onex_declared_key(PyObject *declared)
{
    if (declared == NULL) {
        return NULL;
    }
    onex_parts parts = parts_of(declared);
    return parts == KEY_AND_VALUE ? arg_of(declared, 0)
           : parts == UNTOLD      ? declared
                                  : NULL;
}

bool
onex_declared_fields(PyObject *declared)
{
    if (declared == NULL) {
        return false;
    }
    onex_parts parts = parts_of(declared);
    return parts == FIELDS_OF_DICT || parts == FIELDS_OF_CLASS;
}

bool
onex_declared_twice(PyObject *declared)
{
    return declared != NULL && parts_of(declared) == ITERABLE;
}
