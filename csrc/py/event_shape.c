/* Call shapes: the constructor's short way.
 *
 * A program calls a class's constructor from few places, each with the same
 * keywords in the same order and values of the same types.  A class keeps the
 * last few such shapes: names and exact types to compare, places to store to,
 * and the defaults of all else.  A call that fits one costs two compares a
 * keyword, the stores, one clock reading and one id; a call that fits none is
 * validated by event_fill, and one such call in SHAPE_MISSES leaves a shape.
 *
 * Only classes whose construction runs no user code have shapes, and only
 * calls with hot and own fields whose values passed the pointer compare (or
 * are None where that is taken as it is). */
#include "py/event.h"

#include "core/clock.h"
#include "core/uuid.h"

#define SHAPE_MISSES 8

struct onex_shape {
    uint32_t count;
    uint32_t own; /* how many of them are own fields */
    bool holds;   /* a type may be part of a cycle: track the event */
    uint64_t marks;
    PyObject *hot[EVENT_HOT_COUNT]; /* borrowed from the class's defaults */
    struct {
        PyObject *name;      /* borrowed from the field */
        PyTypeObject *exact; /* borrowed from its validator */
        Py_ssize_t offset;
        bool takes_none;
    } args[];
};

/* The shape that the call fits, or NULL. */
static onex_shape *
find(onex_event_class *cls, PyObject *const *names, PyObject *const *args,
     Py_ssize_t count)
{
    for (int i = 0; i < EVENT_SHAPES; i++) {
        onex_shape *shape = cls->shapes[i];
        if (shape == NULL) {
            return NULL;
        }
        if (shape->count != count) {
            continue;
        }
        Py_ssize_t at = 0;
        while (at < count && shape->args[at].name == names[at] &&
               (Py_TYPE(args[at]) == shape->args[at].exact ||
                (args[at] == Py_None && shape->args[at].takes_none))) {
            at++;
        }
        if (at == count) {
            return shape;
        }
    }
    return NULL;
}

/* An event of the shape: new reference, or NULL with an exception. */
static PyObject *
make(onex_event_class *cls, const onex_shape *shape, PyObject *const *args)
{
    onex_event *self = event_alloc_raw(cls);
    if (self == NULL) {
        return NULL;
    }
    self->rare = NULL;
    self->weakrefs = NULL;
    PyObject **hot = (PyObject **)((char *)self + EVENT_HOT_FIRST);
    for (int i = 0; i < EVENT_HOT_COUNT; i++) {
        hot[i] = Py_XNewRef(shape->hot[i]);
    }
    uint32_t words = cls->n_own + cls->n_words;
    for (uint32_t i = 0; i < words; i++) {
        self->own[i] = NULL;
    }
    for (uint32_t i = 0; i < shape->count; i++) {
        *(PyObject **)((char *)self + shape->args[i].offset) =
            Py_NewRef(args[i]);
    }
    self->marks = shape->marks | EVENT_RAW(ONEX_ID) | EVENT_RAW_TIME;
    int64_t now = onex_clock_wall_ns();
    self->time_us = onex_clock_us_of_ns(now);
    if (onex_uuid_next(onex_uuid_thread_generator(), now, self->raw[ONEX_ID]) !=
        ONEX_OK) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_OSError,
                        "the system's source of random numbers failed");
        return NULL;
    }
    if (shape->own < cls->n_own) {
        event_fill_own_defaults(self, cls);
    }
    if (shape->holds) {
        event_track(self);
    }
    return (PyObject *)self;
}

PyObject *
event_make_shaped(onex_event_class *cls, PyObject *const *names,
                  PyObject *const *args, Py_ssize_t count)
{
    onex_shape *shape = find(cls, names, args, count);
    return shape == NULL ? NULL : make(cls, shape, args);
}

void
event_learn_shape(onex_event_class *cls, PyObject *const *names,
                  PyObject *const *args, Py_ssize_t count)
{
    if (++cls->shape_misses < SHAPE_MISSES || cls->has_hooks ||
        cls->has_before || cls->eager || cls->checks_pairs || !cls->plain ||
        cls->n_fields > EVENT_MARKS || count > EVENT_MARKS ||
        cls->fields[EVENT_id].kind != FIELD_GENERATED ||
        cls->fields[EVENT_timestamp].kind != FIELD_GENERATED ||
        cls->fields[EVENT_lineage_id].kind != FIELD_GENERATED) {
        return;
    }
    cls->shape_misses = 0;
    onex_shape *shape = PyMem_Calloc(
        1, sizeof(onex_shape) + (size_t)count * sizeof(shape->args[0]));
    if (shape == NULL) {
        return; /* the long way works without */
    }
    memcpy(shape->hot, cls->hot, sizeof(shape->hot));
    shape->count = (uint32_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t index = event_argument(cls, names[i]);
        const onex_field *field = index < 0 ? NULL : &cls->fields[index];
        if (field == NULL || field->rare || field->exact == NULL ||
            index == EVENT_id || index == EVENT_timestamp ||
            index == EVENT_lineage_id || names[i] != field->argument ||
            shape->marks >> index & 1 ||
            (Py_TYPE(args[i]) != field->exact &&
             !(args[i] == Py_None && field->takes_none))) {
            PyErr_Clear();
            PyMem_Free(shape);
            return;
        }
        shape->args[i].name = field->argument;
        shape->args[i].exact = field->exact;
        shape->args[i].offset = field->offset;
        shape->args[i].takes_none = field->takes_none;
        shape->marks |= (uint64_t)1 << index;
        shape->holds |= !field->atomic;
        if (index < EVENT_BASE_FIELDS) {
            shape->hot[(field->offset - EVENT_HOT_FIRST) / sizeof(PyObject *)] =
                NULL;
        }
        else {
            shape->own++;
        }
    }
    int at = cls->next_shape++ % EVENT_SHAPES;
    PyMem_Free(cls->shapes[at]);
    cls->shapes[at] = shape;
}

void
event_forget_shapes(onex_event_class *cls)
{
    for (int i = 0; i < EVENT_SHAPES; i++) {
        PyMem_Free(cls->shapes[i]);
        cls->shapes[i] = NULL;
    }
}
