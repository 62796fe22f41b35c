/* Dumps: events as dicts, with Pydantic's rules for what values become. */
#ifndef ONEX_PY_EVENT_DUMP_H
#define ONEX_PY_EVENT_DUMP_H

#include "py/declared.h"
#include "py/event.h"

typedef struct {
    onex_state *st;
    bool json; /* JSON-native values, else Python's own */
    bool exclude_none;
    bool exclude_unset;
    bool exclude_defaults;
    bool by_alias;
    PyObject *fallback; /* called with what JSON has no form for, or NULL */
    PyObject *declared; /* borrowed: the validator of what is dumped now; NULL:
                           it is dumped by what it is (declared.h) */
    int depth;          /* containers around the value that is dumped now */
} onex_dump;

/* Containers in containers that JSON may have: as many as with pydantic.  The
 * stack that msgspec needs for a text (100 bytes a level) is bounded by it. */
#define ONEX_DUMP_JSON_DEPTH 256

/* Fills the options from the arguments of model_dump (with `mode`) or
 * model_dump_json (with `indent`); include and exclude are borrowed, NULL for
 * none.  0 / -1. */
int event_dump_options(onex_event_class *cls, PyObject *args, PyObject *kwargs,
                       onex_dump *dump, PyObject **include, PyObject **exclude,
                       PyObject **indent);

/* The event as a dict: new reference.  May run Python code. */
PyObject *event_dump(onex_dump *dump, PyObject *event, PyObject *include,
                     PyObject *exclude);

/* A value as a dump has it: new reference; in JSON mode the value itself where
 * it is JSON-native already. */
PyObject *event_dump_value(onex_dump *dump, PyObject *value, PyObject *include,
                           PyObject *exclude);

/* Name of a field or its alias for dumps: borrowed. */
PyObject *event_dump_name(const onex_dump *dump, const onex_field *field);

/* Whether the flags leave this value out: 1, 0, -1 with an exception. */
int event_dump_skips(const onex_dump *dump, onex_event *self,
                     onex_event_class *cls, uint32_t index, PyObject *value);

#endif
