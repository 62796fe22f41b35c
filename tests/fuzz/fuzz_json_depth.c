/* The depth of a text's brackets, beside the rule read one character at a time. */
#include "core/json_depth.h"
#include "fuzz.h"

static size_t
plain_too_deep(const char *text, size_t size, size_t limit)
{
    size_t depth = 0;
    bool in_string = false, escaped = false;
    for (size_t i = 0; i < size; i++) {
        if (escaped) {
            escaped = false;
        }
        else if (in_string && text[i] == '\\') {
            escaped = true;
        }
        else if (text[i] == '"') {
            in_string = !in_string;
        }
        else if (!in_string && (text[i] == '[' || text[i] == '{')) {
            if (++depth > limit) {
                return i;
            }
        }
        else if (!in_string && (text[i] == ']' || text[i] == '}')) {
            depth -= depth > 0;
        }
    }
    return size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    size_t limit = *data++ % 32;
    char *text = fuzz_text(data, --size);
    FUZZ_CHECK(onex_json_too_deep(text, size, limit) ==
               plain_too_deep(text, size, limit));
    free(text);
    return 0;
}
