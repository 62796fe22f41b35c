/* Construction: from keywords and values to a validated event.
 *
 * Two passes.  The first takes what the pointer compare accepts (the value's
 * type is the field's exact type) and puts the rest aside; the second, which
 * most events skip, goes through the fields in order: validates what was put
 * aside, makes defaults that run code, reports what is missing.  Both store
 * into the event itself: a failed one is dropped by the caller. */
#include "py/event.h"

#include "core/clock.h"
#include "core/uuid.h"

#define PENDING_ON_STACK 32

typedef struct {
    Py_ssize_t index; /* of the field; -1: an extra */
    PyObject *name, *value;
} argument;

/* --- id, time, lineage --- */

int
event_stamp(onex_event *self, onex_event_class *cls)
{
    bool needs_id = self->id == NULL && !(self->marks & EVENT_RAW(ONEX_ID)) &&
                    cls->fields[EVENT_id].kind == FIELD_GENERATED;
    bool needs_time = self->timestamp == NULL &&
                      !(self->marks & EVENT_RAW_TIME) &&
                      cls->fields[EVENT_timestamp].kind == FIELD_GENERATED;
    /* With an id of the caller's, the lineage can't be derived from it. */
    bool needs_lineage = !needs_id && self->lineage_id == NULL &&
                         !(self->marks & EVENT_RAW(ONEX_LINEAGE_ID)) &&
                         cls->fields[EVENT_lineage_id].kind == FIELD_GENERATED;
    if (!needs_id && !needs_time && !needs_lineage) {
        return 0;
    }
    int64_t now = onex_clock_wall_ns();
    if (needs_time) {
        self->time_us = onex_clock_us_of_ns(now);
        self->marks |= EVENT_RAW_TIME;
    }
    if (needs_id || needs_lineage) {
        int which = needs_id ? ONEX_ID : ONEX_LINEAGE_ID;
        if (onex_uuid_next(onex_uuid_thread_generator(), now,
                           self->raw[which]) != ONEX_OK) {
            PyErr_SetString(PyExc_OSError,
                            "the system's source of random numbers failed");
            return -1;
        }
        self->marks |= EVENT_RAW(which);
    }
    return 0;
}

/* --- helpers --- */

Py_ssize_t
event_argument(onex_event_class *cls, PyObject *keyword)
{
    if (cls->arguments == NULL) {
        return event_field_index(cls, keyword);
    }
    PyObject *number = PyDict_GetItemWithError(cls->arguments, keyword);
    if (number == NULL) {
        return PyErr_Occurred() ? -2 : -1;
    }
    return PyLong_AsSsize_t(number);
}

/* Everything given, as a new dict: the input of a "missing" error. */
static PyObject *
given_dict(PyObject *const *names, PyObject *const *values, Py_ssize_t count)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < count; i++) {
        if (PyDict_SetItem(dict, names[i], values[i]) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Values of the fields before `index`, as default factories take them. */
static PyObject *
values_before(onex_event *self, onex_event_class *cls, uint32_t index)
{
    PyObject *dict = PyDict_New();
    for (uint32_t i = 0; dict != NULL && i < index; i++) {
        PyObject *value = event_value(self, cls, i);
        if (value == NULL
                ? PyErr_Occurred() != NULL
                : PyDict_SetItem(dict, cls->fields[i].name, value) < 0) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

/* Stores (steals) what the constructor accepted or made. 0 / -1. */
static int
keep(onex_event *self, onex_event_class *cls, uint32_t index, PyObject *value)
{
    onex_field *field = &cls->fields[index];
    PyObject **slot = event_slot_to_fill(self, field);
    if (slot == NULL) {
        Py_DECREF(value);
        return -1;
    }
    PyObject *old = *slot;
    *slot = value;
    event_holds(cls->st, self, value);
    Py_XDECREF(old);
    return 0;
}

/* The default of an omitted field that must be made now. 0, also when it was
 * rejected (then it is in the check); -1 with an exception. */
static int
make_default(onex_event *self, onex_event_class *cls, uint32_t index,
             onex_check *check)
{
    onex_field *field = &cls->fields[index];
    PyObject *value = NULL;
    switch ((onex_field_kind)field->kind) {
    case FIELD_FACTORY:
        value = PyObject_CallNoArgs(field->value);
        break;
    case FIELD_DERIVED: {
        PyObject *before = values_before(self, cls, index);
        if (before != NULL) {
            value = PyObject_CallOneArg(field->value, before);
            Py_DECREF(before);
        }
        break;
    }
    case FIELD_VALIDATED: {
        PyObject *raw =
            PyObject_CallMethodNoArgs(field->info, cls->st->str_make_default);
        if (raw != NULL) {
            onex_place place;
            onex_check_enter(check, &place, field->name, 0);
            value = onex_validate_field(cls->st, field->validator, raw, check);
            onex_check_leave(check, &place);
            Py_DECREF(raw);
            if (value == NULL && !PyErr_Occurred()) {
                return 0;
            }
        }
        break;
    }
    default:
        return 0;
    }
    return value == NULL ? -1 : keep(self, cls, index, value);
}

static int
keep_extra(onex_event *self, onex_event_class *cls, const argument *extra,
           onex_check *check)
{
    if (cls->extra == EXTRA_FORBID) {
        onex_place place;
        onex_check_enter(check, &place, extra->name, 0);
        (void)onex_reject(check, "extra_forbidden", extra->value, NULL);
        onex_check_leave(check, &place);
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *extras = event_extras(self, cls);
    return extras == NULL ? -1
                          : PyDict_SetItem(extras, extra->name, extra->value);
}

/* --- the second pass --- */

/* By field; stable; extras (-1) last.  Few and mostly in order. */
static void
sort_arguments(argument *items, Py_ssize_t count)
{
    for (Py_ssize_t i = 1; i < count; i++) {
        argument moved = items[i];
        Py_ssize_t j = i;
        for (; j > 0 && (size_t)items[j - 1].index > (size_t)moved.index; j--) {
            items[j] = items[j - 1];
        }
        items[j] = moved;
    }
}

/* Validates and keeps one value.  0, also when it was rejected, or -1. */
static int
fill_one(onex_event *self, onex_event_class *cls, const argument *item,
         onex_check *check)
{
    onex_field *field = &cls->fields[item->index];
    onex_place place;
    onex_check_enter(check, &place, item->name, 0);
    PyObject *value =
        onex_validate_field(cls->st, field->validator, item->value, check);
    onex_check_leave(check, &place);
    if (value == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return keep(self, cls, (uint32_t)item->index, value);
}

/* What the pointer compare did not settle, in the order of the fields; with
 * `omitted` also the fields that nothing was given for.  0, also when something
 * was rejected (then it is in the check), or -1. */
static int
fill_rest(onex_event *self, onex_event_class *cls, argument *pending,
          Py_ssize_t n_pending, bool omitted, PyObject *const *names,
          PyObject *const *values, Py_ssize_t count, onex_check *check)
{
    PyObject *given = NULL;
    int result = -1;
    Py_ssize_t next = 0;
    sort_arguments(pending, n_pending);
    for (uint32_t i = 0; omitted && i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        onex_place place;
        if (next < n_pending && pending[next].index == (Py_ssize_t)i) {
            if (fill_one(self, cls, &pending[next++], check) < 0) {
                goto done;
            }
            continue;
        }
        PyObject **slot = event_slot(self, field);
        if (event_marked(self, cls, i) || (slot != NULL && *slot != NULL)) {
            continue;
        }
        if (field->kind != FIELD_REQUIRED) {
            if (make_default(self, cls, i, check) < 0) {
                goto done;
            }
            continue;
        }
        if (given == NULL &&
            (given = given_dict(names, values, count)) == NULL) {
            goto done;
        }
        onex_check_enter(check, &place, field->argument, 0);
        (void)onex_reject(check, "missing", given, NULL);
        onex_check_leave(check, &place);
        if (PyErr_Occurred()) {
            goto done;
        }
    }
    for (; next < n_pending; next++) {
        const argument *item = &pending[next];
        if ((item->index < 0 ? keep_extra(self, cls, item, check)
                             : fill_one(self, cls, item, check)) < 0) {
            goto done;
        }
    }
    result = 0;
done:
    Py_XDECREF(given);
    return result;
}

/* subject_type goes with subject_id, actor_type with actor_id.  0, also when
 * rejected, or -1. */
static int
check_pairs(onex_event *self, onex_event_class *cls, onex_check *check)
{
    static const struct {
        uint32_t type, id;
        const char *message;
    } pairs[] = {
        {EVENT_subject_type, EVENT_subject_id,
         "Value error, subject_type and subject_id must both be set or both "
         "be None"},
        {EVENT_actor_type, EVENT_actor_id,
         "Value error, actor_type and actor_id must both be set or both be "
         "None"},
    };
    for (size_t i = 0; i < Py_ARRAY_LENGTH(pairs); i++) {
        PyObject *type = event_value(self, cls, pairs[i].type);
        PyObject *id =
            type == NULL ? NULL : event_value(self, cls, pairs[i].id);
        if (PyErr_Occurred()) {
            return -1;
        }
        if (type == NULL || id == NULL ||
            (type == Py_None) == (id == Py_None)) {
            continue;
        }
        PyObject *given = PyDict_New();
        if (given != NULL &&
            PyDict_SetItem(given, cls->fields[pairs[i].type].name, type) == 0 &&
            PyDict_SetItem(given, cls->fields[pairs[i].id].name, id) == 0) {
            (void)onex_reject_message(check, "value_error", pairs[i].message,
                                      given);
        }
        Py_XDECREF(given);
        return PyErr_Occurred() ? -1 : 0; /* pydantic reports the first */
    }
    return 0;
}

/* Defaults that are there for the taking. */
static inline void
fill_defaults(onex_event *self, onex_event_class *cls, uint32_t given_own)
{
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        if (hot[i] == NULL) {
            hot[i] = Py_XNewRef(cls->hot[i]);
        }
    }
    if (given_own != cls->n_own) {
        event_fill_own_defaults(self, cls);
    }
}

void
event_fill_own_defaults(onex_event *self, onex_event_class *cls)
{
    for (uint32_t i = 0; i < cls->n_own; i++) {
        const onex_field *field = &cls->fields[EVENT_BASE_FIELDS + i];
        if (self->own[i] == NULL && field->kind == FIELD_CONSTANT) {
            self->own[i] = Py_NewRef(field->value);
            if (!field->atomic_default) {
                event_holds(cls->st, self, field->value);
            }
        }
    }
}

int
event_make_defaults(onex_event *self, onex_event_class *cls, bool factories)
{
    for (uint32_t i = 0; factories && cls->eager && i < cls->n_fields; i++) {
        onex_field *field = &cls->fields[i];
        PyObject **slot = event_slot(self, field);
        PyObject *value = NULL;
        if (slot != NULL && *slot != NULL) {
            continue;
        }
        if (field->kind == FIELD_VALIDATED) {
            value = PyObject_CallMethodNoArgs(field->info,
                                              cls->st->str_make_default);
        }
        else if (field->kind == FIELD_FACTORY || field->kind == FIELD_DERIVED) {
            onex_check unused = ONEX_CHECK_INIT(ONEX_FROM_PYTHON);
            if (make_default(self, cls, i, &unused) < 0) {
                return -1;
            }
            continue;
        }
        else {
            continue;
        }
        if (value == NULL || keep(self, cls, i, value) < 0) {
            return -1;
        }
    }
    fill_defaults(self, cls, UINT32_MAX);
    return 0;
}

/* Values of the event that is evolved, for the fields that nothing was given
 * for.  Appends to `pending` what must be validated; returns its new length. */
static Py_ssize_t
take_over(onex_event *self, onex_event_class *cls, const onex_event *source,
          argument *pending, Py_ssize_t n_pending, uint32_t *given_own,
          uint32_t *given_required)
{
    onex_state *st = cls->st;
    for (uint32_t i = 0; i < cls->n_fields; i++) {
        if (i == EVENT_id || i == EVENT_timestamp ||
            event_marked(self, cls, i)) {
            continue;
        }
        onex_field *field = &cls->fields[i];
        PyObject **slot = event_slot((onex_event *)source, field);
        if (slot == NULL || *slot == NULL) {
            continue;
        }
        PyObject *value = *slot;
        *given_required += field->kind == FIELD_REQUIRED;
        if (event_marked(source, cls, i)) {
            event_mark(self, cls, i);
        }
        if (!field->rare &&
            (Py_TYPE(value) == field->exact ||
             (value == field->value && field->default_accepted))) {
            *event_slot(self, field) = Py_NewRef(value);
            *given_own += i >= EVENT_BASE_FIELDS;
            if (!field->atomic) {
                event_holds(st, self, value);
            }
        }
        else {
            pending[n_pending++] = (argument){i, field->name, value};
        }
    }
    return n_pending;
}

/* Raw ids of the event that is evolved, where nothing was given. */
static void
take_over_ids(onex_event *self, onex_event_class *cls, onex_event *source,
              uint64_t given)
{
    static const struct {
        uint32_t field;
        onex_id_field raw;
        Py_ssize_t offset;
    } ids[] = {
        {EVENT_lineage_id, ONEX_LINEAGE_ID, offsetof(onex_event, lineage_id)},
        {EVENT_parent_id, ONEX_PARENT_ID, offsetof(onex_event, parent_id)},
        {EVENT_root_id, ONEX_ROOT_ID, offsetof(onex_event, root_id)},
    };
    if (cls->fields[EVENT_lineage_id].kind == FIELD_GENERATED &&
        (source->rare == NULL || source->rare->deleted == NULL)) {
        event_derive_lineage(source);
    }
    for (size_t i = 0; i < Py_ARRAY_LENGTH(ids); i++) {
        PyObject **from = (PyObject **)((char *)source + ids[i].offset);
        PyObject **to = (PyObject **)((char *)self + ids[i].offset);
        if (given >> ids[i].field & 1 || *from != NULL ||
            !(source->marks & EVENT_RAW(ids[i].raw))) {
            continue;
        }
        memcpy(self->raw[ids[i].raw], source->raw[ids[i].raw], 16);
        self->marks |= EVENT_RAW(ids[i].raw);
        if (event_marked(source, cls, ids[i].field)) {
            event_mark(self, cls, ids[i].field);
        }
        Py_CLEAR(*to);
    }
}

/* --- the first pass --- */

static int
fill(onex_event *self, onex_event_class *cls, PyObject *const *names,
     PyObject *const *values, Py_ssize_t count, onex_event *source,
     onex_check *check)
{
    onex_state *st = cls->st;
    argument on_stack[PENDING_ON_STACK];
    argument *pending = on_stack;
    Py_ssize_t n_pending = 0;
    uint32_t given_own = 0, given_required = 0;
    int result = -1;
    bool from_python = check->mode == ONEX_FROM_PYTHON;
    Py_ssize_t mark = onex_check_mark(check);

    Py_ssize_t most = count + (source == NULL ? 0 : (Py_ssize_t)cls->n_fields);
    if (most > PENDING_ON_STACK) {
        pending = PyMem_New(argument, most);
        if (pending == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t index = event_argument(cls, names[i]);
        PyObject *value = values[i];
        if (index < 0) {
            if (index == -2) {
                goto done;
            }
            if (cls->extra != EXTRA_IGNORE) {
                pending[n_pending++] = (argument){-1, names[i], value};
            }
            continue;
        }
        onex_field *field = &cls->fields[index];
        given_required += field->kind == FIELD_REQUIRED &&
                          !event_marked(self, cls, (uint32_t)index);
        event_mark(self, cls, (uint32_t)index);
        if (Py_TYPE(value) != field->exact || field->rare || !from_python) {
            pending[n_pending++] = (argument){index, names[i], value};
            continue;
        }
        PyObject **slot = (PyObject **)((char *)self + field->offset);
        PyObject *old = *slot; /* twice: by name and by alias */
        *slot = Py_NewRef(value);
        Py_XDECREF(old);
        given_own += index >= EVENT_BASE_FIELDS;
        if (!field->atomic) {
            event_holds(st, self, value);
        }
    }
    uint64_t given = self->marks;
    if (source != NULL) {
        n_pending = take_over(self, cls, source, pending, n_pending, &given_own,
                              &given_required);
    }
    bool omitted = cls->eager || given_required < cls->n_required;
    if (n_pending > 0 || omitted) {
        if (fill_rest(self, cls, pending, n_pending, omitted, names, values,
                      count, check) < 0) {
            goto done;
        }
        if (onex_check_mark(check) > mark) {
            result = 1;
            goto done;
        }
    }
    fill_defaults(self, cls, given_own);
    if (source != NULL) {
        take_over_ids(self, cls, source, given);
    }
    if (event_stamp(self, cls) < 0) {
        goto done;
    }
    if (self->rare != NULL || cls->checks_pairs) {
        if (check_pairs(self, cls, check) < 0) {
            goto done;
        }
        if (onex_check_mark(check) > mark) {
            result = 1;
            goto done;
        }
    }
    if (cls->has_hooks) {
        PyObject *called = PyObject_CallMethodOneArg(
            cls->model, st->str_after_construction, (PyObject *)self);
        if (called == NULL) {
            goto done;
        }
        Py_DECREF(called);
    }
    result = 0;
done:
    if (pending != on_stack) {
        PyMem_Free(pending);
    }
    return result;
}

/* The same where validators want the raw input: a dict, which they may
 * exchange. */
static int
fill_hooked(onex_event *self, onex_event_class *cls, PyObject *const *names,
            PyObject *const *values, Py_ssize_t count, onex_check *check)
{
    int result = -1;
    PyObject *data = NULL, *keys = NULL, *items = NULL;
    PyObject *given = given_dict(names, values, count);
    if (given == NULL) {
        return -1;
    }
    data = PyObject_CallMethodOneArg(cls->model,
                                     cls->st->str_before_construction, given);
    if (data == NULL) {
        goto done;
    }
    if (!PyDict_Check(data)) {
        PyErr_Format(PyExc_TypeError,
                     "a model validator of mode 'before' of %U must return the "
                     "dict of the fields, got %.200s",
                     cls->heap.ht_name, Py_TYPE(data)->tp_name);
        goto done;
    }
    keys = PyDict_Keys(data);
    items = keys == NULL ? NULL : PyDict_Values(data);
    if (items == NULL) {
        goto done;
    }
    result = fill(self, cls, ((PyListObject *)keys)->ob_item,
                  ((PyListObject *)items)->ob_item, PyList_GET_SIZE(keys), NULL,
                  check);
done:
    Py_XDECREF(items);
    Py_XDECREF(keys);
    Py_XDECREF(data);
    Py_DECREF(given);
    return result;
}

/* --- entry points --- */

int
event_absorb(onex_state *st, onex_check *check)
{
    if (!PyErr_ExceptionMatches(st->validation_error_type)) {
        return -1;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    int absorbed = onex_check_absorb(check, error);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return absorbed < 0 ? -1 : 1;
}

int
event_fill_checked(onex_event *self, onex_event_class *cls,
                   PyObject *const *names, PyObject *const *values,
                   Py_ssize_t count, onex_check *check)
{
    if (!cls->has_before && !cls->has_hooks) {
        return fill(self, cls, names, values, count, NULL, check);
    }
    int result = cls->has_before
                     ? fill_hooked(self, cls, names, values, count, check)
                     : fill(self, cls, names, values, count, NULL, check);
    return result < 0 ? event_absorb(cls->st, check) : result;
}

static int
finish(onex_event_class *cls, onex_check *check, int result)
{
    if (result > 0) {
        onex_validation_error(cls->st, cls->title, check);
        result = -1;
    }
    onex_check_clear(check);
    return result;
}

int
event_fill(onex_event *self, onex_event_class *cls, PyObject *const *names,
           PyObject *const *values, Py_ssize_t count, onex_mode mode)
{
    onex_check check = ONEX_CHECK_INIT(mode);
    return finish(cls, &check,
                  event_fill_checked(self, cls, names, values, count, &check));
}

int
event_fill_evolved(onex_event *self, onex_event_class *cls, onex_event *source,
                   PyObject *const *names, PyObject *const *values,
                   Py_ssize_t count)
{
    onex_check check = ONEX_CHECK_INIT(ONEX_FROM_PYTHON);
    return finish(cls, &check,
                  fill(self, cls, names, values, count, source, &check));
}
