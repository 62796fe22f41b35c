/* The bounds of the calling thread's stack, as the platform tells them. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "core/stack.h"

#if defined(_WIN32)
#include <windows.h>
#elif defined(__APPLE__) || defined(__linux__) || defined(__FreeBSD__)
#include <pthread.h>
#if defined(__FreeBSD__)
#include <pthread_np.h>
#endif
#endif

ONEX_THREAD_LOCAL_FAST onex_stack_bounds onex_stack;

/* The thread's stack as [*low, *low + *size); false when unknown. */
static bool
stack_measure(uintptr_t *low, uintptr_t *size)
{
#if defined(_WIN32)
    ULONG_PTR bottom, top;
    GetCurrentThreadStackLimits(&bottom, &top);
    *low = (uintptr_t)bottom;
    *size = (uintptr_t)(top - bottom);
    return true;
#elif defined(__APPLE__)
    uintptr_t top = (uintptr_t)pthread_get_stackaddr_np(pthread_self());
    *size = (uintptr_t)pthread_get_stacksize_np(pthread_self());
    *low = top - *size;
    return true;
#elif defined(__linux__) || defined(__FreeBSD__)
    pthread_attr_t attributes;
    void *address = NULL;
    size_t bytes = 0, guard = 0;
#if defined(__FreeBSD__)
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    int failed = pthread_attr_get_np(pthread_self(), &attributes);
#else
    int failed = pthread_getattr_np(pthread_self(), &attributes);
    if (failed != 0) {
        return false;
    }
#endif
    failed = failed != 0 ||
             pthread_attr_getstack(&attributes, &address, &bytes) != 0 ||
             pthread_attr_getguardsize(&attributes, &guard) != 0;
    (void)pthread_attr_destroy(&attributes);
    if (failed || bytes <= guard) {
        return false;
    }
    /* Whether the guard page is inside differs between C libraries. */
    *low = (uintptr_t)address + guard;
    *size = (uintptr_t)(bytes - guard);
    return true;
#else
    (void)low;
    (void)size;
    return false;
#endif
}

uintptr_t
onex_stack_reserve(uintptr_t size)
{
    const uintptr_t least = 24 * 1024, most = 256 * 1024;
    uintptr_t reserve = size / 8;
    if (reserve < least) {
        reserve = least;
    }
    if (reserve > most) {
        reserve = most;
    }
    return reserve > size / 2 ? size / 2 : reserve;
}

bool
onex_stack_is_low_at(uintptr_t address)
{
    if (onex_stack.usable == 0) {
        uintptr_t low, size;
        if (stack_measure(&low, &size)) {
            uintptr_t reserve = onex_stack_reserve(size);
            onex_stack.low = low;
            onex_stack.floor = low + reserve;
            onex_stack.usable = size - reserve;
        }
        else {
            onex_stack.low = 0;
            onex_stack.floor = 0;
            onex_stack.usable = UINTPTR_MAX;
        }
    }
    return address < onex_stack.floor && address >= onex_stack.low;
}
