/* Texts and numbers for dates, times, moments and durations: what is taken is
 * within its range and says what the text says. */
#include "core/rfc3339.h"
#include "core/time_text.h"
#include "fuzz.h"

static bool
read_float(const char *text, size_t size, double *number)
{
    char ended[64], *end;
    if (size >= sizeof ended) {
        return false;
    }
    memcpy(ended, text, size);
    ended[size] = '\0';
    *number = strtod(ended, &end);
    return end == ended + size;
}

static void
check_day(const onex_day *day)
{
    FUZZ_CHECK(day->year >= 0 && day->year <= 9999);
    FUZZ_CHECK(day->month >= 1 && day->month <= 12);
    FUZZ_CHECK(day->day >= 1 &&
               day->day <= onex_days_in_month(day->year, day->month));
}

static void
check_time(const onex_clock_time *time)
{
    FUZZ_CHECK(time->hour >= 0 && time->hour <= 23);
    FUZZ_CHECK(time->minute >= 0 && time->minute <= 59);
    FUZZ_CHECK(time->second >= 0 && time->second <= 59);
    FUZZ_CHECK(time->microsecond >= 0 && time->microsecond <= 999999);
    FUZZ_CHECK(time->offset == ONEX_NAIVE ||
               (time->offset > -86400 && time->offset < 86400));
}

static void
check_duration(const onex_duration *duration)
{
    FUZZ_CHECK(duration->days <= 999999999);
    FUZZ_CHECK(duration->seconds < 86400);
    FUZZ_CHECK(duration->microseconds < 1000000);
}

/* A moment with its date written out begins with that date and hour. */
static void
check_written(const char *text, size_t size, const onex_day *day,
              const onex_clock_time *time)
{
    char written[64];
    if (size < 16 || text[4] != '-') {
        return;
    }
    (void)snprintf(written, sizeof written, "%04d-%02d-%02d%c%02d:%02d",
                   day->year, day->month, day->day, text[10], time->hour,
                   time->minute);
    FUZZ_CHECK(memcmp(written, text, 16) == 0);
}

static void
read_text(unsigned kind, const char *text, size_t size)
{
    onex_day day;
    onex_clock_time time;
    onex_duration duration;
    switch (kind) {
    case 0:
        if (onex_day_parse(text, size, &day) == NULL) {
            check_day(&day);
        }
        break;
    case 1:
        if (onex_time_parse(text, size, &time) == NULL) {
            check_time(&time);
        }
        break;
    case 2:
        if (onex_datetime_parse(text, size, read_float, &day, &time) == NULL) {
            check_day(&day);
            check_time(&time);
            check_written(text, size, &day, &time);
        }
        break;
    default:
        if (onex_duration_parse(text, size, &duration) == NULL) {
            check_duration(&duration);
        }
    }
}

static void
read_number(unsigned kind, fuzz_input *in)
{
    onex_day day;
    onex_clock_time time;
    onex_duration duration;
    int64_t integer = (int64_t)fuzz_number(in);
    uint32_t microseconds = (uint32_t)fuzz_number(in);
    double number;
    fuzz_bytes(in, (uint8_t *)&number, sizeof number);
    switch (kind) {
    case 0:
        if (onex_time_from_int(integer, microseconds, &time) == NULL) {
            check_time(&time);
        }
        if (onex_time_from_double(number, &time) == NULL) {
            check_time(&time);
        }
        break;
    case 1:
        if (onex_duration_from_int(integer, &duration) == NULL) {
            check_duration(&duration);
        }
        if (onex_duration_from_double(number, &duration) == NULL) {
            check_duration(&duration);
        }
        break;
    default:
        if (onex_datetime_from_int(integer, microseconds, &day, &time) ==
            NULL) {
            check_day(&day);
            check_time(&time);
        }
        if (onex_datetime_from_double(number, &day, &time) == NULL) {
            check_day(&day);
            check_time(&time);
        }
    }
}

/* A moment that is split, joined and written is the same one. */
static void
check_moment(int64_t us)
{
    onex_civil civil;
    char text[ONEX_RFC3339_TEXT];
    onex_status status = onex_civil_from_us(us, &civil);
    size_t size = onex_rfc3339_format(us, ONEX_UTC_NONE, text);
    FUZZ_CHECK((status == ONEX_OK) == (size > 0));
    FUZZ_CHECK((status == ONEX_OK) ==
               (us >= ONEX_TIME_MIN_US && us <= ONEX_TIME_MAX_US));
    if (status != ONEX_OK) {
        return;
    }
    int64_t back;
    onex_day day;
    onex_clock_time time;
    FUZZ_CHECK(onex_us_from_civil(&civil, &back) == ONEX_OK && back == us);
    FUZZ_CHECK(onex_datetime_parse(text, size, read_float, &day, &time) ==
               NULL);
    FUZZ_CHECK(day.year == civil.year && day.month == civil.month &&
               day.day == civil.day && time.hour == civil.hour &&
               time.minute == civil.minute && time.second == civil.second &&
               time.microsecond == civil.microsecond);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    unsigned kind = fuzz_byte(&in) % 8;
    if (kind < 4) {
        size_t left = (size_t)(in.end - in.at);
        char *text = fuzz_text(in.at, left);
        read_text(kind, text, left);
        free(text);
    }
    else if (kind < 7) {
        read_number(kind - 4, &in);
    }
    else {
        check_moment((int64_t)(fuzz_number(&in) - UINT64_C(62135596800000000)));
    }
    return 0;
}
