/* Each check_invariants finds each fault that it is there for: a structure is
 * broken by hand, in one place. */
#include "check.h"

#include "core/histogram.h"
#include "core/idmap.h"
#include "core/random.h"
#include "core/ring.h"
#include "core/uuid.h"

static void
test_a_broken_ring_is_found(void **state)
{
    (void)state;
    onex_ring sound;
    void *slot;
    onex_ring_init(&sound, sizeof(uint64_t), 0, NULL);
    assert_int_equal(onex_ring_push(&sound, &slot), ONEX_OK);
    CHECK_SOUND(&sound, onex_ring_check_invariants);

    onex_ring broken = sound;
    broken.entry_size = 0;
    assert_string_equal(onex_ring_check_invariants(&broken),
                        "entries without a size");
    broken = sound;
    broken.capacity += 1;
    assert_string_equal(onex_ring_check_invariants(&broken),
                        "the capacity is no power of two");
    broken = sound;
    broken.entries = NULL;
    assert_string_equal(onex_ring_check_invariants(&broken),
                        "memory and capacity disagree");
    broken = sound;
    broken.count = sound.capacity + 1;
    assert_string_equal(onex_ring_check_invariants(&broken),
                        "more entries than fit");
    broken = sound;
    broken.front = sound.capacity;
    assert_string_equal(onex_ring_check_invariants(&broken),
                        "the front is outside of the ring");
    onex_ring_free(&sound);
}

static void
test_a_broken_map_is_found(void **state)
{
    (void)state;
    static const uint8_t ids[2][ONEX_ID_SIZE] = {"0123456789abcde",
                                                 "fedcba987654321"};
    onex_idmap sound;
    onex_idmap_init(&sound, NULL);
    for (int i = 0; i < 2; i++) {
        onex_idmap_value *value;
        assert_int_equal(onex_idmap_insert(&sound, ids[i], &value, NULL),
                         ONEX_OK);
    }
    CHECK_SOUND(&sound, onex_idmap_check_invariants);

    onex_idmap broken = sound;
    broken.capacity -= 1;
    assert_string_equal(onex_idmap_check_invariants(&broken),
                        "the capacity is no power of two");
    broken = sound;
    broken.slots = NULL;
    assert_string_equal(onex_idmap_check_invariants(&broken),
                        "memory and capacity disagree");
    broken = sound;
    broken.count = sound.capacity;
    assert_string_equal(onex_idmap_check_invariants(&broken),
                        "more ids than the load allows");
    broken = sound;
    broken.count = 1;
    assert_string_equal(onex_idmap_check_invariants(&broken),
                        "the count is not the number of ids");

    size_t at = 0;
    while (sound.marks[at] == 0) {
        at++;
    }
    sound.marks[at] ^= 1;
    assert_string_equal(onex_idmap_check_invariants(&sound),
                        "a mark does not belong to its id");
    sound.marks[at] ^= 1;

    /* In another slot, with its own mark: a look-up begins elsewhere. */
    size_t to = (at + sound.capacity / 2) & (sound.capacity - 1);
    while (sound.marks[to] != 0) {
        to = (to + 1) & (sound.capacity - 1);
    }
    sound.slots[to] = sound.slots[at];
    sound.marks[to] = sound.marks[at];
    sound.marks[at] = 0;
    assert_string_equal(onex_idmap_check_invariants(&sound),
                        "an id is not where a look-up finds it");
    onex_idmap_free(&sound);
}

static void
test_a_broken_histogram_is_found(void **state)
{
    (void)state;
    onex_histogram sound;
    onex_histogram_init(&sound, NULL);
    assert_int_equal(onex_histogram_record(&sound, 5), ONEX_OK);
    assert_int_equal(onex_histogram_record(&sound, 7), ONEX_OK);
    CHECK_SOUND(&sound, onex_histogram_check_invariants);

    onex_histogram broken = sound;
    broken.count++;
    assert_string_equal(onex_histogram_check_invariants(&broken),
                        "the count is not the sum of the buckets");
    broken = sound;
    broken.min = broken.max + 1;
    assert_string_equal(onex_histogram_check_invariants(&broken),
                        "the least value is above the greatest");
    onex_histogram_free(&sound);
}

static void
test_broken_generators_are_found(void **state)
{
    (void)state;
    onex_uuid_generator sound = {0};
    uint8_t id[ONEX_UUID_SIZE];
    assert_int_equal(onex_uuid_next(&sound, INT64_C(1700000000000000000), id),
                     ONEX_OK);
    CHECK_SOUND(&sound, onex_uuid_generator_check_invariants);

    onex_uuid_generator broken = sound;
    broken.tick |= UINT64_C(1) << 60;
    assert_string_equal(onex_uuid_generator_check_invariants(&broken),
                        "the tick has more than 60 bits");
    broken = sound;
    broken.tail |= UINT64_C(1) << 62;
    assert_string_equal(onex_uuid_generator_check_invariants(&broken),
                        "the tail has more than 62 bits");
    broken = sound;
    broken.random.left = ONEX_RANDOM_BUFFER;
    assert_string_equal(onex_uuid_generator_check_invariants(&broken),
                        "more bytes left than a refill makes");
    broken = sound;
    broken.random.epoch = 0;
    assert_string_equal(onex_uuid_generator_check_invariants(&broken),
                        "bytes left in a generator that was never seeded");
    broken = sound;
    broken.random.buffer[0] = 1;
    assert_string_equal(onex_uuid_generator_check_invariants(&broken),
                        "a byte handed out was not wiped");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_broken_ring_is_found),
        cmocka_unit_test(test_a_broken_map_is_found),
        cmocka_unit_test(test_a_broken_histogram_is_found),
        cmocka_unit_test(test_broken_generators_are_found),
    };
    return cmocka_run_group_tests_name("invariants", tests, NULL, NULL);
}
