/* SiteFunction and SiteCallable: a decorated function, as an object.
 *
 * While nobody listens a call costs one load and one branch before the
 * target is called with the very same arguments: no allocation, no clock, no
 * context variable, no attribute. */
#include "py/site_function.h"

#include "core/stack.h"
#include "py/members.h"
#include "py/observed.h"

/* Calls. */

static inline vectorcallfunc
target_vectorcall(onex_site_function *self)
{
    vectorcallfunc run = NULL;
    if (self->target_vectorcall != 0) {
        run = *(vectorcallfunc *)((char *)self->site.target +
                                  self->target_vectorcall);
    }
    return run == NULL ? PyObject_Vectorcall : run;
}

/* Kept out of the way of calls to which nobody listens. */
#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

/* While somebody listens. */
static OUT_OF_LINE PyObject *
site_call_listened(onex_site_function *self, PyObject *const *args,
                   size_t nargsf, PyObject *kwnames)
{
    onex_site *site = &self->site;
    vectorcallfunc run = target_vectorcall(self);
    if (site->kind == ONEX_FUNCTION) {
        return onex_call_function(site, run, site->target, args, nargsf,
                                  kwnames);
    }
    PyObject *inner = run(site->target, args, nargsf, kwnames);
    if (inner == NULL || !onex_site_wanted(site)) {
        return inner;
    }
    return onex_observed_new(site, inner, args, nargsf, kwnames);
}

/* Where the stack has to be looked at more closely. */
static OUT_OF_LINE PyObject *
site_call_on_unknown_stack(onex_site_function *self, PyObject *const *args,
                           size_t nargsf, PyObject *kwnames)
{
    if (onex_stack_is_low()) {
        PyErr_Format(PyExc_RecursionError,
                     "maximum recursion depth exceeded: the C stack of this "
                     "thread is used up while calling %U",
                     self->qualname);
        return NULL;
    }
    if (self->site.listening->listening != 0) {
        return site_call_listened(self, args, nargsf, kwnames);
    }
    return target_vectorcall(self)(self->site.target, args, nargsf, kwnames);
}

static PyObject *
site_vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                PyObject *kwnames)
{
    onex_site_function *self = (onex_site_function *)callable;
    if (onex_stack_may_be_low()) {
        return site_call_on_unknown_stack(self, args, nargsf, kwnames);
    }
    if (self->site.listening->listening != 0) {
        return site_call_listened(self, args, nargsf, kwnames);
    }
    return target_vectorcall(self)(self->site.target, args, nargsf, kwnames);
}

/* Construction. */

/* A copy of an attribute of the function, or NULL without an exception when
 * it has none.  -1 / 0. */
static int
copy_attribute(PyObject *target, const char *name, PyObject **value)
{
    *value = PyObject_GetAttrString(target, name);
    if (*value == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

/* Names, documentation and attributes, as functools.update_wrapper does. */
static int
copy_identity(onex_site_function *self)
{
    PyObject *target = self->site.target, *attributes = NULL;
    int result = -1;
    if (copy_attribute(target, "__name__", &self->name) < 0 ||
        copy_attribute(target, "__qualname__", &self->qualname) < 0 ||
        copy_attribute(target, "__module__", &self->module) < 0 ||
        copy_attribute(target, "__doc__", &self->doc) < 0) {
        goto done;
    }
    if (self->name == NULL || !PyUnicode_Check(self->name)) {
        Py_XSETREF(self->name, PyObject_GetAttrString(
                                   (PyObject *)Py_TYPE(target), "__name__"));
    }
    if (self->name == NULL) {
        goto done;
    }
    if (self->qualname == NULL || !PyUnicode_Check(self->qualname)) {
        Py_XSETREF(self->qualname, Py_NewRef(self->name));
    }
    self->dict = PyDict_New();
    if (self->dict == NULL ||
        copy_attribute(target, "__dict__", &attributes) < 0 ||
        (attributes != NULL && PyDict_Update(self->dict, attributes) < 0) ||
        PyDict_SetItemString(self->dict, "__wrapped__", target) < 0) {
        goto done;
    }
    result = 0;
done:
    Py_XDECREF(attributes);
    return result;
}

static PyObject *
site_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    onex_state *st = onex_state_of_type(type);
    if (st == NULL) {
        return NULL;
    }
    onex_site_function *self = (onex_site_function *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->vectorcall = site_vectorcall;
    if (onex_site_init(&self->site, st, (PyObject *)self, args, kwargs) < 0) {
        goto error;
    }
    PyTypeObject *target = Py_TYPE(self->site.target);
    if (PyType_HasFeature(target, Py_TPFLAGS_HAVE_VECTORCALL)) {
        self->target_vectorcall = target->tp_vectorcall_offset;
    }
    if (copy_identity(self) < 0) {
        goto error;
    }
    return (PyObject *)self;
error:
    Py_DECREF(self);
    return NULL;
}

/* Clear, traverse, dealloc. */

static int
site_traverse(onex_site_function *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->name);
    Py_VISIT(self->qualname);
    Py_VISIT(self->module);
    Py_VISIT(self->doc);
    Py_VISIT(self->dict);
    return onex_site_traverse(&self->site, visit, arg);
}

/* 0, or -1 with an exception where the collector has taken the target. */
static int
check_target(onex_site_function *self)
{
    if (self->site.target != NULL) {
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError, "%R was collected as garbage", self);
    return -1;
}

static PyObject *
site_call_cleared(PyObject *self, PyObject *const *Py_UNUSED(args),
                  size_t Py_UNUSED(nargsf), PyObject *Py_UNUSED(kwnames))
{
    (void)check_target((onex_site_function *)self);
    return NULL;
}

static int
site_clear(onex_site_function *self)
{
    self->vectorcall = site_call_cleared;
    onex_site_clear(&self->site);
    Py_CLEAR(self->module);
    Py_CLEAR(self->doc);
    Py_CLEAR(self->dict);
    return 0;
}

static void
site_dealloc(onex_site_function *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    (void)site_clear(self);
    Py_CLEAR(self->name);
    Py_CLEAR(self->qualname);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* Methods. */

static PyObject *
site_repr(onex_site_function *self)
{
    return PyUnicode_FromFormat("<observed function %U at %p>", self->qualname,
                                (void *)self);
}

static PyObject *
site_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    return instance == NULL || instance == Py_None
               ? Py_NewRef(self)
               : PyMethod_New(self, instance);
}

/* __module__ and __doc__ of a type hide descriptors of the same name, so these
 * two are looked up before it: the field, or NULL for another name. */
static PyObject **
own_field(onex_site_function *self, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        return NULL; /* of __getattribute__(1), an error of the generic way */
    }
    if (PyUnicode_GET_LENGTH(name) == 10 &&
        PyUnicode_CompareWithASCIIString(name, "__module__") == 0) {
        return &self->module;
    }
    if (PyUnicode_GET_LENGTH(name) == 7 &&
        PyUnicode_CompareWithASCIIString(name, "__doc__") == 0) {
        return &self->doc;
    }
    return NULL;
}

/* What neither the type nor our dictionary has, the target may. */
static PyObject *
site_getattro(PyObject *object, PyObject *name)
{
    onex_site_function *self = (onex_site_function *)object;
    assert(self != NULL);
    PyObject **field = own_field(self, name);
    if (field != NULL && *field != NULL) {
        return Py_NewRef(*field);
    }
    PyObject *value = PyObject_GenericGetAttr(object, name);
    if (value != NULL || self->site.target == NULL ||
        !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return value;
    }
    PyErr_Clear();
    return PyObject_GetAttr(self->site.target, name);
}

static int
site_setattro(PyObject *object, PyObject *name, PyObject *value)
{
    PyObject **field = own_field((onex_site_function *)object, name);
    if (field == NULL) {
        return PyObject_GenericSetAttr(object, name, value);
    }
    /* Deleted, both are None afterwards, as with functions. */
    Py_XSETREF(*field, Py_NewRef(value == NULL ? Py_None : value));
    return 0;
}

PyDoc_STRVAR(
    site_reduce_doc,
    "__reduce__($self, /)\n--\n\nPickles by qualified name, as functions are.");

static PyObject *
site_reduce(onex_site_function *self, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(self->qualname);
}

PyDoc_STRVAR(site_set_name_doc, "__set_name__($self, owner, name, /)\n--\n\n"
                                "Makes __init_subclass__, __class_getitem__ "
                                "and __new__ what the interpreter\n"
                                "makes of plain functions of these names.");

static PyObject *
site_set_name(onex_site_function *self, PyObject *args)
{
    PyObject *owner, *name, *given = NULL, *wrapped;
    PyTypeObject *wrapper = NULL;
    if (!PyArg_ParseTuple(args, "OU:__set_name__", &owner, &name) ||
        check_target(self) < 0) {
        return NULL;
    }
    if (PyUnicode_CompareWithASCIIString(name, "__init_subclass__") == 0 ||
        PyUnicode_CompareWithASCIIString(name, "__class_getitem__") == 0) {
        wrapper = &PyClassMethod_Type;
    }
    else if (PyUnicode_CompareWithASCIIString(name, "__new__") == 0) {
        wrapper = &PyStaticMethod_Type;
    }
    if (wrapper != NULL) {
        wrapped = PyObject_CallOneArg((PyObject *)wrapper, (PyObject *)self);
        if (wrapped == NULL) {
            return NULL;
        }
        int failed = PyObject_SetAttr(owner, name, wrapped);
        Py_DECREF(wrapped);
        if (failed < 0) {
            return NULL;
        }
    }
    if (copy_attribute((PyObject *)Py_TYPE(self->site.target), "__set_name__",
                       &given) < 0) {
        return NULL;
    }
    if (given != NULL) {
        PyObject *result = PyObject_CallFunctionObjArgs(
            given, self->site.target, owner, name, NULL);
        Py_DECREF(given);
        return result;
    }
    Py_RETURN_NONE;
}

static PyMethodDef site_methods[] = {
    {"__reduce__", (PyCFunction)site_reduce, METH_NOARGS, site_reduce_doc},
    {"__set_name__", (PyCFunction)site_set_name, METH_VARARGS,
     site_set_name_doc},
    {NULL, NULL, 0, NULL},
};

/* Attributes. */

static PyObject *
site_get_class(onex_site_function *self, void *Py_UNUSED(closure))
{
    PyObject *function = (PyObject *)&PyFunction_Type;
    int passes = self->site.target == NULL
                     ? 0
                     : PyObject_IsInstance(self->site.target, function);
    if (passes < 0) {
        return NULL;
    }
    return Py_NewRef(passes ? function : (PyObject *)Py_TYPE(self));
}

static PyObject *
site_get_forwarded(onex_site_function *self, void *name)
{
    if (check_target(self) < 0) {
        return NULL;
    }
    return PyObject_GetAttrString(self->site.target, (const char *)name);
}

static int
site_set_forwarded(onex_site_function *self, PyObject *value, void *name)
{
    if (check_target(self) < 0) {
        return -1;
    }
    return PyObject_SetAttrString(self->site.target, (const char *)name, value);
}

static int
set_text(PyObject **field, const char *name, PyObject *value)
{
    if (value == NULL || !PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be set to a string object",
                     name);
        return -1;
    }
    Py_XSETREF(*field, Py_NewRef(value));
    return 0;
}

static PyObject *
site_get_name(onex_site_function *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->name);
}

static int
site_set_name_attribute(onex_site_function *self, PyObject *value,
                        void *Py_UNUSED(closure))
{
    return set_text(&self->name, "__name__", value);
}

static PyObject *
site_get_qualname(onex_site_function *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->qualname);
}

static int
site_set_qualname(onex_site_function *self, PyObject *value,
                  void *Py_UNUSED(closure))
{
    return set_text(&self->qualname, "__qualname__", value);
}

#define FORWARDED(name)                                                        \
    {name, (getter)site_get_forwarded, (setter)site_set_forwarded, NULL,       \
     (void *)name}

static PyGetSetDef site_getset[] = {
    {"__class__", (getter)site_get_class, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"__name__", (getter)site_get_name, (setter)site_set_name_attribute, NULL,
     NULL},
    {"__qualname__", (getter)site_get_qualname, (setter)site_set_qualname, NULL,
     NULL},
    FORWARDED("__annotations__"),
    FORWARDED("__builtins__"),
    FORWARDED("__closure__"),
    FORWARDED("__code__"),
    FORWARDED("__defaults__"),
    FORWARDED("__globals__"),
    FORWARDED("__kwdefaults__"),
#if PY_VERSION_HEX >= 0x030C0000
    FORWARDED("__type_params__"),
#endif
#if PY_VERSION_HEX >= 0x030E0000
    FORWARDED("__annotate__"),
#endif
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef site_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET,
     offsetof(onex_site_function, vectorcall), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET,
     offsetof(onex_site_function, weakrefs), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(onex_site_function, dict),
     Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Slots, spec, setup. */

#define COMMON_SLOTS                                                           \
    {Py_tp_new, site_new}, {Py_tp_dealloc, site_dealloc},                      \
        {Py_tp_traverse, site_traverse}, {Py_tp_clear, site_clear},            \
        {Py_tp_repr, site_repr}, {Py_tp_call, PyVectorcall_Call},              \
        {Py_tp_getattro, site_getattro}, {Py_tp_setattro, site_setattro},      \
        {Py_tp_methods, site_methods}, {Py_tp_getset, site_getset},            \
    {                                                                          \
        Py_tp_members, site_members                                            \
    }

#define COMMON_FLAGS                                                           \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |    \
     Py_TPFLAGS_IMMUTABLETYPE)

static PyType_Slot site_function_slots[] = {
    COMMON_SLOTS,
    {Py_tp_descr_get, site_get},
    {0, NULL},
};

static PyType_Spec site_function_spec = {
    .name = "onex_events._core.SiteFunction",
    .basicsize = sizeof(onex_site_function),
    .flags = COMMON_FLAGS | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .slots = site_function_slots,
};

static PyType_Slot site_callable_slots[] = {
    COMMON_SLOTS,
    {0, NULL},
};

static PyType_Spec site_callable_spec = {
    .name = "onex_events._core.SiteCallable",
    .basicsize = sizeof(onex_site_function),
    .flags = COMMON_FLAGS,
    .slots = site_callable_slots,
};

int
onex_site_function_setup(PyObject *module, onex_state *st)
{
    st->site_function_type = onex_add_type(module, &site_function_spec, NULL);
    st->site_callable_type = onex_add_type(module, &site_callable_spec, NULL);
    return st->site_function_type == NULL || st->site_callable_type == NULL ? -1
                                                                            : 0;
}
