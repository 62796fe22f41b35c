/* Two passes: one that only counts opening brackets, which compilers turn into
 * vector code, and for a text that has many of them one that follows strings. */
#include "core/json_depth.h"

#include <stdbool.h>

static size_t
openings(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count +=
            (text[i] | 0x20) == '{'; /* and '[', which differs in that bit */
    }
    return count;
}

size_t
onex_json_too_deep(const char *text, size_t size, size_t limit)
{
    if (openings(text, size) <= limit) {
        return size;
    }
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            }
            else if (c == '"') {
                in_string = false;
            }
        }
        else if (c == '"') {
            in_string = true;
        }
        else if (c == '[' || c == '{') {
            if (depth++ == limit) {
                return i;
            }
        }
        else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return size;
}
