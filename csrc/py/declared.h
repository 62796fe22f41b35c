/* What is declared for a value and for its parts, followed down from a field's
 * validator: a dump goes by it as Pydantic's serializers do. */
#ifndef ONEX_PY_DECLARED_H
#define ONEX_PY_DECLARED_H

#include "py/fields.h"

/* For a new validator: sets `parts` and `told`. */
void onex_declared_prepare(onex_state *st, onex_validator *self);

/* A field's validator if a dump goes by anything in it, else NULL. */
static inline PyObject *
onex_declared_told(PyObject *validator)
{
    return validator != NULL && ((onex_validator *)validator)->told ? validator
                                                                    : NULL;
}

/* Goes from what is declared for the value to what stands there for it: past
 * references and what may be None, to a union's choice; to NULL where that is
 * something else than the value, and pydantic goes by the value alone.
 * Borrowed.  0 / -1. */
int onex_declared_for(onex_state *st, PyObject **declared, PyObject *value);

/* What is declared for a part: the item at `index`, or the value at `key` (or
 * NULL) of a dict or of a record's fields.  `declared` is from
 * onex_declared_for, or NULL.  Borrowed; NULL: anything. */
PyObject *
onex_declared_part(PyObject *declared, PyObject *key, Py_ssize_t index);

/* What is declared for a dict's keys: borrowed; NULL: anything. */
PyObject *onex_declared_key(PyObject *declared);

/* Whether these are fields, of which exclude_none leaves out None, and not the
 * entries of any dict. */
bool onex_declared_fields(PyObject *declared);

/* Whether the parts are dumped as declared and then once more by what they
 * are: pydantic has a function for sequences. */
bool onex_declared_twice(PyObject *declared);

#endif
