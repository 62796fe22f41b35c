/* What a core function that can fail returns: ONEX_OK or a negative code.
 * One function of the bindings turns a code into a Python exception. */
#ifndef ONEX_CORE_STATUS_H
#define ONEX_CORE_STATUS_H

typedef enum onex_status {
    ONEX_OK = 0,
    ONEX_NO_MEMORY = -1,  /* the allocator returned NULL */
    ONEX_FULL = -2,       /* a bounded structure is at its limit */
    ONEX_NO_ENTROPY = -3, /* the operating system's random source failed */
    ONEX_MALFORMED = -4,  /* text that does not parse */
    ONEX_RANGE = -5,      /* a value outside of what can be represented */
} onex_status;

#endif
