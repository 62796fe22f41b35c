#include "check.h"

#include <time.h>

#include "core/clock.h"

static void
test_wall_time_is_the_system_s(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t us = onex_clock_wall_us();
    assert_in_range(us / 1000000, (uint64_t)before - 1, (uint64_t)before + 5);
}

static void
test_monotonic_time_never_goes_back(void **state)
{
    (void)state;
    int64_t last = onex_clock_monotonic_ns();
    for (int i = 0; i < 100000; i++) {
        int64_t now = onex_clock_monotonic_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void
test_microseconds_round_down_on_both_sides_of_the_epoch(void **state)
{
    (void)state;
    assert_int_equal(onex_clock_us_of_ns(1999), 1);
    assert_int_equal(onex_clock_us_of_ns(0), 0);
    assert_int_equal(onex_clock_us_of_ns(-1), -1);
    assert_int_equal(onex_clock_us_of_ns(-1000), -1);
    assert_int_equal(onex_clock_us_of_ns(-1001), -2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wall_time_is_the_system_s),
        cmocka_unit_test(test_monotonic_time_never_goes_back),
        cmocka_unit_test(
            test_microseconds_round_down_on_both_sides_of_the_epoch),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
