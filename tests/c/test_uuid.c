#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/idmap.h"
#include "core/uuid.h"

#define NOW_NS INT64_C(1704164645000000000) /* 2024-01-02T03:04:05Z */

static void
assert_is_version_7(const uint8_t *id)
{
    assert_int_equal(id[6] >> 4, 7);
    assert_int_equal(id[8] >> 6, 2);
}

static void
test_an_id_carries_version_variant_and_time(void **state)
{
    (void)state;
    onex_uuid_generator generator = {0};
    uint8_t id[ONEX_UUID_SIZE];
    assert_int_equal(onex_uuid_next(&generator, NOW_NS + 500000, id), ONEX_OK);
    assert_is_version_7(id);
    assert_int_equal(onex_uuid_time_ms(id), NOW_NS / 1000000);
    /* half a millisecond is 2048 / 4096 */
    assert_int_equal((id[6] & 15) << 8 | id[7], 2048);
    CHECK_SOUND(&generator, onex_uuid_generator_check_invariants);
}

static void
test_ids_ascend_within_one_moment(void **state)
{
    (void)state;
    onex_uuid_generator generator = {0};
    uint8_t last[ONEX_UUID_SIZE] = {0}, id[ONEX_UUID_SIZE];
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(onex_uuid_next(&generator, NOW_NS, id), ONEX_OK);
        assert_true(onex_uuid_compare(id, last) > 0);
        memcpy(last, id, sizeof id);
    }
    assert_int_equal(onex_uuid_time_ms(last), NOW_NS / 1000000);
}

static void
test_ids_ascend_when_the_clock_steps_back(void **state)
{
    (void)state;
    onex_uuid_generator generator = {0};
    uint8_t last[ONEX_UUID_SIZE] = {0}, id[ONEX_UUID_SIZE];
    uint32_t numbers = 1;
    for (int i = 0; i < 10000; i++) {
        int64_t step = (int64_t)(test_number(&numbers) % 2000000) - 1000000;
        assert_int_equal(onex_uuid_next(&generator, NOW_NS + step, id),
                         ONEX_OK);
        assert_is_version_7(id);
        assert_true(onex_uuid_compare(id, last) > 0);
        memcpy(last, id, sizeof id);
    }
}

static void
test_a_used_up_tick_goes_over_into_the_next(void **state)
{
    (void)state;
    onex_uuid_generator generator = {0};
    uint8_t last[ONEX_UUID_SIZE], id[ONEX_UUID_SIZE];
    assert_int_equal(onex_uuid_next(&generator, NOW_NS, last), ONEX_OK);
    generator.tail = (UINT64_C(1) << 62) - 1;
    assert_int_equal(onex_uuid_next(&generator, NOW_NS, id), ONEX_OK);
    assert_true(onex_uuid_compare(id, last) > 0);
    assert_int_equal((id[6] & 15) << 8 | id[7], 1);
    CHECK_SOUND(&generator, onex_uuid_generator_check_invariants);
}

static int
no_entropy(void *context, void *buffer, size_t size)
{
    (void)context;
    (void)buffer;
    (void)size;
    return -1;
}

static void
test_no_entropy_is_an_error_and_leaves_the_output(void **state)
{
    (void)state;
    onex_uuid_generator generator = {0};
    generator.random.entropy = no_entropy;
    uint8_t id[ONEX_UUID_SIZE] = {1, 2, 3}, before[ONEX_UUID_SIZE] = {1, 2, 3};
    assert_int_equal(onex_uuid_next(&generator, NOW_NS, id), ONEX_NO_ENTROPY);
    assert_memory_equal(id, before, sizeof id);
}

#define IDS 20000
#define THREADS 8

static uint8_t many[THREADS + 1][IDS][ONEX_UUID_SIZE];

static void *
make_many(void *to)
{
    uint8_t (*ids)[ONEX_UUID_SIZE] = to;
    for (int i = 0; i < IDS; i++) {
        if (onex_uuid7(ids[i]) != ONEX_OK ||
            (i > 0 && onex_uuid_compare(ids[i], ids[i - 1]) <= 0)) {
            return "an id failed or did not ascend";
        }
    }
    return NULL;
}

static void
assert_all_differ(const uint8_t (*ids)[ONEX_UUID_SIZE], size_t count)
{
    onex_idmap seen;
    onex_idmap_init(&seen, NULL);
    for (size_t i = 0; i < count; i++) {
        onex_idmap_value *value;
        bool added;
        assert_int_equal(onex_idmap_insert(&seen, ids[i], &value, &added),
                         ONEX_OK);
        assert_true(added);
    }
    onex_idmap_free(&seen);
}

static void
test_threads_make_different_ids_that_ascend_in_each(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, many[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *fault;
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        assert_null(fault);
    }
    assert_all_differ(many[0], (size_t)THREADS * IDS);
}

static void
test_parent_and_child_make_different_ids(void **state)
{
    (void)state;
    onex_uuid_generator *own = onex_uuid_thread_generator();
    uint8_t last[ONEX_UUID_SIZE];
    assert_int_equal(onex_uuid7(last), ONEX_OK);
    enum { CHILDREN = 4, EACH = 500 };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            /* The same moment for all: only the seed can tell them apart. */
            static uint8_t ids[EACH][ONEX_UUID_SIZE];
            for (int n = 0; n < EACH; n++) {
                if (onex_uuid_next(own, NOW_NS, ids[n]) != ONEX_OK ||
                    onex_uuid_compare(ids[n], n ? ids[n - 1] : last) <= 0) {
                    _exit(1);
                }
            }
            _exit(write(ends[1], ids, sizeof ids) == sizeof ids ? 0 : 2);
        }
        int status;
        assert_int_equal(
            read(ends[0], many[i], sizeof(uint8_t[EACH][ONEX_UUID_SIZE])),
            sizeof(uint8_t[EACH][ONEX_UUID_SIZE]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        memmove(many[0] + (size_t)EACH * i, many[i],
                sizeof(uint8_t[EACH][ONEX_UUID_SIZE]));
    }
    for (int n = 0; n < EACH; n++) {
        assert_int_equal(
            onex_uuid_next(own, NOW_NS, many[0][EACH * CHILDREN + n]), ONEX_OK);
    }
    assert_all_differ(many[0], EACH * (CHILDREN + 1));
    close(ends[0]);
    close(ends[1]);
}

static const uint8_t SAMPLE[ONEX_UUID_SIZE] = {
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
    0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};

static void
test_every_accepted_form_is_read(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "0123456789abcdeffedcba9876543210",
        "01234567-89ab-cdef-fedc-ba9876543210",
        "01234567-89AB-CDEF-FEDC-BA9876543210",
        "{01234567-89ab-cdef-fedc-ba9876543210}",
        "urn:uuid:01234567-89ab-cdef-fedc-ba9876543210",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint8_t id[ONEX_UUID_SIZE] = {0};
        assert_int_equal(onex_uuid_parse(forms[i], strlen(forms[i]), id),
                         ONEX_OK);
        assert_memory_equal(id, SAMPLE, sizeof id);
    }
}

static void
test_everything_else_is_malformed_and_leaves_the_output(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "",
        "0123456789abcdeffedcba987654321",
        "0123456789abcdeffedcba987654321g",
        "0123456789abcdeffedcba98765432-0",
        "01234567-89ab-cdef-fedc-ba987654321",
        "01234567-89ab-cdef-fedcb-a9876543210",
        "01234567x89ab-cdef-fedc-ba9876543210",
        "(01234567-89ab-cdef-fedc-ba9876543210)",
        "{01234567-89ab-cdef-fedc-ba98765432100",
        "{0123456789abcdeffedcba9876543210}",
        "URN:UUID:01234567-89ab-cdef-fedc-ba9876543210",
        " 1234567-89ab-cdef-fedc-ba9876543210",
        "+1234567-89ab-cdef-fedc-ba9876543210",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint8_t id[ONEX_UUID_SIZE] = {9}, before[ONEX_UUID_SIZE] = {9};
        assert_int_equal(onex_uuid_parse(forms[i], strlen(forms[i]), id),
                         ONEX_MALFORMED);
        assert_memory_equal(id, before, sizeof id);
    }
}

static void
test_formatting_and_parsing_are_inverse(void **state)
{
    (void)state;
    char text[ONEX_UUID_TEXT + 1] = {0};
    onex_uuid_format(SAMPLE, text);
    assert_string_equal(text, "01234567-89ab-cdef-fedc-ba9876543210");
    for (int i = 0; i < 1000; i++) {
        uint8_t id[ONEX_UUID_SIZE], back[ONEX_UUID_SIZE];
        assert_int_equal(onex_random_bytes(id, sizeof id), ONEX_OK);
        onex_uuid_format(id, text);
        assert_int_equal(onex_uuid_parse(text, ONEX_UUID_TEXT, back), ONEX_OK);
        assert_memory_equal(id, back, sizeof id);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_carries_version_variant_and_time),
        cmocka_unit_test(test_ids_ascend_within_one_moment),
        cmocka_unit_test(test_ids_ascend_when_the_clock_steps_back),
        cmocka_unit_test(test_a_used_up_tick_goes_over_into_the_next),
        cmocka_unit_test(test_no_entropy_is_an_error_and_leaves_the_output),
        cmocka_unit_test(test_threads_make_different_ids_that_ascend_in_each),
        cmocka_unit_test(test_parent_and_child_make_different_ids),
        cmocka_unit_test(test_every_accepted_form_is_read),
        cmocka_unit_test(
            test_everything_else_is_malformed_and_leaves_the_output),
        cmocka_unit_test(test_formatting_and_parsing_are_inverse),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
