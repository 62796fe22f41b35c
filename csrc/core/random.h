/* Random bytes in user space.
 *
 * A system call per id costs 45...105 ns; a draw from this generator's buffer
 * costs a few.  The stream is ChaCha8: the best published attack reaches 7
 * rounds, ids are not key material, and 8 rounds take 40 % of the time of 20.
 * Keys of any kind belong to the operating system's source, not here.
 *
 * Fast key erasure: a refill makes BLOCKS * 64 bytes, the first 32 of them
 * replace the key, and bytes are wiped as they are handed out, so that a memory
 * image does not tell the ids of the past.
 *
 * After fork the child's first draw takes a new seed: a pthread_atfork handler
 * bumps a counter, each generator remembers the value that it was seeded under. */
#ifndef ONEX_CORE_RANDOM_H
#define ONEX_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define ONEX_RANDOM_BUFFER 512 /* bytes: 8 ChaCha blocks */

/* Fills buffer with seed material; 0, or -1 when the source fails. */
typedef int (*onex_entropy_source)(void *context, void *buffer, size_t size);

/* Guard: one thread.  All zero is a valid, unseeded generator that takes its
 * seed from the operating system. */
typedef struct onex_random {
    onex_entropy_source entropy; /* NULL: the operating system's */
    void *entropy_context;
    uint32_t epoch; /* fork epoch of the seed; 0: not seeded */
    uint32_t left;  /* bytes of buffer not handed out yet, at its end */
    uint32_t key[8];
    uint8_t buffer[ONEX_RANDOM_BUFFER];
} onex_random;

/* size random bytes.  ONEX_OK, or ONEX_NO_ENTROPY when a seed was due and the
 * source failed (nothing is written then; the next draw tries again). */
onex_status onex_random_fill(onex_random *random, void *buffer, size_t size);

/* A random number of 64 bits: the same with a constant size (2...3 ns). */
onex_status onex_random_number(onex_random *random, uint64_t *number);

/* size random bytes from the calling thread's own generator. */
onex_status onex_random_bytes(void *buffer, size_t size);

/* Seed material from getrandom (where that fails, /dev/urandom), getentropy or
 * BCryptGenRandom: 0 or -1. */
int onex_random_system_entropy(void *context, void *buffer, size_t size);

/* NULL, or what is wrong with the generator. */
const char *onex_random_check_invariants(const onex_random *random);

#if defined(_MSC_VER)
#define ONEX_THREAD_LOCAL __declspec(thread)
#else
#define ONEX_THREAD_LOCAL _Thread_local
#endif

#endif
