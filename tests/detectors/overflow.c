/* Undefined behaviour: the year after the last one that a signed number holds. */
#include "check.h"

#include <limits.h>

#include "core/rfc3339.h"

int
main(void)
{
    volatile int year = INT_MAX;
    onex_civil civil = {.year = year + 1, .month = 1, .day = 1};
    int64_t us;
    return onex_us_from_civil(&civil, &us) == ONEX_RANGE ? 0 : 3;
}
