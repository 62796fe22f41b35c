#include "check.h"

#include "core/json_depth.h"

static size_t
too_deep(const char *text, size_t limit)
{
    return onex_json_too_deep(text, strlen(text), limit);
}

static void
test_the_bracket_beyond_the_limit_is_found(void **state)
{
    (void)state;
    assert_int_equal(too_deep("[[{}]]", 2), 2);
    assert_int_equal(too_deep("{\"a\":[{\"b\":[]}]}", 3), 11);
    assert_int_equal(too_deep("[", 0), 0);
}

static void
test_neighbours_are_not_nested(void **state)
{
    (void)state;
    assert_int_equal(too_deep("[[],[],{},[]]", 2), 13);
    assert_int_equal(too_deep("[]]]][[]]", 2), 9);
    assert_int_equal(too_deep("", 0), 0);
}

static void
test_brackets_in_strings_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(too_deep("[\"[[[[\"]", 1), 8);
    assert_int_equal(too_deep("[\"\\\"[[\",[]]", 1), 8);
    assert_int_equal(too_deep("[\"\\\\\",[]]", 1), 6);
    assert_int_equal(too_deep("\"[[\\", 1), 4); /* ends in an escape */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bracket_beyond_the_limit_is_found),
        cmocka_unit_test(test_neighbours_are_not_nested),
        cmocka_unit_test(test_brackets_in_strings_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
