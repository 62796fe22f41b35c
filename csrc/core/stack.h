/* How much of its C stack the calling thread has left.
 *
 * A decorated function puts C frames between Python frames, where the
 * interpreter's own recursion counting either does not see them (3.11) or
 * counts frames, not bytes.  Comparing an address with the thread's bounds is
 * exact and costs a subtraction: the bounds are measured once a thread. */
#ifndef ONEX_CORE_STACK_H
#define ONEX_CORE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/random.h" /* ONEX_THREAD_LOCAL */

#if defined(_MSC_VER)
#include <intrin.h>
#define ONEX_FRAME_ADDRESS ((uintptr_t)_AddressOfReturnAddress())
#else
#define ONEX_FRAME_ADDRESS ((uintptr_t)__builtin_frame_address(0))
#endif

/* Initial-exec spares a call for each access; glibc keeps room for it in
 * libraries that are loaded late, others do not. */
#if defined(__GLIBC__) && defined(__GNUC__)
#define ONEX_THREAD_LOCAL_FAST                                                 \
    __attribute__((tls_model("initial-exec"))) ONEX_THREAD_LOCAL
#else
#define ONEX_THREAD_LOCAL_FAST ONEX_THREAD_LOCAL
#endif

/* Addresses in [floor, floor + usable) are fine; usable 0: not measured yet.
 * Guard: one thread. */
typedef struct {
    uintptr_t low;   /* the lowest address of the stack */
    uintptr_t floor; /* low + what is kept for the error and its handling */
    uintptr_t usable;
} onex_stack_bounds;

extern ONEX_THREAD_LOCAL_FAST onex_stack_bounds onex_stack;

/* The answer where the fast compare failed: measures at first use. */
bool onex_stack_is_low_at(uintptr_t address);

/* Of `size` bytes of stack, how many stay free when onex_stack_is_low turns
 * true. */
uintptr_t onex_stack_reserve(uintptr_t size);

/* True when too little is left for another Python call.  False where the
 * platform does not tell, and on a foreign stack (a coroutine library's). */
static inline bool
onex_stack_is_low(void)
{
    uintptr_t address = ONEX_FRAME_ADDRESS;
    return address - onex_stack.floor >= onex_stack.usable &&
           onex_stack_is_low_at(address);
}

#endif
