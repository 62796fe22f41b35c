#include "check.h"

#include "core/rfc3339.h"
#include "core/time_text.h"

static bool
read_float(const char *text, size_t size, double *number)
{
    char *end, *ended = strndup(text, size);
    *number = strtod(ended, &end);
    bool all = end == ended + size;
    free(ended);
    return all;
}

static const char *
parse(const char *text, size_t size, onex_day *day, onex_clock_time *time)
{
    return onex_datetime_parse(text, size, read_float, day, time);
}

static void
test_every_form_of_a_moment_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        onex_clock_time time;
    } readings[] = {
        {"2024-02-29T03:04:05.000006Z", {3, 4, 5, 6, 0}},
        {"2024-02-29t03:04:05.000006z", {3, 4, 5, 6, 0}},
        {"2024-02-29 03:04:05.000006+00:00", {3, 4, 5, 6, 0}},
        {"2024-02-29_03:04:05,0000069999", {3, 4, 5, 6, ONEX_NAIVE}},
        {"2024-02-29T03:04:05.5", {3, 4, 5, 500000, ONEX_NAIVE}},
        {"2024-02-29T03:04", {3, 4, 0, 0, ONEX_NAIVE}},
        {"2024-02-29T03:04Z", {3, 4, 0, 0, 0}},
        {"2024-02-29T03:04:05+01:30", {3, 4, 5, 0, 5400}},
        {"2024-02-29T03:04:05-2359", {3, 4, 5, 0, -86340}},
        {"2024-02-29T03:04:05\xe2\x88\x92"
         "01:00",
         {3, 4, 5, 0, -3600}},
        {"1709175845", {3, 4, 5, 0, 0}},
        {"1709175845000", {3, 4, 5, 0, 0}},
        {"1709175845.5", {3, 4, 5, 500000, 0}},
    };
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        const char *text = readings[i].text;
        onex_day day;
        onex_clock_time time;
        const char *problem = parse(text, strlen(text), &day, &time);
        if (problem != NULL || day.year != 2024 || day.month != 2 ||
            day.day != 29 ||
            memcmp(&time, &readings[i].time, sizeof time) != 0) {
            fail_msg("%s: %s", text, problem);
        }
    }
}

static void
test_everything_else_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "2024-01-02",
        "2024-01-02T03",
        "2024-1-02T03:04",
        "2024-01-02X03:04",
        "2024-01-02T03:04:05.",
        "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05ZZ",
        "2024-01-02T03:04:05+01",
        "2024-01-02T03:04:05+01:0",
        "2024-01-02T03:04:05+01:00 ",
        "2024-01-02T03:04:05 +01:00",
        "-024-01-02T03:04:05",
        "2024-01-02T03:04:60",
        "2024-01-02T24:00:00",
        "2023-02-29T00:00:00",
        "2024-01-02T03:04:05+24:00",
        "2024-01-02T03:04:05+01:60",
        "-99999999999999",
        "1.5.5",
        "0x1.8p3",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        onex_day day;
        onex_clock_time time;
        if (parse(wrong[i], strlen(wrong[i]), &day, &time) == NULL) {
            fail_msg("%s", wrong[i]);
        }
    }
}

static void
test_a_cut_text_is_never_read_past_its_length(void **state)
{
    (void)state;
    static const char text[] = "2024-01-02T03:04:05.000006+01:30";
    for (size_t length = 1; length < sizeof text - 1; length++) {
        /* An allocation of just this size: the sanitizer sees a step too far. */
        char *cut = malloc(length);
        memcpy(cut, text, length);
        onex_day day;
        onex_clock_time time;
        bool good =
            length == 16 || length == 19 || (length > 20 && length < 27);
        /* 2024 and 20 are timestamps. */
        good = good || length <= 4;
        assert_int_equal(parse(cut, length, &day, &time) == NULL, good);
        free(cut);
    }
}

static void
test_what_is_formatted_is_read_back(void **state)
{
    (void)state;
    uint32_t numbers = 5;
    for (int i = 0; i < 20000; i++) {
        uint64_t wide = (uint64_t)test_number(&numbers) << 40 ^
                        (uint64_t)test_number(&numbers) << 20 ^
                        test_number(&numbers);
        int64_t us = ONEX_TIME_MIN_US +
                     (int64_t)(wide % (uint64_t)(ONEX_TIME_MAX_US -
                                                 ONEX_TIME_MIN_US + 1));
        char text[ONEX_RFC3339_TEXT];
        size_t length = onex_rfc3339_format(us, (onex_utc_suffix)(i % 3), text);
        onex_day day;
        onex_clock_time time;
        assert_null(parse(text, length, &day, &time));
        int64_t days = onex_days_from_civil(day.year, day.month, day.day);
        int64_t seconds =
            days * 86400 + time.hour * 3600 + time.minute * 60 + time.second;
        assert_true(seconds * 1000000 + time.microsecond == us);
        assert_int_equal(time.offset, i % 3 == ONEX_UTC_NONE ? ONEX_NAIVE : 0);
    }
}

static void
test_durations_of_both_kinds_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        onex_duration duration;
    } readings[] = {
        {"P1DT2H3M4.5S", {false, 1, 7384, 500000}}, {"-P1W", {true, 7, 0, 0}},
        {"1 day, 02:03:04", {false, 1, 7384, 0}},   {"-3d", {true, 3, 0, 0}},
        {"100:00:00.000001", {false, 4, 14400, 1}},
    };
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        const char *text = readings[i].text;
        onex_duration got;
        assert_null(onex_duration_parse(text, strlen(text), &got));
        assert_int_equal(got.negative, readings[i].duration.negative);
        assert_int_equal(got.days, readings[i].duration.days);
        assert_int_equal(got.seconds, readings[i].duration.seconds);
        assert_int_equal(got.microseconds, readings[i].duration.microseconds);
    }
    onex_duration got;
    assert_non_null(onex_duration_parse("P", 1, &got));
    assert_non_null(onex_duration_parse("99999999999d", 12, &got));
}

/* Its digits, as a number, are more than a double holds. */
static void
test_a_fraction_of_any_length_is_read(void **state)
{
    (void)state;
    char text[1024] = "P0.";
    for (size_t digits = 1; digits < 1000; digits++) {
        memset(text + 3, '7', digits);
        memcpy(text + 3 + digits, "W", 1);
        onex_duration got;
        assert_null(onex_duration_parse(text, digits + 4, &got));
        assert_int_equal(got.days, digits == 1 ? 4 : 5);
        if (digits > 20) {
            assert_int_equal(got.seconds, 38400);
            assert_int_equal(got.microseconds, 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_a_moment_is_read),
        cmocka_unit_test(test_everything_else_is_refused),
        cmocka_unit_test(test_a_cut_text_is_never_read_past_its_length),
        cmocka_unit_test(test_what_is_formatted_is_read_back),
        cmocka_unit_test(test_durations_of_both_kinds_are_read),
        cmocka_unit_test(test_a_fraction_of_any_length_is_read),
    };
    return cmocka_run_group_tests_name("time text", tests, NULL, NULL);
}
