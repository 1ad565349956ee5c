#include "common/http/query.h"

#include <string.h>

bool query_find(struct slice query, struct slice name, struct slice *value)
{
    query = slice_sub(query, 1, query.len); /* without the '?' */
    while (query.len > 0) {
        const char *end = memchr(query.ptr, '&', query.len);
        struct slice pair = slice_sub(query, 0, end ? (size_t)(end - query.ptr) : query.len);
        const char *mark = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t name_len = mark ? (size_t)(mark - pair.ptr) : pair.len;
        if (slice_eq(slice_sub(pair, 0, name_len), name)) {
            *value = slice_sub(pair, name_len + (mark ? 1 : 0), pair.len);
            return true;
        }
        query = slice_sub(query, pair.len + (end ? 1 : 0), query.len);
    }
    return false;
}
