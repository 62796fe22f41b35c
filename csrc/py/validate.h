/* What the validate_*.c files share: ways to look at a value. */
#ifndef ONEX_PY_VALIDATE_H
#define ONEX_PY_VALIDATE_H

#include "py/fields.h"

/* Clears a Python exception that only means "this value has no such form":
 * 0, or -1 when it is more than that (KeyboardInterrupt, MemoryError, ...) and
 * stays set. */
int onex_swallow(void);

/* The UTF-8 of a str or bytes (borrowed from the value): 1; 0 for other
 * types; -1 rejected (bytes that are no UTF-8: `unicode_error`) or failed. */
int onex_text_of(PyObject *value, const char *unicode_error, onex_check *check,
                 const char **text, Py_ssize_t *size);

/* The value as int64 (int, bool, __index__): 1, 0 it isn't one, -1 failed. */
int onex_int64_of(PyObject *value, int64_t *result);

/* The value as double (float, int, __float__, __index__): 1, 0, -1. */
int onex_double_of(PyObject *value, double *result);

/* The `value` of a member of a plain Enum class: 1 with a new reference in
 * *result, 0 when `object` is no member, -1 failed. */
int onex_enum_value(onex_state *st, PyObject *object, PyObject **result);

/* isinstance against decimal.Decimal or fractions.Fraction, which are looked
 * up only when their module is loaded (else no value can be one): 1, 0, -1. */
int onex_decimal_check(onex_state *st, PyObject *value);
int onex_fraction_check(onex_state *st, PyObject *value);

/* float -> int as pydantic does it; new reference or rejected. */
PyObject *
onex_int_from_double(double number, PyObject *input, onex_check *check);

/* pydantic's int in lax mode without location; shared with enums. */
PyObject *onex_validate_int(onex_state *st, onex_validator *self,
                            PyObject *value, onex_check *check);
PyObject *onex_validate_float(onex_state *st, onex_validator *self,
                              PyObject *value, onex_check *check);
PyObject *onex_validate_str(onex_state *st, onex_validator *self,
                            PyObject *value, onex_check *check);

/* The words that stand for a bool: 1, 0, or -1 for anything else. */
int onex_bool_of_word(const char *text, Py_ssize_t size);

/* collections.abc.Mapping, as pydantic understands it: 1, 0, -1. */
int onex_mapping_check(onex_state *st, PyObject *value);

/* The text of the current exception for a message, cleared: "Type: text".
 * New reference, or NULL with an exception. */
PyObject *onex_exception_text(void);

/* The items of what pydantic takes for a tuple, `most` at most, in a new list,
 * and whether there are more (not looked at: there may be no end of them); sets
 * the match: 1, 0 when it is nothing of the kind, -1 rejected or failed. */
int onex_sequence_of(onex_state *st, PyObject *value, Py_ssize_t most,
                     onex_check *check, PyObject **items, bool *longer);

/* Drops the line errors after a mark: 0 / -1. */
int onex_check_rewind(onex_check *check, Py_ssize_t mark);

#endif
