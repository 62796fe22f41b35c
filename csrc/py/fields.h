/* Field validation: what onex_events/annotations.py compiles annotations to.
 *
 * A validator is a tree of nodes, one a type constructor.  A caller asks for
 * the cheap case itself and leaves the rest to the node's function:
 *
 *     accepted = onex_validate_field(st, validator, value, &check);
 *
 * The cheap case is one pointer compare: the value's type is the node's
 * `exact` type.  Rejections are no Python exceptions: they are collected in
 * the check as line errors, so that all wrong fields are reported together and
 * a union's failed choices cost little.
 */
#ifndef ONEX_PY_FIELDS_H
#define ONEX_PY_FIELDS_H

#include "py/module.h"

typedef struct onex_validator onex_validator;
typedef struct onex_validator_kind onex_validator_kind;
typedef struct onex_check onex_check;

/* Validates what the pointer compare did not settle.  Contract of
 * onex_validate. */
typedef PyObject *(*onex_validate_func)(onex_state *st, onex_validator *self,
                                        PyObject *value, onex_check *check);

struct onex_validator {
    PyObject_HEAD
    PyTypeObject *exact; /* owned; values of this type are taken as they
                                are; NULL where there is no such type */
    onex_validate_func run;
    uint8_t takes_any;   /* every value is taken as it is */
    uint8_t takes_none;  /* None is taken as it is */
    uint8_t takes_equal; /* other types may match exactly: equal literals */
    uint8_t parts;       /* for declared.c: the row of its table, or 0 */
    uint8_t told;        /* whether a dump goes by anything in it */
    const onex_validator_kind *kind;
    PyObject *name;   /* str, the label in a union's locations */
    PyObject *args;   /* tuple: children and what the kind needs */
    PyObject *target; /* "ref": what it stands for; else NULL */
};

/* What the values come from: Python objects, or parsed JSON, where some rules
 * differ (a str for a UUID is exact there, a list for a set, ...). */
typedef enum {
    ONEX_FROM_PYTHON,
    ONEX_FROM_JSON,
    ONEX_FROM_JSON_KEY, /* a key of a JSON object: text that stands for more */
} onex_mode;

/* How well a value matched, for smart unions. */
typedef enum {
    ONEX_LAX,
    ONEX_STRICT,
    ONEX_EXACT,
} onex_exactness;

/* One step of a location; lives on the C stack of who descends. */
typedef struct onex_place {
    const struct onex_place *outer;
    PyObject *key; /* borrowed; any object; NULL: `index` counts */
    Py_ssize_t index;
} onex_place;

/* A recursive validator at work on one object; lives on the C stack. */
typedef struct onex_visit {
    const struct onex_visit *outer;
    const void *validator;
    const void *object;
    int depth;
} onex_visit;

/* One validation: make it with ONEX_CHECK_INIT, end with onex_check_clear. */
struct onex_check {
    onex_mode mode;
    onex_exactness exactness; /* lowest so far; unions compare it */
    Py_ssize_t fields_set;    /* of models in the value; -1: there are none */
    const onex_place *place;  /* innermost step of the location */
    const onex_visit *visit;  /* innermost recursion */
    PyObject *errors;         /* list of line errors, NULL while empty */
};

#define ONEX_CHECK_INIT(from)                                                  \
    {.mode = (from), .exactness = ONEX_EXACT, .fields_set = -1}

static inline void
onex_check_clear(onex_check *check)
{
    Py_CLEAR(check->errors);
}

/* How many line errors there are: what a part of a larger value compares to
 * see whether it was rejected itself. */
static inline Py_ssize_t
onex_check_mark(const onex_check *check)
{
    return check->errors == NULL ? 0 : PyList_GET_SIZE(check->errors);
}

/* Descend to a key (a str field name, a dict key) or to an index: an
 *     onex_place place;
 *     onex_check_enter(&check, &place, key, 0);
 *     ... onex_validate(...) ...
 *     onex_check_leave(&check, &place);
 * `key` must stay alive until the leave. */
static inline void
onex_check_enter(onex_check *check, onex_place *place, PyObject *key,
                 Py_ssize_t index)
{
    place->outer = check->place;
    place->key = key;
    place->index = index;
    check->place = place;
}

static inline void
onex_check_leave(onex_check *check, const onex_place *place)
{
    check->place = place->outer;
}

/* Records that a value matched no better than this. */
static inline void
onex_check_floor(onex_check *check, onex_exactness exactness)
{
    if (check->exactness > exactness) {
        check->exactness = exactness;
    }
}

/* Validates `value`: a new reference to what was accepted (the value itself or
 * what it was coerced to), or NULL: without an exception when it was rejected
 * (its line errors are in `check`), with one on a failure (memory, an error
 * raised by the value's own code).  May run any Python code.  The caller holds
 * references to the validator and the value. */
PyObject *onex_validate(onex_state *st, PyObject *validator, PyObject *value,
                        onex_check *check);

/* The same with the cheap cases inline; what hot callers use. */
static inline PyObject *
onex_validate_field(onex_state *st, PyObject *validator, PyObject *value,
                    onex_check *check)
{
    onex_validator *self = (onex_validator *)validator;
    if (Py_TYPE(value) == self->exact) {
        if (check->mode != ONEX_FROM_PYTHON && PyUnicode_CheckExact(value)) {
            onex_check_floor(check,
                             ONEX_STRICT); /* may stand for a UUID, ... */
        }
        return Py_NewRef(value);
    }
    if (self->takes_none && value == Py_None) {
        return Py_NewRef(value);
    }
    if (self->takes_any) {
        onex_check_floor(check,
                         ONEX_STRICT); /* a union prefers the exact type */
        return Py_NewRef(value);
    }
    return self->run(st, self, value, check);
}

/* Appends a line error at the check's place: `type` is pydantic's error type
 * ("int_type", "missing", ...); ctx, a dict, is taken over by reference and may
 * be NULL.  Returns NULL always, so that a validator can `return` it; an
 * exception is set only when memory failed. */
PyObject *onex_reject(onex_check *check, const char *type, PyObject *input,
                      PyObject *ctx);

/* The same with one entry in ctx; steals `item` (NULL: failed before). */
PyObject *onex_reject_with(onex_check *check, const char *type, PyObject *input,
                           const char *key, PyObject *item);

/* Appends a line error with a message of its own ("value_error" and the like:
 * type is as given, msg ends up in .errors()[i]["msg"]). Returns NULL. */
PyObject *onex_reject_message(onex_check *check, const char *type,
                              const char *message, PyObject *input);

/* Raises onex_events.ValidationError for the check's errors; `title` is the
 * class's name.  Where pydantic is loaded, `except pydantic.ValidationError`
 * takes it as well.  Always -1 with an exception set. */
int onex_validation_error(onex_state *st, PyObject *title, onex_check *check);

/* Moves the line errors of a caught validation error (ours or pydantic's),
 * prefixed with the check's place, into the check. 0, or -1 with an exception
 * (the object is no validation error: it is raised again). */
int onex_check_absorb(onex_check *check, PyObject *error);

/* True for ValidationError, ours or (where it is loaded) pydantic's. */
bool onex_is_validation_error(onex_state *st, PyObject *error);

/* Enters a recursive validator: 0; or -1 with a "recursion_loop" line error
 * when it is at work on this very object already or too deep (255, as
 * pydantic), or with RecursionError. Leave with onex_visit_leave. */
int onex_visit_enter(onex_check *check, onex_visit *visit,
                     const void *validator, PyObject *object);

static inline void
onex_visit_leave(onex_check *check, const onex_visit *visit)
{
    check->visit = visit->outer;
}

static inline void
onex_check_add_fields_set(onex_check *check, Py_ssize_t count)
{
    check->fields_set = (check->fields_set < 0 ? 0 : check->fields_set) + count;
}

/* True for objects made by annotations.compile_annotation. */
bool onex_validator_check(onex_state *st, PyObject *object);

/* For prepare functions: sets `exact` (NULL: none); 0 / -1 when it is no class. */
int onex_validator_set_exact(onex_validator *self, PyObject *type);

/* For prepare functions: args[index] when it is a Validator (borrowed), else
 * NULL with TypeError. */
PyObject *
onex_validator_child(onex_state *st, onex_validator *self, Py_ssize_t index);

/* A kind of node: `prepare` looks at the args once at construction, checks
 * them and sets exact and takes_*; 0 / -1. */
struct onex_validator_kind {
    const char *name;
    Py_ssize_t min_args, max_args; /* max -1: any number */
    int (*prepare)(onex_state *st, onex_validator *self);
    onex_validate_func run;
};

/* The tables, one a file, each ended by a NULL name. */
extern const onex_validator_kind onex_scalar_kinds[]; /* validate_scalar.c */
extern const onex_validator_kind onex_number_kinds[]; /* validate_number.c */
extern const onex_validator_kind onex_time_kinds[];   /* validate_time.c */
extern const onex_validator_kind onex_choice_kinds[]; /* validate_choice.c */
extern const onex_validator_kind
    onex_container_kinds[];                           /* validate_container.c */
extern const onex_validator_kind onex_uuid_kinds[];   /* validate_uuid.c */
extern const onex_validator_kind onex_dict_kinds[];   /* validate_dict.c */
extern const onex_validator_kind onex_record_kinds[]; /* validate_record.c */

#endif
