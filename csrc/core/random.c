#if !defined(_WIN32)
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#endif
#include "core/random.h"

#include <stdbool.h>
#include <string.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <bcrypt.h>
#else
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#if defined(__linux__)
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <sys/random.h>
#include <unistd.h>
#else
#include <unistd.h>
#endif
#endif

#define BLOCK_WORDS 16
#define KEY_BYTES 32
#define DOUBLE_ROUNDS 4 /* ChaCha8 */

/* --- the system's entropy -------------------------------------------------- */

#if defined(__linux__)

/* The same source by its file.  0 / -1 */
static int
read_device(unsigned char *at, size_t size)
{
    int file;
    do {
        file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    } while (file < 0 && errno == EINTR);
    if (file < 0) {
        return -1;
    }
    while (size > 0) {
        ssize_t got = read(file, at, size);
        if (got <= 0) {
            if (got < 0 && errno == EINTR) {
                continue;
            }
            break;
        }
        at += got;
        size -= (size_t)got;
    }
    (void)close(file);
    return size == 0 ? 0 : -1;
}

#endif

int
onex_random_system_entropy(void *context, void *buffer, size_t size)
{
    (void)context;
#if defined(_WIN32)
    NTSTATUS status = BCryptGenRandom(NULL, buffer, (ULONG)size,
                                      BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    return status == 0 ? 0 : -1;
#elif defined(__linux__)
    unsigned char *at = buffer;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            /* Not there (ENOSYS), or forbidden by a sandbox. */
            return read_device(at, size);
        }
        at += got;
        size -= (size_t)got;
    }
    return 0;
#else
    unsigned char *at = buffer;
    while (size > 0) {
        size_t part = size < 256 ? size : 256; /* getentropy's limit */
        if (getentropy(at, part) != 0) {
            return -1;
        }
        at += part;
        size -= part;
    }
    return 0;
#endif
}

/* --- fork ------------------------------------------------------------------ */

#if defined(_WIN32)

static uint32_t
fork_epoch(void)
{
    return 1;
}

static bool
watch_forks(void)
{
    return true;
}

#else

/* Process-wide by nature: a fork happens to the process.  Starts at 1 so that
 * an epoch of 0 means "not seeded". */
static atomic_uint_least32_t current_epoch = 1;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static atomic_bool watching = false;

static uint32_t
fork_epoch(void)
{
    return atomic_load_explicit(&current_epoch, memory_order_relaxed);
}

static void
count_fork(void)
{
    uint32_t next = fork_epoch() + 1;
    atomic_store_explicit(&current_epoch, next == 0 ? 1 : next,
                          memory_order_relaxed);
}

static void
register_watch(void)
{
    atomic_store(&watching, pthread_atfork(NULL, NULL, count_fork) == 0);
}

/* False when the handler could not be registered: without it a child would
 * repeat its parent's ids, so no seed is taken then. */
static bool
watch_forks(void)
{
    return pthread_once(&watch_once, register_watch) == 0 &&
           atomic_load(&watching);
}

#endif

/* --- ChaCha ---------------------------------------------------------------- */

static inline uint32_t
rotate(uint32_t x, int bits)
{
    return (x << bits) | (x >> (32 - bits));
}

static inline void
quarter_round(uint32_t *x, int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

/* One 64-byte block (RFC 8439 §2.3 with 8 rounds and a zero nonce).  Words are
 * stored in the machine's order: nothing outside depends on the stream. */
static void
make_block(const uint32_t key[8], uint32_t counter, uint8_t *out)
{
    uint32_t start[BLOCK_WORDS] = {0x61707865, 0x3320646e, 0x79622d32,
                                   0x6b206574};
    memcpy(start + 4, key, KEY_BYTES);
    start[12] = counter;
    uint32_t x[BLOCK_WORDS];
    memcpy(x, start, sizeof x);
    for (int i = 0; i < DOUBLE_ROUNDS; i++) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (int i = 0; i < BLOCK_WORDS; i++) {
        x[i] += start[i];
    }
    memcpy(out, x, sizeof x);
}

static void
refill(onex_random *random)
{
    for (uint32_t i = 0; i < ONEX_RANDOM_BUFFER / 64; i++) {
        make_block(random->key, i, random->buffer + (size_t)64 * i);
    }
    memcpy(random->key, random->buffer, KEY_BYTES);
    memset(random->buffer, 0, KEY_BYTES);
    random->left = ONEX_RANDOM_BUFFER - KEY_BYTES;
}

/* --- drawing --------------------------------------------------------------- */

static onex_status
take_seed(onex_random *random)
{
    onex_entropy_source source =
        random->entropy != NULL ? random->entropy : onex_random_system_entropy;
    uint32_t seed[8];
    if (!watch_forks() ||
        source(random->entropy_context, seed, sizeof seed) != 0) {
        return ONEX_NO_ENTROPY;
    }
    memcpy(random->key, seed, sizeof seed);
    memset(random->buffer, 0, sizeof random->buffer);
    random->left = 0;
    random->epoch = fork_epoch();
    return ONEX_OK;
}

/* Seeds where that is due. */
static inline onex_status
make_ready(onex_random *random)
{
    return random->epoch == fork_epoch() ? ONEX_OK : take_seed(random);
}

onex_status
onex_random_fill(onex_random *random, void *buffer, size_t size)
{
    onex_status status = make_ready(random);
    if (status != ONEX_OK) {
        return status;
    }
    uint8_t *out = buffer;
    while (size > 0) {
        if (random->left == 0) {
            refill(random);
        }
        size_t part = size < random->left ? size : random->left;
        uint8_t *from = random->buffer + ONEX_RANDOM_BUFFER - random->left;
        memcpy(out, from, part);
        memset(from, 0, part);
        random->left -= (uint32_t)part;
        out += part;
        size -= part;
    }
    return ONEX_OK;
}

onex_status
onex_random_number(onex_random *random, uint64_t *number)
{
    onex_status status = make_ready(random);
    if (status != ONEX_OK || random->left < sizeof *number) {
        return status != ONEX_OK
                   ? status
                   : onex_random_fill(random, number, sizeof *number);
    }
    uint8_t *from = random->buffer + ONEX_RANDOM_BUFFER - random->left;
    memcpy(number, from, sizeof *number);
    memset(from, 0, sizeof *number);
    random->left -= sizeof *number;
    return ONEX_OK;
}

onex_status
onex_random_bytes(void *buffer, size_t size)
{
    static ONEX_THREAD_LOCAL onex_random thread_random;
    return onex_random_fill(&thread_random, buffer, size);
}

const char *
onex_random_check_invariants(const onex_random *random)
{
    if (random->left > ONEX_RANDOM_BUFFER - KEY_BYTES) {
        return "more bytes left than a refill makes";
    }
    if (random->epoch == 0 && random->left != 0) {
        return "bytes left in a generator that was never seeded";
    }
    for (size_t i = 0; i < ONEX_RANDOM_BUFFER - random->left; i++) {
        if (random->buffer[i] != 0) {
            return "a byte handed out was not wiped";
        }
    }
    return NULL;
}
