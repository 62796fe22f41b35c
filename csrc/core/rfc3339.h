/* Dates: the proleptic Gregorian calendar, and the text form of RFC 3339 and
 * ISO 8601 for moments in microseconds since 1970-01-01T00:00:00Z, years 1 to
 * 9999 (what Python's datetime can hold).  time_text.h reads such texts. */
#ifndef ONEX_CORE_RFC3339_H
#define ONEX_CORE_RFC3339_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define ONEX_US_PER_SECOND INT64_C(1000000)
#define ONEX_US_PER_DAY (INT64_C(86400) * ONEX_US_PER_SECOND)
#define ONEX_TIME_MIN_US INT64_C(-62135596800000000) /* 0001-01-01T00:00:00 */
#define ONEX_TIME_MAX_US                                                       \
    INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999 */
#define ONEX_RFC3339_TEXT 32    /* longest result of onex_rfc3339_format */

typedef struct onex_civil {
    int year;  /* 1...9999 */
    int month; /* 1...12 */
    int day;   /* 1...31 */
    int hour;
    int minute;
    int second;
    int microsecond;
} onex_civil;

typedef enum onex_utc_suffix {
    ONEX_UTC_OFFSET, /* "+00:00": datetime.isoformat() */
    ONEX_UTC_Z,      /* "Z": Pydantic's JSON */
    ONEX_UTC_NONE,   /* nothing: a naive datetime's */
} onex_utc_suffix;

/* Days from 1970-01-01 to a date (month 1...12; any day), and back. */
int64_t onex_days_from_civil(int64_t year, int month, int day);
void onex_civil_from_days(int64_t days, int64_t *year, int *month, int *day);

int onex_days_in_month(int year, int month);

/* Splits a moment: ONEX_OK or ONEX_RANGE. */
onex_status onex_civil_from_us(int64_t us, onex_civil *out);

/* Joins one, checking every part: ONEX_OK or ONEX_RANGE. */
onex_status onex_us_from_civil(const onex_civil *civil, int64_t *out);

/* "2024-01-02T03:04:05.000006+00:00"; no fraction when it is 0.  Returns the
 * number of characters (no NUL is written), 0 when us is out of range. */
size_t onex_rfc3339_format(int64_t us, onex_utc_suffix suffix,
                           char out[ONEX_RFC3339_TEXT]);

#endif
