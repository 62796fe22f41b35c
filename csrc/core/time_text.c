/* Dates, times and durations from text and numbers. */
#include "core/time_text.h"

#include <math.h>
#include <string.h>

#include "core/rfc3339.h"

#define TIMESTAMP_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00 */
#define TIMESTAMP_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59 */
#define MILLISECONDS_ABOVE INT64_C(20000000000)
#define DURATION_DAYS_MAX 999999999u

static const char too_short[] = "input is too short";
static const char extra_characters[] =
    "unexpected extra characters at the end of the input";
static const char time_too_large[] =
    "numeric times may not exceed 86,399 seconds";
static const char value_too_large[] =
    "a numeric value in the duration is too large";
static const char not_a_number[] = "NaN values not permitted";

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A digit at `at` < size as a number, or -1. */
static int
digit_at(const char *text, size_t size, size_t at)
{
    return at < size && is_digit(text[at]) ? text[at] - '0' : -1;
}

/* Two digits, or -1. */
static int
pair_at(const char *text, size_t size, size_t at)
{
    int tens = digit_at(text, size, at), ones = digit_at(text, size, at + 1);
    return tens < 0 || ones < 0 ? -1 : 10 * tens + ones;
}

/* Rust's `as` conversions: to the nearest representable value, NaN to 0. */
static int64_t
to_int64(double number)
{
    if (isnan(number)) {
        return 0;
    }
    return number >= 9223372036854775808.0    ? INT64_MAX
           : number <= -9223372036854775808.0 ? INT64_MIN
                                              : (int64_t)number;
}

static uint32_t
to_uint32(double number)
{
    if (!(number > 0)) {
        return 0;
    }
    return number >= 4294967295.0 ? UINT32_MAX : (uint32_t)number;
}

/* ----------------------------------------------------------------- numbers */

typedef enum { NO_NUMBER, INT_NUMBER, FLOAT_NUMBER } number_kind;

/* [+-]digits within int64 (a minus is applied to the positive value). */
static bool
int_of_text(const char *text, size_t size, int64_t *result)
{
    size_t at = size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    int64_t value = 0;
    if (at == size) {
        return false;
    }
    for (size_t i = at; i < size; i++) {
        int digit = digit_at(text, size, i);
        if (digit < 0 || value > (INT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *result = text[0] == '-' ? -value : value;
    return true;
}

/* An int, or with a dot a float. */
static number_kind
number_of_text(const char *text, size_t size, onex_float_reader read_float,
               int64_t *integer, double *number)
{
    if (memchr(text, '.', size) == NULL) {
        return int_of_text(text, size, integer) ? INT_NUMBER : NO_NUMBER;
    }
    for (size_t i = 0; i < size; i++) {
        if (memchr("0123456789+-.eE", text[i], 15) == NULL) {
            return NO_NUMBER;
        }
    }
    return read_float(text, size, number) ? FLOAT_NUMBER : NO_NUMBER;
}

/* -------------------------------------------------------------------- dates */

/* YYYY-MM-DD at the beginning of the text. */
static const char *
day_prefix(const char *text, size_t size, onex_day *day)
{
    if (size < 10) {
        return too_short;
    }
    int century = pair_at(text, size, 0), year = pair_at(text, size, 2);
    if (century < 0 || year < 0) {
        return "invalid character in year";
    }
    day->year = century * 100 + year;
    if (text[4] != '-') {
        return "invalid date separator, expected `-`";
    }
    if ((day->month = pair_at(text, size, 5)) < 0) {
        return "invalid character in month";
    }
    if (text[7] != '-') {
        return "invalid date separator, expected `-`";
    }
    if ((day->day = pair_at(text, size, 8)) < 0) {
        return "invalid character in day";
    }
    if (day->month < 1 || day->month > 12) {
        return "month value is outside expected range of 1-12";
    }
    if (day->day < 1 || day->day > onex_days_in_month(day->year, day->month)) {
        return "day value is outside expected range";
    }
    return NULL;
}

/* Days since 1970-01-01 to a date of the years 0 to 9999. */
static void
day_from_epoch(int64_t days, onex_day *day)
{
    int64_t year;
    onex_civil_from_days(days, &year, &day->month, &day->day);
    day->year = (int)year;
}

/* Milliseconds, if it is so much, to seconds; adds to *microseconds. */
static const char *
normalize_timestamp(int64_t timestamp, int64_t *seconds, uint32_t *microseconds)
{
    if (timestamp == INT64_MIN) {
        return "dates before 0000 are not supported as unix timestamps";
    }
    *seconds = timestamp;
    if (timestamp > MILLISECONDS_ABOVE || timestamp < -MILLISECONDS_ABOVE) {
        *seconds = timestamp / 1000;
        int64_t extra = timestamp % 1000 * 1000;
        if (extra < 0) {
            *seconds -= 1;
            extra += 1000000;
        }
        if (*microseconds > UINT32_MAX - (uint32_t)extra) {
            return time_too_large;
        }
        *microseconds += (uint32_t)extra;
    }
    return NULL;
}

static const char *
check_timestamp(int64_t seconds)
{
    if (seconds < TIMESTAMP_MIN) {
        return "dates before 0000 are not supported as unix timestamps";
    }
    return seconds > TIMESTAMP_MAX
               ? "dates after 9999 are not supported as unix timestamps"
               : NULL;
}

/* Floor division into days and the second of the day. */
static int64_t
split_days(int64_t seconds, int64_t *of_day)
{
    int64_t days = seconds / 86400;
    *of_day = seconds % 86400;
    if (*of_day < 0) {
        *of_day += 86400;
        days--;
    }
    return days;
}

const char *
onex_day_parse(const char *text, size_t size, onex_day *day)
{
    const char *problem = day_prefix(text, size, day), *other;
    int64_t timestamp, seconds, of_day;
    uint32_t microseconds = 0;
    if (problem == NULL && size > 10) {
        problem = extra_characters;
    }
    if (problem == NULL || !int_of_text(text, size, &timestamp)) {
        return problem;
    }
    if ((other = normalize_timestamp(timestamp, &seconds, &microseconds)) !=
            NULL ||
        (other = check_timestamp(seconds)) != NULL) {
        return other;
    }
    day_from_epoch(split_days(seconds, &of_day), day);
    return of_day != 0 || microseconds != 0 ? "Timestamp is not an exact date"
                                            : NULL;
}

/* -------------------------------------------------------------------- times */

/* HH:MM[:SS[.F…]] from *at on; moves *at behind it. */
static const char *
clock_part(const char *text, size_t size, size_t *at, onex_clock_time *time)
{
    size_t from = *at;
    if (size - from < 5) {
        return too_short;
    }
    if ((time->hour = pair_at(text, size, from)) < 0) {
        return "invalid character in hour";
    }
    if (text[from + 2] != ':') {
        return "invalid time separator, expected `:`";
    }
    if ((time->minute = pair_at(text, size, from + 3)) < 0) {
        return "invalid character in minute";
    }
    if (time->hour > 23) {
        return "hour value is outside expected range of 0-23";
    }
    if (time->minute > 59) {
        return "minute value is outside expected range of 0-59";
    }
    time->second = time->microsecond = 0;
    time->offset = ONEX_NAIVE;
    *at = from + 5;
    if (*at >= size || text[*at] != ':') {
        return NULL;
    }
    if ((time->second = pair_at(text, size, from + 6)) < 0) {
        return "invalid character in second";
    }
    if (time->second > 59) {
        return "second value is outside expected range of 0-59";
    }
    *at = from + 8;
    if (*at >= size || (text[*at] != '.' && text[*at] != ',')) {
        return NULL;
    }
    size_t digits = 0;
    for ((*at)++; digit_at(text, size, *at) >= 0; (*at)++, digits++) {
        if (digits < 6) { /* what is finer than a microsecond is cut off */
            time->microsecond = time->microsecond * 10 + (text[*at] - '0');
        }
    }
    if (digits == 0) {
        return "second fraction digits missing after `.`";
    }
    for (; digits < 6; digits++) {
        time->microsecond *= 10;
    }
    return NULL;
}

/* Z, ±HH:MM or ±HHMM from `at` to the end; U+2212 is a minus too. */
static const char *
zone_part(const char *text, size_t size, size_t at, int32_t *offset)
{
    int sign = -1;
    char c = text[at++];
    if (c == 'Z' || c == 'z') {
        *offset = 0;
        return at < size ? extra_characters : NULL;
    }
    if (c == '+') {
        sign = 1;
    }
    else if (c == '\xe2' && size - at >= 2 &&
             memcmp(text + at, "\x88\x92", 2) == 0) {
        at += 2;
    }
    else if (c != '-') {
        return "invalid timezone sign";
    }
    int hours = pair_at(text, size, at);
    if (hours < 0) {
        return "invalid timezone hour";
    }
    at += 2;
    if (at < size && text[at] == ':') {
        at++;
    }
    int minutes = pair_at(text, size, at);
    if (minutes < 0) {
        return "invalid timezone minute";
    }
    if (minutes > 59) {
        return "timezone minute value is outside expected range of 0-59";
    }
    *offset = sign * (hours * 3600 + minutes * 60);
    if (hours >= 24) {
        return "timezone offset must be less than 24 hours";
    }
    return at + 2 < size ? extra_characters : NULL;
}

static const char *
time_from(const char *text, size_t size, size_t at, onex_clock_time *time)
{
    const char *problem = clock_part(text, size, &at, time);
    if (problem == NULL && at < size) {
        problem = zone_part(text, size, at, &time->offset);
    }
    return problem;
}

const char *
onex_time_parse(const char *text, size_t size, onex_clock_time *time)
{
    return time_from(text, size, 0, time);
}

const char *
onex_time_from_int(int64_t seconds, uint32_t microseconds,
                   onex_clock_time *time)
{
    if (seconds < 0) {
        return "time in seconds should be positive";
    }
    if (seconds >= 86400 || (seconds += microseconds / 1000000) >= 86400) {
        return time_too_large;
    }
    time->hour = (int)(seconds / 3600);
    time->minute = (int)(seconds / 60 % 60);
    time->second = (int)(seconds % 60);
    time->microsecond = (int)(microseconds % 1000000);
    time->offset = 0;
    return NULL;
}

const char *
onex_time_from_double(double seconds, onex_clock_time *time)
{
    if (isnan(seconds)) {
        return not_a_number;
    }
    double fraction = fabs(seconds - trunc(seconds));
    return onex_time_from_int(to_int64(floor(seconds)),
                              to_uint32(round(fraction * 1e6)), time);
}

/* ---------------------------------------------------------------- datetimes */

static const char *
datetime_from_seconds(int64_t seconds, uint32_t microseconds, onex_day *day,
                      onex_clock_time *time)
{
    int64_t of_day;
    if (seconds < TIMESTAMP_MAX) {
        seconds += microseconds / 1000000;
        microseconds %= 1000000;
    }
    const char *problem = check_timestamp(seconds);
    if (problem != NULL) {
        return problem;
    }
    day_from_epoch(split_days(seconds, &of_day), day);
    return onex_time_from_int(of_day, microseconds, time);
}

const char *
onex_datetime_from_int(int64_t timestamp, uint32_t microseconds, onex_day *day,
                       onex_clock_time *time)
{
    int64_t seconds;
    const char *problem =
        normalize_timestamp(timestamp, &seconds, &microseconds);
    return problem != NULL
               ? problem
               : datetime_from_seconds(seconds, microseconds, day, time);
}

const char *
onex_datetime_from_double(double timestamp, onex_day *day,
                          onex_clock_time *time)
{
    if (isnan(timestamp)) {
        return not_a_number;
    }
    double whole = floor(timestamp), fraction = timestamp - whole;
    if (fabs(timestamp) > (double)MILLISECONDS_ABOVE) {
        int64_t seconds;
        uint32_t microseconds = to_uint32(round(fraction * 1e3));
        const char *problem =
            normalize_timestamp(to_int64(whole), &seconds, &microseconds);
        return problem != NULL
                   ? problem
                   : datetime_from_seconds(seconds, microseconds, day, time);
    }
    return datetime_from_seconds(to_int64(whole),
                                 to_uint32(round(fraction * 1e6)), day, time);
}

const char *
onex_datetime_parse(const char *text, size_t size, onex_float_reader read_float,
                    onex_day *day, onex_clock_time *time)
{
    int64_t integer;
    double number;
    const char *problem = day_prefix(text, size, day);
    if (problem == NULL) {
        problem =
            size > 10 && strchr("Tt _", text[10]) != NULL && text[10] != '\0'
                ? time_from(text, size, 11, time)
                : "invalid datetime separator, expected `T`, `t`, `_` or "
                  "space";
    }
    if (problem == NULL) {
        return NULL;
    }
    switch (number_of_text(text, size, read_float, &integer, &number)) {
    case INT_NUMBER:
        return onex_datetime_from_int(integer, 0, day, time);
    case FLOAT_NUMBER:
        return onex_datetime_from_double(number, day, time);
    default:
        return problem;
    }
}

/* ---------------------------------------------------------------- durations */

static const char *
normalize_duration(onex_duration *duration)
{
    uint32_t whole = duration->microseconds / 1000000;
    if (duration->seconds > UINT32_MAX - whole) {
        return value_too_large;
    }
    duration->seconds += whole;
    duration->microseconds %= 1000000;
    if (duration->days > UINT32_MAX - duration->seconds / 86400) {
        return value_too_large;
    }
    duration->days += duration->seconds / 86400;
    duration->seconds %= 86400;
    return duration->days > DURATION_DAYS_MAX
               ? "durations may not exceed 999,999,999 days"
               : NULL;
}

const char *
onex_duration_from_int(int64_t seconds, onex_duration *duration)
{
    uint64_t total =
        seconds < 0 ? (uint64_t)0 - (uint64_t)seconds : (uint64_t)seconds;
    duration->negative = seconds < 0;
    duration->days = to_uint32((double)(total / 86400));
    duration->seconds = (uint32_t)(total % 86400);
    duration->microseconds = 0;
    return normalize_duration(duration);
}

const char *
onex_duration_from_double(double seconds, onex_duration *duration)
{
    if (isnan(seconds)) {
        return not_a_number;
    }
    duration->negative = !(seconds >= 0);
    seconds = fabs(seconds);
    double fraction = seconds - trunc(seconds);
    uint64_t whole =
        seconds >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)seconds;
    duration->days = to_uint32(seconds / 86400);
    duration->seconds = (uint32_t)(whole % 86400);
    duration->microseconds = to_uint32(round(fraction * 1e6));
    return normalize_duration(duration);
}

/* sum += a * b within uint32. */
static bool
add_product(uint32_t *sum, uint64_t a, uint64_t b)
{
    uint64_t product = a * b; /* both below 2^32 */
    if (product > UINT32_MAX - *sum) {
        return false;
    }
    *sum += (uint32_t)product;
    return true;
}

/* Digits from *at on as uint32; moves *at behind them. */
static const char *
duration_number(const char *text, size_t size, size_t *at, uint32_t *value)
{
    if (digit_at(text, size, *at) < 0) {
        return "invalid digit in duration";
    }
    uint64_t number = 0;
    for (int digit; (digit = digit_at(text, size, *at)) >= 0; (*at)++) {
        number = number * 10 + (unsigned)digit;
        if (number > UINT32_MAX) {
            return value_too_large;
        }
    }
    *value = (uint32_t)number;
    return NULL;
}

/* One quantity of an ISO 8601 duration: its unit in days or seconds and a
 * fraction go to the finer parts. */
static const char *
iso_quantity(onex_duration *duration, uint32_t value, double fraction,
             uint32_t unit, bool in_time)
{
    uint32_t *whole = in_time ? &duration->seconds : &duration->days;
    if (!add_product(whole, value, unit)) {
        return value_too_large;
    }
    if (fraction < 0) {
        return NULL; /* none */
    }
    double extra = fraction * unit, full = trunc(extra);
    if (!add_product(whole, (uint64_t)full, 1)) {
        return value_too_large;
    }
    double rest = extra - full;
    if (!in_time) {
        extra = rest * 86400;
        full = trunc(extra);
        if (!add_product(&duration->seconds, (uint64_t)full, 1)) {
            return value_too_large;
        }
        rest = extra - full;
    }
    return add_product(&duration->microseconds, to_uint32(round(rest * 1e6)), 1)
               ? NULL
               : value_too_large;
}

/* What follows the P of an ISO 8601 duration. */
static const char *
iso_duration(const char *text, size_t size, size_t at, onex_duration *duration)
{
    bool in_time = false, fraction_seen = false;
    size_t from = at;
    for (; at < size; at++) {
        if (text[at] == 'T') {
            if (in_time) {
                return "`t` character repeated in duration";
            }
            in_time = true;
            continue;
        }
        uint32_t value = 0, unit = 0;
        double fraction = -1;
        const char *problem = duration_number(text, size, &at, &value);
        if (problem != NULL) {
            return problem;
        }
        if (at < size && (text[at] == '.' || text[at] == ',')) {
            double numerator = 0, denominator = 1;
            for (int digit; (digit = digit_at(text, size, ++at)) >= 0;) {
                if (denominator < 1e300) { /* what follows changes nothing */
                    numerator = numerator * 10 + digit;
                    denominator *= 10;
                }
            }
            fraction = numerator / denominator;
        }
        if (fraction_seen) {
            return "quantity fraction invalid in duration";
        }
        fraction_seen = fraction >= 0;
        char letter = at < size ? text[at] : '\0';
        if (in_time) {
            unit = letter == 'H' ? 3600 : letter == 'M' ? 60 : letter == 'S';
        }
        else {
            unit = letter == 'Y'   ? 365
                   : letter == 'M' ? 30
                   : letter == 'W' ? 7
                                   : letter == 'D';
        }
        if (unit == 0) {
            return in_time ? "quantity invalid in time part of duration"
                           : "quantity invalid in date part of duration";
        }
        problem = iso_quantity(duration, value, fraction, unit, in_time);
        if (problem != NULL) {
            return problem;
        }
    }
    return at - from < 2 ? too_short : NULL;
}

static const char too_many_hours[] =
    "durations may not exceed 999,999,999 hours";

/* "HH:MM:SS.F…" with any number of hours. */
static const char *
clock_duration(const char *text, size_t size, size_t at,
               onex_duration *duration)
{
    if (size - at < 5) {
        return too_short;
    }
    const char *colon = memchr(text + at, ':', size - at);
    if (colon == NULL) {
        return "invalid character in hour";
    }
    if (colon - (text + at) > 10) {
        return too_many_hours;
    }
    uint64_t hours = 0;
    for (const char *c = text + at; c < colon; c++) {
        if (!is_digit(*c)) {
            return "invalid character in hour";
        }
        hours = hours * 10 + (uint64_t)(*c - '0');
    }
    if (hours > UINT64_C(2400000000)) {
        return too_many_hours;
    }
    /* The rest as a time of hour 0, cut off at microseconds. */
    char rest[15] = "00:";
    size_t rest_size = size - (size_t)(colon + 1 - text), end = 0;
    if (rest_size > sizeof(rest) - 3) {
        rest_size = sizeof(rest) - 3;
    }
    memcpy(rest + 3, colon + 1, rest_size);
    onex_clock_time time;
    const char *problem = clock_part(rest, rest_size + 3, &end, &time);
    if (problem == NULL && end < rest_size + 3) {
        problem = extra_characters;
    }
    if (problem != NULL) {
        return problem;
    }
    duration->days = (uint32_t)(hours / 24);
    duration->seconds = (uint32_t)(hours % 24 * 3600) +
                        (uint32_t)(time.minute * 60 + time.second);
    duration->microseconds = (uint32_t)time.microsecond;
    return NULL;
}

/* "3 days, 04:05:06" and its shorter forms. */
static const char *
days_duration(const char *text, size_t size, size_t at, onex_duration *duration)
{
    static const char bad_days[] =
        "\"day\" identifier in duration not correctly formatted";
#define AT(set)                                                                \
    (at < size && text[at] != '\0' && strchr((set), text[at]) != NULL)
    if (at >= size) {
        return too_short;
    }
    const char *problem = duration_number(text, size, &at, &duration->days);
    if (problem != NULL) {
        return problem;
    }
    if (AT(" ")) {
        at++;
    }
    else if (!AT("dD")) {
        return bad_days;
    }
    if (!AT("dD")) {
        return bad_days;
    }
    at++;
    if (AT("aA")) { /* of "ay", "ays" in one case */
        const char *rest = text[at] == 'a' ? "ys" : "YS";
        at++;
        if (at >= size || text[at] != rest[0]) {
            return bad_days;
        }
        at++;
        if (at < size && text[at] == rest[1]) {
            at++;
        }
    }
    if (AT(",")) {
        at++;
    }
    if (AT(" ")) {
        at++;
    }
#undef AT
    if (at >= size) {
        return NULL;
    }
    uint32_t days = duration->days;
    problem = clock_duration(text, size, at, duration);
    if (problem == NULL && duration->days > 0) {
        problem = too_many_hours; /* a time of day follows the days */
    }
    duration->days = days;
    return problem;
}

const char *
onex_duration_parse(const char *text, size_t size, onex_duration *duration)
{
    size_t at = 0;
    const char *problem;
    memset(duration, 0, sizeof(*duration));
    if (size == 0) {
        return too_short;
    }
    if (text[0] == '+' || text[0] == '-') {
        duration->negative = text[0] == '-';
        at = 1;
    }
    if (at < size && text[at] == 'P') {
        problem = iso_duration(text, size, at + 1, duration);
    }
    else if (size - at < 5 || memchr(text, 'd', size) ||
             memchr(text, 'D', size)) {
        problem = days_duration(text, size, at, duration);
    }
    else {
        problem = clock_duration(text, size, at, duration);
    }
    return problem != NULL ? problem : normalize_duration(duration);
}
