/* The event object and its class, for the event_*.c files.
 *
 * Layout.  An event is one allocation: ids as 16 raw bytes, the time as int64
 * µs, one pointer for each hot field and each field that a subclass adds.  A
 * pointer that is NULL stands for a value that nobody has read: getattr makes
 * the UUID, datetime or container then and keeps it.  The pointers are members
 * of type T_OBJECT_EX, which the interpreter reads with a specialised
 * instruction.  Fields that few events use live in a side block, made at need.
 *
 * Own fields lie behind the fixed part of a variable-size object, so that all
 * event classes have one basicsize and any two can be bases of a third.
 *
 * Garbage collection: an event is tracked from the moment that it holds an
 * object that may be part of a cycle (event_holds). */
#ifndef ONEX_PY_EVENT_H
#define ONEX_PY_EVENT_H

#include "py/event_access.h"
#include "py/fields.h"
#include "py/module.h"
#include "py/recursion.h"

/* X(name, storage) in the order of spec 1 §1. */
#define ONEX_EVENT_FIELDS(X)                                                   \
    X(id, HOT)                                                                 \
    X(type, HOT)                                                               \
    X(phase, HOT)                                                              \
    X(subject_type, RARE)                                                      \
    X(subject_id, RARE)                                                        \
    X(actor_type, RARE)                                                        \
    X(actor_id, RARE)                                                          \
    X(context, RARE)                                                           \
    X(timestamp, HOT)                                                          \
    X(lineage_id, HOT)                                                         \
    X(parent_id, HOT)                                                          \
    X(root_id, HOT)                                                            \
    X(children_ids, RARE)                                                      \
    X(pending_children, RARE)                                                  \
    X(completed_children, RARE)                                                \
    X(failed_children, RARE)                                                   \
    X(metadata, HOT)                                                           \
    X(error, RARE)                                                             \
    X(duration_ms, HOT)

enum {
#define X(name, storage) EVENT_##name,
    ONEX_EVENT_FIELDS(X)
#undef X
        EVENT_BASE_FIELDS
};

/* Values that only some events have.  NULL: the class's default. */
typedef struct {
    PyObject *subject_type, *subject_id, *actor_type, *actor_id;
    PyObject *context, *children_ids;
    PyObject *pending_children, *completed_children, *failed_children;
    PyObject *error;
    PyObject *extra;      /* dict of extra="allow", or NULL */
    PyObject *privates;   /* dict of underscore attributes, or NULL */
    PyObject *deleted;    /* set of the names of deleted fields, or NULL */
    PyObject *attributes; /* what __dict__ gave out, or NULL */
} onex_event_rare;

#define EVENT_RARE_OBJECTS (sizeof(onex_event_rare) / sizeof(PyObject *))

/* Guard: the GIL (critical section of the event on free-threaded builds). */
typedef struct {
    PyObject_VAR_HEAD /* ob_size: pointers and mark words behind the struct */
        onex_event_rare *rare;
    PyObject *weakrefs;
    PyObject *id, *type, *phase, *timestamp;
    PyObject *lineage_id, *parent_id, *root_id;
    PyObject *metadata, *duration_ms;
    int64_t time_us;
    uint8_t raw[4][16]; /* by onex_id_field */
    uint64_t marks;
    PyObject *own[];
} onex_event;

/* marks: bit i (< EVENT_MARKS) says that field i was given or assigned; fields
 * from EVENT_MARKS on have theirs in words behind the own fields. */
#define EVENT_MARKS 56
#define EVENT_RAW(which) ((uint64_t)1 << (EVENT_MARKS + (which))) /* raw id */
#define EVENT_RAW_TIME ((uint64_t)1 << 60)                        /* time_us */
#define EVENT_TRACKED ((uint64_t)1 << 61) /* by the garbage collector */
#define EVENT_KEPT ((uint64_t)1 << 62)    /* see event_keep */
/* Marks of the object, not of its value. */
#define EVENT_OF_OBJECT (EVENT_TRACKED | EVENT_KEPT)

#define EVENT_HOT_FIRST offsetof(onex_event, id)
#define EVENT_HOT_COUNT 9

/* What an omitted field gets.  The numbers are those of model.py. */
typedef enum {
    FIELD_REQUIRED = 0,
    FIELD_CONSTANT = 1, /* value itself */
    FIELD_COPY = 2,     /* deep copy of value, at first read */
    FIELD_LIST = 3,     /* empty containers, at first read */
    FIELD_DICT = 4,
    FIELD_SET = 5,
    FIELD_FACTORY = 6,   /* value() */
    FIELD_GENERATED = 7, /* id, lineage_id, timestamp: from raw */
    FIELD_VALIDATED = 8, /* value or value(), copied and validated */
    FIELD_DERIVED = 9,   /* value(dict of the fields before it) */
} onex_field_kind;

typedef struct {
    PyObject *name;         /* interned */
    PyObject *argument;     /* the constructor's keyword: alias or name */
    PyObject *validator;    /* NULL while the class is incomplete */
    PyTypeObject *exact;    /* borrowed from the validator */
    PyObject *value;        /* by kind, or NULL */
    PyObject *info;         /* model.FieldInfo */
    PyObject *dumped_as;    /* name in dumps by alias */
    PyObject *serializer;   /* callable(event, value, json) or NULL */
    PyObject *json_key;     /* bytes: ,"name": as JSON has it */
    PyObject *json_default; /* bytes: that and the constant default; or NULL */
    Py_ssize_t offset;      /* in the event, or in the side block if rare */
    uint8_t kind;
    bool rare;
    bool takes_none; /* None is taken as it is */
    bool atomic;     /* values of the exact type can't be part of a cycle */
    bool atomic_default;
    bool json_default_ascii;
    bool default_accepted; /* a constant default passes the cheap tests */
    bool frozen;
    bool in_repr;
    bool in_dump;
} onex_field;

#define EVENT_SHAPES 4
typedef struct onex_shape onex_shape; /* event_shape.c */

typedef enum { EXTRA_IGNORE, EXTRA_FORBID, EXTRA_ALLOW } onex_extra;

/* An event class: instances of EventMeta. */
typedef struct {
    PyHeapTypeObject heap;
    PyObject *module; /* keeps st alive until the class is gone */
    onex_state *st;
    PyObject *indices;       /* dict: name -> index */
    PyObject *arguments;     /* dict: keyword -> index, or NULL: the names */
    PyObject *title;         /* of validation errors */
    PyObject *dump_template; /* event_dump.c; made at the first dump */
    PyObject *origin;        /* what was subscripted, or NULL */
    PyObject *model;      /* model.Model: what Python keeps about the class */
    onex_field *fields;   /* NULL until laid out */
    PyMemberDef *members; /* of own fields; descriptors point into it */
    uint32_t n_fields, n_own, n_words;
    uint32_t n_required;
    /* Pointer hash of the interned names: index + 1, or 0 for empty. */
    uint16_t *buckets;
    uint32_t bucket_mask;
    PyObject *hot[EVENT_HOT_COUNT]; /* borrowed defaults, NULL: made lazily */
    uint8_t extra;                  /* onex_extra */
    bool complete;                  /* validators are there */
    bool plain;                     /* our allocation and deallocation */
    bool eager;        /* has defaults that must be made at construction */
    bool checks_pairs; /* defaults touch the subject or the actor */
    bool has_before;   /* validators of the raw input */
    bool has_hooks;    /* model_post_init, validators of the whole event */
    bool has_computed; /* computed fields, in dumps */
    bool has_serializers;
    bool json_ready; /* json_default of the fields is there */
    bool dumps_by_alias;
    bool dumps_whole; /* every field is in dumps as it is, nothing else */
    bool own_getattr; /* __getattr__ and __getattribute__ are ours */
    bool frozen;
    onex_shape *shapes[EVENT_SHAPES];
    uint8_t next_shape, shape_misses;
    /* event_getattr.c: which of the two functions reads attributes. */
    getattrofunc hook;
    int hits, misses;
} onex_event_class;

static inline onex_event_class *
event_class_of(const void *event)
{
    return (onex_event_class *)Py_TYPE((PyObject *)event);
}

/* Where the field's pointer is; NULL for a rare one without side block. */
static inline PyObject **
event_slot(onex_event *self, const onex_field *field)
{
    if (field->rare) {
        return self->rare == NULL
                   ? NULL
                   : (PyObject **)((char *)self->rare + field->offset);
    }
    return (PyObject **)((char *)self + field->offset);
}

static inline void
event_mark(onex_event *self, const onex_event_class *cls, uint32_t index)
{
    if (index < EVENT_MARKS) {
        self->marks |= (uint64_t)1 << index;
    }
    else {
        uint64_t *words = (uint64_t *)&self->own[cls->n_own];
        index -= EVENT_MARKS;
        words[index / 64] |= (uint64_t)1 << (index % 64);
    }
}

static inline void
event_unmark(onex_event *self, const onex_event_class *cls, uint32_t index)
{
    if (index < EVENT_MARKS) {
        self->marks &= ~((uint64_t)1 << index);
    }
    else {
        uint64_t *words = (uint64_t *)&self->own[cls->n_own];
        index -= EVENT_MARKS;
        words[index / 64] &= ~((uint64_t)1 << (index % 64));
    }
}

static inline bool
event_marked(const onex_event *self, const onex_event_class *cls,
             uint32_t index)
{
    if (index < EVENT_MARKS) {
        return self->marks >> index & 1;
    }
    const uint64_t *words = (const uint64_t *)&self->own[cls->n_own];
    index -= EVENT_MARKS;
    return words[index / 64] >> (index % 64) & 1;
}

/* True for objects that can't be part of a reference cycle with an event. */
static inline bool
event_is_atomic(const onex_state *st, PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    return !PyType_IS_GC(type) || (PyObject *)type == st->uuid_type ||
           (PyObject *)type == st->event_phase_type;
}

static inline void
event_track(onex_event *self)
{
    if (!(self->marks & EVENT_TRACKED)) {
        self->marks |= EVENT_TRACKED;
        PyObject_GC_Track((PyObject *)self);
    }
}

/* For whoever keeps an object and visits it for the garbage collector: true for
 * an event that the collector does not track, so that a visit would do nothing.
 * It may be tracked later; st->kept_and_tracked grows then. */
static inline bool
event_keep(const onex_state *st, PyObject *object)
{
#ifndef Py_GIL_DISABLED
    PyTypeObject *type = Py_TYPE(object);
    if ((PyObject *)Py_TYPE(type) == st->event_meta_type &&
        ((onex_event_class *)type)->fields != NULL) {
        onex_event *self = (onex_event *)object;
        self->marks |= EVENT_KEPT;
        return !(self->marks & EVENT_TRACKED);
    }
#endif
    return false;
}

/* Call after storing `value` in the event. */
static inline void
event_holds(onex_state *st, onex_event *self, PyObject *value)
{
    if (!(self->marks & EVENT_TRACKED) && !event_is_atomic(st, value)) {
        st->kept_and_tracked += (self->marks & EVENT_KEPT) != 0;
        event_track(self);
    }
}

/* --- event_layout.c --- */

/* Index of a field by its name or alias; -1 when there is none, -2 with an
 * exception.  Runs no Python code for exact strings. */
Py_ssize_t event_field_index(const onex_event_class *cls, PyObject *name);

/* Lays the class out from model.Model, whose `fields` are in
 * order (0 / -1); drops what refers to other objects, instances then have no
 * fields; model.complete(strict): 1 when the validators are there, 0 when a
 * name is not defined yet (strict: TypeError), -1 with an exception. */
int event_class_lay_out(onex_event_class *cls, PyObject *model);
void event_class_drop_fields(onex_event_class *cls);
int event_class_try_complete(onex_event_class *cls, bool strict);

/* Makes sure that the class is laid out and its validators are there: 0, or -1
 * with an exception (an annotation still unresolved: TypeError). */
int event_class_complete(onex_event_class *cls);

static inline int
event_class_ready(onex_event_class *cls)
{
    return cls->complete ? 0 : event_class_complete(cls);
}

/* --- event_values.c --- */

/* The value of a field, made if need be: a borrowed reference, or NULL:
 * without an exception when the event has none (deleted, never set). */
PyObject *event_value(onex_event *self, onex_event_class *cls, uint32_t index);

/* Stores (steals) a value: raw forms are forgotten, the field counts as set.
 * 0 / -1 (no memory). */
int event_store(onex_event *self, onex_event_class *cls, uint32_t index,
                PyObject *value);

/* Deletes a field: 0, or -1 with AttributeError. */
int event_delete(onex_event *self, onex_event_class *cls, uint32_t index);

/* The side block, made at need; NULL with MemoryError. */
onex_event_rare *event_rare(onex_event *self);

/* The dict of extras, made at need: borrowed, or NULL with MemoryError. */
PyObject *event_extras(onex_event *self, onex_event_class *cls);

/* event_slot for a value to be stored: with the side block; NULL with MemoryError. */
static inline PyObject **
event_slot_to_fill(onex_event *self, const onex_field *field)
{
    char *base = field->rare ? (char *)event_rare(self) : (char *)self;
    return base == NULL ? NULL : (PyObject **)(base + field->offset);
}

/* A uuid.UUID of these bytes: new reference. */
PyObject *event_uuid(onex_state *st, const uint8_t bytes[16]);
/* The same with a member of SafeUUID. */
PyObject *
event_uuid_marked(onex_state *st, const uint8_t bytes[16], PyObject *is_safe);

/* Bytes of a UUID object: 1; 0 when it is none; -1 with an exception. */
int event_uuid_bytes(onex_state *st, PyObject *value, uint8_t bytes[16]);

/* An aware UTC datetime for µs since the epoch: new reference. */
PyObject *event_datetime(onex_state *st, int64_t us);

bool event_time_is_utc(const onex_state *st, PyObject *value);

/* JSON's text of a datetime that is naive or UTC, as Pydantic writes it: its
 * size; 0 for everything else. */
size_t event_time_text(onex_state *st, PyObject *value, char text[32]);

/* Fills raw[ONEX_LINEAGE_ID] if neither it nor the object is there. */
void event_derive_lineage(onex_event *self);

/* copy.deepcopy(value, memo); memo may be NULL. New reference. */
PyObject *event_deepcopy(onex_state *st, PyObject *value, PyObject *memo);

int event_values_setup(onex_state *st);

/* The onex_id_field of a field, -1 for fields that are no raw ids. */
int event_raw_of(uint32_t index);

/* --- event_getattr.c --- */

PyObject *event_getattro(PyObject *self, PyObject *name);
PyObject *event_missing_attribute(PyObject *self, PyObject *name);
int event_setattro(PyObject *self, PyObject *name, PyObject *value);
extern PyGetSetDef event_getset[];

/* --- event_fill.c --- */

/* Validates and fills a blank event; names are str.  0, or -1 with
 * ValidationError or another exception.  May run Python code. */
int event_fill(onex_event *self, onex_event_class *cls, PyObject *const *names,
               PyObject *const *values, Py_ssize_t count, onex_mode mode);

/* The same into the caller's check: 0, 1 when rejected, or -1. */
int event_fill_checked(onex_event *self, onex_event_class *cls,
                       PyObject *const *names, PyObject *const *values,
                       Py_ssize_t count, onex_check *check);

/* Takes the line errors of the validation error that is set into the check: 1;
 * -1 with any other exception left set. */
int event_absorb(onex_state *st, onex_check *check);

/* The same with the source's values (of the same class) for the fields that
 * nothing is given for, all but id and timestamp.  Not for classes with
 * validators of the raw input.  The source's extras are the caller's matter. */
int event_fill_evolved(onex_event *self, onex_event_class *cls,
                       onex_event *source, PyObject *const *names,
                       PyObject *const *values, Py_ssize_t count);

/* Fills what was not set, unvalidated: with `factories`, or only with the
 * constants that are there for the taking. 0 / -1. */
int
event_make_defaults(onex_event *self, onex_event_class *cls, bool factories);

/* Own fields that are NULL and have a constant default get it. */
void event_fill_own_defaults(onex_event *self, onex_event_class *cls);

/* Index of a field by its keyword in the constructor; -1, or -2 with an
 * exception. */
Py_ssize_t event_argument(onex_event_class *cls, PyObject *keyword);

/* Reads the clock and makes id, timestamp and lineage where they are not
 * there. 0 / -1. */
int event_stamp(onex_event *self, onex_event_class *cls);

/* --- event_shape.c --- */

/* A new event if the call fits a shape of the class; else NULL, without an
 * exception. */
PyObject *event_make_shaped(onex_event_class *cls, PyObject *const *names,
                            PyObject *const *args, Py_ssize_t count);

/* Makes a shape of a call that event_fill accepted, now and then. */
void event_learn_shape(onex_event_class *cls, PyObject *const *names,
                       PyObject *const *args, Py_ssize_t count);

void event_forget_shapes(onex_event_class *cls);

/* --- event_copy.c, event_construct.c, event_dump.c, event_json.c,
 *     event_compare.c: methods --- */

PyObject *event_evolve(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames);
PyObject *event_to_completed(PyObject *self, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);
PyObject *event_to_failed(PyObject *self, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames);
PyObject *event_copy(PyObject *self, PyObject *ignored);
PyObject *event_deepcopy_event(PyObject *self, PyObject *memo);
PyObject *event_model_copy(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *event_replace(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *event_getstate(PyObject *self, PyObject *ignored);
PyObject *event_setstate(PyObject *self, PyObject *state);
PyObject *event_reduce(PyObject *self, PyObject *ignored);
PyObject *event_revive(PyObject *module, PyObject *args);

PyObject *event_model_validate(PyObject *cls, PyObject *args, PyObject *kwargs);
PyObject *
event_model_validate_json(PyObject *cls, PyObject *args, PyObject *kwargs);
PyObject *
event_model_construct(PyObject *cls, PyObject *args, PyObject *kwargs);

PyObject *event_model_dump(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *
event_model_dump_json(PyObject *self, PyObject *args, PyObject *kwargs);
bool event_is_native(PyObject *value);

/* Imports msgspec: st->json_encode, json_decode, json_format. 0 / -1. */
int event_need_msgspec(onex_state *st);

PyObject *event_richcompare(PyObject *a, PyObject *b, int op);
Py_hash_t event_hash(PyObject *self);
PyObject *event_repr(PyObject *self);
PyObject *event_str(PyObject *self);
PyObject *event_iter(PyObject *self);

/* --- event.c --- */

/* The same without any member set but the object's header: for plain classes
 * and callers that set every member before anything else happens. */
onex_event *event_alloc_raw(onex_event_class *cls);

/* A new event of the class with every pointer NULL and nothing raw, untracked
 * (plain) or tracked.  New reference. */
onex_event *event_alloc(onex_event_class *cls);

/* Drops every reference that the event holds. */
void event_drop(onex_event *self);

void event_dealloc(PyObject *self);
int event_traverse(PyObject *self, visitproc visit, void *arg);
int event_clear(PyObject *self);
PyObject *event_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                           PyObject *kwnames);
int event_init(PyObject *self, PyObject *args, PyObject *kwargs);

#endif
