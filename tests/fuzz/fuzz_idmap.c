/* Any sequence of operations on a map of ids, beside a list that is searched
 * from end to end. */
#include "core/idmap.h"
#include "fuzz.h"

#define MOST 1024

typedef struct model {
    onex_idmap_slot slots[MOST];
    size_t count;
} model;

/* Few ids that differ little, or any. */
static void
read_id(fuzz_input *in, uint8_t id[ONEX_ID_SIZE])
{
    uint8_t choice = fuzz_byte(in);
    memset(id, 0, ONEX_ID_SIZE);
    if (choice == 255) {
        fuzz_bytes(in, id, ONEX_ID_SIZE);
    }
    else {
        id[choice & 8 ? 0 : 15] = choice;
    }
}

static onex_idmap_slot *
find(model *plain, const uint8_t id[ONEX_ID_SIZE])
{
    for (size_t i = 0; i < plain->count; i++) {
        if (memcmp(plain->slots[i].id, id, ONEX_ID_SIZE) == 0) {
            return &plain->slots[i];
        }
    }
    return NULL;
}

static void
insert(onex_idmap *map, model *plain, fuzz_heap *heap,
       const uint8_t id[ONEX_ID_SIZE], uint64_t number)
{
    onex_idmap_value *value = NULL;
    bool added = false;
    onex_idmap_slot *known = find(plain, id);
    if (known == NULL && plain->count == MOST) {
        return;
    }
    onex_status status = onex_idmap_insert(map, id, &value, &added);
    if (fuzz_heap_failed(heap)) {
        FUZZ_CHECK(status == ONEX_NO_MEMORY && known == NULL);
        return;
    }
    FUZZ_CHECK(status == ONEX_OK && added == (known == NULL));
    FUZZ_CHECK(value->number == (known != NULL ? known->value.number : 0));
    if (known == NULL) {
        known = &plain->slots[plain->count++];
        memcpy(known->id, id, ONEX_ID_SIZE);
    }
    value->number = known->value.number = number;
}

static void
take(onex_idmap *map, model *plain, const uint8_t id[ONEX_ID_SIZE])
{
    onex_idmap_value value = {0};
    onex_idmap_slot *known = find(plain, id);
    FUZZ_CHECK(onex_idmap_remove(map, id, &value) == (known != NULL));
    if (known != NULL) {
        FUZZ_CHECK(value.number == known->value.number);
        *known = plain->slots[--plain->count];
    }
}

static void
look_up(const onex_idmap *map, model *plain, const uint8_t id[ONEX_ID_SIZE])
{
    const onex_idmap_value *value = onex_idmap_find(map, id);
    const onex_idmap_slot *known = find(plain, id);
    FUZZ_CHECK((value == NULL) == (known == NULL));
    FUZZ_CHECK(value == NULL || value->number == known->value.number);
}

static void
compare_all(const onex_idmap *map, model *plain)
{
    size_t position = 0, seen = 0;
    for (const onex_idmap_slot *slot;
         (slot = onex_idmap_next(map, &position)) != NULL; seen++) {
        const onex_idmap_slot *known = find(plain, slot->id);
        FUZZ_CHECK(known != NULL);
        FUZZ_CHECK(known->value.number == slot->value.number);
    }
    FUZZ_CHECK(seen == plain->count && onex_idmap_count(map) == seen);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model plain;
    fuzz_input in = fuzz_input_of(data, size);
    fuzz_heap heap = {0};
    onex_allocator allocator = fuzz_heap_allocator(&heap);
    onex_idmap map;
    plain.count = 0;
    onex_idmap_init(&map, &allocator);
    while (fuzz_more(&in)) {
        uint8_t id[ONEX_ID_SIZE], choice = fuzz_byte(&in);
        switch (choice % 16) {
        case 0:
            onex_idmap_clear(&map);
            plain.count = 0;
            break;
        case 1: {
            uint64_t wanted = fuzz_number(&in);
            onex_status status = onex_idmap_reserve(&map, wanted);
            FUZZ_CHECK(status == ONEX_OK || status == ONEX_NO_MEMORY);
            FUZZ_CHECK(status != ONEX_OK ||
                       map.capacity - map.capacity / 4 >= wanted);
            (void)fuzz_heap_failed(&heap);
            break;
        }
        case 2:
            heap.fail_in = choice >> 4;
            break;
        case 3:
            onex_idmap_free(&map);
            plain.count = 0;
            break;
        case 4:
        case 5:
        case 6:
            read_id(&in, id);
            look_up(&map, &plain, id);
            break;
        case 7:
        case 8:
        case 9:
        case 10:
            read_id(&in, id);
            take(&map, &plain, id);
            break;
        default:
            read_id(&in, id);
            insert(&map, &plain, &heap, id, choice + 1u);
        }
        FUZZ_SOUND(onex_idmap_check_invariants(&map));
        FUZZ_CHECK(onex_idmap_count(&map) == plain.count);
    }
    compare_all(&map, &plain);
    onex_idmap_free(&map);
    FUZZ_CHECK(heap.outstanding == 0);
    return 0;
}
