/* Validators of dates and times. */
#include "py/validate.h"

#include <datetime.h>

static int
datetime_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    if (PyDateTimeAPI == NULL) {
        PyDateTime_IMPORT;
    }
    return PyDateTimeAPI == NULL
               ? -1
               : onex_validator_set_exact(
                     self, (PyObject *)PyDateTimeAPI->DateTimeType);
}

static PyObject *
datetime_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st, (void)self;
    return onex_reject(check, "datetime_type", value, NULL);
}

const onex_validator_kind onex_time_kinds[] = {
    {"datetime", 0, 0, datetime_prepare, datetime_run},
    {NULL, 0, 0, NULL, NULL},
};
