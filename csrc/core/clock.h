/* The two clocks: wall time for timestamps and ids, monotonic for durations.
 * Both are vDSO calls on Linux (about 20 ns).  Where the system refuses one, the
 * wall clock stands for the monotonic one, and whole seconds for the wall clock:
 * reading a clock never fails. */
#ifndef ONEX_CORE_CLOCK_H
#define ONEX_CORE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.  The
 * system may step it in either direction. */
int64_t onex_clock_wall_ns(void);

/* The same in whole microseconds, rounded down. */
int64_t onex_clock_wall_us(void);

/* Nanoseconds since some fixed point of this boot; never goes back (but see
 * above). */
int64_t onex_clock_monotonic_ns(void);

/* Floor of ns / 1000, also before 1970. */
static inline int64_t
onex_clock_us_of_ns(int64_t ns)
{
    int64_t us = ns / 1000;
    return us - (ns % 1000 < 0);
}

#endif
