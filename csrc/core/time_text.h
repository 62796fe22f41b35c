/* Dates, times and durations from text and numbers, by the rules of speedate,
 * which pydantic follows: RFC 3339 with a little tolerance, Unix timestamps in
 * seconds or (above 2e10) milliseconds, ISO 8601 durations and "1 day, 2:03".
 *
 * Every function returns NULL for success, or why it failed: a constant text
 * for pydantic's messages. */
#ifndef ONEX_CORE_TIME_TEXT_H
#define ONEX_CORE_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No zone: `offset` of a naive time. */
#define ONEX_NAIVE INT32_MIN

typedef struct {
    int year, month, day;
} onex_day;

typedef struct {
    int hour, minute, second, microsecond;
    int32_t offset; /* seconds east of UTC, or ONEX_NAIVE */
} onex_clock_time;

typedef struct {
    bool negative;
    uint32_t days, seconds, microseconds;
} onex_duration;

const char *onex_day_parse(const char *text, size_t size, onex_day *day);

const char *
onex_time_parse(const char *text, size_t size, onex_clock_time *time);
const char *onex_time_from_int(int64_t seconds, uint32_t microseconds,
                               onex_clock_time *time);
const char *onex_time_from_double(double seconds, onex_clock_time *time);

/* Reads all of a text of digits, signs, dots and e as a float; false when it is
 * none.  Given by the caller: strtod would follow the program's locale. */
typedef bool (*onex_float_reader)(const char *text, size_t size,
                                  double *number);

const char *
onex_datetime_parse(const char *text, size_t size, onex_float_reader read_float,
                    onex_day *day, onex_clock_time *time);
const char *onex_datetime_from_int(int64_t timestamp, uint32_t microseconds,
                                   onex_day *day, onex_clock_time *time);
const char *onex_datetime_from_double(double timestamp, onex_day *day,
                                      onex_clock_time *time);

const char *
onex_duration_parse(const char *text, size_t size, onex_duration *duration);
const char *onex_duration_from_int(int64_t seconds, onex_duration *duration);
const char *onex_duration_from_double(double seconds, onex_duration *duration);

#endif
