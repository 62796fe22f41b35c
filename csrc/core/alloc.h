/* The allocator that a core structure is given when it is made and keeps:
 * swappable (Python's allocator in the bindings, one that fails at the n-th
 * call in the tests) without a global.  NULL stands for malloc and free. */
#ifndef ONEX_CORE_ALLOC_H
#define ONEX_CORE_ALLOC_H

#include <stddef.h>

typedef struct onex_allocator {
    /* size > 0; the memory is not cleared.  NULL: no memory. */
    void *(*allocate)(void *context, size_t size);
    /* pointer may be NULL. */
    void (*release)(void *context, void *pointer);
    void *context;
} onex_allocator;

/* count * size bytes, cleared; NULL on overflow or when there is no memory. */
void *
onex_alloc_zeroed(const onex_allocator *allocator, size_t count, size_t size);

/* count * size bytes, not cleared; NULL as above. */
void *
onex_alloc_array(const onex_allocator *allocator, size_t count, size_t size);

void onex_alloc_release(const onex_allocator *allocator, void *pointer);

#endif
