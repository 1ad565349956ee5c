/*
 * The one normal form of a request's path (RFC 3986 6.2.2), on which routing, authorization and the
 * log agree. Pure. The query is left as it came.
 *
 * In this order: percent-encoded unreserved characters are decoded, once, other escapes get
 * upper-case digits; what may be encoded and means a separator to some servers (%2F, %5C, and a
 * plain backslash) is handled as configured; double slashes are merged when configured; dot
 * segments are removed. Merging comes before the dots, as in nginx and a file system ("/a//../b" is
 * "/b"), not after them as in Envoy. Segments are compared as they are: "/a;x=1" is not "/a".
 *
 * Refused always: %00 and malformed escapes; a path that would climb above the root, where RFC 3986
 * 5.2.4 would stay there; a dot segment with a path parameter ("/..;/"), which is a name by RFC
 * 3986 and a dot segment to servlet containers; a byte that no path can have (controls, blanks,
 * '#', what is above ASCII).
 */
#ifndef OUTRIGGER_PROXY_ROUTE_PATH_H
#define OUTRIGGER_PROXY_ROUTE_PATH_H

#include "common/arena.h"
#include "common/slice.h"

/* What to do with %2F, %5C and '\'. */
enum escaped_slashes {
    SLASHES_KEEP,     /* no separators to anybody here: %2F and %5C, as which '\' is written too */
    SLASHES_REJECT,   /* 400 */
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

/*
 * `target` begins with '/'; anything else ("*", "") is its own normal form. What changes lives in
 * `arena`. The normal form of a normal form is itself.
 */
enum path_result path_normalize(struct slice target, const struct path_rules *rules,
                                struct arena *arena, struct normal_path *result) MUST_USE;

#endif
