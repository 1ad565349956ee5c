#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void spans_read_as_people_say_them(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {59, "59s"},
        {60, "1m 0s"},
        {3599, "59m 59s"},
        {3600, "1h 0m"},
        {86399, "23h 59m"},
        {86400, "1d 0h"},
        {100 * 86400 + 7200, "100d 2h"},
        {-5, "-5s"},
        {-86400, "-1d 0h"},
        {INT64_MIN, "-106751991167300d 15h"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TEXT_SPAN_BYTES];
        assert_string_equal(text_span(cases[i].seconds, text), cases[i].text);
    }
}

static void times_are_utc(void **state)
{
    (void)state;
    char text[TEXT_TIME_BYTES];
    assert_string_equal(text_time(0, text), "never");
    assert_string_equal(text_time(1769860800, text), "2026-01-31T12:00:00Z");
    assert_string_equal(text_time(INT64_MAX, text), "never");
}

static void markup_is_escaped(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    assert_true(text_html(&out, "<a href='x'>\"&\"</a>"));
    assert_true(
        slice_eq_str(buf_slice(&out), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;"));
    buf_fini(&out);
    buf_init(&out, 3);
    assert_false(text_html(&out, "<"));
    buf_fini(&out);
}

static void entries_are_sorted_by_key(void **state)
{
    (void)state;
    struct map map = {0};
    int values[3] = {0, 1, 2};
    assert_true(map_set(&map, SLICE_LITERAL("b"), &values[1], NULL));
    assert_true(map_set(&map, SLICE_LITERAL("a"), &values[0], NULL));
    assert_true(map_set(&map, SLICE_LITERAL("c"), &values[2], NULL));
    struct map_entry **sorted = text_sorted(&map);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(sorted[i]->value, &values[i]);
    free(sorted);
    map_fini(&map, NULL);
    sorted = text_sorted(&map);
    assert_non_null(sorted);
    free(sorted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_read_as_people_say_them),
        cmocka_unit_test(times_are_utc),
        cmocka_unit_test(markup_is_escaped),
        cmocka_unit_test(entries_are_sorted_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
