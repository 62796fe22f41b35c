#include "core/ring.h"

#include <stdint.h>
#include <string.h>

#define SMALLEST_CAPACITY 8

void
onex_ring_init(onex_ring *ring, size_t entry_size, size_t limit,
               const onex_allocator *allocator)
{
    *ring = (onex_ring){
        .allocator = allocator,
        .entry_size = entry_size,
        .limit = limit,
    };
}

void
onex_ring_free(onex_ring *ring)
{
    onex_alloc_release(ring->allocator, ring->entries);
    onex_ring_init(ring, ring->entry_size, ring->limit, ring->allocator);
}

/* Moves all entries to a new ring of a capacity that holds them. */
static onex_status
move_to(onex_ring *ring, size_t capacity)
{
    unsigned char *entries =
        onex_alloc_array(ring->allocator, capacity, ring->entry_size);
    if (entries == NULL) {
        return ONEX_NO_MEMORY;
    }
    size_t to_end = ring->capacity - ring->front;
    size_t first = ring->count < to_end ? ring->count : to_end;
    if (first > 0) {
        memcpy(entries, ring->entries + ring->front * ring->entry_size,
               first * ring->entry_size);
    }
    if (ring->count > first) {
        memcpy(entries + first * ring->entry_size, ring->entries,
               (ring->count - first) * ring->entry_size);
    }
    onex_alloc_release(ring->allocator, ring->entries);
    ring->entries = entries;
    ring->capacity = capacity;
    ring->front = 0;
    return ONEX_OK;
}

/* The smallest capacity for count entries, 0 when there is none. */
static size_t
capacity_for(size_t count)
{
    size_t capacity = SMALLEST_CAPACITY;
    while (capacity < count) {
        if (capacity > SIZE_MAX / 2) {
            return 0;
        }
        capacity *= 2;
    }
    return capacity;
}

onex_status
onex_ring_reserve(onex_ring *ring, size_t wanted)
{
    if (wanted <= ring->capacity) {
        return ONEX_OK;
    }
    size_t capacity = capacity_for(wanted);
    return capacity == 0 ? ONEX_NO_MEMORY : move_to(ring, capacity);
}

void
onex_ring_shrink(onex_ring *ring)
{
    if (ring->count == 0) {
        onex_ring_free(ring);
    }
    else if (capacity_for(ring->count) < ring->capacity) {
        (void)move_to(ring, capacity_for(ring->count));
    }
}

const char *
onex_ring_check_invariants(const onex_ring *ring)
{
    if (ring->entry_size == 0) {
        return "entries without a size";
    }
    if ((ring->capacity & (ring->capacity - 1)) != 0) {
        return "the capacity is no power of two";
    }
    if ((ring->entries == NULL) != (ring->capacity == 0)) {
        return "memory and capacity disagree";
    }
    if (ring->count > ring->capacity) {
        return "more entries than fit";
    }
    if (ring->front != 0 && ring->front >= ring->capacity) {
        return "the front is outside of the ring";
    }
    return NULL;
}
