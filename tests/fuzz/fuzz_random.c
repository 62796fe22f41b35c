/* Draws of any size from a generator whose source of entropy may fail, beside a
 * second one that is asked for single bytes; and ids that must ascend whatever
 * the clock does. */
#include "core/uuid.h"
#include "fuzz.h"

/* Entropy by a count, which fails when it is told to. */
typedef struct source {
    uint8_t next;
    bool fails;
} source;

static int
draw_entropy(void *context, void *buffer, size_t size)
{
    source *from = context;
    if (from->fails) {
        return -1;
    }
    memset(buffer, from->next++, size);
    return 0;
}

static void
draw(onex_random *random, onex_random *bytewise, const source *from,
     bool number, size_t size)
{
    uint8_t got[1100], expected[1100];
    onex_status status = ONEX_OK;
    size = number ? sizeof(uint64_t) : size % sizeof got;
    memset(got, 0xa5, sizeof got);
    if (number) {
        uint64_t drawn = 0;
        status = onex_random_number(random, &drawn);
        if (status == ONEX_OK) {
            memcpy(got, &drawn, sizeof drawn);
        }
    }
    else {
        status = onex_random_fill(random, got, size);
    }
    if (status == ONEX_OK) {
        FUZZ_CHECK(onex_random_fill(bytewise, expected, 0) == ONEX_OK);
        for (size_t i = 0; i < size; i++) {
            FUZZ_CHECK(onex_random_fill(bytewise, &expected[i], 1) == ONEX_OK);
        }
        FUZZ_CHECK(memcmp(got, expected, size) == 0);
    }
    else {
        FUZZ_CHECK(status == ONEX_NO_ENTROPY && from->fails);
        FUZZ_CHECK(got[0] == 0xa5);
    }
    FUZZ_CHECK(size >= sizeof got || got[size] == 0xa5);
}

static void
next_id(onex_uuid_generator *generator, int64_t wall_ns, uint8_t *last)
{
    uint8_t id[ONEX_UUID_SIZE], back[ONEX_UUID_SIZE];
    char text[ONEX_UUID_TEXT];
    onex_status status = onex_uuid_next(generator, wall_ns, id);
    FUZZ_SOUND(onex_uuid_generator_check_invariants(generator));
    if (status != ONEX_OK) {
        FUZZ_CHECK(status == ONEX_NO_ENTROPY);
        return;
    }
    FUZZ_CHECK(memcmp(last, id, sizeof id) < 0);
    FUZZ_CHECK(id[6] >> 4 == 7 && id[8] >> 6 == 2);
    onex_uuid_format(id, text);
    FUZZ_CHECK(onex_uuid_parse(text, sizeof text, back) == ONEX_OK);
    FUZZ_CHECK(memcmp(id, back, sizeof id) == 0);
    memcpy(last, id, sizeof id);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    source from = {0}, copy = {0}, for_ids = {0};
    onex_random random = {.entropy = draw_entropy, .entropy_context = &from};
    onex_random bytewise = {.entropy = draw_entropy, .entropy_context = &copy};
    onex_uuid_generator generator = {
        .random = {.entropy = draw_entropy, .entropy_context = &for_ids}};
    uint8_t last[ONEX_UUID_SIZE] = {0};
    while (fuzz_more(&in)) {
        uint8_t choice = fuzz_byte(&in);
        switch (choice % 8) {
        case 0:
            from.fails = for_ids.fails = (choice & 8) != 0;
            break;
        case 1: /* seeded before a fork */
            if (random.epoch != 0) {
                random.epoch = bytewise.epoch = UINT32_MAX;
            }
            if (generator.random.epoch != 0) {
                generator.random.epoch = UINT32_MAX;
            }
            break;
        case 2:
        case 3:
            next_id(&generator, (int64_t)fuzz_number(&in), last);
            break;
        default:
            draw(&random, &bytewise, &from, (choice & 8) != 0,
                 fuzz_number(&in));
            FUZZ_SOUND(onex_random_check_invariants(&random));
        }
    }
    return 0;
}
