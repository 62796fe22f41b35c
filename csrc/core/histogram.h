/* A log-linear histogram of non-negative integers (durations in ns, sizes).
 *
 * Values below 64 have a bucket each; above, every power of two is split into 64
 * buckets of one width, so a bucket is at most 1/64 of its lower bound wide and
 * its middle is within 0.8 % of any value in it.  A power of two takes 512 bytes
 * and is allocated when its first value comes: a timer's histogram takes a few
 * KiB for any number of values.  Recording costs a bit scan and an increment.
 *
 * The pure-Python twin with the same buckets is onex_events.profiler. */
#ifndef ONEX_CORE_HISTOGRAM_H
#define ONEX_CORE_HISTOGRAM_H

#include <stdint.h>

#include "core/alloc.h"
#include "core/status.h"

#define ONEX_HISTOGRAM_SPLIT_BITS 6
#define ONEX_HISTOGRAM_SPLIT 64
#define ONEX_HISTOGRAM_ROWS (64 - ONEX_HISTOGRAM_SPLIT_BITS)

/* Guard: whoever holds the histogram's owner. */
typedef struct onex_histogram {
    const onex_allocator *allocator;
    uint64_t *rows[ONEX_HISTOGRAM_ROWS]; /* SPLIT counts each, or NULL */
    uint64_t count;
    uint64_t sum; /* stops at its greatest value */
    uint64_t min; /* meaningless while count is 0, as is max */
    uint64_t max;
} onex_histogram;

/* Makes an empty histogram; nothing is allocated. */
void
onex_histogram_init(onex_histogram *histogram, const onex_allocator *allocator);

/* Gives the memory back; the histogram is empty and usable again. */
void onex_histogram_free(onex_histogram *histogram);

/* Counts a value; a negative one (a clock's fault) counts as 0.  ONEX_OK or
 * ONEX_NO_MEMORY (not counted). */
onex_status onex_histogram_record(onex_histogram *histogram, int64_t value);

/* The value at a rank: the smallest bucket that has at least fraction (0...1)
 * of the count at or below it, its middle, kept within min and max.  0 is min, 1
 * is max; 0 when nothing was recorded. */
uint64_t
onex_histogram_percentile(const onex_histogram *histogram, double fraction);

/* Adds all of from to into: as if into had recorded its values.  ONEX_OK or
 * ONEX_NO_MEMORY (into is unchanged). */
onex_status
onex_histogram_merge(onex_histogram *into, const onex_histogram *from);

/* NULL, or what is wrong with the histogram. */
const char *onex_histogram_check_invariants(const onex_histogram *histogram);

#endif
