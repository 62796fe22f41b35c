/* Events as the other bindings see them: raw access to what linking, indices
 * and dispatch need, without making UUID or datetime objects.
 *
 * All of these take any object: instances of the C Event class take the fast
 * path, events of other models (Pydantic) go by attribute. */
#ifndef ONEX_PY_EVENT_ACCESS_H
#define ONEX_PY_EVENT_ACCESS_H

#include "py/module.h"

typedef enum {
    ONEX_ID,
    ONEX_LINEAGE_ID,
    ONEX_PARENT_ID,
    ONEX_ROOT_ID,
} onex_id_field;

/* True for instances of Event and its subclasses (one pointer compare of the
 * metaclass, subclasses of the metaclass included). */
bool onex_event_check(onex_state *st, PyObject *object);

/* True for the class Event and its subclasses. */
bool onex_event_class_check(onex_state *st, PyObject *object);

/* The text of .type, an exact str: new reference, or NULL with an exception. */
PyObject *onex_event_type_name(onex_state *st, PyObject *event);

/* Copies an id's 16 bytes: 1 when the field holds a UUID, 0 when it is None
 * or anything else, -1 with an exception (only for objects that are no C
 * events). */
int onex_event_get_id(onex_state *st, PyObject *event, onex_id_field which,
                      uint8_t bytes[16]);

/* Sets an id field from 16 bytes; 0 / -1. */
int onex_event_set_id(onex_state *st, PyObject *event, onex_id_field which,
                      const uint8_t bytes[16]);

/* parent_id = parent.id, root_id = parent.root_id or parent.id and, with
 * `lineage`, lineage_id = parent.lineage_id. 0 / -1. */
int onex_event_link(onex_state *st, PyObject *event, PyObject *parent,
                    bool lineage);

/* Sets duration_ms; 0 / -1. */
int onex_event_set_duration(onex_state *st, PyObject *event, double ms);

/* A value for a field whose type is the Event class `cls`: an instance of it,
 * or a dict of its fields.  Contract of onex_validate (fields.h). */
struct onex_check;
PyObject *onex_event_validate(onex_state *st, PyObject *cls, PyObject *value,
                              struct onex_check *check);

/* The keys that the Event class `cls` looks at, in a new list (NULL if it
 * fails): 1 if other keys matter too, 0, -1. */
int onex_event_arguments(PyObject *cls, PyObject **names);

#endif
