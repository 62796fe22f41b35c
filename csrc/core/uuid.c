#include "core/uuid.h"

#include "core/clock.h"

#define NS_PER_MS 1000000
#define TICK_BITS 60 /* 48 of ms, 12 of fraction */
#define TAIL_MAX ((UINT64_C(1) << 62) - 1)
#define TAIL_START_MASK ((UINT64_C(1) << 61) - 1)

/* --- making ---------------------------------------------------------------- */

static uint64_t
tick_of(int64_t wall_ns)
{
    if (wall_ns < 0) {
        return 0;
    }
    uint64_t ms = (uint64_t)wall_ns / NS_PER_MS;
    uint64_t fraction = (uint64_t)wall_ns % NS_PER_MS * 4096 / NS_PER_MS;
    return ms << 12 | fraction;
}

static inline void
store_big_endian(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

static onex_status
start_tick(onex_uuid_generator *generator, uint64_t tick)
{
    uint64_t tail;
    onex_status status = onex_random_number(&generator->random, &tail);
    if (status == ONEX_OK) {
        generator->tick = tick;
        generator->tail = tail & TAIL_START_MASK;
    }
    return status;
}

/* A new seed means a fork: the child must not go on from its parent's tail, as
 * the parent does. */
static onex_status
step_in_tick(onex_uuid_generator *generator)
{
    uint64_t step;
    uint32_t epoch = generator->random.epoch;
    onex_status status = onex_random_number(&generator->random, &step);
    if (status != ONEX_OK) {
        return status;
    }
    uint64_t tail = generator->tail + (step >> 32) + 1;
    if (tail > TAIL_MAX || generator->random.epoch != epoch) {
        return start_tick(generator, generator->tick + 1);
    }
    generator->tail = tail;
    return ONEX_OK;
}

onex_status
onex_uuid_next(onex_uuid_generator *generator, int64_t wall_ns,
               uint8_t out[ONEX_UUID_SIZE])
{
    uint64_t tick = tick_of(wall_ns);
    onex_status status = tick > generator->tick ? start_tick(generator, tick)
                                                : step_in_tick(generator);
    if (status != ONEX_OK) {
        return status;
    }
    uint64_t head = generator->tick >> 12 << 16 | UINT64_C(0x7000) |
                    (generator->tick & 0xfff);
    store_big_endian(out, head);
    store_big_endian(out + 8, UINT64_C(1) << 63 | generator->tail);
    return ONEX_OK;
}

onex_uuid_generator *
onex_uuid_thread_generator(void)
{
    static ONEX_THREAD_LOCAL onex_uuid_generator thread_generator;
    return &thread_generator;
}

onex_status
onex_uuid7(uint8_t out[ONEX_UUID_SIZE])
{
    return onex_uuid_next(onex_uuid_thread_generator(), onex_clock_wall_ns(),
                          out);
}

int64_t
onex_uuid_time_ms(const uint8_t id[ONEX_UUID_SIZE])
{
    uint64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | id[i];
    }
    return (int64_t)ms;
}

const char *
onex_uuid_generator_check_invariants(const onex_uuid_generator *generator)
{
    if (generator->tick >> TICK_BITS != 0) {
        return "the tick has more than 60 bits";
    }
    if (generator->tail > TAIL_MAX) {
        return "the tail has more than 62 bits";
    }
    return onex_random_check_invariants(&generator->random);
}

/* --- text ------------------------------------------------------------------ */

static int
digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static int
hyphen_before(int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static onex_status
parse_digits(const char *text, int hyphenated, uint8_t out[ONEX_UUID_SIZE])
{
    uint8_t id[ONEX_UUID_SIZE];
    for (int i = 0; i < ONEX_UUID_SIZE; i++) {
        if (hyphenated && hyphen_before(i) && *text++ != '-') {
            return ONEX_MALFORMED;
        }
        int high = digit_value(text[0]);
        int low = high < 0 ? -1 : digit_value(text[1]);
        if (low < 0) {
            return ONEX_MALFORMED;
        }
        id[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    memcpy(out, id, sizeof id);
    return ONEX_OK;
}

onex_status
onex_uuid_parse(const char *text, size_t length, uint8_t out[ONEX_UUID_SIZE])
{
    switch (length) {
    case 32:
        return parse_digits(text, 0, out);
    case ONEX_UUID_TEXT:
        return parse_digits(text, 1, out);
    case ONEX_UUID_TEXT + 2:
        if (text[0] == '{' && text[length - 1] == '}') {
            return parse_digits(text + 1, 1, out);
        }
        return ONEX_MALFORMED;
    case ONEX_UUID_TEXT + 9:
        if (memcmp(text, "urn:uuid:", 9) == 0) {
            return parse_digits(text + 9, 1, out);
        }
        return ONEX_MALFORMED;
    default:
        return ONEX_MALFORMED;
    }
}

/* The two digits of every byte, one after the other. */
#define ROW(h)                                                                 \
    h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h  \
      "c" h "d" h "e" h "f"
static const char digits_of_bytes[] =
    ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6") ROW("7")
        ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");
#undef ROW

static inline char *
put_bytes(char *out, const uint8_t *bytes, int count)
{
    for (int i = 0; i < count; i++) {
        memcpy(out + 2 * i, digits_of_bytes + (size_t)2 * bytes[i], 2);
    }
    return out + 2 * count;
}

void
onex_uuid_format(const uint8_t id[ONEX_UUID_SIZE], char out[ONEX_UUID_TEXT])
{
    out = put_bytes(out, id, 4);
    *out++ = '-';
    out = put_bytes(out, id + 4, 2);
    *out++ = '-';
    out = put_bytes(out, id + 6, 2);
    *out++ = '-';
    out = put_bytes(out, id + 8, 2);
    *out++ = '-';
    (void)put_bytes(out, id + 10, 6);
}
