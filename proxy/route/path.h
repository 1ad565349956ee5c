/*
 * The one normal form of a request's path (RFC 3986 6.2.2), on which routing, authorization and the
 * log agree. Pure. The query is left as it came.
 *
 * Percent-encoded unreserved characters are decoded, other escapes get upper-case digits; dot
 * segments are removed (a path that would climb above the root is refused); what may be encoded and
 * means a separator to some servers (%2F, %5C, and a plain backslash) is handled as configured;
 * double slashes are merged when configured. %00 and malformed escapes are refused always.
 */
#ifndef OUTRIGGER_PROXY_ROUTE_PATH_H
#define OUTRIGGER_PROXY_ROUTE_PATH_H

#include "common/arena.h"
#include "common/slice.h"

/* What to do with %2F, %5C and '\'. */
enum escaped_slashes {
    SLASHES_KEEP,     /* as they are: no separators to anybody here */
    SLASHES_REJECT,   /* 400 (default) */
    SLASHES_UNESCAPE, /* made '/', before dot segments are removed */
};

struct path_rules {
    enum escaped_slashes escaped_slashes;
    bool merge_slashes;
};

enum path_result { PATH_OK, PATH_REFUSED, PATH_NO_MEMORY };

struct normal_path {
    struct slice path;  /* what policy sees; points into the input when nothing changed */
    struct slice query; /* with its '?', or empty; of the input */
    struct slice whole; /* both, for forwarding */
    const char *why;    /* of PATH_REFUSED: one line */
};

/* `target` begins with '/'; anything else ("*", "") is its own normal form. */
enum path_result path_normalize(struct slice target, const struct path_rules *rules,
                                struct arena *arena, struct normal_path *result) MUST_USE;

#endif
