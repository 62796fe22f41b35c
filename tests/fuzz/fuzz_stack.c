/* What is kept of a stack, and which addresses count as low, for stacks of any
 * place and size. */
#include "core/stack.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = fuzz_input_of(data, size);
    FUZZ_CHECK(!onex_stack_is_low());
    const onex_stack_bounds measured = onex_stack;
    FUZZ_CHECK(onex_stack_address() - measured.low <
               measured.floor - measured.low + measured.usable);
    while (fuzz_more(&in)) {
        uint64_t bytes = fuzz_number(&in), low = fuzz_number(&in);
        uint64_t reserve = onex_stack_reserve(bytes);
        FUZZ_CHECK(reserve <= bytes / 2);
        FUZZ_CHECK(reserve <= 256 * 1024);
        if (bytes == 0 || low > UINT64_MAX - bytes) {
            continue;
        }
        onex_stack = (onex_stack_bounds){low, low + reserve, bytes - reserve};
        /* In the stack: low in what is kept only. Outside of it: never. */
        uint64_t address = low + fuzz_number(&in) % bytes;
        FUZZ_CHECK(onex_stack_is_low_at(address) == (address < low + reserve));
        FUZZ_CHECK(low == 0 || !onex_stack_is_low_at(low - 1));
        FUZZ_CHECK(!onex_stack_is_low_at(low + reserve));
        onex_stack = measured;
    }
    return 0;
}
