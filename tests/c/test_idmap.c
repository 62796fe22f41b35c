#include "check.h"

#include "core/idmap.h"

/* Three kinds of ids: made by us, numbered in the tail, numbered in the head. */
enum { KINDS = 3 };

static void
make_id(int kind, uint32_t number, uint8_t id[ONEX_ID_SIZE])
{
    memset(id, 0, ONEX_ID_SIZE);
    for (int i = 0; i < 4; i++) {
        uint8_t byte = (uint8_t)(number >> (24 - 8 * i));
        if (kind != 2) {
            id[12 + i] = byte;
        }
        if (kind != 1) {
            id[4 + i] = byte;
        }
    }
    if (kind == 0) {
        uint32_t numbers = number;
        for (int i = 8; i < ONEX_ID_SIZE; i++) {
            id[i] ^= (uint8_t)test_number(&numbers);
        }
    }
}

#define RANGE 700

static void
test_behaves_as_a_table_of_all_ids(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        onex_idmap map;
        onex_idmap_init(&map, NULL);
        uint64_t table[RANGE] = {0}; /* 0: not there */
        size_t count = 0;
        uint32_t numbers = 11;
        for (int step = 1; step < 20000; step++) {
            uint32_t number = test_number(&numbers) % RANGE;
            uint8_t id[ONEX_ID_SIZE];
            make_id(kind, number, id);
            if (test_number(&numbers) % 2 == 0) {
                onex_idmap_value *value = NULL;
                bool added = false;
                assert_int_equal(onex_idmap_insert(&map, id, &value, &added),
                                 ONEX_OK);
                assert_int_equal(added, table[number] == 0);
                assert_int_equal(value->number, table[number]);
                value->number = table[number] = (uint64_t)step;
                count += added;
            }
            else {
                onex_idmap_value value = {0};
                bool there = onex_idmap_remove(&map, id, &value);
                assert_int_equal(there, table[number] != 0);
                assert_int_equal(value.number, table[number]);
                table[number] = 0;
                count -= there;
            }
            assert_int_equal(onex_idmap_count(&map), count);
            if (step % 97 == 0) {
                CHECK_SOUND(&map, onex_idmap_check_invariants);
            }
        }
        for (uint32_t number = 0; number < RANGE; number++) {
            uint8_t id[ONEX_ID_SIZE];
            make_id(kind, number, id);
            onex_idmap_value *value = onex_idmap_find(&map, id);
            assert_int_equal(value == NULL ? 0 : value->number, table[number]);
        }
        onex_idmap_free(&map);
    }
}

static void
test_iteration_meets_every_id_once(void **state)
{
    (void)state;
    onex_idmap map;
    onex_idmap_init(&map, NULL);
    bool seen[500] = {false};
    for (uint32_t number = 0; number < 500; number++) {
        uint8_t id[ONEX_ID_SIZE];
        onex_idmap_value *value;
        make_id(0, number, id);
        assert_int_equal(onex_idmap_insert(&map, id, &value, NULL), ONEX_OK);
        value->number = number;
    }
    size_t position = 0;
    int met = 0;
    for (onex_idmap_slot *slot; (slot = onex_idmap_next(&map, &position));) {
        assert_false(seen[slot->value.number]);
        seen[slot->value.number] = true;
        met++;
    }
    assert_int_equal(met, 500);
    onex_idmap_clear(&map);
    position = 0;
    assert_null(onex_idmap_next(&map, &position));
    CHECK_SOUND(&map, onex_idmap_check_invariants);
    onex_idmap_free(&map);
}

static void
test_the_nil_id_is_an_id_as_any_other(void **state)
{
    (void)state;
    static const uint8_t nil[ONEX_ID_SIZE];
    onex_idmap map;
    onex_idmap_value *value;
    onex_idmap_init(&map, NULL);
    assert_null(onex_idmap_find(&map, nil));
    assert_int_equal(onex_idmap_insert(&map, nil, &value, NULL), ONEX_OK);
    value->pointer = &map;
    assert_ptr_equal(onex_idmap_find(&map, nil)->pointer, &map);
    assert_true(onex_idmap_remove(&map, nil, NULL));
    assert_false(onex_idmap_remove(&map, nil, NULL));
    onex_idmap_free(&map);
}

static void
test_a_window_of_ids_passing_through_keeps_its_capacity(void **state)
{
    (void)state;
    onex_idmap map;
    onex_idmap_init(&map, NULL);
    assert_int_equal(onex_idmap_reserve(&map, 1000), ONEX_OK);
    size_t capacity = map.capacity;
    for (uint32_t number = 0; number < 50000; number++) {
        uint8_t id[ONEX_ID_SIZE];
        onex_idmap_value *value;
        make_id(0, number, id);
        assert_int_equal(onex_idmap_insert(&map, id, &value, NULL), ONEX_OK);
        if (number >= 999) {
            make_id(0, number - 999, id);
            assert_true(onex_idmap_remove(&map, id, NULL));
        }
    }
    assert_int_equal(map.capacity, capacity);
    CHECK_SOUND(&map, onex_idmap_check_invariants);
    onex_idmap_free(&map);
}

static void
test_a_failed_allocation_leaves_the_map_as_it_was(void **state)
{
    (void)state;
    bool failed = true; /* until no allocation is left to fail */
    for (int fail_at = 1; failed; fail_at++) {
        test_heap heap = {fail_at, 0, 0};
        onex_allocator allocator = test_heap_allocator(&heap);
        onex_idmap map;
        onex_idmap_init(&map, &allocator);
        int failures = 0;
        for (uint32_t number = 0; number < 100;) {
            uint8_t id[ONEX_ID_SIZE];
            onex_idmap_value *value;
            make_id(1, number, id);
            onex_status status = onex_idmap_insert(&map, id, &value, NULL);
            CHECK_SOUND(&map, onex_idmap_check_invariants);
            if (status == ONEX_OK) {
                value->number = number++;
                continue;
            }
            assert_int_equal(status, ONEX_NO_MEMORY);
            assert_int_equal(onex_idmap_count(&map), number);
            assert_null(onex_idmap_find(&map, id));
            failures++;
        }
        assert_int_equal(failures, fail_at <= heap.allocations);
        failed = failures > 0;
        assert_true(failed || fail_at > 3);
        for (uint32_t number = 0; number < 100; number++) {
            uint8_t id[ONEX_ID_SIZE];
            make_id(1, number, id);
            assert_int_equal(onex_idmap_find(&map, id)->number, number);
        }
        onex_idmap_free(&map);
        assert_int_equal(heap.outstanding, 0);
    }
}

static void
test_an_absurd_size_is_no_memory(void **state)
{
    (void)state;
    onex_idmap map;
    onex_idmap_init(&map, NULL);
    assert_int_equal(onex_idmap_reserve(&map, SIZE_MAX), ONEX_NO_MEMORY);
    CHECK_SOUND(&map, onex_idmap_check_invariants);
    onex_idmap_free(&map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behaves_as_a_table_of_all_ids),
        cmocka_unit_test(test_iteration_meets_every_id_once),
        cmocka_unit_test(test_the_nil_id_is_an_id_as_any_other),
        cmocka_unit_test(
            test_a_window_of_ids_passing_through_keeps_its_capacity),
        cmocka_unit_test(test_a_failed_allocation_leaves_the_map_as_it_was),
        cmocka_unit_test(test_an_absurd_size_is_no_memory),
    };
    return cmocka_run_group_tests_name("idmap", tests, NULL, NULL);
}
