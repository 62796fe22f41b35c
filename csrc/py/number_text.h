/* The texts that pydantic takes for numbers: Rust's literals with a tolerance
 * for white space, underscores, a plus and leading zeros. */
#ifndef ONEX_PY_NUMBER_TEXT_H
#define ONEX_PY_NUMBER_TEXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

typedef enum {
    ONEX_INT_OK,
    ONEX_INT_BAD,
    ONEX_INT_TOO_LONG, /* more digits than CPython's default limit of 4300 */
} onex_int_form;

/* Whether a text is JSON's integer: an optional minus, no leading zeros. */
onex_int_form onex_int_form_of(const char *text, Py_ssize_t size);

/* Takes off what is forgiven in an integer: white space around it, one plus,
 * leading zeros, ".000", single underscores.  Writes what is left, with a NUL,
 * to `out` (size + 2 bytes) and returns its size, or -1 when it is no integer. */
Py_ssize_t onex_int_clean(const char *text, Py_ssize_t size, char *out);

/* A float: 1, 0 when the text is none, -1 with an exception.  The text ends
 * with NUL at or after `size`. */
int onex_double_of_text(const char *text, Py_ssize_t size, double *number);

#endif
