/* Validators of datetime, date, time and timedelta. */
#include "py/validate.h"

#include <datetime.h>

#include "core/time_text.h"

static int
import_datetime(void)
{
    if (PyDateTimeAPI == NULL) {
        PyDateTime_IMPORT;
    }
    return PyDateTimeAPI == NULL ? -1 : 0;
}

/* The tzinfo of an offset: None for naive times. New reference or NULL. */
static PyObject *
zone_of(int32_t offset)
{
    if (offset == ONEX_NAIVE) {
        return Py_NewRef(Py_None);
    }
    if (offset == 0) {
        return Py_NewRef(PyDateTime_TimeZone_UTC);
    }
    PyObject *zone = NULL, *delta = PyDelta_FromDSU(0, offset, 0);
    if (delta != NULL) {
        zone = PyTimeZone_FromOffset(delta);
        Py_DECREF(delta);
    }
    return zone;
}

static PyObject *
reject_time(onex_check *check, const char *type, PyObject *value,
            const char *problem)
{
    return onex_reject_with(check, type, value, "error",
                            PyUnicode_FromString(problem));
}

static PyObject *
make_datetime(const onex_day *day, const onex_clock_time *time, PyObject *value,
              onex_check *check)
{
    if (day->year == 0) {
        return reject_time(check, "datetime_parsing", value,
                           "year 0 is out of range");
    }
    PyObject *made = NULL, *zone = zone_of(time->offset);
    if (zone != NULL) {
        made = PyDateTimeAPI->DateTime_FromDateAndTime(
            day->year, day->month, day->day, time->hour, time->minute,
            time->second, time->microsecond, zone, PyDateTimeAPI->DateTimeType);
        Py_DECREF(zone);
    }
    return made;
}

/* The UTF-8 or bytes of a text for a time: 1, 0 no text, -1. */
static int
time_text(PyObject *value, onex_check *check, const char **text,
          Py_ssize_t *size)
{
    if (PyBytes_Check(value)) {
        *text = PyBytes_AS_STRING(value);
        *size = PyBytes_GET_SIZE(value);
        return 1;
    }
    return PyUnicode_Check(value)
               ? onex_text_of(value, "string_unicode", check, text, size)
               : 0;
}

/* In JSON a text is a strict match. */
static void
floor_text(onex_check *check)
{
    onex_check_floor(check,
                     check->mode == ONEX_FROM_JSON ? ONEX_STRICT : ONEX_LAX);
}

/* Numbers of seconds as pydantic takes them: 1 int, 2 float, 0 none, -1. */
static int
seconds_of(PyObject *value, onex_check *check, bool bools, int64_t *integer,
           double *number)
{
    if (!bools && PyBool_Check(value)) {
        return 0;
    }
    if (check->mode == ONEX_FROM_JSON && !PyFloat_CheckExact(value) &&
        !PyLong_CheckExact(value)) {
        return 0;
    }
    int found = onex_int64_of(value, integer);
    if (found != 0) {
        return found < 0 ? -1 : 1;
    }
    if (check->mode == ONEX_FROM_JSON && PyLong_CheckExact(value)) {
        return 0;
    }
    found = onex_double_of(value, number);
    return found > 0 ? 2 : found;
}

/* ----------------------------------------------------------------- datetime */

/* onex_float_reader; the text ends with NUL at or after `size`. */
static bool
read_float(const char *text, size_t size, double *number)
{
    char *end;
    *number = PyOS_string_to_double(text, &end, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return end == text + size;
}

static int
datetime_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return import_datetime() < 0
               ? -1
               : onex_validator_set_exact(
                     self, (PyObject *)PyDateTimeAPI->DateTimeType);
}

static PyObject *
datetime_run(onex_state *st, onex_validator *self, PyObject *value,
             onex_check *check)
{
    (void)st, (void)self;
    onex_day day;
    onex_clock_time time = {0, 0, 0, 0, ONEX_NAIVE};
    const char *text, *problem = NULL;
    Py_ssize_t size;
    int64_t integer;
    double number;
    if (PyDateTime_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        return Py_NewRef(value);
    }
    int found = time_text(value, check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        floor_text(check);
        if (onex_datetime_parse(text, (size_t)size, read_float, &day, &time) !=
            NULL) {
            /* A date, or a timestamp of one, is its midnight. */
            onex_check_floor(check, ONEX_LAX);
            problem = onex_day_parse(text, (size_t)size, &day);
            time = (onex_clock_time){0, 0, 0, 0, ONEX_NAIVE};
            if (problem != NULL) {
                return reject_time(check, "datetime_from_date_parsing", value,
                                   problem);
            }
        }
        return make_datetime(&day, &time, value, check);
    }
    onex_check_floor(check, ONEX_LAX);
    found = seconds_of(value, check, false, &integer, &number);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        problem = found == 1 ? onex_datetime_from_int(integer, 0, &day, &time)
                             : onex_datetime_from_double(number, &day, &time);
        if (problem != NULL) {
            return reject_time(check, "datetime_parsing", value, problem);
        }
        return make_datetime(&day, &time, value, check);
    }
    if (PyDate_Check(value)) {
        return PyDateTime_FromDateAndTime(
            PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
            PyDateTime_GET_DAY(value), 0, 0, 0, 0);
    }
    return onex_reject(check, "datetime_type", value, NULL);
}

/* --------------------------------------------------------------------- date */

static int
date_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return import_datetime() < 0
               ? -1
               : onex_validator_set_exact(self,
                                          (PyObject *)PyDateTimeAPI->DateType);
}

/* A datetime, given or parsed, as a date: it has to be at midnight. */
static PyObject *
date_of_datetime(const onex_day *day, const onex_clock_time *time,
                 PyObject *value, onex_check *check)
{
    if (time->hour || time->minute || time->second || time->microsecond) {
        return onex_reject(check, "date_from_datetime_inexact", value, NULL);
    }
    if (day->year == 0) {
        return reject_time(check, "date_parsing", value,
                           "year 0 is out of range");
    }
    return PyDate_FromDate(day->year, day->month, day->day);
}

static PyObject *
date_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    (void)st, (void)self;
    onex_day day;
    onex_clock_time time = {0, 0, 0, 0, ONEX_NAIVE};
    const char *text, *problem = NULL;
    Py_ssize_t size;
    int64_t integer;
    double number;
    if (PyDateTime_Check(value)) {
        onex_check_floor(check, ONEX_LAX);
        day =
            (onex_day){PyDateTime_GET_YEAR(value), PyDateTime_GET_MONTH(value),
                       PyDateTime_GET_DAY(value)};
        time.hour = PyDateTime_DATE_GET_HOUR(value);
        time.minute = PyDateTime_DATE_GET_MINUTE(value);
        time.second = PyDateTime_DATE_GET_SECOND(value);
        time.microsecond = PyDateTime_DATE_GET_MICROSECOND(value);
        return date_of_datetime(&day, &time, value, check);
    }
    if (PyDate_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        return Py_NewRef(value);
    }
    int found = time_text(value, check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        floor_text(check);
        if (onex_day_parse(text, (size_t)size, &day) != NULL) {
            onex_check_floor(check, ONEX_LAX);
            problem = onex_datetime_parse(text, (size_t)size, read_float, &day,
                                          &time);
        }
    }
    else {
        onex_check_floor(check, ONEX_LAX);
        found = seconds_of(value, check, false, &integer, &number);
        if (found < 0) {
            return NULL;
        }
        if (!found) {
            return onex_reject(check, "date_type", value, NULL);
        }
        problem = found == 1 ? onex_datetime_from_int(integer, 0, &day, &time)
                             : onex_datetime_from_double(number, &day, &time);
    }
    if (problem != NULL) {
        return reject_time(check, "date_from_datetime_parsing", value, problem);
    }
    return date_of_datetime(&day, &time, value, check);
}

/* --------------------------------------------------------------------- time */

static int
time_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return import_datetime() < 0
               ? -1
               : onex_validator_set_exact(self,
                                          (PyObject *)PyDateTimeAPI->TimeType);
}

static PyObject *
time_run(onex_state *st, onex_validator *self, PyObject *value,
         onex_check *check)
{
    (void)st, (void)self;
    onex_clock_time time;
    const char *text, *problem;
    Py_ssize_t size;
    int64_t integer;
    double number;
    if (PyTime_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        return Py_NewRef(value);
    }
    int found = time_text(value, check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        floor_text(check);
        problem = onex_time_parse(text, (size_t)size, &time);
    }
    else {
        onex_check_floor(check, ONEX_LAX);
        found = seconds_of(value, check, false, &integer, &number);
        if (found < 0) {
            return NULL;
        }
        if (!found) {
            if (check->mode == ONEX_FROM_JSON && PyLong_CheckExact(value)) {
                return reject_time(
                    check, "time_parsing", value,
                    "numeric times may not exceed 86,399 seconds");
            }
            return onex_reject(check, "time_type", value, NULL);
        }
        problem = found == 1 ? onex_time_from_int(integer, 0, &time)
                             : onex_time_from_double(number, &time);
    }
    if (problem != NULL) {
        return reject_time(check, "time_parsing", value, problem);
    }
    PyObject *made = NULL, *zone = zone_of(time.offset);
    if (zone != NULL) {
        made = PyDateTimeAPI->Time_FromTime(time.hour, time.minute, time.second,
                                            time.microsecond, zone,
                                            PyDateTimeAPI->TimeType);
        Py_DECREF(zone);
    }
    return made;
}

/* ---------------------------------------------------------------- timedelta */

static int
timedelta_prepare(onex_state *st, onex_validator *self)
{
    (void)st;
    return import_datetime() < 0
               ? -1
               : onex_validator_set_exact(self,
                                          (PyObject *)PyDateTimeAPI->DeltaType);
}

static PyObject *
timedelta_run(onex_state *st, onex_validator *self, PyObject *value,
              onex_check *check)
{
    (void)st, (void)self;
    onex_duration duration;
    const char *text, *problem;
    Py_ssize_t size;
    int64_t integer;
    double number;
    if (PyDelta_Check(value)) {
        onex_check_floor(check, ONEX_STRICT);
        return Py_NewRef(value);
    }
    int found = time_text(value, check, &text, &size);
    if (found < 0) {
        return NULL;
    }
    if (found) {
        floor_text(check);
        problem = onex_duration_parse(text, (size_t)size, &duration);
    }
    else {
        onex_check_floor(check, ONEX_LAX);
        found = seconds_of(value, check, check->mode == ONEX_FROM_PYTHON,
                           &integer, &number);
        if (found < 0) {
            return NULL;
        }
        if (!found) {
            return onex_reject(check, "time_delta_type", value, NULL);
        }
        problem = found == 1 ? onex_duration_from_int(integer, &duration)
                             : onex_duration_from_double(number, &duration);
    }
    if (problem != NULL) {
        return reject_time(check, "time_delta_parsing", value, problem);
    }
    int sign = duration.negative ? -1 : 1;
    PyObject *delta =
        PyDelta_FromDSU(sign * (int)duration.days, sign * (int)duration.seconds,
                        sign * (int)duration.microseconds);
    if (delta == NULL && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear(); /* below -999999999 days */
        return reject_time(check, "time_delta_parsing", value,
                           "durations may not exceed 999,999,999 days");
    }
    return delta;
}

const onex_validator_kind onex_time_kinds[] = {
    {"datetime", 0, 0, datetime_prepare, datetime_run},
    {"date", 0, 0, date_prepare, date_run},
    {"time", 0, 0, time_prepare, time_run},
    {"timedelta", 0, 0, timedelta_prepare, timedelta_run},
    {NULL, 0, 0, NULL, NULL},
};
