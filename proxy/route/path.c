#include "proxy/route/path.h"

#include <stdint.h>

/* Where the normal form is written. */
struct path_writer {
    char *out;
    size_t len;
    const struct path_rules *rules;
};

static bool path_refuse(const char **why, const char *reason)
{
    *why = reason;
    return false;
}

static bool path_is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static int path_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/*
 * Is it its own normal form? A rough answer, for what nearly every path looks like: false may be
 * wrong.
 */
static bool path_is_plain(struct slice path, const struct path_rules *rules)
{
    char before = 0;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = (uint8_t)path.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '%' || c == '\\' || c == '#')
            return false;
        if (before == '/' && (c == '.' || (c == '/' && rules->merge_slashes)))
            return false;
        before = (char)c;
    }
    return true;
}

static void path_put(struct path_writer *writer, char c)
{
    writer->out[writer->len++] = c;
}

static void path_put_escape(struct path_writer *writer, uint8_t value)
{
    static const char digits[] = "0123456789ABCDEF";
    path_put(writer, '%');
    path_put(writer, digits[value >> 4]);
    path_put(writer, digits[value & 15]);
}

/* '\', %5C or %2F: a separator to some. */
static bool path_put_separator(struct path_writer *writer, uint8_t value, const char **why)
{
    switch (writer->rules->escaped_slashes) {
    case SLASHES_KEEP:
        path_put_escape(writer, value);
        return true;
    case SLASHES_UNESCAPE:
        path_put(writer, '/');
        return true;
    case SLASHES_REJECT:
        break;
    }
    return path_refuse(why, "an escaped slash, or a backslash, in the path");
}

/* The escape that begins at `at`, of which all three bytes need not be there. */
static bool path_put_unescaped(struct path_writer *writer, struct slice at, const char **why)
{
    int high = at.len > 2 ? path_hex(at.ptr[1]) : -1;
    int low = high >= 0 ? path_hex(at.ptr[2]) : -1;
    if (low < 0)
        return path_refuse(why, "a % without two hexadecimal digits in the path");
    uint8_t value = (uint8_t)(high << 4 | low);
    if (value == 0)
        return path_refuse(why, "%00 in the path");
    if (value == '/' || value == '\\')
        return path_put_separator(writer, value, why);
    if (path_is_unreserved(value))
        path_put(writer, (char)value);
    else
        path_put_escape(writer, value);
    return true;
}

/* Escapes in one spelling, and separators as configured. */
static bool path_unescape(struct path_writer *writer, struct slice path, const char **why)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = (uint8_t)path.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return path_refuse(why, "a byte that no path can have");
        if (c == '%') {
            if (!path_put_unescaped(writer, slice_sub(path, i, path.len), why))
                return false;
            i += 2;
        } else if (c == '\\') {
            if (!path_put_separator(writer, c, why))
                return false;
        } else {
            path_put(writer, (char)c);
        }
    }
    return true;
}

/* "..;x" and the like. Its parameter may be escaped: a server may take it apart when it has decoded
 * it. */
static bool path_is_dressed_dot(struct slice segment)
{
    size_t dots = 0;
    while (dots < 2 && dots < segment.len && segment.ptr[dots] == '.')
        dots++;
    struct slice rest = slice_sub(segment, dots, segment.len);
    return dots > 0 && (slice_starts_with(rest, SLICE_LITERAL(";")) ||
                        slice_starts_with(rest, SLICE_LITERAL("%3B")));
}

/* Takes away the last segment that was written, with its slash. False: there is none. */
static bool path_climb(struct path_writer *writer)
{
    if (writer->len == 0)
        return false;
    while (writer->out[--writer->len] != '/')
        ;
    return true;
}

/*
 * Removes dot segments, and empty ones where slashes are merged, in place: what is written is never
 * ahead of what is read. Each segment is written with the slash before it; the last one decides
 * whether the path ends with a slash (RFC 3986 5.2.4).
 */
static bool path_remove_dots(struct path_writer *writer, const char **why)
{
    struct slice rest = slice_of(writer->out, writer->len);
    bool ends_with_slash = false;
    writer->len = 0;
    while (rest.len > 0) {
        rest = slice_sub(rest, 1, rest.len); /* its slash */
        const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
        struct slice segment = slice_sub(rest, 0, slash ? (size_t)(slash - rest.ptr) : rest.len);
        rest = slice_sub(rest, segment.len, rest.len);
        if (path_is_dressed_dot(segment))
            return path_refuse(why, "a dot segment with a parameter in the path");
        ends_with_slash = true;
        if (slice_eq_str(segment, ".") || (segment.len == 0 && writer->rules->merge_slashes))
            continue;
        if (slice_eq_str(segment, "..")) {
            if (!path_climb(writer))
                return path_refuse(why, "the path climbs above the root");
            continue;
        }
        path_put(writer, '/');
        memmove(writer->out + writer->len, segment.ptr, segment.len);
        writer->len += segment.len;
        ends_with_slash = false;
    }
    if (ends_with_slash)
        path_put(writer, '/');
    return true;
}

enum path_result path_normalize(struct slice target, const struct path_rules *rules,
                                struct arena *arena, struct normal_path *result)
{
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    bool is_path = target.len > 0 && target.ptr[0] == '/';
    size_t path_len = is_path && mark ? (size_t)(mark - target.ptr) : target.len;
    struct slice path = slice_sub(target, 0, path_len);
    *result = (struct normal_path){path, slice_sub(target, path_len, target.len), target, NULL};
    if (!is_path || path_is_plain(path, rules))
        return PATH_OK;
    size_t room = 0; /* a backslash may become an escape of three bytes */
    for (size_t i = 0; i < path.len; i++)
        room += path.ptr[i] == '\\' ? 3 : 1;
    struct path_writer writer = {arena_take(arena, room + result->query.len), 0, rules};
    if (!writer.out)
        return PATH_NO_MEMORY;
    if (!path_unescape(&writer, path, &result->why) || !path_remove_dots(&writer, &result->why))
        return PATH_REFUSED;
    if (slice_eq(slice_of(writer.out, writer.len), path))
        return PATH_OK;
    result->path = slice_of(writer.out, writer.len);
    if (result->query.len > 0)
        memcpy(writer.out + writer.len, result->query.ptr, result->query.len);
    result->whole = slice_of(writer.out, writer.len + result->query.len);
    return PATH_OK;
}
