#include "check.h"

#include <pthread.h>

#include "core/stack.h"

static void
test_little_used_stack_is_not_low(void **state)
{
    (void)state;
    assert_false(onex_stack_is_low());
    assert_true(onex_stack.usable > 0);
}

static void
test_the_reserve_grows_with_the_stack_within_limits(void **state)
{
    (void)state;
    assert_int_equal(onex_stack_reserve(16 * 1024), 8 * 1024);
    assert_int_equal(onex_stack_reserve(64 * 1024), 24 * 1024);
    assert_int_equal(onex_stack_reserve(1024 * 1024), 128 * 1024);
    assert_int_equal(onex_stack_reserve(64 * 1024 * 1024), 256 * 1024);
}

static void
test_an_address_off_the_stack_is_not_low(void **state)
{
    (void)state;
    (void)onex_stack_is_low();
    assert_false(onex_stack_is_low_at(onex_stack.low - 1));
    assert_true(onex_stack_is_low_at(onex_stack.low));
    assert_true(onex_stack_is_low_at(onex_stack.floor - 1));
    assert_false(onex_stack_is_low_at(onex_stack.floor));
}

static void
test_what_does_not_fit_is_too_little(void **state)
{
    (void)state;
    assert_false(onex_stack_is_low());
    uintptr_t left = onex_stack_address() - onex_stack.floor;
    assert_false(onex_stack_is_short_of(left / 2));
    assert_true(onex_stack_is_short_of(left + 1));
    /* More than the stack has in all, and than there is below it. */
    assert_true(onex_stack_is_short_of(onex_stack.usable));
    assert_true(onex_stack_is_short_of(onex_stack.usable + onex_stack.floor -
                                       onex_stack.low + 1));
    assert_true(onex_stack_is_short_of(UINTPTR_MAX / 2));
}

/* The depth at which the guard stops a recursion. */
static int
descend(volatile char *above)
{
    volatile char frame[1024];
    frame[0] = above == NULL ? 0 : above[0];
    if (onex_stack_is_low()) {
        return 0;
    }
    return 1 + descend(frame) + frame[0];
}

static void *
descend_in_thread(void *depth)
{
    *(int *)depth = descend(NULL);
    return NULL;
}

static void
test_endless_recursion_stops_in_a_small_thread(void **state)
{
    (void)state;
    pthread_attr_t attributes;
    pthread_t thread;
    int small = 0, large = 0;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 1024 * 1024), 0);
    assert_int_equal(
        pthread_create(&thread, &attributes, descend_in_thread, &small), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 4096 * 1024), 0);
    assert_int_equal(
        pthread_create(&thread, &attributes, descend_in_thread, &large), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    assert_true(small > 20);
    assert_true(large > 2 * small);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_used_stack_is_not_low),
        cmocka_unit_test(test_the_reserve_grows_with_the_stack_within_limits),
        cmocka_unit_test(test_an_address_off_the_stack_is_not_low),
        cmocka_unit_test(test_what_does_not_fit_is_too_little),
        cmocka_unit_test(test_endless_recursion_stops_in_a_small_thread),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
