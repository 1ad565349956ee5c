#include "common/http/pattern.h"

#include "common/http/head.h"

static bool is_without(struct slice text, char c)
{
    return text.len == 0 || !memchr(text.ptr, c, text.len);
}

/* Takes a `*` at the end away. */
static bool take_star(struct slice *text)
{
    if (!slice_ends_with(*text, SLICE_LITERAL("*")))
        return false;
    text->len--;
    return true;
}

static bool check_method(struct slice text, struct err *err)
{
    if (!http_is_token(text) || !is_without(text, '*'))
        return err_set(err, "\"%.*s\" is not a method, such as GET", SLICE_ARG(text));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'a' && text.ptr[i] <= 'z')
            return err_set(err,
                           "\"%.*s\" has small letters: methods are compared as they are, and "
                           "are written like GET",
                           SLICE_ARG(text));
    return true;
}

static int hex(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* An escape in its one spelling: capital digits, of what cannot stand there without. */
static bool is_normal_escape(struct slice at)
{
    int high = at.len > 2 ? hex(at.ptr[1]) : -1, low = high >= 0 ? hex(at.ptr[2]) : -1;
    if (low < 0)
        return false;
    char c = (char)(high << 4 | low);
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return c && !is_letter && !(c >= '0' && c <= '9') && !strchr("-._~", c);
}

static bool is_normal_segment(struct slice segment)
{
    size_t dots = 0;
    while (dots < 2 && dots < segment.len && segment.ptr[dots] == '.')
        dots++;
    struct slice rest = slice_sub(segment, dots, segment.len);
    return dots == 0 || (rest.len > 0 && !slice_starts_with(rest, SLICE_LITERAL(";")) &&
                         !slice_starts_with(rest, SLICE_LITERAL("%3B")));
}

/* `is_open`: something may follow, which does not undo a dot segment that is not one yet. */
static bool is_normal_path(struct slice path, bool is_open)
{
    if (path.len == 0 || path.ptr[0] != '/' || !http_is_path(path) || !is_without(path, '?'))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '%' && !is_normal_escape(slice_sub(path, i, path.len)))
            return false;
    for (size_t i = 0; i < path.len;) {
        struct slice rest = slice_sub(path, i + 1, path.len);
        const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
        struct slice segment = slice_sub(rest, 0, slash ? (size_t)(slash - rest.ptr) : rest.len);
        bool is_begun = is_open && !slash && is_without(segment, ';') && is_without(segment, '%');
        if (!is_begun && !is_normal_segment(segment))
            return false;
        i += 1 + segment.len;
    }
    return true;
}

static bool check_path(struct slice text, struct err *err)
{
    struct slice path = text;
    bool has_star = take_star(&path);
    if (!is_without(path, '*'))
        return err_set(err, "\"%.*s\" has a `*` that is not at its end", SLICE_ARG(text));
    if ((has_star && path.len == 0) || is_normal_path(path, has_star))
        return true;
    return err_set(err,
                   "\"%.*s\" is not a path in normal form: it begins with / and has no query, "
                   "no dot segments and no needless escapes",
                   SLICE_ARG(text));
}

static bool check_host(struct slice text, struct err *err)
{
    struct slice name = text;
    if (slice_starts_with(text, SLICE_LITERAL("*.")))
        name = slice_sub(text, 2, text.len);
    bool is_v6 = name.len > 0 && name.ptr[0] == '[';
    if (http_is_authority(name) && is_without(name, '*') &&
        (is_v6 ? slice_ends_with(name, SLICE_LITERAL("]"))
               : is_without(name, ':') && !slice_ends_with(name, SLICE_LITERAL("."))))
        return true;
    return err_set(err, "\"%.*s\" is neither a host name without a port nor *.NAME",
                   SLICE_ARG(text));
}

/* Two segments of a path. */
static bool check_grpc_method(struct slice text, struct err *err)
{
    char path[1024] = "/";
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (slash && slash > text.ptr && text.len < sizeof(path) - 1) {
        struct slice method = slice_of(slash + 1, (size_t)(text.ptr + text.len - slash - 1));
        memcpy(path + 1, text.ptr, text.len);
        struct slice whole = slice_of(path, text.len + 1);
        if (slice_eq_str(method, "*"))
            take_star(&whole);
        if (method.len > 0 && is_without(method, '/') && is_without(whole, '*') &&
            is_normal_path(whole, false))
            return true;
    }
    return err_set(err, "\"%.*s\" is neither package.Service/Method nor package.Service/*",
                   SLICE_ARG(text));
}

static bool check_header_name(struct slice name, struct err *err)
{
    enum field_name id = field_name_of(name);
    if (!http_is_lower_token(name))
        return err_set(err, "\"%.*s\" is not a header field's name in lower case", SLICE_ARG(name));
    if (id == FIELD_HOST)
        return err_set(err, "\"host\" is asked for with hosts");
    if (slice_eq_str(name, "content-length") || (id && field_name_is_hop_by_hop(id)))
        return err_set(err, "\"%.*s\" is about the connection and not about the request",
                       SLICE_ARG(name));
    return true;
}

static bool check_header_value(struct slice text, struct err *err)
{
    struct slice value = text;
    take_star(&value);
    if (!is_without(value, '*'))
        return err_set(err, "\"%.*s\" has a `*` that is not at its end", SLICE_ARG(text));
    return value.len == 0 || http_is_field_value(value) ||
           err_set(err, "\"%.*s\" cannot be the value of a header field", SLICE_ARG(text));
}

bool pattern_check(enum pattern pattern, struct slice text, struct err *err)
{
    switch (pattern) {
    case PATTERN_METHOD:
        return check_method(text, err);
    case PATTERN_PATH:
        return check_path(text, err);
    case PATTERN_HOST:
        return check_host(text, err);
    case PATTERN_GRPC_METHOD:
        return check_grpc_method(text, err);
    case PATTERN_HEADER_NAME:
        return check_header_name(text, err);
    case PATTERN_HEADER_VALUE:
        return check_header_value(text, err);
    }
    return false;
}
