/* A first-in-first-out queue of fixed-size entries in a ring of a power of two.
 *
 * Push and pop are a mask and a multiplication: callers fill and read entries in
 * place, nothing is copied.  A full ring doubles (amortised one copy an entry);
 * memory stays until onex_ring_shrink or onex_ring_free.  Entries are addressed
 * by their distance from the front.
 *
 * An entry's address is good until the next push, shrink or free. */
#ifndef ONEX_CORE_RING_H
#define ONEX_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/alloc.h"
#include "core/status.h"

/* Guard: whoever holds the ring's owner. */
typedef struct onex_ring {
    const onex_allocator *allocator;
    unsigned char *entries; /* NULL until the first push */
    size_t entry_size;
    size_t capacity; /* 0 or a power of two */
    size_t front;    /* index of the oldest entry, < capacity */
    size_t count;
    size_t limit; /* most entries it takes; 0: no limit */
} onex_ring;

/* Makes an empty ring; nothing is allocated.  entry_size > 0. */
void onex_ring_init(onex_ring *ring, size_t entry_size, size_t limit,
                    const onex_allocator *allocator);

/* Gives the memory back; the ring is empty and usable again. */
void onex_ring_free(onex_ring *ring);

/* Room for wanted entries in all: ONEX_OK or ONEX_NO_MEMORY (nothing changed). */
onex_status onex_ring_reserve(onex_ring *ring, size_t wanted);

/* Moves the entries to the smallest ring that holds them; best effort. */
void onex_ring_shrink(onex_ring *ring);

/* NULL, or what is wrong with the ring. */
const char *onex_ring_check_invariants(const onex_ring *ring);

static inline size_t
onex_ring_count(const onex_ring *ring)
{
    return ring->count;
}

static inline bool
onex_ring_is_full(const onex_ring *ring)
{
    return ring->limit != 0 && ring->count >= ring->limit;
}

/* The entry at a distance from the front, or NULL behind the last one. */
static inline void *
onex_ring_peek(const onex_ring *ring, size_t distance)
{
    if (distance >= ring->count) {
        return NULL;
    }
    size_t index = (ring->front + distance) & (ring->capacity - 1);
    return ring->entries + index * ring->entry_size;
}

/* Adds an entry past the limit too; *slot is its memory, with undefined content,
 * for the caller to fill before the next call.  ONEX_OK or ONEX_NO_MEMORY. */
static inline onex_status
onex_ring_push_anyway(onex_ring *ring, void **slot)
{
    if (ring->count == ring->capacity) {
        onex_status status = onex_ring_reserve(ring, ring->count + 1);
        if (status != ONEX_OK) {
            return status;
        }
    }
    size_t index = (ring->front + ring->count) & (ring->capacity - 1);
    ring->count++;
    *slot = ring->entries + index * ring->entry_size;
    return ONEX_OK;
}

/* The same within the limit: also ONEX_FULL. */
static inline onex_status
onex_ring_push(onex_ring *ring, void **slot)
{
    return onex_ring_is_full(ring) ? ONEX_FULL
                                   : onex_ring_push_anyway(ring, slot);
}

/* Takes the oldest entry out and returns its memory, whose content stays until
 * the next push; NULL when the ring is empty. */
static inline void *
onex_ring_pop(onex_ring *ring)
{
    if (ring->count == 0) {
        return NULL;
    }
    void *entry = ring->entries + ring->front * ring->entry_size;
    ring->front = (ring->front + 1) & (ring->capacity - 1);
    ring->count--;
    return entry;
}

/* Forgets all entries and keeps the memory. */
static inline void
onex_ring_clear(onex_ring *ring)
{
    ring->front = 0;
    ring->count = 0;
}

#endif
