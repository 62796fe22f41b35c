/* How deep the arrays and objects of a JSON text nest. */
#ifndef ONEX_CORE_JSON_DEPTH_H
#define ONEX_CORE_JSON_DEPTH_H

#include <stddef.h>

/* The offset of the bracket that opens level `limit` + 1; `size` when there is
 * none.  For a text that is no JSON: of brackets outside of strings. */
size_t onex_json_too_deep(const char *text, size_t size, size_t limit);

#endif
