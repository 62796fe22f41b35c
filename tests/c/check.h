/* What every C test file includes: cmocka and the failing allocator. */
#ifndef ONEX_TESTS_CHECK_H
#define ONEX_TESTS_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fork and threads under -std=c11 */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"

#define CHECK_SOUND(structure, check)                                          \
    do {                                                                       \
        const char *fault = check(structure);                                  \
        if (fault != NULL) {                                                   \
            fail_msg("%s", fault);                                             \
        }                                                                      \
    } while (0)

/* Counts allocations, keeps track of what is out, and makes one of them fail. */
typedef struct test_heap {
    int fail_at; /* number of the allocation that fails, from 1; 0: none */
    int allocations;
    int outstanding;
} test_heap;

static inline void *
test_heap_allocate(void *context, size_t size)
{
    test_heap *heap = context;
    if (++heap->allocations == heap->fail_at) {
        return NULL;
    }
    heap->outstanding++;
    return malloc(size);
}

static inline void
test_heap_release(void *context, void *pointer)
{
    test_heap *heap = context;
    if (pointer != NULL) {
        heap->outstanding--;
    }
    free(pointer);
}

static inline onex_allocator
test_heap_allocator(test_heap *heap)
{
    onex_allocator allocator = {test_heap_allocate, test_heap_release, heap};
    return allocator;
}

/* A small generator for test data: the same numbers in every run. */
static inline uint32_t
test_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#endif
