#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.h"

/* A seed that tests can repeat, take away and count. */
typedef struct test_source {
    bool broken;
    int calls;
    uint8_t first;
} test_source;

static int
draw_from_source(void *context, void *buffer, size_t size)
{
    test_source *source = context;
    source->calls++;
    if (source->broken) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)buffer)[i] = (uint8_t)(source->first + i);
    }
    return 0;
}

static int
draw_zeros(void *context, void *buffer, size_t size)
{
    (void)context;
    memset(buffer, 0, size);
    return 0;
}

static onex_random
random_from(test_source *source)
{
    onex_random random = {0};
    random.entropy = draw_from_source;
    random.entropy_context = source;
    return random;
}

static void
test_draws_of_any_size_continue_one_stream(void **state)
{
    (void)state;
    test_source source = {false, 0, 7};
    onex_random whole = random_from(&source);
    onex_random parts = random_from(&source);
    static uint8_t expected[3000], got[3000];
    assert_int_equal(onex_random_fill(&whole, expected, sizeof expected),
                     ONEX_OK);
    size_t at = 0;
    for (size_t size = 1; at < sizeof got; size = size * 3 % 101 + 1) {
        size_t part = size < sizeof got - at ? size : sizeof got - at;
        assert_int_equal(onex_random_fill(&parts, got + at, part), ONEX_OK);
        CHECK_SOUND(&parts, onex_random_check_invariants);
        at += part;
    }
    assert_memory_equal(got, expected, sizeof got);
    assert_int_equal(source.calls, 2);
}

static void
test_first_block_is_chacha8_of_the_key(void **state)
{
    (void)state;
    /* Key, counter and nonce of zeros: the published vector's second half; its
     * first 32 bytes become the next key. */
    static const uint8_t expected[32] = {
        0x98, 0x4c, 0xe1, 0x72, 0xb9, 0x21, 0x6f, 0x41, 0x9f, 0x44, 0x53,
        0x67, 0x45, 0x6d, 0x56, 0x19, 0x31, 0x4a, 0x42, 0xa3, 0xda, 0x86,
        0xb0, 0x01, 0x38, 0x7b, 0xfd, 0xb8, 0x0e, 0x0c, 0xfe, 0x42};
    const uint16_t order = 1;
    if (*(const uint8_t *)&order == 0) {
        skip(); /* the stream is in the machine's order */
    }
    onex_random random = {0};
    random.entropy = draw_zeros;
    uint8_t got[32];
    assert_int_equal(onex_random_fill(&random, got, sizeof got), ONEX_OK);
    assert_memory_equal(got, expected, sizeof got);
}

static void
test_a_failing_source_is_an_error_and_is_asked_again(void **state)
{
    (void)state;
    test_source source = {true, 0, 1};
    onex_random random = random_from(&source);
    uint8_t bytes[16] = {0}, zeros[16] = {0};
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_NO_ENTROPY);
    assert_memory_equal(bytes, zeros, 16);
    CHECK_SOUND(&random, onex_random_check_invariants);
    source.broken = false;
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_OK);
    assert_memory_not_equal(bytes, zeros, 16);
    assert_int_equal(source.calls, 2);
}

static void
test_a_broken_source_in_the_child_is_an_error_there(void **state)
{
    (void)state;
    test_source source = {false, 0, 1};
    onex_random random = random_from(&source);
    uint8_t bytes[16];
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_OK);
    source.broken = true;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(onex_random_fill(&random, bytes, 16) == ONEX_NO_ENTROPY ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_OK);
}

#ifdef __linux__

#include <stdarg.h>
#include <sys/random.h>
#include <sys/syscall.h>

/* What the system does next: one step a call, then as always. */
typedef struct system_fault {
    ssize_t most; /* as many bytes as that, or -1 with the error */
    int error;
} system_fault;

static const system_fault *getrandom_faults, *read_faults, *open_faults;
static int random_calls, read_calls, open_calls;

/* The step that is due, or NULL; the list ends with {0, 0}. */
static const system_fault *
next_fault(const system_fault **faults)
{
    const system_fault *due = *faults;
    if (due == NULL || (due->most == 0 && due->error == 0)) {
        return NULL;
    }
    ++*faults;
    errno = due->error;
    return due;
}

/* These three stand in libc's place. */

ssize_t
getrandom(void *buffer, size_t size, unsigned int flags)
{
    random_calls++;
    const system_fault *due = next_fault(&getrandom_faults);
    if (due != NULL && due->most < 0) {
        return -1;
    }
    size = due != NULL && (size_t)due->most < size ? (size_t)due->most : size;
    return syscall(SYS_getrandom, buffer, size, flags);
}

int
open(const char *path, int flags, ...)
{
    open_calls++;
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    return next_fault(&open_faults) != NULL
               ? -1
               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t
read(int file, void *buffer, size_t size)
{
    read_calls++;
    const system_fault *due = next_fault(&read_faults);
    if (due != NULL && due->most <= 0) {
        return due->most;
    }
    size = due != NULL && (size_t)due->most < size ? (size_t)due->most : size;
    return syscall(SYS_read, file, buffer, size);
}

/* Draws 64 bytes with these faults; 0 / -1 */
static int
draw_with(const system_fault *at_getrandom, const system_fault *at_open,
          const system_fault *at_read)
{
    uint8_t bytes[64] = {0}, zeros[16] = {0};
    getrandom_faults = at_getrandom;
    open_faults = at_open;
    read_faults = at_read;
    random_calls = read_calls = open_calls = 0;
    int result = onex_random_system_entropy(NULL, bytes, sizeof bytes);
    getrandom_faults = open_faults = read_faults = NULL;
    for (size_t at = 0; result == 0 && at < sizeof bytes; at += 16) {
        assert_memory_not_equal(bytes + at, zeros, 16);
    }
    return result;
}

#define FAULTS(...) ((const system_fault[]){__VA_ARGS__, {0, 0}})

static void
test_short_and_interrupted_draws_are_continued(void **state)
{
    (void)state;
    assert_int_equal(
        draw_with(FAULTS({-1, EINTR}, {7, 0}, {-1, EINTR}, {1, 0}), NULL, NULL),
        0);
    assert_int_equal(random_calls, 5);
    assert_int_equal(open_calls, 0);
}

static void
test_without_getrandom_the_device_is_read(void **state)
{
    (void)state;
    static const int errors[] = {ENOSYS, EPERM, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        assert_int_equal(draw_with(FAULTS({5, 0}, {-1, errors[i]}),
                                   FAULTS({-1, EINTR}),
                                   FAULTS({-1, EINTR}, {3, 0}, {1, 0})),
                         0);
        assert_int_equal(random_calls, 2);
        assert_int_equal(open_calls, 2);
        assert_int_equal(read_calls, 4);
    }
}

static void
test_without_any_source_the_draw_fails_and_leaves_no_file_open(void **state)
{
    (void)state;
    const system_fault *none = FAULTS({-1, ENOSYS});
    int free_before = dup(0);
    assert_int_equal(close(free_before), 0);
    assert_int_equal(draw_with(none, FAULTS({-1, ENOENT}), NULL), -1);
    assert_int_equal(draw_with(none, NULL, FAULTS({2, 0}, {-1, EIO})), -1);
    assert_int_equal(draw_with(none, NULL, FAULTS({2, 0}, {0, EAGAIN})), -1);
    int free_after = dup(0);
    assert_int_equal(close(free_after), 0);
    assert_int_equal(free_after, free_before);
}

static void
test_a_generator_without_the_system_s_entropy_says_so(void **state)
{
    (void)state;
    onex_random random = {0};
    uint8_t bytes[16];
    getrandom_faults = FAULTS({-1, ENOSYS});
    open_faults = FAULTS({-1, ENOENT});
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_NO_ENTROPY);
    CHECK_SOUND(&random, onex_random_check_invariants);
    getrandom_faults = open_faults = NULL;
    assert_int_equal(onex_random_fill(&random, bytes, 16), ONEX_OK);
}

#endif

static void
test_the_bits_of_a_stream_are_balanced(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 16];
    assert_int_equal(onex_random_bytes(bytes, sizeof bytes), ONEX_OK);
    int ones = 0, counts[256] = {0};
    for (size_t i = 0; i < sizeof bytes; i++) {
        counts[bytes[i]]++;
        for (int bit = 0; bit < 8; bit++) {
            ones += bytes[i] >> bit & 1;
        }
    }
    /* 524,288 bits: 9 standard deviations of 362; 256 per value: 10 of 16. */
    assert_in_range(ones, 262144 - 3260, 262144 + 3260);
    for (int value = 0; value < 256; value++) {
        assert_in_range(counts[value], 256 - 160, 256 + 160);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws_of_any_size_continue_one_stream),
        cmocka_unit_test(test_first_block_is_chacha8_of_the_key),
        cmocka_unit_test(test_a_failing_source_is_an_error_and_is_asked_again),
        cmocka_unit_test(test_a_broken_source_in_the_child_is_an_error_there),
#ifdef __linux__
        cmocka_unit_test(test_short_and_interrupted_draws_are_continued),
        cmocka_unit_test(test_without_getrandom_the_device_is_read),
        cmocka_unit_test(
            test_without_any_source_the_draw_fails_and_leaves_no_file_open),
        cmocka_unit_test(test_a_generator_without_the_system_s_entropy_says_so),
#endif
        cmocka_unit_test(test_the_bits_of_a_stream_are_balanced),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
