/* Any sequence of operations on a ring, beside a plain array. */
#include "core/ring.h"
#include "fuzz.h"

#define MOST 8192 /* entries that one input can push: one a byte */

typedef struct model {
    uint64_t entries[MOST];
    size_t front, back;
} model;

typedef struct entry {
    uint64_t number;
    char odd[3];
} entry;

static void
push(onex_ring *ring, model *plain, fuzz_heap *heap, bool anyway,
     uint64_t value)
{
    void *slot = NULL;
    bool full = ring->limit != 0 && plain->back - plain->front >= ring->limit;
    onex_status status = anyway ? onex_ring_push_anyway(ring, &slot)
                                : onex_ring_push(ring, &slot);
    if (full && !anyway) {
        FUZZ_CHECK(status == ONEX_FULL && slot == NULL);
    }
    else if (fuzz_heap_failed(heap)) {
        FUZZ_CHECK(status == ONEX_NO_MEMORY && slot == NULL);
    }
    else {
        FUZZ_CHECK(status == ONEX_OK && plain->back < MOST);
        *(entry *)slot = (entry){value, "ab"};
        plain->entries[plain->back++] = value;
    }
}

static void
pop(onex_ring *ring, model *plain)
{
    const entry *taken = onex_ring_pop(ring);
    if (plain->front == plain->back) {
        FUZZ_CHECK(taken == NULL);
    }
    else {
        FUZZ_CHECK(taken != NULL);
        FUZZ_CHECK(taken->number == plain->entries[plain->front++]);
        FUZZ_CHECK(strcmp(taken->odd, "ab") == 0);
    }
}

static void
compare(const onex_ring *ring, const model *plain)
{
    size_t count = plain->back - plain->front;
    FUZZ_SOUND(onex_ring_check_invariants(ring));
    FUZZ_CHECK(onex_ring_count(ring) == count);
    FUZZ_CHECK(onex_ring_is_full(ring) ==
               (ring->limit != 0 && count >= ring->limit));
    FUZZ_CHECK(onex_ring_peek(ring, count) == NULL);
}

static void
compare_all(const onex_ring *ring, const model *plain)
{
    for (size_t i = plain->front; i < plain->back; i++) {
        const entry *seen = onex_ring_peek(ring, i - plain->front);
        FUZZ_CHECK(seen != NULL && seen->number == plain->entries[i]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model plain;
    fuzz_input in = fuzz_input_of(data, size < MOST ? size : MOST);
    fuzz_heap heap = {0};
    onex_allocator allocator = fuzz_heap_allocator(&heap);
    onex_ring ring;
    plain.front = plain.back = 0;
    onex_ring_init(&ring, sizeof(entry), fuzz_byte(&in), &allocator);
    while (fuzz_more(&in)) {
        uint8_t choice = fuzz_byte(&in);
        switch (choice % 16) {
        case 0:
            onex_ring_shrink(&ring);
            (void)fuzz_heap_failed(&heap); /* then it stays as it is */
            break;
        case 1:
            onex_ring_clear(&ring);
            plain.front = plain.back;
            break;
        case 2: {
            uint64_t wanted = fuzz_number(&in);
            onex_status status = onex_ring_reserve(&ring, wanted);
            FUZZ_CHECK(status == ONEX_OK || status == ONEX_NO_MEMORY);
            FUZZ_CHECK(status != ONEX_OK || ring.capacity >= wanted);
            (void)fuzz_heap_failed(&heap);
            break;
        }
        case 3:
            heap.fail_in = choice >> 4;
            break;
        case 4:
            compare_all(&ring, &plain);
            break;
        case 5:
            onex_ring_free(&ring);
            plain.front = plain.back;
            break;
        case 6:
        case 7:
            push(&ring, &plain, &heap, true, plain.back * 7 + choice);
            break;
        default:
            if (choice & 1) {
                pop(&ring, &plain);
            }
            else {
                push(&ring, &plain, &heap, false, plain.back * 7 + choice);
            }
        }
        compare(&ring, &plain);
    }
    compare_all(&ring, &plain);
    onex_ring_free(&ring);
    FUZZ_CHECK(heap.outstanding == 0);
    return 0;
}
