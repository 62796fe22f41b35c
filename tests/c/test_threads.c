/* Eight threads: what they draw from the process, structures that they share under their
 * owner's lock, and structures of their own.  For ThreadSanitizer (tools/c-tests thread),
 * which reports every pair of accesses that nothing orders. */
#include "check.h"

#include <pthread.h>

#include "core/clock.h"
#include "core/histogram.h"
#include "core/idmap.h"
#include "core/json_depth.h"
#include "core/rfc3339.h"
#include "core/ring.h"
#include "core/time_text.h"
#include "core/uuid.h"

#define THREADS 8
#define ROUNDS 2000

/* Runs work in all threads at once; what it returns is NULL or the fault. */
static void
in_threads(void *(*work)(void *), void *arguments, size_t size)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work,
                                        (char *)arguments + i * size),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *fault;
        assert_int_equal(pthread_join(threads[i], &fault), 0);
        if (fault != NULL) {
            fail_msg("thread %zu: %s", i, (const char *)fault);
        }
    }
}

typedef struct first_draw {
    pthread_barrier_t *start;
    uint8_t id[ONEX_UUID_SIZE];
    uint8_t bytes[ONEX_UUID_SIZE];
} first_draw;

static void *
draw_first(void *argument)
{
    first_draw *draw = argument;
    pthread_barrier_wait(draw->start);
    if (onex_random_bytes(draw->bytes, sizeof draw->bytes) != ONEX_OK ||
        onex_uuid7(draw->id) != ONEX_OK) {
        return "nothing drawn";
    }
    return NULL;
}

/* The first test: the process's first draw registers the watch over forks. */
static void
test_all_threads_draw_for_the_first_time(void **state)
{
    (void)state;
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    first_draw draws[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        draws[i].start = &start;
    }
    in_threads(draw_first, draws, sizeof *draws);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(draws[i].id, draws[j].id, ONEX_UUID_SIZE);
            assert_memory_not_equal(draws[i].bytes, draws[j].bytes,
                                    ONEX_UUID_SIZE);
        }
    }
    assert_int_equal(pthread_barrier_destroy(&start), 0);
}

typedef struct structures {
    pthread_mutex_t lock;
    onex_ring ring;
    onex_idmap map;
    onex_histogram histogram;
    onex_uuid_generator ids;
    uint64_t popped;
} structures;

static void
structures_init(structures *all)
{
    memset(all, 0, sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    onex_ring_init(&all->ring, ONEX_UUID_SIZE, 0, NULL);
    onex_idmap_init(&all->map, NULL);
    onex_histogram_init(&all->histogram, NULL);
}

static void
structures_free(structures *all)
{
    onex_ring_free(&all->ring);
    onex_idmap_free(&all->map);
    onex_histogram_free(&all->histogram);
    pthread_mutex_destroy(&all->lock);
}

/* An id is made, known and queued; every third time the oldest one is taken. */
static const char *
use(structures *all, int round)
{
    uint8_t id[ONEX_UUID_SIZE];
    void *slot;
    onex_idmap_value *value;
    bool added;
    if (onex_uuid_next(&all->ids, onex_clock_wall_ns(), id) != ONEX_OK ||
        onex_idmap_insert(&all->map, id, &value, &added) != ONEX_OK || !added ||
        onex_ring_push(&all->ring, &slot) != ONEX_OK ||
        onex_histogram_record(&all->histogram, round) != ONEX_OK) {
        return "an operation failed";
    }
    value->number = (uint64_t)round;
    memcpy(slot, id, sizeof id);
    if (round % 3 == 0) {
        if (!onex_idmap_remove(&all->map, onex_ring_pop(&all->ring), NULL)) {
            return "a queued id is not known";
        }
        all->popped++;
    }
    return NULL;
}

static void
assert_sound(structures *all, uint64_t rounds)
{
    CHECK_SOUND(&all->ring, onex_ring_check_invariants);
    CHECK_SOUND(&all->map, onex_idmap_check_invariants);
    CHECK_SOUND(&all->histogram, onex_histogram_check_invariants);
    CHECK_SOUND(&all->ids, onex_uuid_generator_check_invariants);
    assert_int_equal(all->histogram.count, rounds);
    assert_int_equal(onex_ring_count(&all->ring), rounds - all->popped);
    assert_int_equal(onex_idmap_count(&all->map), rounds - all->popped);
}

static void *
use_under_lock(void *argument)
{
    structures *all = *(structures **)argument;
    const char *fault = NULL;
    for (int round = 0; round < ROUNDS && fault == NULL; round++) {
        pthread_mutex_lock(&all->lock);
        fault = use(all, round);
        pthread_mutex_unlock(&all->lock);
    }
    return (void *)fault;
}

static void
test_shared_structures_need_no_more_than_their_owners_lock(void **state)
{
    (void)state;
    structures all;
    structures_init(&all);
    structures *shared[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        shared[i] = &all;
    }
    in_threads(use_under_lock, shared, sizeof *shared);
    assert_sound(&all, (uint64_t)THREADS * ROUNDS);
    structures_free(&all);
}

static void *
use_own(void *argument)
{
    structures *all = argument;
    const char *fault = NULL;
    for (int round = 0; round < ROUNDS && fault == NULL; round++) {
        fault = use(all, round);
    }
    return (void *)fault;
}

static void
test_structures_of_one_thread_share_nothing(void **state)
{
    (void)state;
    static structures own[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        structures_init(&own[i]);
    }
    in_threads(use_own, own, sizeof *own);
    for (size_t i = 0; i < THREADS; i++) {
        assert_sound(&own[i], ROUNDS);
        structures_free(&own[i]);
    }
}

/* There and back through the text forms; all threads begin with other values. */
static void *
convert(void *argument)
{
    uint32_t numbers = *(uint32_t *)argument;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t us = (int64_t)test_number(&numbers) * ONEX_US_PER_SECOND, back;
        char text[ONEX_RFC3339_TEXT + ONEX_UUID_TEXT];
        onex_day day;
        onex_clock_time time;
        size_t length = onex_rfc3339_format(us, ONEX_UTC_Z, text);
        if (onex_datetime_parse(text, length, NULL, &day, &time) != NULL) {
            return "a time was refused";
        }
        onex_civil civil = {day.year,        day.month,   day.day,
                            time.hour,       time.minute, time.second,
                            time.microsecond};
        if (onex_us_from_civil(&civil, &back) != ONEX_OK || back != us) {
            return "a time changed on the way";
        }
        uint8_t id[ONEX_UUID_SIZE], again[ONEX_UUID_SIZE];
        for (size_t i = 0; i < sizeof id; i++) {
            id[i] = (uint8_t)test_number(&numbers);
        }
        onex_uuid_format(id, text);
        if (onex_uuid_parse(text, ONEX_UUID_TEXT, again) != ONEX_OK ||
            onex_uuid_compare(id, again) != 0) {
            return "an id changed on the way";
        }
        if (onex_json_too_deep("[[[]]]", 6, 2) != 2) {
            return "wrong depth";
        }
    }
    return NULL;
}

static void
test_conversions_share_nothing(void **state)
{
    (void)state;
    uint32_t seeds[THREADS] = {1, 2, 3, 4, 5, 6, 7, 8};
    in_threads(convert, seeds, sizeof *seeds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_threads_draw_for_the_first_time),
        cmocka_unit_test(
            test_shared_structures_need_no_more_than_their_owners_lock),
        cmocka_unit_test(test_structures_of_one_thread_share_nothing),
        cmocka_unit_test(test_conversions_share_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
