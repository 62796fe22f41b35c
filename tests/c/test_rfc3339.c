#include "check.h"

#include "core/rfc3339.h"

#define MOMENT INT64_C(1704164645000006) /* 2024-01-02T03:04:05.000006Z */

static void
assert_formats(int64_t us, onex_utc_suffix suffix, const char *expected)
{
    char text[ONEX_RFC3339_TEXT + 1] = {0};
    assert_int_equal(onex_rfc3339_format(us, suffix, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void
test_formats_as_python_and_pydantic_do(void **state)
{
    (void)state;
    assert_formats(MOMENT, ONEX_UTC_OFFSET, "2024-01-02T03:04:05.000006+00:00");
    assert_formats(MOMENT, ONEX_UTC_Z, "2024-01-02T03:04:05.000006Z");
    assert_formats(MOMENT, ONEX_UTC_NONE, "2024-01-02T03:04:05.000006");
    assert_formats(MOMENT - 6, ONEX_UTC_OFFSET, "2024-01-02T03:04:05+00:00");
    assert_formats(0, ONEX_UTC_Z, "1970-01-01T00:00:00Z");
    assert_formats(-1, ONEX_UTC_Z, "1969-12-31T23:59:59.999999Z");
    assert_formats(ONEX_TIME_MIN_US, ONEX_UTC_Z, "0001-01-01T00:00:00Z");
    assert_formats(ONEX_TIME_MAX_US, ONEX_UTC_Z, "9999-12-31T23:59:59.999999Z");
}

static void
test_moments_out_of_range_are_refused(void **state)
{
    (void)state;
    static const int64_t outside[] = {
        ONEX_TIME_MIN_US - 1, ONEX_TIME_MAX_US + 1, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        char text[ONEX_RFC3339_TEXT];
        onex_civil civil;
        assert_int_equal(onex_rfc3339_format(outside[i], ONEX_UTC_Z, text), 0);
        assert_int_equal(onex_civil_from_us(outside[i], &civil), ONEX_RANGE);
    }
}

static void
test_every_day_of_ten_thousand_years_is_the_next_of_the_one_before(void **state)
{
    (void)state;
    int64_t days = onex_days_from_civil(1, 1, 1);
    assert_int_equal(days * ONEX_US_PER_DAY, ONEX_TIME_MIN_US);
    for (int year = 1; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int last = onex_days_in_month(year, month);
            for (int day = 1; day <= last; day++, days++) {
                int64_t y;
                int m, d;
                onex_civil_from_days(days, &y, &m, &d);
                if (y != year || m != month || d != day ||
                    onex_days_from_civil(year, month, day) != days) {
                    fail_msg("%d-%d-%d", year, month, day);
                }
            }
        }
    }
    assert_int_equal(days * ONEX_US_PER_DAY, ONEX_TIME_MAX_US + 1);
}

static void
test_civil_parts_are_checked(void **state)
{
    (void)state;
    static const onex_civil wrong[] = {
        {0, 1, 1, 0, 0, 0, 0},     {10000, 1, 1, 0, 0, 0, 0},
        {2024, 0, 1, 0, 0, 0, 0},  {2024, 13, 1, 0, 0, 0, 0},
        {2024, 1, 0, 0, 0, 0, 0},  {2024, 1, 32, 0, 0, 0, 0},
        {2023, 2, 29, 0, 0, 0, 0}, {1900, 2, 29, 0, 0, 0, 0},
        {2024, 4, 31, 0, 0, 0, 0}, {2024, 1, 1, 24, 0, 0, 0},
        {2024, 1, 1, 0, 60, 0, 0}, {2024, 1, 1, 0, 0, 60, 0},
        {2024, 1, 1, 0, 0, -1, 0}, {2024, 1, 1, 0, 0, 0, 1000000},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int64_t us = 1;
        assert_int_equal(onex_us_from_civil(&wrong[i], &us), ONEX_RANGE);
        assert_int_equal(us, 1);
    }
    const onex_civil leap = {2000, 2, 29, 23, 59, 59, 999999};
    int64_t us;
    onex_civil back;
    assert_int_equal(onex_us_from_civil(&leap, &us), ONEX_OK);
    assert_int_equal(onex_civil_from_us(us, &back), ONEX_OK);
    assert_memory_equal(&back, &leap, sizeof leap);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_as_python_and_pydantic_do),
        cmocka_unit_test(test_moments_out_of_range_are_refused),
        cmocka_unit_test(
            test_every_day_of_ten_thousand_years_is_the_next_of_the_one_before),
        cmocka_unit_test(test_civil_parts_are_checked),
    };
    return cmocka_run_group_tests_name("rfc3339", tests, NULL, NULL);
}
