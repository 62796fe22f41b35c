#include "check.h"

#include "core/ring.h"

typedef struct entry {
    uint64_t number;
    char name[5]; /* an odd size */
} entry;

static void
push_number(onex_ring *ring, uint64_t number)
{
    void *slot = NULL;
    assert_int_equal(onex_ring_push(ring, &slot), ONEX_OK);
    *(entry *)slot = (entry){number, "abcd"};
    CHECK_SOUND(ring, onex_ring_check_invariants);
}

static uint64_t
pop_number(onex_ring *ring)
{
    const entry *taken = onex_ring_pop(ring);
    assert_non_null(taken);
    assert_string_equal(taken->name, "abcd");
    CHECK_SOUND(ring, onex_ring_check_invariants);
    return taken->number;
}

static void
test_entries_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    onex_ring ring;
    onex_ring_init(&ring, sizeof(entry), 0, NULL);
    uint64_t in = 0, out = 0;
    uint32_t numbers = 3;
    for (int round = 0; round < 2000; round++) {
        for (uint32_t n = test_number(&numbers) % 12; n > 0; n--) {
            push_number(&ring, in++);
        }
        for (uint32_t n = test_number(&numbers) % 12; n > 0 && out < in; n--) {
            assert_int_equal(pop_number(&ring), out++);
        }
        assert_int_equal(onex_ring_count(&ring), in - out);
        for (uint64_t i = 0; i < in - out; i++) {
            entry *peeked = onex_ring_peek(&ring, i);
            assert_int_equal(peeked->number, out + i);
        }
        assert_null(onex_ring_peek(&ring, in - out));
    }
    onex_ring_free(&ring);
}

static void
test_an_empty_ring_gives_nothing_and_holds_no_memory(void **state)
{
    (void)state;
    test_heap heap = {0, 0, 0};
    onex_allocator allocator = test_heap_allocator(&heap);
    onex_ring ring;
    onex_ring_init(&ring, sizeof(entry), 0, &allocator);
    assert_null(onex_ring_pop(&ring));
    assert_null(onex_ring_peek(&ring, 0));
    onex_ring_clear(&ring);
    onex_ring_shrink(&ring);
    onex_ring_free(&ring);
    CHECK_SOUND(&ring, onex_ring_check_invariants);
    assert_int_equal(heap.allocations, 0);
}

static void
test_a_bounded_ring_refuses_what_is_above_its_limit(void **state)
{
    (void)state;
    onex_ring ring;
    void *slot = NULL;
    onex_ring_init(&ring, sizeof(entry), 3, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        push_number(&ring, i);
    }
    assert_true(onex_ring_is_full(&ring));
    assert_int_equal(onex_ring_push(&ring, &slot), ONEX_FULL);
    assert_null(slot);
    assert_int_equal(onex_ring_push_anyway(&ring, &slot), ONEX_OK);
    *(entry *)slot = (entry){3, "abcd"};
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(pop_number(&ring), i);
    }
    push_number(&ring, 9);
    onex_ring_free(&ring);
}

static void
test_clear_forgets_all_and_keeps_the_memory(void **state)
{
    (void)state;
    onex_ring ring;
    onex_ring_init(&ring, sizeof(entry), 0, NULL);
    for (uint64_t i = 0; i < 100; i++) {
        push_number(&ring, i);
    }
    onex_ring_clear(&ring);
    assert_int_equal(onex_ring_count(&ring), 0);
    assert_int_equal(ring.capacity, 128);
    push_number(&ring, 7);
    assert_int_equal(pop_number(&ring), 7);
    onex_ring_free(&ring);
}

static void
test_shrink_keeps_the_entries_in_order(void **state)
{
    (void)state;
    onex_ring ring;
    onex_ring_init(&ring, sizeof(entry), 0, NULL);
    for (uint64_t i = 0; i < 1000; i++) {
        push_number(&ring, i);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        push_number(&ring, 1000 + i);
        assert_int_equal(pop_number(&ring), i);
    }
    for (uint64_t i = 1000; i < 1980; i++) {
        assert_int_equal(pop_number(&ring), i);
    }
    onex_ring_shrink(&ring);
    CHECK_SOUND(&ring, onex_ring_check_invariants);
    assert_int_equal(ring.capacity, 32);
    for (uint64_t i = 1980; i < 2000; i++) {
        assert_int_equal(pop_number(&ring), i);
    }
    onex_ring_shrink(&ring);
    assert_int_equal(ring.capacity, 0);
}

static void
test_a_failed_allocation_leaves_the_ring_as_it_was(void **state)
{
    (void)state;
    bool failed = true; /* until no allocation is left to fail */
    for (int fail_at = 1; failed; fail_at++) {
        test_heap heap = {fail_at, 0, 0};
        onex_allocator allocator = test_heap_allocator(&heap);
        onex_ring ring;
        onex_ring_init(&ring, sizeof(entry), 0, &allocator);
        uint64_t in = 0;
        int failures = 0;
        while (in < 100) {
            void *slot = NULL;
            onex_status status = onex_ring_push(&ring, &slot);
            CHECK_SOUND(&ring, onex_ring_check_invariants);
            if (status == ONEX_OK) {
                *(entry *)slot = (entry){in++, "abcd"};
            }
            else {
                assert_int_equal(status, ONEX_NO_MEMORY);
                assert_int_equal(onex_ring_count(&ring), in);
                failures++;
            }
        }
        assert_int_equal(failures, fail_at <= heap.allocations);
        failed = failures > 0;
        assert_true(failed || fail_at > 3);
        for (uint64_t i = 0; i < in; i++) {
            assert_int_equal(pop_number(&ring), i);
        }
        onex_ring_free(&ring);
        assert_int_equal(heap.outstanding, 0);
    }
}

static void
test_an_absurd_size_is_no_memory(void **state)
{
    (void)state;
    onex_ring ring;
    onex_ring_init(&ring, sizeof(entry), 0, NULL);
    assert_int_equal(onex_ring_reserve(&ring, SIZE_MAX), ONEX_NO_MEMORY);
    assert_int_equal(onex_ring_reserve(&ring, SIZE_MAX / 2), ONEX_NO_MEMORY);
    CHECK_SOUND(&ring, onex_ring_check_invariants);
    onex_ring_free(&ring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_come_out_in_the_order_they_went_in),
        cmocka_unit_test(test_an_empty_ring_gives_nothing_and_holds_no_memory),
        cmocka_unit_test(test_a_bounded_ring_refuses_what_is_above_its_limit),
        cmocka_unit_test(test_clear_forgets_all_and_keeps_the_memory),
        cmocka_unit_test(test_shrink_keeps_the_entries_in_order),
        cmocka_unit_test(test_a_failed_allocation_leaves_the_ring_as_it_was),
        cmocka_unit_test(test_an_absurd_size_is_no_memory),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
