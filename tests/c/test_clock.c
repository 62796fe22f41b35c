#include "check.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"

/* Stands in libc's place: the core's reads come here. */
static bool refused[2]; /* by clock: CLOCK_REALTIME, CLOCK_MONOTONIC */

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock <= CLOCK_MONOTONIC && refused[clock]) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_clock_gettime, clock, now);
}

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

static void
test_a_refused_clock_is_replaced_by_the_next_best(void **state)
{
    (void)state;
    refused[CLOCK_MONOTONIC] = true;
    int64_t wall = onex_clock_wall_ns();
    int64_t instead = onex_clock_monotonic_ns();
    assert_true(instead >= wall && instead < wall + INT64_C(60000000000));
    refused[CLOCK_REALTIME] = true;
    time_t before = time(NULL);
    int64_t seconds = onex_clock_monotonic_ns() / 1000000000;
    assert_int_equal(onex_clock_wall_ns() % 1000000000, 0);
    assert_in_range(seconds, (uint64_t)before, (uint64_t)before + 60);
    assert_in_range(onex_clock_wall_us() / 1000000, (uint64_t)before,
                    (uint64_t)before + 60);
    refused[CLOCK_REALTIME] = refused[CLOCK_MONOTONIC] = false;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refused_clock_is_replaced_by_the_next_best),
        cmocka_unit_test(test_wall_time_is_the_system_s),
        cmocka_unit_test(test_monotonic_time_never_goes_back),
        cmocka_unit_test(
            test_microseconds_round_down_on_both_sides_of_the_epoch),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
