/* What every fuzz target includes: the input as a stream of choices, an
 * allocator that the input makes fail, and how to say that something is wrong. */
#ifndef ONEX_TESTS_FUZZ_H
#define ONEX_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

#define FUZZ_CHECK(condition)                                                  \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

#define FUZZ_SOUND(fault) fuzz_sound(__FILE__, __LINE__, (fault))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
fuzz_fail(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

/* For the answer of a check_invariants. */
static inline void
fuzz_sound(const char *file, int line, const char *fault)
{
    if (fault != NULL) {
        fuzz_fail(file, line, fault);
    }
}

/* --- the input as choices: zeros when it has ended --- */

typedef struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
} fuzz_input;

static inline fuzz_input
fuzz_input_of(const uint8_t *data, size_t size)
{
    return (fuzz_input){data, data + size};
}

static inline bool
fuzz_more(const fuzz_input *in)
{
    return in->at < in->end;
}

static inline uint8_t
fuzz_byte(fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline void
fuzz_bytes(fuzz_input *in, uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = fuzz_byte(in);
    }
}

/* A number of any magnitude: its first byte says how many bits it has. */
static inline uint64_t
fuzz_number(fuzz_input *in)
{
    unsigned bits = fuzz_byte(in) % 65;
    uint64_t number = 0;
    for (unsigned i = 0; i < (bits + 7) / 8; i++) {
        number = number << 8 | fuzz_byte(in);
    }
    return bits == 64 ? number : number & ((UINT64_C(1) << bits) - 1);
}

/* The input in memory of just its size: a step too far is seen. */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size);
    if (text != NULL && size > 0) {
        memcpy(text, data, size);
    }
    return text;
}

/* --- memory --- */

typedef struct fuzz_heap {
    int fail_in; /* this many allocations from now one fails; 0: none */
    int outstanding;
    bool failed; /* since it was last looked at */
} fuzz_heap;

static inline void *
fuzz_heap_allocate(void *context, size_t size)
{
    fuzz_heap *heap = context;
    /* What a fuzzer asks for by chance is more than a program has. */
    if ((heap->fail_in > 0 && --heap->fail_in == 0) || size > (1u << 20)) {
        heap->failed = true;
        return NULL;
    }
    heap->outstanding++;
    return malloc(size);
}

static inline void
fuzz_heap_release(void *context, void *pointer)
{
    fuzz_heap *heap = context;
    heap->outstanding -= pointer != NULL;
    free(pointer);
}

static inline onex_allocator
fuzz_heap_allocator(fuzz_heap *heap)
{
    return (onex_allocator){fuzz_heap_allocate, fuzz_heap_release, heap};
}

/* Whether an allocation failed since the last question. */
static inline bool
fuzz_heap_failed(fuzz_heap *heap)
{
    bool failed = heap->failed;
    heap->failed = false;
    return failed;
}

#endif
