/*
 * What filters make of a head, a path, an origin. Pure but for the memory they take.
 */
#include "proxy/route/filters.h"

static void remove_named(struct head *head, enum field_name id, struct slice name)
{
    if (id != FIELD_OTHER)
        head_remove(head, id);
    else
        head_remove_name(head, name);
}

bool header_edit_apply(const struct header_edit *edit, struct head *head)
{
    for (size_t i = 0; i < edit->n_set; i++) {
        remove_named(head, edit->set[i].id, edit->set[i].name);
        if (!head_add_field(head, edit->set[i]))
            return false;
    }
    for (size_t i = 0; i < edit->n_add; i++)
        if (!head_add_field(head, edit->add[i]))
            return false;
    for (size_t i = 0; i < edit->n_remove; i++)
        remove_named(head, field_name_of(edit->remove[i]), edit->remove[i]);
    return true;
}

static struct slice join3(struct arena *arena, struct slice a, struct slice b, struct slice c)
{
    char *text = arena_printf(arena, "%.*s%.*s%.*s", SLICE_ARG(a), SLICE_ARG(b), SLICE_ARG(c));
    return slice_of(text, text ? a.len + b.len + c.len : 0);
}

struct slice path_edit_apply(enum path_edit edit, struct slice path, struct slice query,
                             struct slice prefix, struct slice replacement, struct arena *arena)
{
    if (edit == PATH_EDIT_NONE)
        return join3(arena, path, query, slice_str(""));
    if (edit == PATH_EDIT_WHOLE)
        return join3(arena, replacement, query, slice_str(""));
    /* "/a/" in place of "/p" in "/p/x" is "/a/x": one slash where they meet, and one at least. */
    struct slice rest = slice_sub(path, prefix.len, path.len);
    while (slice_ends_with(replacement, SLICE_LITERAL("/")))
        replacement.len--;
    if (rest.len == 0 && replacement.len == 0)
        rest = SLICE_LITERAL("/");
    return join3(arena, replacement, rest, query);
}

/* The authority without its port; the brackets of an IPv6 address stay. */
static struct slice host_of(struct slice authority)
{
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.ptr[i - 1] == ']')
            break;
        if (authority.ptr[i - 1] == ':')
            return slice_sub(authority, 0, i - 1);
    }
    return authority;
}

struct slice redirect_location(const struct redirect *redirect, struct slice authority,
                               struct slice path, struct slice query, struct slice prefix,
                               struct arena *arena)
{
    struct slice target =
        path_edit_apply(redirect->path_edit, path, query, prefix, redirect->path, arena);
    struct slice scheme = redirect->scheme.len ? redirect->scheme : SLICE_LITERAL("http");
    struct slice host = redirect->host.len ? redirect->host : host_of(authority);
    struct slice host_asked = host_of(authority);
    /* With neither scheme nor port the port that was asked for stays; a scheme brings its own. */
    struct slice port = slice_sub(authority, host_asked.len, authority.len);
    unsigned own = slice_eq_str(scheme, "https") ? 443 : 80;
    char *text = NULL;
    if (!target.ptr)
        return target;
    if (redirect->port && redirect->port != own)
        text = arena_printf(arena, "%.*s://%.*s:%u%.*s", SLICE_ARG(scheme), SLICE_ARG(host),
                            redirect->port, SLICE_ARG(target));
    else if (redirect->port || redirect->scheme.len)
        text = arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARG(scheme), SLICE_ARG(host),
                            SLICE_ARG(target));
    else
        text = arena_printf(arena, "%.*s://%.*s%.*s%.*s", SLICE_ARG(scheme), SLICE_ARG(host),
                            SLICE_ARG(port), SLICE_ARG(target));
    return slice_str(text);
}

static bool origin_fits(struct slice pattern, struct slice origin)
{
    const char *star = pattern.len ? memchr(pattern.ptr, '*', pattern.len) : NULL;
    if (!star)
        return pattern.len == origin.len && pattern.len > 0 &&
               strncasecmp(pattern.ptr, origin.ptr, origin.len) == 0;
    size_t before = (size_t)(star - pattern.ptr);
    struct slice head = slice_sub(pattern, 0, before);
    struct slice tail = slice_sub(pattern, before + 1, pattern.len);
    return origin.len > head.len + tail.len && strncasecmp(head.ptr, origin.ptr, head.len) == 0 &&
           strncasecmp(tail.ptr ? tail.ptr : "", origin.ptr + origin.len - tail.len, tail.len) == 0;
}

bool cors_allows(const struct cors *cors, struct slice origin)
{
    for (size_t i = 0; i < cors->n_origins; i++)
        if (origin_fits(cors->origins[i], origin))
            return true;
    return false;
}
