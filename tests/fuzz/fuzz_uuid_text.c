/* The text forms of ids, beside a reader that takes them apart by the book. */
#include "core/uuid.h"
#include "fuzz.h"

#include <ctype.h>

/* Writes the 32 digits to `digits`; false where the text is none of the forms. */
static bool
plain_digits(const char *text, size_t size, char digits[32])
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    bool wrapped = false;
    if (size > 9 && memcmp(text, "urn:uuid:", 9) == 0) {
        text += 9;
        size -= 9;
        wrapped = true;
    }
    else if (size > 2 && text[0] == '{' && text[size - 1] == '}') {
        text += 1;
        size -= 2;
        wrapped = true;
    }
    if (size == 32 && !wrapped) {
        memcpy(digits, text, 32);
        return true;
    }
    if (size != 36) {
        return false;
    }
    for (size_t group = 0; group < 5; group++) {
        if (group > 0 && *text++ != '-') {
            return false;
        }
        memcpy(digits, text, groups[group]);
        digits += groups[group];
        text += groups[group];
    }
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    uint8_t id[ONEX_UUID_SIZE], untouched[ONEX_UUID_SIZE];
    char digits[33] = "";
    memset(id, 0xa5, sizeof id);
    memset(untouched, 0xa5, sizeof untouched);
    bool good = plain_digits(text, size, digits);
    for (int i = 0; good && i < 32; i++) {
        good = isxdigit((unsigned char)digits[i]) != 0;
    }
    onex_status status = onex_uuid_parse(text, size, id);
    FUZZ_CHECK(status == (good ? ONEX_OK : ONEX_MALFORMED));
    if (good) {
        for (int i = 0; i < ONEX_UUID_SIZE; i++) {
            char byte[3] = {digits[2 * i], digits[2 * i + 1], '\0'};
            FUZZ_CHECK(id[i] == strtoul(byte, NULL, 16));
        }
    }
    else {
        FUZZ_CHECK(memcmp(id, untouched, sizeof id) == 0);
    }
    free(text);
    return 0;
}
