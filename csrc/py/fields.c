/* Validators and checks: the node type, line errors, ValidationError. */
#include "py/fields.h"

#include "core/stack.h"
#include "py/declared.h"

#include <structmember.h>
#include <string.h>

/* Pydantic's own bound on the nesting of recursive definitions. */
#define ONEX_VISIT_LIMIT 255

static const onex_validator_kind *const kind_tables[] = {
    onex_scalar_kinds,    onex_uuid_kinds,   onex_dict_kinds,
    onex_number_kinds,    onex_time_kinds,   onex_choice_kinds,
    onex_container_kinds, onex_record_kinds,
};

static const onex_validator_kind *
kind_find(const char *name)
{
    for (size_t t = 0; t < Py_ARRAY_LENGTH(kind_tables); t++) {
        for (const onex_validator_kind *k = kind_tables[t]; k->name; k++) {
            if (strcmp(k->name, name) == 0) {
                return k;
            }
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ checks */

/* A str whose lone surrogates are replaced, as Rust does; clears the current
 * UnicodeEncodeError.  New reference, or NULL with an exception. */
static PyObject *
lossy_text(PyObject *text)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return NULL;
    }
    PyErr_Clear();
    PyObject *lossy = NULL;
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
    if (bytes != NULL) {
        lossy = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes),
                                     PyBytes_GET_SIZE(bytes), "replace");
        Py_DECREF(bytes);
    }
    return lossy;
}

/* A step of a location as pydantic shows it: str as it is, what stands for an
 * integer of 64 bits as that, other keys by their repr.  New reference, or NULL
 * with an exception. */
static PyObject *
place_item(const onex_place *place)
{
    PyObject *key = place->key;
    if (key == NULL) {
        return PyLong_FromSsize_t(place->index);
    }
    if (PyUnicode_Check(key)) {
        if (PyUnicode_AsUTF8(key) != NULL) {
            return PyUnicode_FromObject(key);
        }
        return lossy_text(key);
    }
    PyObject *number = PyIndex_Check(key) ? PyNumber_Index(key) : NULL;
    if (number != NULL) {
        int overflow;
        long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
        Py_DECREF(number);
        if (!overflow) {
            return PyLong_FromLongLong(value);
        }
    }
    else if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return NULL;
        }
        PyErr_Clear();
    }
    PyObject *shown = PyObject_Repr(key);
    if (shown == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        shown = PyUnicode_FromFormat("<unprintable %.200s object>",
                                     Py_TYPE(key)->tp_name);
    }
    return shown;
}

/* The location as a tuple, new reference, or NULL with an exception. */
static PyObject *
place_tuple(const onex_place *place)
{
    Py_ssize_t depth = 0;
    for (const onex_place *p = place; p != NULL; p = p->outer) {
        depth++;
    }
    PyObject *loc = PyTuple_New(depth);
    if (loc == NULL) {
        return NULL;
    }
    for (const onex_place *p = place; p != NULL; p = p->outer) {
        PyObject *item = place_item(p);
        if (item == NULL) {
            Py_DECREF(loc);
            return NULL;
        }
        PyTuple_SET_ITEM(loc, --depth, item);
    }
    return loc;
}

/* Appends (type, loc, input, ctx or None, msg or None); steals everything but
 * `input`, whatever happens.  0, or -1 with an exception. */
static int
check_append(onex_check *check, PyObject *type, PyObject *loc, PyObject *input,
             PyObject *ctx, PyObject *msg)
{
    int result = -1;
    PyObject *line = NULL;
    if (type == NULL || loc == NULL) {
        goto done;
    }
    if (check->errors == NULL && (check->errors = PyList_New(0)) == NULL) {
        goto done;
    }
    line = PyTuple_Pack(5, type, loc, input, ctx == NULL ? Py_None : ctx,
                        msg == NULL ? Py_None : msg);
    if (line != NULL) {
        result = PyList_Append(check->errors, line);
    }
done:
    Py_XDECREF(line);
    Py_XDECREF(type);
    Py_XDECREF(loc);
    Py_XDECREF(ctx);
    Py_XDECREF(msg);
    return result;
}

PyObject *
onex_reject(onex_check *check, const char *type, PyObject *input, PyObject *ctx)
{
    (void)check_append(check, PyUnicode_InternFromString(type),
                       place_tuple(check->place), input, ctx, NULL);
    return NULL;
}

PyObject *
onex_reject_with(onex_check *check, const char *type, PyObject *input,
                 const char *key, PyObject *item)
{
    PyObject *ctx = NULL;
    if (item == NULL) {
        return NULL;
    }
    ctx = PyDict_New();
    if (ctx == NULL || PyDict_SetItemString(ctx, key, item) < 0) {
        Py_XDECREF(ctx);
        Py_DECREF(item);
        return NULL;
    }
    Py_DECREF(item);
    return onex_reject(check, type, input, ctx);
}

PyObject *
onex_reject_message(onex_check *check, const char *type, const char *message,
                    PyObject *input)
{
    PyObject *msg = PyUnicode_FromString(message);
    if (msg != NULL) {
        (void)check_append(check, PyUnicode_InternFromString(type),
                           place_tuple(check->place), input, NULL, msg);
    }
    return NULL;
}

int
onex_visit_enter(onex_check *check, onex_visit *visit, const void *validator,
                 PyObject *object)
{
    int depth = 1;
    for (const onex_visit *v = check->visit; v != NULL; v = v->outer) {
        depth++;
        if (v->validator == validator && v->object == object) {
            depth = ONEX_VISIT_LIMIT + 1;
            break;
        }
    }
    if (depth > ONEX_VISIT_LIMIT) {
        (void)onex_reject(check, "recursion_loop", object, NULL);
        return -1;
    }
    if (onex_stack_is_low()) { /* a thread with a small stack */
        PyErr_SetString(PyExc_RecursionError,
                        "the C stack is used up while validating");
        return -1;
    }
    visit->outer = check->visit;
    visit->validator = validator;
    visit->object = object;
    visit->depth = depth;
    check->visit = visit;
    return 0;
}

/* Imports onex_events.errors' attribute `name`; new reference or NULL. */
static PyObject *
errors_attribute(const char *name)
{
    PyObject *module = PyImport_ImportModule("onex_events.errors");
    if (module == NULL) {
        return NULL;
    }
    PyObject *attribute = PyObject_GetAttrString(module, name);
    Py_DECREF(module);
    return attribute;
}

int
onex_validation_error(onex_state *st, PyObject *title, onex_check *check)
{
    (void)st;
    PyObject *make = errors_attribute("make_validation_error");
    if (make == NULL) {
        return -1;
    }
    PyObject *error = PyObject_CallFunctionObjArgs(
        make, title, check->errors,
        check->mode != ONEX_FROM_PYTHON ? Py_True : Py_False, NULL);
    Py_DECREF(make);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return -1;
}

bool
onex_is_validation_error(onex_state *st, PyObject *error)
{
    if (PyObject_TypeCheck(error, (PyTypeObject *)st->validation_error_type)) {
        return true;
    }
    /* pydantic's own class, before it has got ours as its base. */
    PyObject *is = errors_attribute("is_validation_error"), *answer = NULL;
    if (is != NULL) {
        answer = PyObject_CallOneArg(is, error);
        Py_DECREF(is);
    }
    bool result = answer == Py_True;
    Py_XDECREF(answer);
    PyErr_Clear();
    return result;
}

int
onex_check_absorb(onex_check *check, PyObject *error)
{
    PyObject *lines = NULL, *loc = NULL;
    PyObject *read = errors_attribute("lines_of");
    int result = -1;
    if (read == NULL || (loc = place_tuple(check->place)) == NULL) {
        goto done;
    }
    /* A list of lines with complete locations; raises `error` again when it
     * is something else. */
    lines = PyObject_CallFunctionObjArgs(read, error, loc, NULL);
    if (lines == NULL) {
        goto done;
    }
    if (check->errors == NULL) {
        check->errors = Py_NewRef(lines);
        result = 0;
    }
    else {
        Py_ssize_t n = PyList_GET_SIZE(check->errors);
        result = PyList_SetSlice(check->errors, n, n, lines);
    }
done:
    Py_XDECREF(read);
    Py_XDECREF(loc);
    Py_XDECREF(lines);
    return result;
}

PyObject *
onex_validate(onex_state *st, PyObject *validator, PyObject *value,
              onex_check *check)
{
    return onex_validate_field(st, validator, value, check);
}

bool
onex_validator_check(onex_state *st, PyObject *object)
{
    return Py_IS_TYPE(object, (PyTypeObject *)st->validator_type);
}

/* ------------------------------------------------------------ construction */

static PyObject *
validator_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    onex_state *st = onex_state_of_type(type);
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "Validator() takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) < 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(args, 0)) ||
        !PyUnicode_Check(PyTuple_GET_ITEM(args, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "Validator(kind, name, *args): kind and name are str");
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(args, 0));
    if (name == NULL || st == NULL) {
        return NULL;
    }
    const onex_validator_kind *kind = kind_find(name);
    if (kind == NULL) {
        PyErr_Format(PyExc_ValueError, "Validator(): no kind %R",
                     PyTuple_GET_ITEM(args, 0));
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(args) - 2;
    if (count < kind->min_args ||
        (kind->max_args >= 0 && count > kind->max_args)) {
        PyErr_Format(PyExc_TypeError, "Validator(%R): %zd arguments do not fit",
                     PyTuple_GET_ITEM(args, 0), count);
        return NULL;
    }
    onex_validator *self = (onex_validator *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->kind = kind;
    self->run = kind->run;
    self->name = Py_NewRef(PyTuple_GET_ITEM(args, 1));
    self->args = PyTuple_GetSlice(args, 2, PyTuple_GET_SIZE(args));
    if (self->args == NULL ||
        (kind->prepare != NULL && kind->prepare(st, self) < 0)) {
        Py_DECREF(self);
        return NULL;
    }
    onex_declared_prepare(st, self);
    return (PyObject *)self;
}

int
onex_validator_set_exact(onex_validator *self, PyObject *type)
{
    if (type != NULL && !PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError, "Validator(): %R is no class", type);
        return -1;
    }
    Py_XSETREF(self->exact, (PyTypeObject *)Py_XNewRef(type));
    return 0;
}

PyObject *
onex_validator_child(onex_state *st, onex_validator *self, Py_ssize_t index)
{
    PyObject *child = PyTuple_GET_ITEM(self->args, index);
    if (!onex_validator_check(st, child)) {
        PyErr_Format(
            PyExc_TypeError,
            "Validator(): argument %zd must be a Validator, not %.200s", index,
            Py_TYPE(child)->tp_name);
        return NULL;
    }
    return child;
}

static int
validator_traverse(PyObject *op, visitproc visit, void *arg)
{
    onex_validator *self = (onex_validator *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->exact);
    Py_VISIT(self->name);
    Py_VISIT(self->args);
    Py_VISIT(self->target);
    return 0;
}

/* Validators alone make a circle only through what a "ref" stands for. */
static int
validator_clear(PyObject *op)
{
    Py_CLEAR(((onex_validator *)op)->target);
    return 0;
}

static void
validator_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    onex_validator *self = (onex_validator *)op;
    Py_CLEAR(self->exact);
    Py_CLEAR(self->name);
    Py_CLEAR(self->args);
    Py_CLEAR(self->target);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ----------------------------------------------------------------- methods */

PyDoc_STRVAR(validator_validate_doc,
             "validate($self, value, json=False, title='value', /)\n--\n\n"
             "Return the value as it is accepted, or raise ValidationError.");

static PyObject *
validator_validate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    onex_state *st = onex_state_of_type(Py_TYPE(op));
    if (nargs < 1 || nargs > 3) {
        PyErr_SetString(PyExc_TypeError,
                        "validate(value, json=False, title='value')");
        return NULL;
    }
    int json = nargs > 1 ? PyObject_IsTrue(args[1]) : 0;
    if (st == NULL || json < 0) {
        return NULL;
    }
    onex_check check =
        ONEX_CHECK_INIT(json ? ONEX_FROM_JSON : ONEX_FROM_PYTHON);
    PyObject *result = onex_validate(st, op, args[0], &check);
    if (result == NULL && !PyErr_Occurred()) {
        PyObject *title =
            nargs > 2 ? Py_NewRef(args[2]) : PyUnicode_FromString("value");
        if (title != NULL) {
            (void)onex_validation_error(st, title, &check);
            Py_DECREF(title);
        }
    }
    onex_check_clear(&check);
    // cppcheck-suppress returnDanglingLifetime ; the result does not point into check
    return result;
}

PyDoc_STRVAR(
    validator_rename_doc,
    "rename($self, name, /)\n--\n\n"
    "Set the name, which for recursive types is known only at the end.");

static PyObject *
validator_rename(PyObject *op, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "rename() takes a str");
        return NULL;
    }
    Py_SETREF(((onex_validator *)op)->name, Py_NewRef(name));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(validator_bind_doc,
             "bind($self, target, /)\n--\n\n"
             "Give a 'ref' validator what it stands for (once).");

static PyObject *
validator_bind(PyObject *op, PyObject *target)
{
    onex_validator *self = (onex_validator *)op;
    onex_state *st = onex_state_of_type(Py_TYPE(op));
    if (st == NULL) {
        return NULL;
    }
    if (strcmp(self->kind->name, "ref") != 0 || self->target != NULL ||
        !onex_validator_check(st, target)) {
        PyErr_SetString(PyExc_TypeError,
                        "bind() takes a Validator, once, on a 'ref' validator");
        return NULL;
    }
    self->target = Py_NewRef(target);
    Py_RETURN_NONE;
}

static PyObject *
validator_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<Validator %U>", ((onex_validator *)op)->name);
}

static PyObject *
validator_get_kind(PyObject *op, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((onex_validator *)op)->kind->name);
}

static PyMethodDef validator_methods[] = {
    {"validate", (PyCFunction)(void (*)(void))validator_validate, METH_FASTCALL,
     validator_validate_doc},
    {"rename", validator_rename, METH_O, validator_rename_doc},
    {"bind", validator_bind, METH_O, validator_bind_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef validator_members[] = {
    {"name", T_OBJECT, offsetof(onex_validator, name), READONLY,
     PyDoc_STR("The label in the locations of a union's errors.")},
    {"args", T_OBJECT, offsetof(onex_validator, args), READONLY,
     PyDoc_STR("Children and parameters of the kind.")},
    {"target", T_OBJECT, offsetof(onex_validator, target), READONLY,
     PyDoc_STR("What a reference stands for, or None.")},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef validator_getset[] = {
    {"kind", validator_get_kind, NULL, PyDoc_STR("The kind of node."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot validator_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Validator(kind, name, /, *args)\n--\n\n"
                       "A compiled annotation (onex_events.annotations).")},
    {Py_tp_new, validator_new},
    {Py_tp_dealloc, validator_dealloc},
    {Py_tp_traverse, validator_traverse},
    {Py_tp_clear, validator_clear},
    {Py_tp_repr, validator_repr},
    {Py_tp_methods, validator_methods},
    {Py_tp_members, validator_members},
    {Py_tp_getset, validator_getset},
    {0, NULL},
};

static PyType_Spec validator_spec = {
    .name = "onex_events._core.Validator",
    .basicsize = sizeof(onex_validator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = validator_slots,
};

/* ------------------------------------------------------------------- setup */

/* ValidationError is made here and gets its methods in onex_events/errors.py.
 * A Python class statement would not do: pydantic_core.ValidationError, which
 * is given it as its base when both are loaded, asks its base's tp_traverse
 * and tp_clear, and those of a Python class ask the derived type's again.  The
 * slots inherited here are BaseException's own. */
static PyType_Slot error_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Values that do not fit their fields, all of them in one error.")},
    {0, NULL},
};

static PyType_Spec error_spec = {
    .name = "onex_events.ValidationError",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = error_slots,
};

int
onex_fields_setup(PyObject *module, onex_state *st)
{
    st->validator_type = onex_add_type(module, &validator_spec, NULL);
    if (st->validator_type == NULL) {
        return -1;
    }
    st->key_mark = PyUnicode_InternFromString("[key]");
    st->validation_error_type =
        onex_add_type(module, &error_spec, PyExc_ValueError);
    if (st->key_mark == NULL || st->validation_error_type == NULL) {
        return -1;
    }
    return 0;
}
