#include "common/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct regex *regex_must(const char *expression)
{
    struct err err = {0};
    struct regex *regex = regex_new(slice_str(expression), &err);
    if (!regex)
        fail_msg("%s", err.text);
    return regex;
}

static void test_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        const char *yes[5], *no[5]; /* up to a NULL */
    } cases[] = {
        {"", {""}, {"a"}},
        {"a", {"a"}, {"", "aa", "b", "A"}},
        {"a|b|cd", {"a", "b", "cd"}, {"c", "ab", ""}},
        {"a||b", {"a", "", "b"}, {"ab"}},
        {"(a|b|c)(d|e|f)", {"ad", "bf", "ce"}, {"a", "abc", "de"}},
        {"a*b+c?", {"b", "aabbc", "bc"}, {"a", "ac", "bcc"}},
        {"a*?b+?c??", {"b", "aabbc", "bc"}, {"a", "ac", "bcc"}},
        {"(ab)*", {"", "ab", "abab"}, {"a", "aba"}},
        {"(a*)*", {"", "a", "aaaa"}, {"b"}},
        {"a{2}", {"aa"}, {"a", "aaa"}},
        {"a{2,}", {"aa", "aaaaa"}, {"a"}},
        {"a{0,2}b", {"b", "ab", "aab"}, {"aaab"}},
        {"(a|bc){2,3}", {"aa", "abc", "bcbca"}, {"a", "aaaa"}},
        {"a{0}b", {"b"}, {"ab"}},
        {"a{,2}", {"a{,2}"}, {"a", "aa"}}, /* as in RE2 */
        {".", {"a", "\xff", "/"}, {"", "\n", "ab"}},
        {"[a-c]", {"a", "b", "c"}, {"d", "", "-"}},
        {"[^a-c]", {"d", "\n"}, {"a", ""}},
        {"[]a]", {"]", "a"}, {"b"}},
        {"[a-]", {"a", "-"}, {"b"}},
        {"[\\d.]+", {"1.2"}, {"a"}},
        {"[[:alpha:]_]+", {"ab_"}, {"a1"}},
        {"[[:^alpha:]]+", {"1."}, {"a"}},
        {"\\d+", {"123"}, {"12a", ""}},
        {"\\D\\W\\S", {"a/b"}, {"1/b", "aab", "a/ "}},
        {"\\x41\\.\\*", {"A.*"}, {"a.*", "Abc"}},
        {"(?i)get", {"GET", "get", "gEt"}, {"got"}},
        {"(?i)[a-c]1", {"B1"}, {"D1"}},
        {"^/a$", {"/a"}, {"a", "/ab"}},
        {"(^a|b$)", {"a", "b"}, {"ab"}},
        {"a^b", {NULL}, {"ab", "a^b"}},
        {"/v[0-9]+/users/[^/]+", {"/v1/users/x"}, {"/v/users/x", "/v1/users/x/y", "/v1/users/"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct regex *regex = regex_must(cases[i].expression);
        for (const char *const *text = cases[i].yes; *text; text++)
            if (!regex_matches(regex, slice_str(*text)))
                fail_msg("\"%s\" does not match \"%s\"", cases[i].expression, *text);
        for (const char *const *text = cases[i].no; *text; text++)
            if (regex_matches(regex, slice_str(*text)))
                fail_msg("\"%s\" matches \"%s\"", cases[i].expression, *text);
        regex_free(regex);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *complaint;
    } cases[] = {
        {"(a", "byte 1: `(` without `)`"},
        {"ab)", "byte 3: `)` without `(`"},
        {"a[b", "byte 2: `[` without `]`"},
        {"*a", "byte 1: nothing to repeat"},
        {"a|+", "byte 3: nothing to repeat"},
        {"a**", "byte 3: a repetition of a repetition"},
        {"a{2}{3}", "byte 5: a repetition of a repetition"},
        {"a{3,1}", "byte 2: a range of repetitions that ends"},
        {"[z-a]", "byte 2: a range that ends before it begins"},
        {"[[:foo:]]", "byte 2: a class name that is not known"},
        {"(a)\\1", "byte 4: back references"},
        {"(?=a)", "byte 1: of (? only"},
        {"a(?i)", "byte 2: of (? only"},
        {"\\q", "byte 1: an escape that is not known"},
        {"a\\", "byte 2: nothing after the backslash"},
        {"\\x4", "byte 1: \\x is not followed by two"},
        {"((a{50}){50}){50}", "too large when its repetitions are written out"},
        {"a{99999999999}", "too large when its repetitions are written out"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = {0};
        assert_null(regex_new(slice_str(cases[i].expression), &err));
        if (!strstr(err.text, cases[i].complaint))
            fail_msg("\"%s\": %s", cases[i].expression, err.text);
    }
}

static void test_depth_and_length_are_bounded(void **state)
{
    (void)state;
    char text[REGEX_TEXT_MAX + 2];
    struct err err = {0};
    memset(text, '(', sizeof(text));
    assert_null(regex_new(slice_of(text, 1000), &err));
    assert_non_null(strstr(err.text, "too many groups"));
    assert_null(regex_new(slice_of(text, REGEX_TEXT_MAX + 1), &err));
    assert_non_null(strstr(err.text, "too many (at most 1024)"));
}

/* What takes a matcher that goes back longer than the age of the universe. */
static void test_time_is_linear(void **state)
{
    (void)state;
    char text[4096];
    struct regex *regex = regex_must("((a|a)*|(a*)*)*b");
    memset(text, 'a', sizeof(text));
    assert_false(regex_matches(regex, slice_of(text, sizeof(text))));
    text[sizeof(text) - 1] = 'b';
    assert_true(regex_matches(regex, slice_of(text, sizeof(text))));
    regex_free(regex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_texts),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_depth_and_length_are_bounded),
        cmocka_unit_test(test_time_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
