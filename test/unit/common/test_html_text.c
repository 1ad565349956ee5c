#include "common/html_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void pages_read_as_text(void **state)
{
    (void)state;
    static const struct {
        const char *html, *text;
    } cases[] = {
        {"", ""},
        {"<title>x</title><style>p{}</style><h1>web <span>ready</span></h1>", "web ready\n"},
        {"<h1>a</h1><h2><a href=\"/b\">b</a></h2><p>c</p>", "a\n\nb\nc\n"},
        {"a\nb", "ab"},
        {"&lt;&gt;&amp;&quot;&#39;&#039;", "<>&\"''"},
        /* What is no entity of ours stays, and no control character gets to a terminal. */
        {"&#27;&#;&#300;&nbsp;&", "&#27;&#;&#300;&nbsp;&"},
        {"a\x1b[2Jb\x7f", "a[2Jb"},
        {"<table><tr><th>to<th>open</tr>\n<tr><td>payments</td><td>1</td></tr></table>",
         "to        open\npayments  1\n"},
        {"<table><tr><td></td><td>x</td></tr><tr><td>ab</td><td></td></tr></table>",
         "    x\nab  \n"},
        {"<table><tr><td>\u00fc</td><td>1</td></tr><tr><td>ab</td><td>2</td></tr></table>",
         "\u00fc   1\nab  2\n"},
        /* Cut off anywhere. */
        {"<table><tr><td>a", "a"},
        {"a<", "a"},
        {"<style>x", "x"},
        {"</table>a", "a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_true(html_text(&out, slice_str(cases[i].html)));
        struct slice text = buf_slice(&out);
        char got[1001];
        snprintf(got, sizeof(got), "%.*s", SLICE_ARG(text));
        assert_string_equal(got, cases[i].text);
        buf_fini(&out);
    }
}

static void wide_cell_moves_its_own_row_alone(void **state)
{
    (void)state;
    static const char html[] =
        "<table><tr><td>ab</td><td>x</td></tr><tr><td>"
        "spiffe://cluster.local/ns/a-long-name/sa/an-even-longer-name</td><td>y</td></tr></table>";
    struct buf out;
    buf_init(&out, 1000);
    assert_true(html_text(&out, slice_str(html)));
    assert_true(slice_starts_with(buf_slice(&out), SLICE_LITERAL("ab  x\nspiffe")));
    assert_true(slice_ends_with(buf_slice(&out), SLICE_LITERAL("an-even-longer-name  y\n")));
    buf_fini(&out);
}

static void ceiling_is_told(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 3);
    assert_false(html_text(&out, SLICE_LITERAL("<table><tr><td>abcd</td></tr></table>")));
    assert_true(buf_len(&out) <= 3);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_read_as_text),
        cmocka_unit_test(wide_cell_moves_its_own_row_alone),
        cmocka_unit_test(ceiling_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
