#include "check.h"

#include "core/histogram.h"

static int
by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void
assert_close(uint64_t got, uint64_t expected)
{
    uint64_t error = got > expected ? got - expected : expected - got;
    if (error * 100 > expected) {
        fail_msg("%llu is not within 1 %% of %llu", (unsigned long long)got,
                 (unsigned long long)expected);
    }
}

static void
test_percentiles_are_within_one_percent_of_the_sorted_values(void **state)
{
    (void)state;
    enum { VALUES = 5000 };
    static uint64_t values[VALUES];
    uint32_t numbers = 17;
    onex_histogram histogram;
    onex_histogram_init(&histogram, NULL);
    uint64_t sum = 0;
    for (int i = 0; i < VALUES; i++) {
        /* all magnitudes up to 2^40 alike */
        values[i] =
            (uint64_t)test_number(&numbers) << 16 >> test_number(&numbers) % 40;
        sum += values[i];
        assert_int_equal(onex_histogram_record(&histogram, (int64_t)values[i]),
                         ONEX_OK);
    }
    CHECK_SOUND(&histogram, onex_histogram_check_invariants);
    qsort(values, VALUES, sizeof *values, by_value);
    for (int permille = 1; permille < 1000; permille++) {
        int rank = (permille * VALUES + 999) / 1000;
        assert_close(onex_histogram_percentile(&histogram, permille / 1000.0),
                     values[rank - 1]);
    }
    assert_int_equal(onex_histogram_percentile(&histogram, 0), values[0]);
    assert_int_equal(onex_histogram_percentile(&histogram, 1),
                     values[VALUES - 1]);
    assert_int_equal(histogram.sum, sum);
    assert_int_equal(histogram.count, VALUES);
    onex_histogram_free(&histogram);
}

static void
test_every_value_is_within_one_percent_of_its_bucket(void **state)
{
    (void)state;
    for (uint64_t base = 1; base < UINT64_C(1) << 62; base += base / 37 + 1) {
        onex_histogram histogram;
        onex_histogram_init(&histogram, NULL);
        /* three values, so that min and max do not tell the middle one */
        onex_histogram_record(&histogram, 0);
        onex_histogram_record(&histogram, (int64_t)base);
        onex_histogram_record(&histogram, INT64_MAX);
        assert_close(onex_histogram_percentile(&histogram, 0.5), base);
        onex_histogram_free(&histogram);
    }
}

static void
test_an_empty_histogram_says_zero(void **state)
{
    (void)state;
    onex_histogram histogram;
    onex_histogram_init(&histogram, NULL);
    assert_int_equal(onex_histogram_percentile(&histogram, 0.5), 0);
    CHECK_SOUND(&histogram, onex_histogram_check_invariants);
}

static void
test_a_negative_duration_counts_as_zero(void **state)
{
    (void)state;
    onex_histogram histogram;
    onex_histogram_init(&histogram, NULL);
    assert_int_equal(onex_histogram_record(&histogram, -5), ONEX_OK);
    assert_int_equal(onex_histogram_record(&histogram, INT64_MIN), ONEX_OK);
    assert_int_equal(histogram.max, 0);
    assert_int_equal(histogram.count, 2);
    onex_histogram_free(&histogram);
}

static void
test_the_sum_stops_at_its_greatest_value(void **state)
{
    (void)state;
    onex_histogram histogram;
    onex_histogram_init(&histogram, NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(onex_histogram_record(&histogram, INT64_MAX), ONEX_OK);
    }
    assert_true(histogram.sum == UINT64_MAX);
    assert_int_equal(onex_histogram_percentile(&histogram, 0.5), INT64_MAX);
    onex_histogram_free(&histogram);
}

static void
test_merging_is_recording_both(void **state)
{
    (void)state;
    onex_histogram left, right, both;
    onex_histogram_init(&left, NULL);
    onex_histogram_init(&right, NULL);
    onex_histogram_init(&both, NULL);
    assert_int_equal(onex_histogram_merge(&left, &right), ONEX_OK);
    uint32_t numbers = 23;
    for (int i = 0; i < 3000; i++) {
        int64_t value = test_number(&numbers) >> test_number(&numbers) % 24;
        onex_histogram_record(i % 3 == 0 ? &left : &right, value);
        onex_histogram_record(&both, value);
    }
    assert_int_equal(onex_histogram_merge(&left, &right), ONEX_OK);
    CHECK_SOUND(&left, onex_histogram_check_invariants);
    assert_int_equal(left.count, both.count);
    assert_int_equal(left.sum, both.sum);
    for (int percent = 0; percent <= 100; percent++) {
        assert_int_equal(onex_histogram_percentile(&left, percent / 100.0),
                         onex_histogram_percentile(&both, percent / 100.0));
    }
    onex_histogram_free(&left);
    onex_histogram_free(&right);
    onex_histogram_free(&both);
}

static void
test_a_failed_allocation_leaves_the_histogram_as_it_was(void **state)
{
    (void)state;
    for (int fail_at = 1; fail_at <= 4; fail_at++) {
        test_heap heap = {fail_at, 0, 0};
        onex_allocator allocator = test_heap_allocator(&heap);
        onex_histogram histogram, other;
        onex_histogram_init(&histogram, &allocator);
        onex_histogram_init(&other, NULL);
        int failures = 0;
        for (int64_t value = 1; value < 1000000; value *= 100) {
            onex_histogram_record(&other, value);
            uint64_t count = histogram.count;
            if (onex_histogram_record(&histogram, value) != ONEX_OK) {
                failures++;
                assert_int_equal(histogram.count, count);
                CHECK_SOUND(&histogram, onex_histogram_check_invariants);
            }
        }
        assert_int_equal(failures, fail_at <= 3);
        heap.fail_at = heap.allocations + 1;
        uint64_t count = histogram.count;
        onex_status merged = onex_histogram_merge(&histogram, &other);
        if (fail_at <= 3) { /* the row that is missing is allocated now */
            assert_int_equal(merged, ONEX_NO_MEMORY);
            assert_int_equal(histogram.count, count);
        }
        CHECK_SOUND(&histogram, onex_histogram_check_invariants);
        onex_histogram_free(&histogram);
        onex_histogram_free(&other);
        assert_int_equal(heap.outstanding, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_percentiles_are_within_one_percent_of_the_sorted_values),
        cmocka_unit_test(test_every_value_is_within_one_percent_of_its_bucket),
        cmocka_unit_test(test_an_empty_histogram_says_zero),
        cmocka_unit_test(test_a_negative_duration_counts_as_zero),
        cmocka_unit_test(test_the_sum_stops_at_its_greatest_value),
        cmocka_unit_test(test_merging_is_recording_both),
        cmocka_unit_test(
            test_a_failed_allocation_leaves_the_histogram_as_it_was),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
