/* A hash map from 16-byte ids to a 64-bit value or a pointer.
 *
 * Open addressing with linear probing at a load of at most 3/4, one byte of
 * every slot's hash beside the slots (0: free), removal by shifting back: no
 * tombstones, so a map that a ring's worth of ids passes through never degrades.
 * Ids are mostly random already: the hash is their tail mixed with the head by
 * two multiplications, for the ids that people number by hand.  A slot takes 25
 * bytes; look-ups cost 1...2 cache misses in a large map.
 *
 * An address of a value is good until the next insertion or removal. */
#ifndef ONEX_CORE_IDMAP_H
#define ONEX_CORE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/alloc.h"
#include "core/status.h"

#define ONEX_ID_SIZE 16

typedef union onex_idmap_value {
    uint64_t number;
    void *pointer;
} onex_idmap_value;

typedef struct onex_idmap_slot {
    uint8_t id[ONEX_ID_SIZE];
    onex_idmap_value value;
} onex_idmap_slot;

/* Guard: whoever holds the map's owner. */
typedef struct onex_idmap {
    const onex_allocator *allocator;
    onex_idmap_slot *slots; /* NULL until the first insertion */
    uint8_t *marks;         /* behind the slots, in the same allocation */
    size_t capacity;        /* 0 or a power of two */
    size_t count;
} onex_idmap;

/* Makes an empty map; nothing is allocated. */
void onex_idmap_init(onex_idmap *map, const onex_allocator *allocator);

/* Gives the memory back; the map is empty and usable again. */
void onex_idmap_free(onex_idmap *map);

/* Forgets all ids and keeps the memory. */
void onex_idmap_clear(onex_idmap *map);

/* Room for wanted ids in all: ONEX_OK or ONEX_NO_MEMORY (nothing changed). */
onex_status onex_idmap_reserve(onex_idmap *map, size_t wanted);

/* The value of an id, or NULL. */
onex_idmap_value *
onex_idmap_find(const onex_idmap *map, const uint8_t id[ONEX_ID_SIZE]);

/* The value of an id, which is added with all bits zero where it is missing:
 * *value is its address, *added (may be NULL) whether it is new.  ONEX_OK or
 * ONEX_NO_MEMORY (nothing changed). */
onex_status onex_idmap_insert(onex_idmap *map, const uint8_t id[ONEX_ID_SIZE],
                              onex_idmap_value **value, bool *added);

/* Takes an id out; false when it is not there.  *value (may be NULL) is what it
 * had. */
bool onex_idmap_remove(onex_idmap *map, const uint8_t id[ONEX_ID_SIZE],
                       onex_idmap_value *value);

/* Goes through the map in no order: *position starts at 0, NULL ends it.  The
 * map must not change on the way. */
onex_idmap_slot *onex_idmap_next(const onex_idmap *map, size_t *position);

/* NULL, or what is wrong with the map.  Time in the size of the map. */
const char *onex_idmap_check_invariants(const onex_idmap *map);

static inline size_t
onex_idmap_count(const onex_idmap *map)
{
    return map->count;
}

#endif
