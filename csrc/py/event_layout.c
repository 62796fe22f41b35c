/* The layout of an event class: where its fields are, by which names they are
 * found, and the plan that the constructor follows; read from model.Model. */
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

/* info.<name>, a small number. 0 / -1 */
static int
info_number(PyObject *info, const char *name, uint8_t *number)
{
    PyObject *value = PyObject_GetAttrString(info, name);
    if (value == NULL) {
        return -1;
    }
    long found = PyLong_AsLong(value);
    Py_DECREF(value);
    *number = (uint8_t)found;
    return found == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The same as a truth. 0 / -1 */
static int
info_flag(PyObject *info, const char *name, bool *flag)
{
    uint8_t number = 0;
    int result = info_number(info, name, &number);
    *flag = number != 0;
    return result;
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
    const struct {
        const char *name;
        PyObject **to;
    } objects[] = {
        {"name", &field->name},
        {"argument", &field->argument},
        {"default_source", &field->value},
        {"dumped_as", &field->dumped_as},
        {"serializer", &field->serializer},
        {"json_key", &field->json_key},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(objects); i++) {
        *objects[i].to = PyObject_GetAttrString(info, objects[i].name);
        if (*objects[i].to == NULL) {
            return -1;
        }
    }
    if (field->serializer == Py_None) {
        Py_CLEAR(field->serializer);
    }
    if (!PyUnicode_CheckExact(field->name) ||
        !PyUnicode_Check(field->argument) ||
        !PyUnicode_Check(field->dumped_as) || !PyBytes_Check(field->json_key)) {
        PyErr_SetString(PyExc_TypeError,
                        "field names must be str, JSON keys bytes");
        return -1;
    }
    PyUnicode_InternInPlace(&field->name);
    if (info_number(info, "kind", &field->kind) < 0 ||
        info_flag(info, "is_frozen", &field->frozen) < 0 ||
        info_flag(info, "in_repr", &field->in_repr) < 0 ||
        info_flag(info, "in_dump", &field->in_dump) < 0) {
        return -1;
    }
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
    PyObject *model = cls->model;
    if (info_number(model, "extra", &cls->extra) < 0 ||
        info_flag(model, "is_frozen", &cls->frozen) < 0 ||
        info_flag(model, "has_before", &cls->has_before) < 0 ||
        info_flag(model, "has_after", &cls->has_hooks) < 0 ||
        info_flag(model, "has_computed", &cls->has_computed) < 0 ||
        info_flag(model, "dumps_by_alias", &cls->dumps_by_alias) < 0 ||
        (cls->title = PyObject_GetAttrString(model, "title")) == NULL ||
        (cls->origin = PyObject_GetAttrString(model, "origin")) == NULL ||
        (cls->arguments = PyObject_GetAttrString(model, "arguments")) == NULL) {
        return -1;
    }
    cls->dumps_whole &= !cls->has_computed;
    if (cls->origin == Py_None) {
        Py_CLEAR(cls->origin);
    }
    if (cls->arguments == Py_None) {
        Py_CLEAR(cls->arguments);
    }
    return 0;
}

void
event_class_drop_fields(onex_event_class *cls)
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

int
event_class_lay_out(onex_event_class *cls, PyObject *model)
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

int
event_class_try_complete(onex_event_class *cls, bool strict)
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
    return event_class_try_complete(cls, true) < 0 ? -1 : 0;
}
