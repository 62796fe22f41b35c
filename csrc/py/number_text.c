/* The texts that stand for numbers. */
#include "py/number_text.h"

#include <stdbool.h>
#include <string.h>

/* CPython's default limit of digits in a str -> int conversion, which
 * pydantic applies whatever sys.set_int_max_str_digits says. */
#define INT_DIGITS_MAX 4300

/* Width in bytes of the white space character (Unicode White_Space) that
 * `text` begins with, 0 when there is none. */
static int
space_width(const unsigned char *text, Py_ssize_t size)
{
    if (size >= 1 && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'))) {
        return 1;
    }
    if (size >= 2 && text[0] == 0xc2 && (text[1] == 0x85 || text[1] == 0xa0)) {
        return 2;
    }
    if (size >= 3) {
        unsigned code =
            (unsigned)text[0] << 16 | (unsigned)text[1] << 8 | text[2];
        if (code == 0xe19a80 || (code >= 0xe28080 && code <= 0xe2808a) ||
            code == 0xe280a8 || code == 0xe280a9 || code == 0xe280af ||
            code == 0xe2819f || code == 0xe38080) {
            return 3;
        }
    }
    return 0;
}

static void
trim(const char **text, Py_ssize_t *size)
{
    int width;
    while ((width = space_width((const unsigned char *)*text, *size)) > 0) {
        *text += width;
        *size -= width;
    }
    for (;;) {
        int found = 0;
        for (width = 1; width <= 3 && width <= *size; width++) {
            if (space_width((const unsigned char *)*text + *size - width,
                            width) == width) {
                found = width;
                break;
            }
        }
        if (found == 0) {
            return;
        }
        *size -= found;
    }
}

onex_int_form
onex_int_form_of(const char *text, Py_ssize_t size)
{
    Py_ssize_t digits = size;
    if (size > 0 && *text == '-') {
        text++;
        digits--;
    }
    if (digits < 1 || (digits > 1 && *text == '0')) {
        return ONEX_INT_BAD;
    }
    Py_ssize_t i = 0;
    while (i < digits && text[i] >= '0' && text[i] <= '9') {
        i++;
    }
    if (i > INT_DIGITS_MAX) {
        return ONEX_INT_TOO_LONG; /* whatever follows */
    }
    return i == digits ? ONEX_INT_OK : ONEX_INT_BAD;
}

/* Copies without single underscores between characters: the new size, or -1
 * when there are none or they are in a wrong place. */
static Py_ssize_t
strip_underscores(const char *text, Py_ssize_t size, char *out)
{
    Py_ssize_t kept = 0;
    bool any = false;
    if (size == 0 || text[0] == '_' || text[size - 1] == '_') {
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if (text[i] != '_') {
            out[kept++] = text[i];
        }
        else if (text[i + 1] == '_') {
            return -1;
        }
        else {
            any = true;
        }
    }
    return any ? kept : -1;
}

/* Skips leading zeros (and underscores among them) but one before a dot or at
 * the end: 0, or -1 when this is no number. */
static int
strip_zeros(const char **text, Py_ssize_t *size)
{
    const char *s = *text;
    Py_ssize_t n = *size;
    if (n == 0) {
        return -1;
    }
    if (s[0] == '-' || (s[0] >= '1' && s[0] <= '9')) {
        return 0;
    }
    if (s[0] != '0') {
        return -1;
    }
    Py_ssize_t i = 1;
    while (i < n && (s[i] == '0' || s[i] == '_')) {
        i++;
    }
    if (i == n) {
        i = n - 1;
    }
    else if (s[i] == '.') {
        i--;
    }
    else if (s[i] != '-' && !(s[i] >= '1' && s[i] <= '9')) {
        return -1;
    }
    *text = s + i;
    *size = n - i;
    return 0;
}

Py_ssize_t
onex_int_clean(const char *text, Py_ssize_t size, char *out)
{
    bool negative = false;
    trim(&text, &size);
    if (size > 0 && *text == '+') {
        text++;
        size--;
        if (size > 0 && *text == '-') {
            return -1;
        }
    }
    if (size > 0 && *text == '-') {
        text++;
        size--;
        if (size > 0 && (*text == '-' || *text == '+')) {
            return -1;
        }
        negative = true;
    }
    if (strip_zeros(&text, &size) < 0) {
        return -1;
    }
    const char *dot = memchr(text, '.', (size_t)size);
    if (dot != NULL) {
        Py_ssize_t whole = dot - text, i = whole + 1;
        while (i < size && text[i] == '0') {
            i++;
        }
        if (i == size && size > whole + 1) {
            size = whole;
        }
    }
    char *start = out;
    if (negative) {
        *out++ = '-';
    }
    Py_ssize_t kept = strip_underscores(text, size, out);
    if (kept < 0) {
        memcpy(out, text, (size_t)size);
        kept = size;
    }
    out[kept] = '\0';
    return kept + (out - start);
}

/* Rust's and pydantic's float literal, which is C's without hexadecimal: 1
 * parsed, 0 not, -1 failed.  `text` ends with NUL at or after `size`. */
static int
parse_double(const char *text, Py_ssize_t size, double *number)
{
    char *end;
    if (size == 0) {
        return 0;
    }
    *number = PyOS_string_to_double(text, &end, NULL);
    if (*number == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    return end == text + size;
}

int
onex_double_of_text(const char *text, Py_ssize_t size, double *number)
{
    const char *inner = text;
    Py_ssize_t inner_size = size;
    trim(&inner, &inner_size);
    int found = parse_double(inner, inner_size, number);
    if (found != 0) {
        return found;
    }
    char *clean = PyMem_Malloc(size + 1);
    if (clean == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t kept = strip_underscores(text, size, clean);
    if (kept > 0) {
        clean[kept] = '\0';
        found = parse_double(clean, kept, number);
    }
    PyMem_Free(clean);
    return found;
}
