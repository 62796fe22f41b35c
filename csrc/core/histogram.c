#include "core/histogram.h"

#include <stddef.h>

#define SPLIT ONEX_HISTOGRAM_SPLIT
#define SPLIT_BITS ONEX_HISTOGRAM_SPLIT_BITS

/* Index of the highest set bit; value > 0. */
static inline int
highest_bit(uint64_t value)
{
#if defined(__GNUC__) || defined(__clang__)
    return 63 - __builtin_clzll(value);
#else
    int bit = 0;
    while (value >>= 1) {
        bit++;
    }
    return bit;
#endif
}

/* Row 0 holds 0...63; row r > 0 holds 2^(r+5)...2^(r+6)-1 in steps of
 * 2^(r-1). */
static inline int
row_of(uint64_t value)
{
    return value < SPLIT ? 0 : highest_bit(value) - SPLIT_BITS + 1;
}

static inline int
column_of(uint64_t value, int row)
{
    return row == 0 ? (int)value : (int)(value >> (row - 1)) - SPLIT;
}

static uint64_t
middle_of(int row, int column)
{
    if (row <= 1) {
        return (uint64_t)column + (row == 0 ? 0 : SPLIT);
    }
    uint64_t width = UINT64_C(1) << (row - 1);
    return (uint64_t)(SPLIT + column) * width + width / 2;
}

static uint64_t
add_up_to_limit(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Makes sure that a row is there. */
static onex_status
need_row(onex_histogram *histogram, int row)
{
    if (histogram->rows[row] == NULL) {
        histogram->rows[row] =
            onex_alloc_zeroed(histogram->allocator, SPLIT, sizeof(uint64_t));
    }
    return histogram->rows[row] != NULL ? ONEX_OK : ONEX_NO_MEMORY;
}

void
onex_histogram_init(onex_histogram *histogram, const onex_allocator *allocator)
{
    *histogram = (onex_histogram){.allocator = allocator};
}

void
onex_histogram_free(onex_histogram *histogram)
{
    for (int row = 0; row < ONEX_HISTOGRAM_ROWS; row++) {
        onex_alloc_release(histogram->allocator, histogram->rows[row]);
    }
    onex_histogram_init(histogram, histogram->allocator);
}

onex_status
onex_histogram_record(onex_histogram *histogram, int64_t value)
{
    uint64_t counted = value < 0 ? 0 : (uint64_t)value;
    int row = row_of(counted);
    if (need_row(histogram, row) != ONEX_OK) {
        return ONEX_NO_MEMORY;
    }
    histogram->rows[row][column_of(counted, row)]++;
    if (histogram->count == 0 || counted < histogram->min) {
        histogram->min = counted;
    }
    if (histogram->count == 0 || counted > histogram->max) {
        histogram->max = counted;
    }
    histogram->count++;
    histogram->sum = add_up_to_limit(histogram->sum, counted);
    return ONEX_OK;
}

uint64_t
onex_histogram_percentile(const onex_histogram *histogram, double fraction)
{
    if (histogram->count == 0) {
        return 0;
    }
    if (!(fraction > 0.0)) {
        return histogram->min;
    }
    if (fraction >= 1.0) {
        return histogram->max;
    }
    /* A hair less, so that 0.95 of 100 is not the 96th for a rounding error. */
    double rank = (fraction - 1e-12) * (double)histogram->count;
    uint64_t below = 0;
    for (int row = 0; row < ONEX_HISTOGRAM_ROWS; row++) {
        const uint64_t *counts = histogram->rows[row];
        for (int column = 0; counts != NULL && column < SPLIT; column++) {
            below += counts[column];
            if (counts[column] != 0 && (double)below >= rank) {
                uint64_t value = middle_of(row, column);
                value = value < histogram->min ? histogram->min : value;
                return value > histogram->max ? histogram->max : value;
            }
        }
    }
    return histogram->max;
}

onex_status
onex_histogram_merge(onex_histogram *into, const onex_histogram *from)
{
    for (int row = 0; row < ONEX_HISTOGRAM_ROWS; row++) {
        if (from->rows[row] != NULL && need_row(into, row) != ONEX_OK) {
            return ONEX_NO_MEMORY;
        }
    }
    if (from->count == 0) {
        return ONEX_OK;
    }
    if (into->count == 0 || from->min < into->min) {
        into->min = from->min;
    }
    if (into->count == 0 || from->max > into->max) {
        into->max = from->max;
    }
    into->count += from->count;
    into->sum = add_up_to_limit(into->sum, from->sum);
    for (int row = 0; row < ONEX_HISTOGRAM_ROWS; row++) {
        for (int i = 0; from->rows[row] != NULL && i < SPLIT; i++) {
            into->rows[row][i] += from->rows[row][i];
        }
    }
    return ONEX_OK;
}

const char *
onex_histogram_check_invariants(const onex_histogram *histogram)
{
    uint64_t counted = 0;
    for (int row = 0; row < ONEX_HISTOGRAM_ROWS; row++) {
        for (int i = 0; histogram->rows[row] != NULL && i < SPLIT; i++) {
            counted += histogram->rows[row][i];
        }
    }
    if (counted != histogram->count) {
        return "the count is not the sum of the buckets";
    }
    if (histogram->count > 0 && histogram->min > histogram->max) {
        return "the least value is above the greatest";
    }
    return NULL;
}
