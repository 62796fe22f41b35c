/* EventMeta, the class of event classes.
 *
 * Reading a class body (annotations, defaults, Field objects, type variables)
 * is Python's part, in onex_events/model.py; it gives one FieldInfo a field.
 * Here the fields get their places in the object, and the plan that the
 * constructor follows. */
#include "py/bus.h"
#include "py/event.h"

#include "py/members.h"

/* --- the pointer hash of field names --- */

static inline uint32_t
bucket_of(const onex_event_class *cls, const PyObject *name)
{
    return (uint32_t)(((uintptr_t)name >> 4) * 0x9E3779B1u >> 7) &
           cls->bucket_mask;
}

Py_ssize_t
event_field_index(const onex_event_class *cls, PyObject *name)
{
    for (uint32_t i = bucket_of(cls, name);; i = (i + 1) & cls->bucket_mask) {
        uint32_t index = cls->buckets[i];
        if (index == 0) {
            break;
        }
        if (cls->fields[index - 1].name == name) {
            return (Py_ssize_t)index - 1;
        }
    }
    /* A string that is not the interned one, or no field. */
    PyObject *number = PyDict_GetItemWithError(cls->indices, name);
    if (number == NULL) {
        return PyErr_Occurred() ? -2 : -1;
    }
    return PyLong_AsSsize_t(number);
}

static int
fill_buckets(onex_event_class *cls)
{
    uint32_t size = 64;
    while (size < 2 * cls->n_fields) {
        size *= 2;
    }
    cls->buckets = PyMem_Calloc(size, sizeof(uint16_t));
    cls->indices = PyDict_New();
    if (cls->buckets == NULL || cls->indices == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    cls->bucket_mask = size - 1;
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        uint32_t at = bucket_of(cls, cls->fields[i].name);
        while (cls->buckets[at] != 0) {
            at = (at + 1) & cls->bucket_mask;
        }
        cls->buckets[at] = (uint16_t)(i + 1);
        PyObject *number = PyLong_FromUnsignedLong(i);
        if (number == NULL ||
            PyDict_SetItem(cls->indices, cls->fields[i].name, number) < 0) {
            Py_XDECREF(number);
            return -1;
        }
        Py_DECREF(number);
    }
    return 0;
}

/* --- layout --- */

static const struct {
    bool rare;
    Py_ssize_t offset;
} base_places[EVENT_BASE_FIELDS] = {
#define HOT(name) {false, offsetof(onex_event, name)}
#define RARE(name) {true, offsetof(onex_event_rare, name)}
#define X(name, storage) storage(name),
    ONEX_EVENT_FIELDS(X)
#undef X
#undef HOT
#undef RARE
};

static const char *const base_names[EVENT_BASE_FIELDS] = {
#define X(name, storage) #name,
    ONEX_EVENT_FIELDS(X)
#undef X
};

/* info.<name> as an int; -1 with an exception. */
static long
info_number(PyObject *info, const char *name)
{
    PyObject *value = PyObject_GetAttrString(info, name);
    if (value == NULL) {
        return -1;
    }
    long number = PyLong_AsLong(value);
    Py_DECREF(value);
    return number;
}

/* Takes a field over from the base that has it from the same FieldInfo, which
 * saves a dozen attribute reads.  False: there is none. */
static bool
inherit_field(onex_event_class *cls, uint32_t index, PyObject *info)
{
    PyTypeObject *base = ((PyTypeObject *)cls)->tp_base;
    if (!onex_event_class_check(cls->st, (PyObject *)base)) {
        return false;
    }
    const onex_event_class *other = (const onex_event_class *)base;
    if (other->fields == NULL || index >= other->n_fields ||
        other->fields[index].info != info) {
        return false;
    }
    onex_field *field = &cls->fields[index];
    *field = other->fields[index];
    Py_INCREF(field->name);
    Py_INCREF(field->argument);
    Py_XINCREF(field->validator);
    Py_INCREF(field->value);
    Py_INCREF(field->info);
    Py_INCREF(field->dumped_as);
    Py_XINCREF(field->serializer);
    Py_INCREF(field->json_key);
    field->json_default = NULL;
    return true;
}

/* Fills a field from its model.FieldInfo. 0 / -1. */
static int
read_info(onex_event_class *cls, uint32_t index, PyObject *info)
{
    if (inherit_field(cls, index, info)) {
        return 0;
    }
    onex_field *field = &cls->fields[index];
    field->info = Py_NewRef(info);
    field->name = PyObject_GetAttrString(info, "name");
    field->argument = PyObject_GetAttrString(info, "argument");
    field->value = PyObject_GetAttrString(info, "default_source");
    field->dumped_as = PyObject_GetAttrString(info, "dumped_as");
    field->serializer = PyObject_GetAttrString(info, "serializer");
    field->json_key = PyObject_GetAttrString(info, "json_key");
    if (field->dumped_as == NULL || field->serializer == NULL ||
        field->json_key == NULL || !PyBytes_Check(field->json_key)) {
        return -1;
    }
    if (field->serializer == Py_None) {
        Py_CLEAR(field->serializer);
    }
    if (field->name == NULL || field->argument == NULL ||
        field->value == NULL) {
        return -1;
    }
    if (!PyUnicode_CheckExact(field->name) ||
        !PyUnicode_Check(field->argument) ||
        !PyUnicode_Check(field->dumped_as)) {
        PyErr_SetString(PyExc_TypeError, "field names must be str");
        return -1;
    }
    PyUnicode_InternInPlace(&field->name);
    long kind = info_number(info, "kind");
    long frozen = info_number(info, "is_frozen");
    long in_repr = info_number(info, "in_repr");
    long in_dump = info_number(info, "in_dump");
    if (PyErr_Occurred()) {
        return -1;
    }
    field->kind = (uint8_t)kind;
    field->frozen = frozen != 0;
    field->in_repr = in_repr != 0;
    field->in_dump = in_dump != 0;
    field->atomic_default = event_is_atomic(cls->st, field->value);
    if (index < EVENT_BASE_FIELDS) {
        if (PyUnicode_CompareWithASCIIString(field->name, base_names[index])) {
            PyErr_Format(PyExc_SystemError, "field %u must be %s, is %R", index,
                         base_names[index], field->name);
            return -1;
        }
        field->rare = base_places[index].rare;
        field->offset = base_places[index].offset;
    }
    else {
        field->offset =
            (Py_ssize_t)(offsetof(onex_event, own) +
                         (index - EVENT_BASE_FIELDS) * sizeof(PyObject *));
    }
    return 0;
}

/* True when instances find this very member under the field's name. */
static int
has_member(onex_event_class *cls, const onex_field *field)
{
    PyObject *found = PyObject_GetAttr((PyObject *)cls, field->name);
    if (found == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    int same = field->rare
                   ? Py_IS_TYPE(found, &PyGetSetDescr_Type)
                   : Py_IS_TYPE(found, &PyMemberDescr_Type) &&
                         ((PyMemberDescrObject *)found)->d_member->offset ==
                             field->offset;
    Py_DECREF(found);
    return same;
}

/* Descriptors for the fields that have none at their place yet. 0 / -1. */
static int
add_members(onex_event_class *cls)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    cls->members = PyMem_Calloc(cls->n_fields, sizeof(PyMemberDef));
    if (cls->members == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        int has = has_member(cls, field);
        if (has != 0) {
            if (has < 0) {
                return -1;
            }
            continue;
        }
        PyObject *descriptor;
        if (field->rare) {
            PyGetSetDef *getset = event_getset;
            while (PyUnicode_CompareWithASCIIString(field->name,
                                                    getset->name) != 0) {
                getset++;
            }
            descriptor = PyDescr_NewGetSet(type, getset);
        }
        else {
            PyMemberDef *member = &cls->members[i];
            member->name = PyUnicode_AsUTF8(field->name);
            member->type = Py_T_OBJECT_EX;
            member->offset = field->offset;
            if (member->name == NULL) {
                return -1;
            }
            descriptor = PyDescr_NewMember(type, member);
        }
        if (descriptor == NULL ||
            PyType_Type.tp_setattro((PyObject *)cls, field->name, descriptor) <
                0) {
            Py_XDECREF(descriptor);
            return -1;
        }
        Py_DECREF(descriptor);
    }
    return 0;
}

/* What the class's config and hooks say: read from model.Model. */
static int
read_model(onex_event_class *cls)
{
    long extra = info_number(cls->model, "extra");
    long frozen = info_number(cls->model, "is_frozen");
    long before = info_number(cls->model, "has_before");
    long after = info_number(cls->model, "has_after");
    long computed = info_number(cls->model, "has_computed");
    long by_alias = info_number(cls->model, "dumps_by_alias");
    if (PyErr_Occurred()) {
        return -1;
    }
    cls->extra = (uint8_t)extra;
    cls->frozen = frozen != 0;
    cls->has_before = before != 0;
    cls->has_hooks = after != 0;
    cls->has_computed = computed != 0;
    cls->dumps_whole &= !cls->has_computed;
    cls->dumps_by_alias = by_alias != 0;
    cls->title = PyObject_GetAttrString(cls->model, "title");
    cls->origin = PyObject_GetAttrString(cls->model, "origin");
    if (cls->origin == Py_None) {
        Py_CLEAR(cls->origin);
    }
    PyObject *arguments = PyObject_GetAttrString(cls->model, "arguments");
    if (cls->title == NULL || arguments == NULL) {
        Py_XDECREF(arguments);
        return -1;
    }
    if (arguments == Py_None) {
        Py_DECREF(arguments);
    }
    else {
        cls->arguments = arguments;
    }
    return 0;
}

/* Drops what refers to other objects; instances then have no fields. */
static void
drop_fields(onex_event_class *cls)
{
    onex_field *fields = cls->fields;
    uint32_t count = cls->n_fields;
    cls->fields = NULL;
    cls->complete = false;
    cls->n_fields = 0;
    event_forget_shapes(cls);
    memset(cls->hot, 0, sizeof(cls->hot));
    for (uint32_t i = 0; fields != NULL && i < count; i++) {
        Py_XDECREF(fields[i].name);
        Py_XDECREF(fields[i].argument);
        Py_XDECREF(fields[i].validator);
        Py_XDECREF(fields[i].value);
        Py_XDECREF(fields[i].info);
        Py_XDECREF(fields[i].dumped_as);
        Py_XDECREF(fields[i].serializer);
        Py_XDECREF(fields[i].json_key);
        Py_XDECREF(fields[i].json_default);
    }
    PyMem_Free(fields);
    Py_CLEAR(cls->indices);
    Py_CLEAR(cls->arguments);
    Py_CLEAR(cls->title);
    Py_CLEAR(cls->dump_template);
    Py_CLEAR(cls->origin);
    Py_CLEAR(cls->model);
}

/* Lays the class out from model.Model, whose `fields` are in order. 0 / -1. */
static int
lay_out(onex_event_class *cls, PyObject *model)
{
    int result = -1;
    PyObject *infos = NULL;
    PyObject *fields = PyObject_GetAttrString(model, "fields");
    if (fields == NULL) {
        return -1;
    }
    infos = PyMapping_Values(fields);
    Py_DECREF(fields);
    if (infos == NULL) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(infos);
    if (count < EVENT_BASE_FIELDS || count > 4096) {
        PyErr_Format(PyExc_TypeError, "an event class can't have %zd fields",
                     count);
        goto done;
    }
    cls->model = Py_NewRef(model);
    cls->fields = PyMem_Calloc(count, sizeof(onex_field));
    if (cls->fields == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    cls->n_fields = (uint32_t)count;
    cls->dumps_whole = true;
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        if (read_info(cls, i, PyList_GET_ITEM(infos, i)) < 0) {
            goto done;
        }
        onex_field *field = &cls->fields[i];
        cls->has_serializers |= field->serializer != NULL;
        cls->dumps_whole &= field->serializer == NULL && field->in_dump;
        cls->n_required += field->kind == FIELD_REQUIRED;
        cls->eager |= field->kind == FIELD_FACTORY ||
                      field->kind == FIELD_VALIDATED ||
                      field->kind == FIELD_DERIVED;
        if (!field->rare && i < EVENT_BASE_FIELDS &&
            field->kind == FIELD_CONSTANT) {
            cls->hot[(field->offset - EVENT_HOT_FIRST) / sizeof(PyObject *)] =
                field->value;
        }
        if (i >= EVENT_subject_type && i <= EVENT_actor_id) {
            cls->checks_pairs |=
                field->kind != FIELD_CONSTANT || field->value != Py_None;
        }
    }
    cls->n_own = cls->n_fields - EVENT_BASE_FIELDS;
    cls->n_words = cls->n_fields > EVENT_MARKS
                       ? (cls->n_fields - EVENT_MARKS + 63) / 64
                       : 0;
    if (read_model(cls) < 0 || fill_buckets(cls) < 0 || add_members(cls) < 0) {
        goto done;
    }
    result = 0;
done:
    Py_DECREF(infos);
    return result;
}

/* Takes over the validators that model.Model has compiled. 0 / -1. */
static int
take_validators(onex_event_class *cls)
{
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        if (field->validator != NULL) {
            continue; /* of a base */
        }
        PyObject *validator = PyObject_GetAttrString(field->info, "validator");
        if (validator == NULL) {
            return -1;
        }
        if (!onex_validator_check(cls->st, validator)) {
            PyErr_Format(PyExc_SystemError, "field %R has no validator: %R",
                         field->name, validator);
            Py_DECREF(validator);
            return -1;
        }
        Py_XSETREF(field->validator, validator);
        onex_validator *node = (onex_validator *)validator;
        field->exact = node->exact;
        field->takes_none = node->takes_none;
        field->default_accepted =
            field->kind == FIELD_CONSTANT &&
            (node->takes_any || Py_TYPE(field->value) == node->exact ||
             (node->takes_none && field->value == Py_None));
        field->atomic = field->exact != NULL &&
                        (!PyType_IS_GC(field->exact) ||
                         (PyObject *)field->exact == cls->st->uuid_type ||
                         (PyObject *)field->exact == cls->st->event_phase_type);
    }
    cls->complete = true;
    return 0;
}

/* model.complete(strict): 1 when the validators are there, 0 when a name is
 * not defined yet (strict: TypeError), -1 with an exception. */
static int
complete(onex_event_class *cls, bool strict)
{
    PyObject *done = PyObject_CallMethodOneArg(
        cls->model, cls->st->str_complete, strict ? Py_True : Py_False);
    if (done == NULL) {
        return -1;
    }
    int is_done = PyObject_IsTrue(done);
    Py_DECREF(done);
    if (is_done <= 0) {
        return is_done;
    }
    return cls->complete || take_validators(cls) == 0 ? 1 : -1;
}

int
event_class_complete(onex_event_class *cls)
{
    if (cls->complete) {
        return 0;
    }
    if (cls->fields == NULL) {
        PyErr_Format(PyExc_TypeError, "the class %U is not ready yet",
                     cls->heap.ht_name);
        return -1;
    }
    return complete(cls, true) < 0 ? -1 : 0;
}

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
    cls->own_deepcopy = inherits(type, base, st->str___deepcopy__);
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
    if (st->model_module == NULL) {
        st->model_module = PyImport_ImportModule("onex_events.model");
        if (st->model_module == NULL) {
            goto done;
        }
    }
    PyObject *locals = PyEval_GetLocals(); /* borrowed; NULL without frame */
    if (locals == NULL) {
        PyErr_Clear();
        locals = Py_None;
    }
    Py_INCREF(locals);
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
    if (model == NULL || lay_out(self, model) < 0) {
        Py_CLEAR(cls);
        goto done;
    }
    choose_memory(self);
    choose_functions(self);
    if (st->event_type == NULL) {
        st->event_type = Py_NewRef(cls);
    }
    if (complete(self, false) < 0 ||
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
    drop_fields((onex_event_class *)op);
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
    drop_fields(self);
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
                           st->str___getattr__, st->str___getattribute__,
                           st->str___deepcopy__};
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
    if (!self->complete && complete(self, false) < 0) {
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
    PyObject *enums = PyImport_ImportModule("onex_events.enums");
    if (abc == NULL || enums == NULL) {
        goto done;
    }
    st->abc_meta = PyObject_GetAttrString(abc, "ABCMeta");
    st->abc_init = PyObject_GetAttrString(abc, "_abc_init");
    st->event_phase_type = PyObject_GetAttrString(enums, "EventPhase");
    if (st->event_phase_type == NULL) {
        goto done;
    }
    st->phase_completed =
        PyObject_GetAttrString(st->event_phase_type, "COMPLETED");
    st->phase_failed = PyObject_GetAttrString(st->event_phase_type, "FAILED");
    if (st->phase_completed == NULL || st->phase_failed == NULL ||
        st->abc_meta == NULL || st->abc_init == NULL) {
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
    Py_XDECREF(enums);
    Py_XDECREF(abc);
    return result;
}
