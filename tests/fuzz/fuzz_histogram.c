/* Values into two histograms, merged now and then, beside all values sorted. */
#include "core/histogram.h"
#include "fuzz.h"

#define MOST 2048

typedef struct model {
    uint64_t values[MOST]; /* ascending */
    size_t count;
    uint64_t sum;
} model;

static void
add(model *plain, uint64_t value)
{
    size_t at = plain->count++;
    for (; at > 0 && plain->values[at - 1] > value; at--) {
        plain->values[at] = plain->values[at - 1];
    }
    plain->values[at] = value;
    plain->sum =
        plain->sum > UINT64_MAX - value ? UINT64_MAX : plain->sum + value;
}

static void
record(onex_histogram *histogram, model *plain, fuzz_heap *heap, int64_t value)
{
    onex_status status = onex_histogram_record(histogram, value);
    if (fuzz_heap_failed(heap)) {
        FUZZ_CHECK(status == ONEX_NO_MEMORY);
        return;
    }
    FUZZ_CHECK(status == ONEX_OK);
    add(plain, value < 0 ? 0 : (uint64_t)value);
}

/* Within 1/64 of the value that has the rank. */
static void
check_percentile(const onex_histogram *histogram, const model *plain,
                 unsigned percent)
{
    uint64_t got = onex_histogram_percentile(histogram, percent / 100.0);
    if (plain->count == 0) {
        FUZZ_CHECK(got == 0);
        return;
    }
    size_t rank = (percent * plain->count + 99) / 100;
    rank = rank == 0 ? 1 : rank > plain->count ? plain->count : rank;
    uint64_t exact = plain->values[rank - 1];
    uint64_t apart = got > exact ? got - exact : exact - got;
    FUZZ_CHECK(apart <= exact / 64);
    FUZZ_CHECK(percent > 0 || got == plain->values[0]);
    FUZZ_CHECK(percent < 100 || got == plain->values[plain->count - 1]);
}

static void
compare(const onex_histogram *histogram, const model *plain)
{
    FUZZ_SOUND(onex_histogram_check_invariants(histogram));
    FUZZ_CHECK(histogram->count == plain->count);
    FUZZ_CHECK(histogram->sum == plain->sum);
    if (plain->count > 0) {
        FUZZ_CHECK(histogram->min == plain->values[0]);
        FUZZ_CHECK(histogram->max == plain->values[plain->count - 1]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model plain[2];
    fuzz_input in = fuzz_input_of(data, size);
    fuzz_heap heap = {0};
    onex_allocator allocator = fuzz_heap_allocator(&heap);
    onex_histogram histograms[2];
    for (int i = 0; i < 2; i++) {
        plain[i].count = 0;
        plain[i].sum = 0;
        onex_histogram_init(&histograms[i], &allocator);
    }
    while (fuzz_more(&in)) {
        uint8_t choice = fuzz_byte(&in);
        int which = choice >> 7;
        model *mine = &plain[which], *other = &plain[!which];
        switch (choice % 8) {
        case 0:
            heap.fail_in = choice >> 4 & 7;
            break;
        case 1:
            if (mine->count + other->count <= MOST) {
                onex_status status = onex_histogram_merge(&histograms[which],
                                                          &histograms[!which]);
                bool failed = fuzz_heap_failed(&heap);
                FUZZ_CHECK(status == (failed ? ONEX_NO_MEMORY : ONEX_OK));
                for (size_t i = 0; !failed && i < other->count; i++) {
                    add(mine, other->values[i]);
                }
            }
            break;
        case 2:
            check_percentile(&histograms[which], mine, fuzz_byte(&in) % 128);
            break;
        case 3:
            onex_histogram_free(&histograms[which]);
            mine->count = 0;
            mine->sum = 0;
            break;
        default:
            if (mine->count < MOST) {
                record(&histograms[which], mine, &heap,
                       (int64_t)fuzz_number(&in));
            }
        }
        compare(&histograms[which], mine);
    }
    for (int i = 0; i < 2; i++) {
        for (unsigned percent = 0; percent <= 100; percent += 5) {
            check_percentile(&histograms[i], &plain[i], percent);
        }
        onex_histogram_free(&histograms[i]);
    }
    FUZZ_CHECK(heap.outstanding == 0);
    return 0;
}
