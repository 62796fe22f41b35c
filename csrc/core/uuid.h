/* Ids as 16 raw bytes in network order: UUIDv7 (RFC 9562 §5.7), text, order.
 *
 * Bits: 48 of Unix time in ms, version 7, 12 of rand_a, variant, 62 of rand_b.
 * rand_a is the fraction of the millisecond in 1/4096 (244 ns; RFC 9562 §6.2
 * method 3), so ids sort by time across threads and processes to that precision.
 * Within one such tick, and while the clock is behind the last id, rand_b grows
 * by a random step of 1...2^32 (method 2): ids of one generator always ascend and
 * their time is never ahead of the clock's by more than what the clock was put
 * back.  A tick starts with 61 random bits; the top one is left free, so that a
 * tick holds 2^29 ids at least before it is counted up. */
#ifndef ONEX_CORE_UUID_H
#define ONEX_CORE_UUID_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/random.h"
#include "core/status.h"

#define ONEX_UUID_SIZE 16
#define ONEX_UUID_TEXT 36 /* characters of the canonical form, without NUL */

/* Guard: one thread.  All zero is a valid new generator. */
typedef struct onex_uuid_generator {
    uint64_t tick; /* ms << 12 | fraction of the last id */
    uint64_t tail; /* rand_b of the last id, 62 bits */
    onex_random random;
} onex_uuid_generator;

/* The calling thread's generator: fetch it once to make several ids. */
onex_uuid_generator *onex_uuid_thread_generator(void);

/* A new id for the time wall_ns (onex_clock_wall_ns: the caller reads the clock
 * once for timestamp and ids), greater than all that this generator made.
 * ONEX_OK or ONEX_NO_ENTROPY. */
onex_status onex_uuid_next(onex_uuid_generator *generator, int64_t wall_ns,
                           uint8_t out[ONEX_UUID_SIZE]);

/* A new id of the calling thread for the present. */
onex_status onex_uuid7(uint8_t out[ONEX_UUID_SIZE]);

/* Milliseconds since the epoch that a version 7 id carries. */
int64_t onex_uuid_time_ms(const uint8_t id[ONEX_UUID_SIZE]);

/* Reads 32 digits, the hyphenated form, and that in braces or after "urn:uuid:"
 * (digits in either case): what Pydantic takes, a subset of uuid.UUID's.
 * ONEX_OK, or ONEX_MALFORMED with out unchanged. */
onex_status
onex_uuid_parse(const char *text, size_t length, uint8_t out[ONEX_UUID_SIZE]);

/* Writes the canonical lower-case form; no NUL. */
void
onex_uuid_format(const uint8_t id[ONEX_UUID_SIZE], char out[ONEX_UUID_TEXT]);

/* NULL, or what is wrong with the generator. */
const char *
onex_uuid_generator_check_invariants(const onex_uuid_generator *generator);

/* <0, 0, >0: order of the bytes, which for version 7 is order in time. */
static inline int
onex_uuid_compare(const uint8_t a[ONEX_UUID_SIZE],
                  const uint8_t b[ONEX_UUID_SIZE])
{
    return memcmp(a, b, ONEX_UUID_SIZE);
}

#endif
