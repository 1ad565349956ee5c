/*
 * A pointer and a length that travel together. A slice owns nothing: whoever made the bytes says
 * how long they live. It is not NUL-terminated.
 */
#ifndef OUTRIGGER_COMMON_SLICE_H
#define OUTRIGGER_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* For printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

/* The slice of a C string, without its NUL; an empty slice for NULL. */
static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The part from `start`, `len` bytes at most; both are clamped to the slice. */
static inline struct slice slice_sub(struct slice s, size_t start, size_t len)
{
    if (start > s.len)
        start = s.len;
    if (len > s.len - start)
        len = s.len - start;
    return (struct slice){s.ptr ? s.ptr + start : NULL, len};
}

/* Without the bytes of `blanks` at both ends. */
static inline struct slice slice_trim(struct slice s, const char *blanks)
{
    size_t n = strlen(blanks);
    while (s.len > 0 && memchr(blanks, s.ptr[0], n))
        s = slice_sub(s, 1, s.len);
    while (s.len > 0 && memchr(blanks, s.ptr[s.len - 1], n))
        s.len--;
    return s;
}

#endif
