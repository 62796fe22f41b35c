/* Validators of containers: list, set, frozenset, tuple, dict, Sequence. */
#include "py/validate.h"

/* ---------------------------------------------------------- going through */

/* Items of what pydantic takes for a list, set or tuple in lax mode. */
typedef struct {
    PyObject *source;   /* borrowed: list or tuple, gone through by index */
    PyObject *iterator; /* owned: everything else */
    Py_ssize_t index;   /* of the next item */
    Py_ssize_t size;    /* -1: unknown */
} item_walk;

/* Begins at `value`: 1, 0 when it is nothing of the kind, -1 failed.  Only
 * `exact` (and in Python's mode its subclasses) is a full match. */
static int
walk_begin(onex_state *st, item_walk *walk, PyObject *value,
           PyTypeObject *exact, onex_check *check)
{
    walk->source = NULL;
    walk->iterator = NULL;
    walk->index = 0;
    walk->size = -1;
    if (check->mode != ONEX_FROM_PYTHON) {
        onex_check_floor(check,
                         exact == &PyList_Type ? ONEX_EXACT : ONEX_STRICT);
        if (!PyList_Check(value)) {
            return 0;
        }
    }
    else if (!PyObject_TypeCheck(value, exact)) {
        onex_check_floor(check, ONEX_LAX);
    }
    if (PyList_Check(value) || PyTuple_Check(value)) {
        walk->source = value;
        walk->size = PySequence_Fast_GET_SIZE(value);
        return 1;
    }
    if (PyAnySet_Check(value)) {
        /* A copy: the items' own code may change the set. */
        walk->size = PySet_GET_SIZE(value);
        PyObject *items = PySequence_List(value);
        if (items != NULL) {
            walk->iterator = PyObject_GetIter(items);
            Py_DECREF(items);
        }
        return walk->iterator == NULL ? -1 : 1;
    }
    if (PyUnicode_Check(value) || PyBytes_Check(value) ||
        PyByteArray_Check(value)) {
        return 0;
    }
    if (Py_TYPE(value)->tp_iter == NULL && !PySequence_Check(value)) {
        return 0;
    }
    int mapping = onex_mapping_check(st, value);
    if (mapping != 0) {
        return mapping < 0 ? -1 : 0;
    }
    walk->iterator = PyObject_GetIter(value);
    if (walk->iterator == NULL) {
        return onex_swallow();
    }
    walk->size = PyObject_Size(walk->iterator);
    if (walk->size < 0 && onex_swallow() < 0) {
        Py_CLEAR(walk->iterator);
        return -1;
    }
    return 1;
}

PyObject *
onex_exception_text(void)
{
    PyObject *type, *error, *traceback, *text = NULL, *shown = NULL;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *name =
        type == NULL ? NULL : PyObject_GetAttrString(type, "__name__");
    if (name != NULL) {
        shown = PyObject_Str(error);
        if (shown == NULL) {
            PyErr_Clear();
            text = PyUnicode_FromFormat("%U: <exception str() failed>", name);
        }
        else {
            text = PyUnicode_FromFormat("%U: %U", name, shown);
        }
    }
    Py_XDECREF(name);
    Py_XDECREF(shown);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return text;
}

/* The next item: 1 with a new reference, 0 at the end, -1 rejected (an
 * iteration that raises) or failed.  `error_shift` is added to the index in
 * the location of an iteration error. */
static int
walk_next(item_walk *walk, PyObject *input, onex_check *check, PyObject **item,
          Py_ssize_t error_shift)
{
    if (walk->source != NULL) {
        if (walk->index >= PySequence_Fast_GET_SIZE(walk->source)) {
            return 0;
        }
        *item = Py_NewRef(PySequence_Fast_GET_ITEM(walk->source, walk->index));
        walk->index++;
        return 1;
    }
    *item = PyIter_Next(walk->iterator);
    if (*item != NULL) {
        walk->index++;
        return 1;
    }
    if (!PyErr_Occurred()) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_Exception) &&
        !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        onex_place place;
        onex_check_enter(check, &place, NULL, walk->index + error_shift);
        (void)onex_reject_with(check, "iteration_error", input, "error",
                               onex_exception_text());
        onex_check_leave(check, &place);
    }
    return -1;
}

/* Is there more?  An iteration that raises instead of ending counts as yes.
 * -1 with what is no Exception. */
static int
walk_goes_on(item_walk *walk)
{
    if (walk->source != NULL) {
        return walk->index < PySequence_Fast_GET_SIZE(walk->source);
    }
    PyObject *item = PyIter_Next(walk->iterator);
    if (item != NULL) {
        Py_DECREF(item);
        return 1;
    }
    if (!PyErr_Occurred()) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError)) {
        return -1;
    }
    PyErr_Clear();
    return 1;
}

int
onex_sequence_of(onex_state *st, PyObject *value, Py_ssize_t most,
                 onex_check *check, PyObject **items, bool *longer)
{
    item_walk walk;
    PyObject *item;
    int more, found = walk_begin(st, &walk, value, &PyTuple_Type, check);
    if (found <= 0) {
        return found;
    }
    *longer = false;
    *items = PyList_New(0);
    more = *items == NULL ? -1 : 1;
    while (more > 0 && PyList_GET_SIZE(*items) < most) {
        more = walk_next(&walk, value, check, &item, 0);
        if (more > 0) {
            more = PyList_Append(*items, item) < 0 ? -1 : 1;
            Py_DECREF(item);
        }
    }
    if (more > 0) {
        more = walk_goes_on(&walk);
        *longer = more > 0;
    }
    Py_XDECREF(walk.iterator);
    if (more < 0) {
        Py_CLEAR(*items);
    }
    return more < 0 ? -1 : 1;
}

/* Validates one item at its index. */
static PyObject *
item_validate(onex_state *st, PyObject *validator, PyObject *item,
              Py_ssize_t index, onex_check *check)
{
    onex_place place;
    onex_check_enter(check, &place, NULL, index);
    PyObject *taken = onex_validate_field(st, validator, item, check);
    onex_check_leave(check, &place);
    return taken;
}

/* -------------------------------------------------------------------- list */

static int
one_child_prepare(onex_state *st, onex_validator *self)
{
    return onex_validator_child(st, self, 0) == NULL ? -1 : 0;
}

/* Fills a list with the validated items; pydantic drops the exactness of Any
 * items of a list (they are copied without a look).  0, or -1 rejected or
 * failed. */
static int
walk_into_list(onex_state *st, item_walk *walk, PyObject *validator,
               PyObject *value, onex_check *check, PyObject *list)
{
    bool any = ((onex_validator *)validator)->takes_any;
    Py_ssize_t mark = onex_check_mark(check);
    bool good = true;
    PyObject *item;
    int more;
    while ((more = walk_next(walk, value, check, &item, 0)) > 0) {
        PyObject *taken =
            any ? Py_NewRef(item)
                : item_validate(st, validator, item, walk->index - 1, check);
        Py_DECREF(item);
        if (taken == NULL) {
            if (PyErr_Occurred()) {
                return -1;
            }
            good = false;
            continue;
        }
        int failed = good ? PyList_Append(list, taken) : 0;
        Py_DECREF(taken);
        if (failed < 0) {
            return -1;
        }
    }
    if (more < 0 && !PyErr_Occurred() && mark < onex_check_mark(check) - 1) {
        /* A broken iteration stands alone, without the items' errors. */
        PyObject *last = Py_NewRef(
            PyList_GET_ITEM(check->errors, onex_check_mark(check) - 1));
        int failed = PyList_SetSlice(check->errors, mark,
                                     onex_check_mark(check) - 1, NULL);
        Py_DECREF(last);
        if (failed < 0) {
            return -1;
        }
    }
    return more == 0 && good ? 0 : -1;
}

static PyObject *
list_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    PyObject *validator = PyTuple_GET_ITEM(self->args, 0);
    item_walk walk;
    int found = walk_begin(st, &walk, value, &PyList_Type, check);
    if (found <= 0) {
        return found < 0 ? NULL : onex_reject(check, "list_type", value, NULL);
    }
    if (walk.source != NULL && ((onex_validator *)validator)->takes_any) {
        return PySequence_List(value);
    }
    PyObject *list = PyList_New(0);
    if (list != NULL &&
        walk_into_list(st, &walk, validator, value, check, list) < 0) {
        Py_CLEAR(list);
    }
    Py_XDECREF(walk.iterator);
    return list;
}

/* ---------------------------------------------------------- set, frozenset */

/* Adds validated items to `set` (a set, or a frozenset not yet shared). */
static int
walk_into_set(onex_state *st, item_walk *walk, PyObject *validator,
              PyObject *value, onex_check *check, PyObject *set)
{
    Py_ssize_t mark = onex_check_mark(check);
    bool good = true;
    PyObject *item;
    int more;
    while ((more = walk_next(walk, value, check, &item, 0)) > 0) {
        onex_place place;
        onex_check_enter(check, &place, NULL, walk->index - 1);
        PyObject *taken = onex_validate_field(st, validator, item, check);
        if (taken == NULL) {
            good = false;
        }
        else {
            if (PySet_Add(set, taken) < 0) {
                good = false;
                if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                    PyErr_Clear();
                    (void)onex_reject(check, "set_item_not_hashable", item,
                                      NULL);
                }
            }
            Py_DECREF(taken);
        }
        onex_check_leave(check, &place);
        Py_DECREF(item);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    if (more < 0 && !PyErr_Occurred() && mark < onex_check_mark(check) - 1 &&
        PyList_SetSlice(check->errors, mark, onex_check_mark(check) - 1, NULL) <
            0) {
        return -1;
    }
    return more == 0 && good ? 0 : -1;
}

static PyObject *
any_set_run(onex_state *st, onex_validator *self, PyObject *value,
            onex_check *check, PyTypeObject *type, const char *error)
{
    item_walk walk;
    int found = walk_begin(st, &walk, value, type, check);
    if (found <= 0) {
        return found < 0 ? NULL : onex_reject(check, error, value, NULL);
    }
    PyObject *set =
        type == &PySet_Type ? PySet_New(NULL) : PyFrozenSet_New(NULL);
    if (set != NULL && walk_into_set(st, &walk, PyTuple_GET_ITEM(self->args, 0),
                                     value, check, set) < 0) {
        Py_CLEAR(set);
    }
    Py_XDECREF(walk.iterator);
    return set;
}

static PyObject *
set_run(onex_state *st, onex_validator *self, PyObject *value,
        onex_check *check)
{
    return any_set_run(st, self, value, check, &PySet_Type, "set_type");
}

static PyObject *
frozenset_run(onex_state *st, onex_validator *self, PyObject *value,
              onex_check *check)
{
    return any_set_run(st, self, value, check, &PyFrozenSet_Type,
                       check->mode == ONEX_FROM_JSON_KEY ? "set_type"
                                                         : "frozen_set_type");
}

/* ------------------------------------------------------------------- tuple */

static int
tuple_prepare(onex_state *st, onex_validator *self)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->args); i++) {
        if (onex_validator_child(st, self, i) == NULL) {
            return -1;
        }
    }
    return 0;
}

/* Tuple[X, ...] */
static PyObject *
tuple_of_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    PyObject *validator = PyTuple_GET_ITEM(self->args, 0);
    PyObject *result = NULL, *item;
    bool good = true;
    item_walk walk;
    int more, found = walk_begin(st, &walk, value, &PyTuple_Type, check);
    if (found <= 0) {
        return found < 0 ? NULL : onex_reject(check, "tuple_type", value, NULL);
    }
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        goto done;
    }
    Py_ssize_t mark = onex_check_mark(check);
    while ((more = walk_next(&walk, value, check, &item, 1)) > 0) {
        PyObject *taken =
            item_validate(st, validator, item, walk.index - 1, check);
        Py_DECREF(item);
        if (taken == NULL) {
            good = false;
        }
        else {
            (void)(good ? PyList_Append(list, taken) : 0);
            Py_DECREF(taken);
        }
        if (PyErr_Occurred()) {
            goto done;
        }
    }
    if (more < 0) {
        if (!PyErr_Occurred() && mark < onex_check_mark(check) - 1) {
            (void)PyList_SetSlice(check->errors, mark,
                                  onex_check_mark(check) - 1, NULL);
        }
    }
    else if (good) {
        result = PyList_AsTuple(list);
    }
done:
    Py_XDECREF(list);
    Py_XDECREF(walk.iterator);
    return result;
}

/* Tuple[X, Y, Z] */
static PyObject *
tuple_run(onex_state *st, onex_validator *self, PyObject *value,
          onex_check *check)
{
    Py_ssize_t n = PyTuple_GET_SIZE(self->args);
    PyObject *result = NULL, *item;
    bool good = true, ended = false;
    item_walk walk;
    int more = 0, found = walk_begin(st, &walk, value, &PyTuple_Type, check);
    if (found <= 0) {
        return found < 0 ? NULL : onex_reject(check, "tuple_type", value, NULL);
    }
    Py_ssize_t mark = onex_check_mark(check);
    result = PyTuple_New(n);
    if (result != NULL && n > 0) {
        PyObject_GC_UnTrack(result); /* with holes it is nobody else's */
    }
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *taken = NULL;
        more = ended ? 0 : walk_next(&walk, value, check, &item, 1);
        if (more < 0) {
            goto broken;
        }
        if (more == 0) {
            onex_place place;
            ended = true;
            onex_check_enter(check, &place, NULL, i);
            (void)onex_reject(check, "missing", value, NULL);
            onex_check_leave(check, &place);
        }
        else {
            taken = item_validate(st, PyTuple_GET_ITEM(self->args, i), item, i,
                                  check);
            Py_DECREF(item);
        }
        if (PyErr_Occurred()) {
            Py_XDECREF(taken);
            goto reject;
        }
        if (taken == NULL) {
            good = false;
        }
        else {
            PyTuple_SET_ITEM(result, i, taken);
        }
    }
    if (result != NULL && !ended &&
        (more = walk_next(&walk, value, check, &item, 1)) != 0) {
        if (more < 0) {
            goto broken;
        }
        Py_DECREF(item);
        if (onex_check_rewind(check, mark) == 0) {
            PyObject *ctx =
                Py_BuildValue("{s:s,s:n,s:O}", "field_type", "Tuple",
                              "max_length", n, "actual_length", Py_None);
            PyObject *actual = walk.size < 0 ? Py_NewRef(Py_None)
                                             : PyLong_FromSsize_t(walk.size);
            if (ctx != NULL && actual != NULL &&
                PyDict_SetItemString(ctx, "actual_length", actual) == 0) {
                (void)onex_reject(check, "too_long", value, Py_NewRef(ctx));
            }
            Py_XDECREF(ctx);
            Py_XDECREF(actual);
        }
        goto reject;
    }
    Py_XDECREF(walk.iterator);
    if (!good) {
        Py_CLEAR(result);
    }
    else if (result != NULL && n > 0) {
        PyObject_GC_Track(result);
    }
    return result;
broken:
    if (!PyErr_Occurred() && mark < onex_check_mark(check) - 1) {
        (void)PyList_SetSlice(check->errors, mark, onex_check_mark(check) - 1,
                              NULL);
    }
reject:
    Py_XDECREF(walk.iterator);
    Py_XDECREF(result);
    return NULL;
}

/* ----------------------------------------------------------------- Sequence */

/* args: item validator, collections.abc.Sequence, True for items of Any.  Any sequence; the result
 * has the value's own type, except that one of Any is the value itself. */
static PyObject *
sequence_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    if (check->mode != ONEX_FROM_PYTHON) {
        return list_run(st, self, value, check);
    }
    int is = PyObject_IsInstance(value, PyTuple_GET_ITEM(self->args, 1));
    if (is <= 0) {
        return is < 0
                   ? NULL
                   : onex_reject_with(check, "is_instance_of", value, "class",
                                      PyUnicode_FromString("Sequence"));
    }
    if (PyTuple_GET_ITEM(self->args, 2) == Py_True) {
        return Py_NewRef(value);
    }
    if (PyUnicode_Check(value) || PyBytes_Check(value)) {
        PyObject *ctx =
            Py_BuildValue("{s:s}", "type_name", Py_TYPE(value)->tp_name);
        return ctx == NULL ? NULL
                           : onex_reject(check, "sequence_str", value, ctx);
    }
    PyTypeObject *type = Py_TYPE(value);
    bool tuple = PyTuple_CheckExact(value);
    PyObject *list = NULL, *as_list = NULL;
    if (tuple) { /* gone through as a list is: no worse a match */
        as_list = PySequence_List(value);
        list = as_list == NULL ? NULL : list_run(st, self, as_list, check);
        Py_XDECREF(as_list);
    }
    else {
        list = list_run(st, self, value, check);
    }
    if (list == NULL || type == &PyList_Type ||
        PyType_IsSubtype(type, &PyRange_Type)) {
        return list;
    }
    PyObject *result;
    if (tuple) {
        result = PyList_AsTuple(list);
    }
    else if (PyTuple_Check(value) && PyObject_HasAttrString(value, "_fields")) {
        PyObject *args = PyList_AsTuple(list);
        result =
            args == NULL ? NULL : PyObject_Call((PyObject *)type, args, NULL);
        Py_XDECREF(args);
    }
    else {
        result = PyObject_CallOneArg((PyObject *)type, list);
    }
    Py_DECREF(list);
    return result;
}

const onex_validator_kind onex_container_kinds[] = {
    {"list", 1, 1, one_child_prepare, list_run},
    {"set", 1, 1, one_child_prepare, set_run},
    {"frozenset", 1, 1, one_child_prepare, frozenset_run},
    {"tuple", 0, -1, tuple_prepare, tuple_run},
    {"tuple_of", 1, 1, one_child_prepare, tuple_of_run},
    {"sequence", 3, 3, one_child_prepare, sequence_run},
    {NULL, 0, 0, NULL, NULL},
};
