// fuzz: common
/*
 * An expression up to the first line feed, then a text: neither may crash, and a group around the
 * expression changes nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char grouped[REGEX_TEXT_MAX + 5];
    struct err err;
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t len = end ? (size_t)(end - data) : size;
    struct slice text = slice_of(data + (end ? len + 1 : len), end ? size - len - 1 : 0);
    struct regex *regex = regex_new(slice_of(data, len), &err);
    if (!regex || len > REGEX_TEXT_MAX - 4 ||
        slice_starts_with(slice_of(data, len), SLICE_LITERAL("(?i)"))) {
        regex_free(regex);
        return 0;
    }
    memcpy(grouped, "(?:", 3);
    memcpy(grouped + 3, data, len);
    grouped[len + 3] = ')';
    struct regex *same = regex_new(slice_of(grouped, len + 4), &err);
    /* The group may be the one too deep. */
    if (same && regex_matches(regex, text) != regex_matches(same, text))
        abort();
    regex_free(same);
    regex_free(regex);
    return 0;
}
