#include "core/idmap.h"

#include <string.h>

#define SMALLEST_CAPACITY 8
#define MARK_USED 0x80 /* a mark is this and 7 bits of the hash */

static inline uint64_t
hash_of(const uint8_t *id)
{
    uint64_t head, tail;
    memcpy(&head, id, sizeof head);
    memcpy(&tail, id + 8, sizeof tail);
    uint64_t mixed = tail ^ (head * UINT64_C(0x9e3779b97f4a7c15));
    mixed ^= mixed >> 32;
    mixed *= UINT64_C(0xd6e8feb86659fd93);
    return mixed ^ mixed >> 32;
}

static inline size_t
home_of(const onex_idmap *map, uint64_t hash)
{
    return (size_t)hash & (map->capacity - 1);
}

static inline uint8_t
mark_of(uint64_t hash)
{
    return (uint8_t)(MARK_USED | hash >> 57);
}

/* The slot that has the id, or the free one where it would go.  capacity > 0. */
static size_t
probe(const onex_idmap *map, const uint8_t *id, uint64_t hash)
{
    uint8_t mark = mark_of(hash);
    size_t index = home_of(map, hash);
    while (map->marks[index] != 0) {
        if (map->marks[index] == mark &&
            memcmp(map->slots[index].id, id, ONEX_ID_SIZE) == 0) {
            break;
        }
        index = (index + 1) & (map->capacity - 1);
    }
    return index;
}

/* The most ids that a capacity takes. */
static size_t
load_of(size_t capacity)
{
    return capacity - capacity / 4;
}

void
onex_idmap_init(onex_idmap *map, const onex_allocator *allocator)
{
    *map = (onex_idmap){.allocator = allocator};
}

void
onex_idmap_free(onex_idmap *map)
{
    onex_alloc_release(map->allocator, map->slots);
    onex_idmap_init(map, map->allocator);
}

void
onex_idmap_clear(onex_idmap *map)
{
    if (map->capacity > 0) {
        memset(map->marks, 0, map->capacity);
    }
    map->count = 0;
}

onex_status
onex_idmap_reserve(onex_idmap *map, size_t wanted)
{
    size_t capacity = map->capacity > 0 ? map->capacity : SMALLEST_CAPACITY;
    while (load_of(capacity) < wanted) {
        if (capacity > PTRDIFF_MAX / 2 / (sizeof(onex_idmap_slot) + 1)) {
            return ONEX_NO_MEMORY;
        }
        capacity *= 2;
    }
    if (capacity == map->capacity) {
        return ONEX_OK;
    }
    onex_idmap grown = {.allocator = map->allocator, .capacity = capacity};
    grown.slots =
        onex_alloc_array(map->allocator, capacity, sizeof(onex_idmap_slot) + 1);
    if (grown.slots == NULL) {
        return ONEX_NO_MEMORY;
    }
    grown.marks = (uint8_t *)(grown.slots + capacity);
    memset(grown.marks, 0, capacity);
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->marks[i] != 0) {
            uint64_t hash = hash_of(map->slots[i].id);
            size_t index = probe(&grown, map->slots[i].id, hash);
            grown.slots[index] = map->slots[i];
            grown.marks[index] = map->marks[i];
        }
    }
    grown.count = map->count;
    onex_alloc_release(map->allocator, map->slots);
    *map = grown;
    return ONEX_OK;
}

onex_idmap_value *
onex_idmap_find(const onex_idmap *map, const uint8_t id[ONEX_ID_SIZE])
{
    if (map->count == 0) {
        return NULL;
    }
    size_t index = probe(map, id, hash_of(id));
    return map->marks[index] != 0 ? &map->slots[index].value : NULL;
}

onex_status
onex_idmap_insert(onex_idmap *map, const uint8_t id[ONEX_ID_SIZE],
                  onex_idmap_value **value, bool *added)
{
    uint64_t hash = hash_of(id);
    size_t index = 0;
    bool found = false;
    if (map->capacity > 0) {
        index = probe(map, id, hash);
        found = map->marks[index] != 0;
    }
    if (!found) {
        if (map->count + 1 > load_of(map->capacity)) {
            onex_status status = onex_idmap_reserve(map, map->count + 1);
            if (status != ONEX_OK) {
                return status;
            }
            index = probe(map, id, hash);
        }
        memset(&map->slots[index], 0, sizeof map->slots[index]);
        memcpy(map->slots[index].id, id, ONEX_ID_SIZE);
        map->marks[index] = mark_of(hash);
        map->count++;
    }
    *value = &map->slots[index].value;
    if (added != NULL) {
        *added = !found;
    }
    return ONEX_OK;
}

bool
onex_idmap_remove(onex_idmap *map, const uint8_t id[ONEX_ID_SIZE],
                  onex_idmap_value *value)
{
    if (map->count == 0) {
        return false;
    }
    size_t hole = probe(map, id, hash_of(id));
    if (map->marks[hole] == 0) {
        return false;
    }
    if (value != NULL) {
        *value = map->slots[hole].value;
    }
    /* Close the gap: an entry further on moves into the hole unless its home
     * lies behind the hole. */
    size_t mask = map->capacity - 1;
    for (size_t i = (hole + 1) & mask; map->marks[i] != 0; i = (i + 1) & mask) {
        size_t home = home_of(map, hash_of(map->slots[i].id));
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            map->marks[hole] = map->marks[i];
            hole = i;
        }
    }
    map->marks[hole] = 0;
    map->count--;
    return true;
}

onex_idmap_slot *
onex_idmap_next(const onex_idmap *map, size_t *position)
{
    while (*position < map->capacity) {
        size_t index = (*position)++;
        if (map->marks[index] != 0) {
            return &map->slots[index];
        }
    }
    return NULL;
}

const char *
onex_idmap_check_invariants(const onex_idmap *map)
{
    if ((map->capacity & (map->capacity - 1)) != 0) {
        return "the capacity is no power of two";
    }
    if ((map->slots == NULL) != (map->capacity == 0)) {
        return "memory and capacity disagree";
    }
    if (map->count > load_of(map->capacity)) {
        return "more ids than the load allows";
    }
    size_t used = 0;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->marks[i] == 0) {
            continue;
        }
        used++;
        uint64_t hash = hash_of(map->slots[i].id);
        if (map->marks[i] != mark_of(hash)) {
            return "a mark does not belong to its id";
        }
        if (probe(map, map->slots[i].id, hash) != i) {
            return "an id is not where a look-up finds it";
        }
    }
    return used == map->count ? NULL : "the count is not the number of ids";
}
