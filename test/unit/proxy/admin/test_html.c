#include "proxy/admin/html.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void forms_are_escaped_where_text_goes(void **state)
{
    (void)state;
    struct html html;
    html_init(&html, 1 << 16);
    html_title(&html, "a<b", false, "not \"ready\"");
    html_heading(&html, "x&y", "/p");
    html_heading(&html, "plain", NULL);
    html_table(&html, "one|two");
    html_row(&html, "n", "%s", "<i>");
    html_cells_start(&html);
    html_cell(&html, "%d", 7);
    html_cells_end(&html);
    html_link_row(&html, "/q", "GET", "help");
    html_table_end(&html);
    assert_true(html.is_whole);
    struct slice text = buf_slice(&html.text);
    assert_true(slice_eq_str(
        text, "<h1>a&lt;b <span class=\"bad\">not &quot;ready&quot;</span></h1>"
              "<h2><a href=\"/p\">x&amp;y</a></h2><h2>plain</h2>"
              "<table><tr><th>one</th><th>two</th></tr>"
              "<tr><th>n</th><td>&lt;i&gt;</td></tr><tr><td>7</td></tr>"
              "<tr><th><a href=\"/q\">/q</a></th><td>GET</td><td>help</td></tr></table>"));
    html_fini(&html);
}

static void a_ceiling_is_remembered(void **state)
{
    (void)state;
    struct html html;
    html_init(&html, 10);
    html_raw(&html, "12345678");
    assert_true(html.is_whole);
    html_row(&html, "name", "%s", "value");
    assert_false(html.is_whole);
    html_raw(&html, "x"); /* would fit, but a part is missing */
    assert_true(buf_len(&html.text) <= 10);
    assert_false(html.is_whole);
    html_fini(&html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_escaped_where_text_goes),
        cmocka_unit_test(a_ceiling_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
