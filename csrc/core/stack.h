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

/* Where the stack is now.  The register itself, where the compiler lets us
 * have it: __builtin_frame_address costs the caller a frame. */
static inline uintptr_t
onex_stack_address(void)
{
#if defined(__GNUC__) && defined(__x86_64__)
    uintptr_t address;
    __asm__ volatile("movq %%rsp, %0" : "=r"(address));
    return address;
#elif defined(__GNUC__) && defined(__aarch64__)
    uintptr_t address;
    __asm__ volatile("mov %0, sp" : "=r"(address));
    return address;
#elif defined(__GNUC__)
    return (uintptr_t)__builtin_frame_address(0);
#else
    volatile char here = 0;
    return (uintptr_t)&here;
#endif
}

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

/* The fast half of onex_stack_is_low: true when it has to be asked, because
 * little is left or nothing is known of this stack. */
static inline bool
onex_stack_may_be_low(void)
{
    return onex_stack_address() - onex_stack.floor >= onex_stack.usable;
}

/* True when too little is left for another Python call.  False where the
 * platform does not tell, and on a foreign stack (a coroutine library's). */
static inline bool
onex_stack_is_low(void)
{
    return onex_stack_may_be_low() &&
           onex_stack_is_low_at(onex_stack_address());
}

/* True when `size` bytes more would make it low. */
static inline bool
onex_stack_is_short_of(uintptr_t size)
{
    if (onex_stack_is_low()) {
        return true;
    }
    uintptr_t left = onex_stack_address() - onex_stack.floor;
    return left < onex_stack.usable && left < size;
}

#endif
