/* EventMeta, the class of event classes.
 *
 * Reading a class body (annotations, defaults, Field objects, type variables)
 * is Python's part, in onex_events/model.py; event_layout.c gives the fields
 * their places.  Here a class is made, and the functions that it uses are
 * chosen. */
#include "py/bus.h"
#include "py/event.h"

#include "py/members.h"

/* --- which of our functions the class uses --- */

/* The attribute as found in the MRO, without binding: borrowed, or NULL. */
static PyObject *
find_in_mro(PyTypeObject *type, PyObject *name)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
#if PY_VERSION_HEX >= 0x030C0000
        PyObject *dict = PyType_GetDict(base);
#else
        PyObject *dict = Py_XNewRef(base->tp_dict);
#endif
        PyObject *found = dict == NULL ? NULL : PyDict_GetItem(dict, name);
        Py_XDECREF(dict);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* Same function under the name in the class as in `origin`? */
static bool
inherits(PyTypeObject *type, PyTypeObject *origin, PyObject *name)
{
    return find_in_mro(type, name) == find_in_mro(origin, name);
}

/* Sets the class's slots according to what it overrides; again whenever such
 * an attribute of the class or a base is assigned. */
static void
choose_functions(onex_event_class *cls)
{
    onex_state *st = cls->st;
    PyTypeObject *type = (PyTypeObject *)cls;
    PyTypeObject *base = (PyTypeObject *)st->event_base_type;
    type->tp_vectorcall = inherits(type, base, st->str___init__) &&
                                  inherits(type, base, st->str___new__)
                              ? event_vectorcall
                              : NULL;
    if (type->tp_getattro != event_getattro) {
        cls->hook = type->tp_getattro;
    }
    cls->own_getattr = inherits(type, base, st->str___getattr__) &&
                       inherits(type, base, st->str___getattribute__);
    if (cls->own_getattr) {
        type->tp_getattro = event_getattro;
    }
    else if (type->tp_getattro == event_getattro) {
        type->tp_getattro = cls->hook;
    }
}

static int
choose_functions_below(onex_event_class *cls)
{
    choose_functions(cls);
    PyObject *subclasses = PyObject_CallMethod((PyObject *)&PyType_Type,
                                               "__subclasses__", "O", cls);
    if (subclasses == NULL) {
        return -1;
    }
    int result = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(subclasses) && result == 0;
         i++) {
        PyObject *item = PyList_GET_ITEM(subclasses, i);
        if (onex_event_class_check(cls->st, item) &&
            ((onex_event_class *)item)->st != NULL) {
            result = choose_functions_below((onex_event_class *)item);
        }
    }
    Py_DECREF(subclasses);
    return result;
}

/* Our allocation and deallocation, unless the class has a __dict__ of its own
 * or anything else that type.__new__ cares for. */
static void
choose_memory(onex_event_class *cls)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    bool has_dict = type->tp_dictoffset != 0;
#ifdef Py_TPFLAGS_MANAGED_DICT
    has_dict |= (PyType_GetFlags(type) & Py_TPFLAGS_MANAGED_DICT) != 0;
#endif
    cls->plain = !has_dict && type->tp_basicsize == sizeof(onex_event) &&
                 type->tp_del == NULL;
    if (cls->plain) {
        type->tp_dealloc = event_dealloc;
        type->tp_traverse = event_traverse;
        type->tp_clear = event_clear;
    }
}

/* --- construction --- */

/* What the first class needs, and the import of the core does not. 0 / -1. */
static int
import_model(onex_state *st)
{
    PyObject *enums = PyImport_ImportModule("onex_events.enums");
    if (enums == NULL) {
        return -1;
    }
    Py_XSETREF(st->event_phase_type,
               PyObject_GetAttrString(enums, "EventPhase"));
    Py_DECREF(enums);
    if (st->event_phase_type == NULL) {
        return -1;
    }
    Py_XSETREF(st->phase_completed,
               PyObject_GetAttrString(st->event_phase_type, "COMPLETED"));
    if (st->phase_completed == NULL) {
        return -1;
    }
    Py_XSETREF(st->phase_failed,
               PyObject_GetAttrString(st->event_phase_type, "FAILED"));
    if (st->phase_failed == NULL) {
        return -1;
    }
    st->model_module = PyImport_ImportModule("onex_events.model");
    return st->model_module == NULL ? -1 : 0;
}

/* The local names where the class is being made: a new reference, None without
 * a frame, or NULL with an exception. */
static PyObject *
callers_locals(void)
{
    /* Makes the frame's object: CPython 3.13 does not look whether it could
     * when the locals are asked for. */
    if (PyEval_GetFrame() == NULL) {
        return PyEval_GetGlobals() == NULL ? Py_NewRef(Py_None)
                                           : PyErr_NoMemory();
    }
    return Py_XNewRef(PyEval_GetLocals());
}

static PyObject *
meta_new(PyTypeObject *meta, PyObject *args, PyObject *kwargs)
{
    onex_state *st = onex_state_of_type(meta);
    PyObject *prepared = NULL, *body, *declaration, *rest;
    PyObject *options = kwargs == NULL ? PyDict_New() : Py_NewRef(kwargs);
    PyObject *call_args = NULL, *called = NULL, *cls = NULL, *model = NULL;
    PyObject *name, *bases, *namespace;
    if (st == NULL || options == NULL ||
        !PyArg_ParseTuple(args, "UO!O!:EventMeta", &name, &PyTuple_Type, &bases,
                          &PyDict_Type, &namespace)) {
        goto done;
    }
    if (st->model_module == NULL && import_model(st) < 0) {
        goto done;
    }
    PyObject *locals = callers_locals();
    if (locals == NULL) {
        goto done;
    }
    prepared = PyObject_CallMethod(st->model_module, "prepare", "OOOOO", name,
                                   bases, namespace, locals, options);
    Py_DECREF(locals);
    if (prepared == NULL ||
        !PyArg_ParseTuple(prepared, "OOO", &body, &declaration, &rest)) {
        goto done;
    }
    /* What ABCMeta.__new__ does; called itself, it would refuse a metaclass
     * with a tp_new in C. */
    call_args = Py_BuildValue("(OOO)", name, bases, body);
    cls = call_args == NULL ? NULL : PyType_Type.tp_new(meta, call_args, rest);
    if (cls == NULL) {
        goto done;
    }
    called = PyObject_CallOneArg(st->abc_init, cls);
    if (called == NULL) {
        Py_CLEAR(cls);
        goto done;
    }
    if (((onex_event_class *)cls)->st != NULL) {
        goto done; /* made by the metaclass of a base */
    }
    onex_event_class *self = (onex_event_class *)cls;
    self->module = Py_NewRef(PyType_GetModuleByDef(meta, &onex_module_def));
    self->st = st;
    model = PyObject_CallMethod(declaration, "finish", "O", cls);
    if (model == NULL || event_class_lay_out(self, model) < 0) {
        Py_CLEAR(cls);
        goto done;
    }
    choose_memory(self);
    choose_functions(self);
    if (st->event_type == NULL) {
        st->event_type = Py_NewRef(cls);
    }
    if (event_class_try_complete(self, false) < 0 ||
        (PyTuple_GET_SIZE(bases) > 1 && onex_bus_classes_changed(st) < 0)) {
        Py_CLEAR(cls);
    }
done:
    Py_XDECREF(model);
    Py_XDECREF(call_args);
    Py_XDECREF(called);
    Py_XDECREF(prepared);
    Py_XDECREF(options);
    return cls;
}

static int
meta_init(PyObject *self, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    /* Keywords of the class statement belong to __init_subclass__. */
    return PyType_Type.tp_init(self, args, NULL);
}

/* --- clear, traverse, dealloc --- */

static int
meta_traverse(PyObject *op, visitproc visit, void *arg)
{
    onex_event_class *self = (onex_event_class *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->module);
    Py_VISIT(self->indices);
    Py_VISIT(self->arguments);
    Py_VISIT(self->title);
    Py_VISIT(self->dump_template);
    Py_VISIT(self->origin);
    Py_VISIT(self->model);
    for (uint32_t i = 0; self->fields != NULL && i < self->n_fields; i++) {
        Py_VISIT(self->fields[i].validator);
        Py_VISIT(self->fields[i].value);
        Py_VISIT(self->fields[i].info);
        Py_VISIT(self->fields[i].serializer);
    }
    return PyType_Type.tp_traverse(op, visit, arg);
}

static int
meta_clear(PyObject *op)
{
    event_class_drop_fields((onex_event_class *)op);
    return PyType_Type.tp_clear(op);
}

static void
meta_dealloc(PyObject *op)
{
    onex_event_class *self = (onex_event_class *)op;
    PyTypeObject *meta = Py_TYPE(op);
    PyObject *module = self->module;
    PyMemberDef *members = self->members;
    uint16_t *buckets = self->buckets;
    event_class_drop_fields(self);
    self->module = NULL;
    PyType_Type.tp_dealloc(op); /* wants it tracked */
    PyMem_Free(members);
    PyMem_Free(buckets);
    Py_XDECREF(module);
    Py_DECREF(meta);
}

/* --- attributes of classes --- */

static int
meta_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    onex_event_class *self = (onex_event_class *)op;
    if (PyType_Type.tp_setattro(op, name, value) < 0) {
        return -1;
    }
    onex_state *st = self->st;
    if (st == NULL || !PyUnicode_Check(name)) {
        return 0;
    }
    PyObject *watched[] = {st->str___init__, st->str___new__,
                           st->str___getattr__, st->str___getattribute__};
    for (size_t i = 0; i < Py_ARRAY_LENGTH(watched); i++) {
        if (PyUnicode_Compare(name, watched[i]) == 0) {
            return choose_functions_below(self);
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
meta_get_model_fields(PyObject *op, void *Py_UNUSED(closure))
{
    onex_event_class *self = (onex_event_class *)op;
    if (self->model == NULL) {
        PyErr_SetString(PyExc_AttributeError, "model_fields");
        return NULL;
    }
    if (!self->complete && event_class_try_complete(self, false) < 0) {
        return NULL;
    }
    return PyObject_GetAttrString(self->model, "fields");
}

static PyObject *
meta_get_model(PyObject *op, void *Py_UNUSED(closure))
{
    onex_event_class *self = (onex_event_class *)op;
    if (self->model == NULL) {
        PyErr_SetString(PyExc_AttributeError, "__event_model__");
        return NULL;
    }
    return Py_NewRef(self->model);
}

/* isinstance and issubclass: the MRO decides; only what it denies goes on to
 * ABCMeta's registry. */
static PyObject *
meta_instancecheck(PyObject *self, PyObject *object)
{
    if (PyObject_TypeCheck(object, (PyTypeObject *)self)) {
        Py_RETURN_TRUE;
    }
    onex_state *st = onex_state_of_type(Py_TYPE(self));
    return st == NULL ? NULL
                      : PyObject_CallMethod(st->abc_meta, "__instancecheck__",
                                            "OO", self, object);
}

static PyObject *
meta_subclasscheck(PyObject *self, PyObject *object)
{
    if (PyType_Check(object) &&
        PyType_IsSubtype((PyTypeObject *)object, (PyTypeObject *)self)) {
        Py_RETURN_TRUE;
    }
    onex_state *st = onex_state_of_type(Py_TYPE(self));
    return st == NULL ? NULL
                      : PyObject_CallMethod(st->abc_meta, "__subclasscheck__",
                                            "OO", self, object);
}

static PyMethodDef meta_methods[] = {
    {"__instancecheck__", meta_instancecheck, METH_O, NULL},
    {"__subclasscheck__", meta_subclasscheck, METH_O, NULL},
    {0},
};

static PyGetSetDef meta_getset[] = {
    {"model_fields", meta_get_model_fields, NULL,
     PyDoc_STR("The class's fields: name -> FieldInfo."), NULL},
    {"__event_model__", meta_get_model, NULL,
     PyDoc_STR("What onex_events.model keeps about the class."), NULL},
    {0},
};

/* Inherited from type anyhow; a debug build wants it said with the flag. */
static PyMemberDef meta_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET,
     offsetof(PyTypeObject, tp_vectorcall), Py_READONLY, NULL},
    {0},
};

/* type's own call, which makes events unless __init__ or __new__ is
 * overridden: inherited, but later than the flag is checked. */
static PyObject *
meta_call(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    return PyType_Type.tp_call(cls, args, kwargs);
}

static PyType_Slot meta_slots[] = {
    {Py_tp_doc, PyDoc_STR("The class of event classes.")},
    {Py_tp_new, meta_new},
    {Py_tp_init, meta_init},
    {Py_tp_call, meta_call},
    {Py_tp_dealloc, meta_dealloc},
    {Py_tp_traverse, meta_traverse},
    {Py_tp_clear, meta_clear},
    {Py_tp_setattro, meta_setattro},
    {Py_tp_methods, meta_methods},
    {Py_tp_getset, meta_getset},
    {Py_tp_members, meta_members},
    {0, NULL},
};

static PyType_Spec meta_spec = {
    .name = "onex_events._core.EventMeta",
    .basicsize = sizeof(onex_event_class),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_TYPE_SUBCLASS | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = meta_slots,
};

int
onex_event_meta_setup(PyObject *module, onex_state *st)
{
    int result = -1;
    PyObject *bases = NULL;
    PyObject *abc = PyImport_ImportModule("abc");
    if (abc == NULL) {
        goto done;
    }
    st->abc_meta = PyObject_GetAttrString(abc, "ABCMeta");
    st->abc_init = PyObject_GetAttrString(abc, "_abc_init");
    if (st->abc_meta == NULL || st->abc_init == NULL) {
        goto done;
    }
    bases = PyTuple_Pack(1, st->abc_meta);
    if (bases == NULL) {
        goto done;
    }
    st->event_meta_type = onex_add_type(module, &meta_spec, bases);
    result = st->event_meta_type == NULL ? -1 : 0;
done:
    Py_XDECREF(bases);
    Py_XDECREF(abc);
    return result;
}
