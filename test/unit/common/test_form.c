/* common/form.c: parameters of URLs and of forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/form.h"

static const struct row {
    const char *text, *params; /* "name=value;..."; NULL: refused */
} rows[] = {
    {"", ""},
    {"a=1", "a=1;"},
    {"a=1&b=2", "a=1;b=2;"},
    {"a", "a=;"},
    {"a=", "a=;"},
    {"=1", "=1;"},
    {"&&a=1&", "a=1;"},
    {"a=b=c", "a=b=c;"},
    {"a=x+y%20z%2B", "a=x y z+;"},
    {"%61=%C3%a9", "a=\xc3\xa9;"},
    {"a=1&a=2", "a=1;a=2;"},
    {"a=%", NULL},
    {"a=%4", NULL},
    {"a=%zz", NULL},
    {"a=1&b=%4g", NULL},
    {"a=%00", NULL},
    {"%00=a", NULL},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena arena = {0};
        struct form form;
        char got[256] = "";
        size_t len = 0;
        bool ok = form_parse(&form, &arena, slice_str(rows[i].text));
        for (size_t j = 0; j < form.n; j++)
            len += (size_t)snprintf(got + len, sizeof(got) - len, "%s=%s;", form.params[j].name,
                                    form.params[j].value);
        if (ok != (rows[i].params != NULL) || (ok && strcmp(got, rows[i].params) != 0))
            fail_msg("\"%s\": %s", rows[i].text, ok ? got : "refused");
        if (!ok)
            assert_int_equal(form.n, 0);
        arena_fini(&arena);
    }
}

static void test_find(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct form form;
    assert_true(form_parse(&form, &arena, SLICE_LITERAL("a=1&b=2&a=3")));
    assert_string_equal(form_find(&form, "a"), "1");
    assert_string_equal(form_find(&form, "b"), "2");
    assert_null(form_find(&form, "c"));
    arena_fini(&arena);
}

static void test_ceiling(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct form form;
    char text[2 * FORM_MAX_PARAMS + 2];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '&' : 'a';
    assert_true(form_parse(&form, &arena, slice_of(text, sizeof(text) - 2)));
    assert_int_equal(form.n, FORM_MAX_PARAMS);
    assert_false(form_parse(&form, &arena, slice_of(text, sizeof(text))));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
