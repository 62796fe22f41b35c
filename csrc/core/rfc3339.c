#include "core/rfc3339.h"

#include <stdbool.h>
#include <string.h>

#define DAYS_PER_ERA 146097 /* 400 Gregorian years */
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

/* --- calendar --------------------------------------------------------------
 * Years are counted from March, so that the leap day is a year's last; then
 * the day of the year of a month's first is (153 * m + 2) / 5, with m = 0 for
 * March, and eras of 400 years repeat exactly. */

static int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t
onex_days_from_civil(int64_t year, int month, int day)
{
    int64_t from_march = month > 2 ? year : year - 1;
    int64_t era = floor_divide(from_march, 400);
    int64_t year_of_era = from_march - era * 400;
    int64_t day_of_year =
        (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

void
onex_civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_divide(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    /* Takes the leap days out (one in 4 years, none in 100, one in 400). */
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year =
        day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    int from_march = (int)((5 * day_of_year + 2) / 153);
    *day = (int)(day_of_year - (153 * from_march + 2) / 5) + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = era * 400 + year_of_era + (*month <= 2);
}

int
onex_days_in_month(int year, int month)
{
    if (month == 2) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return leap ? 29 : 28;
    }
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

onex_status
onex_civil_from_us(int64_t us, onex_civil *out)
{
    if (us < ONEX_TIME_MIN_US || us > ONEX_TIME_MAX_US) {
        return ONEX_RANGE;
    }
    int64_t days = floor_divide(us, ONEX_US_PER_DAY);
    int64_t of_day = us - days * ONEX_US_PER_DAY;
    int64_t year;
    onex_civil_from_days(days, &year, &out->month, &out->day);
    out->year = (int)year;
    int seconds = (int)(of_day / ONEX_US_PER_SECOND);
    out->hour = seconds / 3600;
    out->minute = seconds / 60 % 60;
    out->second = seconds % 60;
    out->microsecond = (int)(of_day % ONEX_US_PER_SECOND);
    return ONEX_OK;
}

static bool
within(int value, int low, int high)
{
    return value >= low && value <= high;
}

onex_status
onex_us_from_civil(const onex_civil *civil, int64_t *out)
{
    if (!within(civil->year, 1, 9999) || !within(civil->month, 1, 12) ||
        !within(civil->day, 1, onex_days_in_month(civil->year, civil->month)) ||
        !within(civil->hour, 0, 23) || !within(civil->minute, 0, 59) ||
        !within(civil->second, 0, 59) ||
        !within(civil->microsecond, 0, 999999)) {
        return ONEX_RANGE;
    }
    int64_t days = onex_days_from_civil(civil->year, civil->month, civil->day);
    int seconds = civil->hour * 3600 + civil->minute * 60 + civil->second;
    *out = days * ONEX_US_PER_DAY + seconds * ONEX_US_PER_SECOND +
           civil->microsecond;
    return ONEX_OK;
}

/* --- formatting ------------------------------------------------------------ */

/* 00 to 99, one after the other. */
#define ROW(t) t "0" t "1" t "2" t "3" t "4" t "5" t "6" t "7" t "8" t "9"
static const char pairs_of_digits[] = ROW("0") ROW("1") ROW("2") ROW("3")
    ROW("4") ROW("5") ROW("6") ROW("7") ROW("8") ROW("9");
#undef ROW

static inline char *
put_pair(char *out, unsigned value)
{
    memcpy(out, pairs_of_digits + (size_t)2 * value, 2);
    return out + 2;
}

size_t
onex_rfc3339_format(int64_t us, onex_utc_suffix suffix,
                    char out[ONEX_RFC3339_TEXT])
{
    onex_civil civil;
    if (onex_civil_from_us(us, &civil) != ONEX_OK) {
        return 0;
    }
    char *at = put_pair(out, civil.year / 100);
    at = put_pair(at, civil.year % 100);
    *at++ = '-';
    at = put_pair(at, civil.month);
    *at++ = '-';
    at = put_pair(at, civil.day);
    *at++ = 'T';
    at = put_pair(at, civil.hour);
    *at++ = ':';
    at = put_pair(at, civil.minute);
    *at++ = ':';
    at = put_pair(at, civil.second);
    if (civil.microsecond != 0) {
        *at++ = '.';
        at = put_pair(at, civil.microsecond / 10000);
        at = put_pair(at, civil.microsecond / 100 % 100);
        at = put_pair(at, civil.microsecond % 100);
    }
    if (suffix == ONEX_UTC_Z) {
        *at++ = 'Z';
    }
    else if (suffix == ONEX_UTC_OFFSET) {
        memcpy(at, "+00:00", 6);
        at += 6;
    }
    return (size_t)(at - out);
}
