/* Other ways to an event: model_validate, model_validate_json,
 * model_construct, and an event as the value of a field. */
#include "py/event.h"

#include "core/json_depth.h"

/* --- from a dict --- */

/* Builds from `data` into the check: 0 and a new event, 1 when rejected, or
 * -1.  Keys that are no strings are no fields. */
static int
build(onex_event_class *cls, PyObject *data, onex_check *check,
      PyObject **event)
{
    int result = -1;
    Py_ssize_t size = PyDict_GET_SIZE(data), count = 0, position = 0;
    PyObject **items = PyMem_New(PyObject *, 2 * size + 1);
    PyObject *name, *value;
    onex_event *self = NULL;
    *event = NULL;
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (count < size && PyDict_Next(data, &position, &name, &value)) {
        if (PyUnicode_Check(name)) {
            items[count] = Py_NewRef(name);
            items[size + count] = Py_NewRef(value);
            count++;
        }
    }
    self = event_alloc(cls);
    if (self != NULL) {
        result =
            event_fill_checked(self, cls, items, items + size, count, check);
    }
    if (result == 0) {
        *event = (PyObject *)self;
    }
    else {
        Py_XDECREF(self);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(items[i]);
        Py_DECREF(items[size + i]);
    }
    PyMem_Free(items);
    return result;
}

/* With the class's own __init__. As build. */
static int
build_by_call(onex_event_class *cls, PyObject *data, onex_check *check,
              PyObject **event)
{
    *event = PyObject_Call((PyObject *)cls, cls->st->no_args, data);
    if (*event != NULL) {
        return 0;
    }
    return event_absorb(cls->st, check);
}

/* The attributes of any object under the fields' names. New dict or NULL. */
static PyObject *
attributes_of(onex_event_class *cls, PyObject *object)
{
    PyObject *data = PyDict_New();
    for (uint32_t i = 0; data != NULL && i < cls->n_fields; i++) {
        PyObject *value = PyObject_GetAttr(object, cls->fields[i].name);
        if (value == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                Py_CLEAR(data);
            }
            else {
                PyErr_Clear();
            }
            continue;
        }
        if (PyDict_SetItem(data, cls->fields[i].argument, value) < 0) {
            Py_CLEAR(data);
        }
        Py_DECREF(value);
    }
    return data;
}

int
onex_event_arguments(PyObject *class, PyObject **names)
{
    onex_event_class *cls = (onex_event_class *)class;
    *names = event_class_ready(cls) < 0
                 ? NULL
                 : PySequence_List(cls->arguments == NULL ? cls->indices
                                                          : cls->arguments);
    return *names == NULL ? -1 : cls->extra != EXTRA_IGNORE;
}

PyObject *
onex_event_validate(onex_state *st, PyObject *class, PyObject *value,
                    onex_check *check)
{
    onex_event_class *cls = (onex_event_class *)class;
    PyObject *event = NULL;
    (void)st;
    if (PyObject_TypeCheck(value, (PyTypeObject *)cls)) {
        return Py_NewRef(value);
    }
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    onex_check_floor(check, ONEX_STRICT); /* as for pydantic's models */
    if (!PyDict_Check(value)) {
        PyObject *name = Py_NewRef(cls->heap.ht_name);
        return onex_reject_with(check, "model_type", value, "class_name", name);
    }
    if (PyType_GetFlags((PyTypeObject *)cls) & Py_TPFLAGS_IS_ABSTRACT) {
        return PyObject_Call(class, cls->st->no_args, NULL);
    }
    bool by_call = ((PyTypeObject *)cls)->tp_vectorcall == NULL;
    int result = by_call ? build_by_call(cls, value, check, &event)
                         : build(cls, value, check, &event);
    if (result == 0) {
        Py_ssize_t count = 0;
        for (uint32_t i = 0; i < cls->n_fields; i++) {
            count += event_marked((onex_event *)event, cls, i);
        }
        onex_check_add_fields_set(check, count);
    }
    return event;
}

static PyObject *
validate(PyObject *class, PyObject *value, onex_mode mode)
{
    onex_event_class *cls = (onex_event_class *)class;
    onex_check check = ONEX_CHECK_INIT(mode);
    if (event_class_ready(cls) < 0) {
        return NULL;
    }
    PyObject *event = onex_event_validate(cls->st, class, value, &check);
    if (event == NULL && !PyErr_Occurred()) {
        onex_validation_error(cls->st, cls->title, &check);
    }
    onex_check_clear(&check);
    return event;
}

PyObject *
event_model_validate(PyObject *class, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"obj",     "strict",   "from_attributes",
                               "context", "by_alias", "by_name",
                               "extra",   NULL};
    PyObject *object, *strict = Py_None, *from_attributes = Py_None, *ignored;
    onex_event_class *cls = (onex_event_class *)class;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOOOO:model_validate",
                                     keywords, &object, &strict,
                                     &from_attributes, &ignored, &ignored,
                                     &ignored, &ignored) ||
        event_class_ready(cls) < 0) {
        return NULL;
    }
    if (from_attributes == Py_None) {
        from_attributes =
            PyObject_CallMethod(cls->model, "setting", "s", "from_attributes");
        if (from_attributes == NULL) {
            return NULL;
        }
    }
    else {
        Py_INCREF(from_attributes);
    }
    int by_attributes = PyObject_IsTrue(from_attributes);
    Py_DECREF(from_attributes);
    if (by_attributes < 0) {
        return NULL;
    }
    if (!by_attributes || PyDict_Check(object) ||
        PyObject_TypeCheck(object, (PyTypeObject *)class)) {
        return validate(class, object, ONEX_FROM_PYTHON);
    }
    PyObject *data = attributes_of(cls, object);
    if (data == NULL) {
        return NULL;
    }
    PyObject *event = validate(class, data, ONEX_FROM_PYTHON);
    Py_DECREF(data);
    return event;
}

/* Raises the ValidationError of a text that is no JSON; steals `message`. */
static void
reject_json(onex_event_class *cls, PyObject *text, PyObject *message)
{
    onex_check check = ONEX_CHECK_INIT(ONEX_FROM_JSON);
    (void)onex_reject_with(&check, "json_invalid", text, "error", message);
    if (!PyErr_Occurred()) {
        onex_validation_error(cls->st, cls->title, &check);
    }
    onex_check_clear(&check);
}

/* Arrays and objects in each other that a text may have: as many as with
 * pydantic.  The stack that msgspec needs is bounded by it. */
#define JSON_DEPTH 201
#define JSON_STACK (JSON_DEPTH * 512) /* msgspec 0.22 takes 380 a level */

/* 0 if msgspec can decode the text on this stack; -1 with an exception. */
static int
check_json_depth(onex_event_class *cls, PyObject *text)
{
    const char *data;
    Py_ssize_t size;
    if (PyUnicode_Check(text)) {
        data = PyUnicode_AsUTF8AndSize(text, &size);
        if (data == NULL) {
            PyErr_Clear(); /* msgspec will say it */
            return 0;
        }
    }
    else if (PyBytes_Check(text)) {
        data = PyBytes_AS_STRING(text);
        size = PyBytes_GET_SIZE(text);
    }
    else {
        data = PyByteArray_AS_STRING(text);
        size = PyByteArray_GET_SIZE(text);
    }
    size_t at = onex_json_too_deep(data, (size_t)size, JSON_DEPTH);
    if (at < (size_t)size) {
        int line = 1, column = 1;
        for (size_t i = 0; i < at; i++) {
            column = data[i] == '\n' ? 1 : column + 1;
            line += data[i] == '\n';
        }
        reject_json(cls, text,
                    PyUnicode_FromFormat("recursion limit exceeded at line %d "
                                         "column %d",
                                         line, column));
        return -1;
    }
    if (onex_stack_is_short_of(JSON_STACK) &&
        onex_json_too_deep(data, (size_t)size, JSON_DEPTH / 16) <
            (size_t)size) {
        PyErr_SetString(PyExc_RecursionError,
                        "maximum recursion depth exceeded: the C stack of "
                        "this thread is too small for this JSON text");
        return -1;
    }
    return 0;
}

PyObject *
event_model_validate_json(PyObject *class, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"json_data", "strict", "context", "by_alias",
                               "by_name",   "extra",  NULL};
    PyObject *text, *ignored;
    onex_event_class *cls = (onex_event_class *)class;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "O|$OOOOO:model_validate_json", keywords, &text,
            &ignored, &ignored, &ignored, &ignored, &ignored) ||
        event_class_ready(cls) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(text) && !PyBytes_Check(text) &&
        !PyByteArray_Check(text)) {
        return PyErr_Format(PyExc_TypeError,
                            "model_validate_json(): json_data must be str, "
                            "bytes or bytearray, got %.200s",
                            Py_TYPE(text)->tp_name);
    }
    onex_state *st = cls->st;
    if (event_need_msgspec(st) < 0) {
        return NULL;
    }
    if (check_json_depth(cls, text) < 0) {
        return NULL;
    }
    PyObject *data = PyObject_CallOneArg(st->json_decode, text);
    if (data == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return NULL; /* msgspec.DecodeError is a ValueError */
        }
        PyObject *type, *error, *traceback;
        PyErr_Fetch(&type, &error, &traceback);
        PyErr_NormalizeException(&type, &error, &traceback);
        reject_json(cls, text, PyObject_Str(error));
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return NULL;
    }
    PyObject *event = validate(class, data, ONEX_FROM_JSON);
    Py_DECREF(data);
    return event;
}

/* --- without validation --- */

PyObject *
event_model_construct(PyObject *class, PyObject *args, PyObject *kwargs)
{
    onex_event_class *cls = (onex_event_class *)class;
    onex_state *st = cls->st;
    PyObject *fields_set = Py_None, *named = NULL;
    if (!PyArg_ParseTuple(args, "|O:model_construct", &fields_set) ||
        event_class_ready(cls) < 0) {
        return NULL;
    }
    if (kwargs != NULL) {
        named = PyDict_GetItemWithError(kwargs, st->str__fields_set);
        if (named == NULL && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (named != NULL) {
        if (PyTuple_GET_SIZE(args) > 0) {
            PyErr_SetString(PyExc_TypeError,
                            "model_construct() got multiple values for "
                            "argument '_fields_set'");
            return NULL;
        }
        fields_set = named;
    }
    if (PyType_GetFlags((PyTypeObject *)cls) & Py_TPFLAGS_IS_ABSTRACT) {
        return PyObject_Call(class, st->no_args, NULL);
    }
    onex_event *self = event_alloc(cls);
    if (self == NULL) {
        return NULL;
    }
    Py_ssize_t position = 0;
    PyObject *name, *value;
    PyObject *given = kwargs == NULL ? PyDict_New() : Py_NewRef(kwargs);
    if (given == NULL) {
        goto failed;
    }
    while (PyDict_Next(given, &position, &name, &value)) {
        if (named != NULL && value == named &&
            PyUnicode_Compare(name, st->str__fields_set) == 0) {
            continue;
        }
        Py_ssize_t index = event_argument(cls, name);
        if (index == -1) {
            index = event_field_index(cls, name); /* by name as well */
            if (index >= 0) {
                int by_alias =
                    PyDict_Contains(given, cls->fields[index].argument);
                if (by_alias < 0) {
                    goto failed;
                }
                if (by_alias) {
                    continue; /* which has the say */
                }
            }
        }
        if (index == -2) {
            goto failed;
        }
        if (index >= 0) {
            if (event_store(self, cls, (uint32_t)index, Py_NewRef(value)) < 0) {
                goto failed;
            }
        }
        else if (cls->extra == EXTRA_ALLOW) {
            PyObject *extras = event_extras(self, cls);
            if (extras == NULL || PyDict_SetItem(extras, name, value) < 0) {
                goto failed;
            }
        }
    }
    if (event_make_defaults(self, cls, true) < 0 ||
        event_stamp(self, cls) < 0) {
        goto failed;
    }
    if (fields_set != Py_None) {
        for (uint32_t i = 0; i < cls->n_fields; i++) {
            int given_one =
                PySequence_Contains(fields_set, cls->fields[i].name);
            if (given_one < 0) {
                goto failed;
            }
            if (given_one) {
                event_mark(self, cls, i);
            }
            else {
                event_unmark(self, cls, i);
            }
        }
    }
    if (cls->has_hooks) {
        PyObject *called = PyObject_CallMethodOneArg(
            cls->model, st->str_after_constructed, (PyObject *)self);
        if (called == NULL) {
            goto failed;
        }
        Py_DECREF(called);
    }
    Py_DECREF(given);
    return (PyObject *)self;
failed:
    Py_XDECREF(given);
    Py_DECREF(self);
    return NULL;
}
