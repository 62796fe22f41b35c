#include "core/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *
onex_alloc_array(const onex_allocator *allocator, size_t count, size_t size)
{
    if (count == 0 || size == 0 || count > PTRDIFF_MAX / size) {
        return NULL;
    }
    if (allocator == NULL) {
        return malloc(count * size);
    }
    return allocator->allocate(allocator->context, count * size);
}

void *
onex_alloc_zeroed(const onex_allocator *allocator, size_t count, size_t size)
{
    if (allocator == NULL) {
        return count == 0 || size == 0 ? NULL : calloc(count, size);
    }
    void *pointer = onex_alloc_array(allocator, count, size);
    if (pointer != NULL) {
        memset(pointer, 0, count * size);
    }
    return pointer;
}

void
onex_alloc_release(const onex_allocator *allocator, void *pointer)
{
    if (allocator == NULL) {
        free(pointer);
    }
    else {
        allocator->release(allocator->context, pointer);
    }
}
