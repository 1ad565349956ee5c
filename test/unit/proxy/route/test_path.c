/*
 * Paths and their one normal form. The rows are the confusions that are known between proxies and
 * the servers behind them; each is told for the rules it depends on.
 */
#include "proxy/route/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

static const struct path_rules reject = {SLASHES_REJECT, false}, keep = {SLASHES_KEEP, false},
                               unescape = {SLASHES_UNESCAPE, false}, merge = {SLASHES_REJECT, true},
                               unescape_merge = {SLASHES_UNESCAPE, true};

static const struct {
    const struct path_rules *rules;
    const char *target;
    const char *whole; /* NULL: refused */
} rows[] = {
    /* What needs nothing. */
    {&reject, "/", "/"},
    {&reject, "/a", "/a"},
    {&reject, "/a/", "/a/"},
    {&reject, "/a/b.c/d~e_f-g", "/a/b.c/d~e_f-g"},
    {&reject, "/a!$&'()*+,;=:@b", "/a!$&'()*+,;=:@b"},
    {&reject, "/?", "/?"},
    {&reject, "*", "*"},
    {&reject, "", ""},
    /* Escapes in one spelling. */
    {&reject, "/%61dmin", "/admin"},
    {&reject, "/%41%5A%7e%2D%5f%2e", "/AZ~-_."},
    {&reject, "/%c3%a9", "/%C3%A9"},
    {&reject, "/a%20b%3f%23", "/a%20b%3F%23"},
    {&reject, "/%0d%0aSet-Cookie:x", "/%0D%0ASet-Cookie:x"},
    {&reject, "/%7f", "/%7F"},
    /* Decoded once: what is encoded twice stays encoded. */
    {&reject, "/%252e%252e/a", "/%252e%252e/a"},
    {&reject, "/%2561dmin", "/%2561dmin"},
    {&reject, "/%25", "/%25"},
    {&unescape, "/%252fa", "/%252fa"},
    /* Malformed. */
    {&reject, "/%", NULL},
    {&reject, "/%a", NULL},
    {&reject, "/%a/", NULL},
    {&reject, "/%g0", NULL},
    {&reject, "/%0g", NULL},
    {&reject, "/%%41", NULL},
    {&reject, "/%u002e", NULL},
    {&reject, "/a%00", NULL},
    {&keep, "/a%00.txt", NULL},
    {&reject, "/a b", NULL},
    {&reject, "/a\tb", NULL},
    {&reject, "/a\rb", NULL},
    {&reject, "/a\nb", NULL},
    {&reject, "/a\x7f", NULL},
    {&reject, "/a#b", NULL},
    {&reject, "/\xc3\xa9", NULL},
    {&reject, "/\xc0\xae\xc0\xae/", NULL},
    /* An overlong '.' is none. */
    {&reject, "/%c0%ae%c0%ae/a", "/%C0%AE%C0%AE/a"},
    /* Dot segments. */
    {&reject, "/.", "/"},
    {&reject, "/./", "/"},
    {&reject, "/./a", "/a"},
    {&reject, "/a/.", "/a/"},
    {&reject, "/a/./b", "/a/b"},
    {&reject, "/a/..", "/"},
    {&reject, "/a/../", "/"},
    {&reject, "/a/../b", "/b"},
    {&reject, "/a/b/..", "/a/"},
    {&reject, "/a/b/../../c", "/c"},
    {&reject, "/public/../admin", "/admin"},
    {&reject, "/public/%2e%2e/admin", "/admin"},
    {&reject, "/public/%2E%2e/admin", "/admin"},
    {&reject, "/public/.%2e/admin", "/admin"},
    {&reject, "/public/%2e./admin", "/admin"},
    {&reject, "/a/%2e/b", "/a/b"},
    {&reject, "/a/%2e%2e", "/"},
    {&reject, "/a/.../b", "/a/.../b"},
    {&reject, "/a/..b/.c/d..", "/a/..b/.c/d.."},
    {&reject, "/.well-known/x", "/.well-known/x"},
    {&reject, "/admin.", "/admin."},
    {&reject, "/admin/..%20/", "/admin/..%20/"},
    /* Nobody climbs above the root. */
    {&reject, "/..", NULL},
    {&reject, "/../a", NULL},
    {&reject, "/%2e%2e/a", NULL},
    {&reject, "/a/../../b", NULL},
    {&reject, "/./../a", NULL},
    /* With a path parameter: a dot segment to servlet containers. */
    {&reject, "/public/..;/admin", NULL},
    {&reject, "/public/..;a=b/admin", NULL},
    {&reject, "/public/.;/admin", NULL},
    {&reject, "/public/..;", NULL},
    {&reject, "/public/%2e%2e;/admin", NULL},
    {&reject, "/public/..%3b/admin", NULL},
    {&keep, "/public/..;%2Fadmin", NULL},
    {&reject, "/a;..;/b", "/a;..;/b"},
    {&reject, "/a/..b;/c", "/a/..b;/c"},
    {&reject, "/a/...;/c", "/a/...;/c"},
    /* Double slashes. */
    {&reject, "//", "//"},
    {&reject, "//admin", "//admin"},
    {&reject, "/a//b", "/a//b"},
    {&reject, "/a//../b", "/a/b"},
    {&reject, "//..", "/"},
    {&reject, "/a/.//b", "/a//b"},
    {&merge, "//", "/"},
    {&merge, "//admin", "/admin"},
    {&merge, "/a///b//", "/a/b/"},
    {&merge, "/a//../b", "/b"},
    {&merge, "//..", NULL},
    {&merge, "/a//.", "/a/"},
    {&merge, "/a/%2e//b", "/a/b"},
    {&merge, "//a?b//c", "/a?b//c"},
    /* Escaped slashes and backslashes. */
    {&reject, "/a%2fb", NULL},
    {&reject, "/a%2Fb", NULL},
    {&reject, "/a%5cb", NULL},
    {&reject, "/a%5Cb", NULL},
    {&reject, "/a\\b", NULL},
    {&reject, "/public/..%2fadmin", NULL},
    {&reject, "/public/..\\admin", NULL},
    {&keep, "/a%2fb", "/a%2Fb"},
    {&keep, "/a%5cb", "/a%5Cb"},
    {&keep, "/a\\b", "/a%5Cb"},
    {&keep, "/\\\\\\?x", "/%5C%5C%5C?x"},
    {&keep, "/public/..%2fadmin", "/public/..%2Fadmin"},
    {&unescape, "/a%2fb", "/a/b"},
    {&unescape, "/a%5Cb", "/a/b"},
    {&unescape, "/a\\b", "/a/b"},
    {&unescape, "/public/..%2fadmin", "/admin"},
    {&unescape, "/public%2f%2e%2e%5cadmin", "/admin"},
    {&unescape, "/..%2fadmin", NULL},
    {&unescape, "/public\\..\\..\\admin", NULL},
    {&unescape, "/public/..;%2fadmin", NULL},
    {&unescape, "/%2fadmin", "//admin"},
    {&unescape_merge, "/%2fadmin", "/admin"},
    {&unescape_merge, "/a%2f%5c../b", "/b"},
    /* A query is nobody's path. */
    {&reject, "/a?../../%2f%2e%00\\//", "/a?../../%2f%2e%00\\//"},
    {&reject, "/a/../b?c/../d?e", "/b?c/../d?e"},
    {&reject, "/%3f/../b", "/b"},
    {&reject, "/..?", NULL},
};

static void check_row(size_t i, struct slice target)
{
    struct arena arena = {0};
    struct normal_path first, again;
    enum path_result result = path_normalize(target, rows[i].rules, &arena, &first);
    if (!rows[i].whole) {
        if (result != PATH_REFUSED || !first.why)
            fail_msg("row %zu: \"%s\" was not refused", i, rows[i].target);
    } else if (result != PATH_OK || !slice_eq_str(first.whole, rows[i].whole)) {
        fail_msg("row %zu: \"%s\" became \"%.*s\"", i, rows[i].target, SLICE_ARG(first.whole));
    } else {
        assert_int_equal(first.path.len + first.query.len, first.whole.len);
        assert_ptr_equal(first.path.ptr, first.whole.ptr);
        if (slice_eq(first.whole, target))
            assert_ptr_equal(first.whole.ptr, target.ptr);
        assert_int_equal(path_normalize(first.whole, rows[i].rules, &arena, &again), PATH_OK);
        assert_ptr_equal(again.whole.ptr, first.whole.ptr); /* its own normal form */
    }
    arena_fini(&arena);
}

/* Each in an allocation of its own, so that AddressSanitizer sees a byte too many. */
static void normal_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].target);
        char *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, rows[i].target, len);
        check_row(i, slice_of(copy, len));
        free(copy);
    }
}

static void parts(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct normal_path normal;
    assert_int_equal(path_normalize(SLICE_LITERAL("/a/./b?c?d"), &reject, &arena, &normal),
                     PATH_OK);
    assert_true(slice_eq_str(normal.path, "/a/b"));
    assert_true(slice_eq_str(normal.query, "?c?d"));
    assert_true(slice_eq_str(normal.whole, "/a/b?c?d"));
    assert_int_equal(path_normalize(SLICE_LITERAL("/a"), &reject, &arena, &normal), PATH_OK);
    assert_int_equal(normal.query.len, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_forms),
        cmocka_unit_test(parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
