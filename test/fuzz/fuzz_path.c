// fuzz: proxy
/*
 * A path and its normal form under all rules: it is its own normal form, and nothing in it could
 * lead anybody elsewhere.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/http/head.h"
#include "common/http/pattern.h"
#include "proxy/route/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int holds)
{
    if (!holds)
        abort();
}

static bool contains(struct slice text, const char *part)
{
    return text.len && memmem(text.ptr, text.len, part, strlen(part));
}

static void check_segments(struct slice path, const struct path_rules *rules)
{
    while (path.len > 0) {
        need(path.ptr[0] == '/');
        path = slice_sub(path, 1, path.len);
        const char *slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;
        struct slice segment = slice_sub(path, 0, slash ? (size_t)(slash - path.ptr) : path.len);
        path = slice_sub(path, segment.len, path.len);
        need(!slice_eq_str(segment, ".") && !slice_eq_str(segment, ".."));
        need(!slice_starts_with(segment, SLICE_LITERAL("..;")));
        need(!rules->merge_slashes || segment.len > 0 || path.len == 0);
    }
}

static void check_escapes(struct slice path, const struct path_rules *rules)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.len; i++) {
        need(path.ptr[i] > ' ' && path.ptr[i] < 0x7f && !strchr("\\?#", path.ptr[i]));
        if (path.ptr[i] != '%')
            continue;
        need(i + 2 < path.len && strchr(digits, path.ptr[i + 1]) &&
             strchr(digits, path.ptr[i + 2]));
    }
    static const char *const decoded[] = {"%00", "%2E", "%2D", "%5F", "%7E", "%30", "%41", "%7A"};
    for (size_t i = 0; i < sizeof(decoded) / sizeof(decoded[0]); i++)
        need(!contains(path, decoded[i]));
    if (rules->escaped_slashes != SLASHES_KEEP)
        need(!contains(path, "%2F") && !contains(path, "%5C"));
}

static void check_normal(struct slice target, const struct normal_path *normal,
                         const struct path_rules *rules, struct arena *arena)
{
    struct normal_path again;
    need(normal->path.len + normal->query.len == normal->whole.len);
    need(slice_starts_with(normal->whole, normal->path));
    need(slice_ends_with(normal->whole, normal->query));
    need(slice_ends_with(target, normal->query));
    need(path_normalize(normal->whole, rules, arena, &again) == PATH_OK);
    need(slice_eq(again.whole, normal->whole) && slice_eq(again.path, normal->path));
    if (target.len == 0 || target.ptr[0] != '/') {
        need(slice_eq(normal->path, target));
        return;
    }
    check_segments(normal->path, rules);
    check_escapes(normal->path, rules);
}

/* A pattern that is taken for normal can be met, and what a path becomes can be asked for. */
static void check_pattern(struct slice target, struct arena *arena)
{
    static const struct path_rules keep = {SLASHES_KEEP, false};
    struct normal_path normal;
    struct err err;
    if (target.len == 0 || target.ptr[0] != '/' || memchr(target.ptr, '*', target.len))
        return;
    enum path_result result = path_normalize(target, &keep, arena, &normal);
    if (pattern_check(PATTERN_PATH, target, &err))
        need(result == PATH_OK && slice_eq(normal.path, target));
    else if (result == PATH_OK && http_is_path(target))
        need(pattern_check(PATTERN_PATH, normal.path, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice target = slice_of(data, size);
    struct arena patterns = {0};
    check_pattern(target, &patterns);
    arena_fini(&patterns);
    for (int i = 0; i < 6; i++) {
        struct path_rules rules = {(enum escaped_slashes)(i % 3), i >= 3};
        struct arena arena = {0};
        struct normal_path normal;
        enum path_result result = path_normalize(target, &rules, &arena, &normal);
        need(result != PATH_NO_MEMORY);
        need((result == PATH_REFUSED) == (normal.why != NULL));
        if (result == PATH_OK)
            check_normal(target, &normal, &rules, &arena);
        arena_fini(&arena);
    }
    return 0;
}
