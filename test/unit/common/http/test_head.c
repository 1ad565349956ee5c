/* common/http/head.c, chars.c: names, alphabets, and changing a head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/http/head.h"
#include "common/http/status_text.h"

/* Fails for a name that stands in the wrong place of field_names.def. */
static void test_every_name_is_found(void **state)
{
    (void)state;
    for (int i = FIELD_OTHER + 1; i < FIELD_COUNT; i++) {
        struct slice name = field_name_text(i);
        if (field_name_of(name) != (enum field_name)i)
            fail_msg("%.*s is not found: shorter names first", SLICE_ARG(name));
        assert_true(http_is_lower_token(name));
    }
    assert_int_equal(field_name_text(FIELD_OTHER).len, 0);
    assert_true(field_name_is_hop_by_hop(FIELD_CONNECTION));
    assert_false(field_name_is_hop_by_hop(FIELD_HOST));
}

static void test_other_names(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "x",
                                         "hosT",
                                         "hos",
                                         "hostt",
                                         "Host",
                                         "tf",
                                         "zz",
                                         "x-forwarded-foo",
                                         "content-lengti",
                                         "a-name-that-is-far-longer-than-any-name-of-the-table"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(field_name_of(slice_str(others[i])), FIELD_OTHER);
}

/* What each byte is, from the RFCs, against the table. */
static void test_alphabets(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char byte = (char)c;
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool tchar = alnum || (c && strchr("!#$%&'*+-.^_`|~", c));
        const bool upper = c >= 'A' && c <= 'Z';
        const char host[] = {'a', byte}, path[] = {'/', byte}, query[] = {'/', '?', byte};
        assert_int_equal(http_is_token(slice_of(&byte, 1)), tchar);
        assert_int_equal(http_is_lower_token(slice_of(&byte, 1)), tchar && !upper);
        assert_int_equal(http_is_field_value(slice_of(&byte, 1)), c > 0x20 && c != 0x7f);
        assert_int_equal(http_is_field_text(slice_of(&byte, 1)),
                         c == '\t' || (c >= 0x20 && c != 0x7f));
        assert_int_equal(http_is_authority(slice_of(host, 2)),
                         alnum || (c && strchr("-._~!$&'()*+;=", c)));
        assert_int_equal(http_is_path(slice_of(path, 2)),
                         alnum || (c && strchr("-._~!$&'()*+,;=:@/?[]^`{|}", c)));
        assert_int_equal(http_is_path(slice_of(query, 3)),
                         alnum || (c && strchr("-._~!$&'()*+,;=:@/?[]^`{|}%\\", c)));
        const char *hex = c ? strchr("0123456789abcdef", c | 0x20) : NULL;
        assert_int_equal(http_hex_value(byte) >= 0, c >= '0' && hex != NULL);
    }
    assert_int_equal(http_hex_value('f'), 15);
    assert_int_equal(http_hex_value('F'), 15);
    assert_int_equal(http_hex_value('9'), 9);
}

/* Eight bytes are looked at together: a control is seen wherever it stands among them. */
static void test_controls_in_long_values(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                char value[40];
                memset(value, 'a', sizeof(value));
                value[at] = (char)c;
                assert_int_equal(http_is_field_text(slice_of(value, len)),
                                 c == '\t' || (c >= 0x20 && c != 0x7f));
            }
        }
    }
}

static struct slice value_of(const struct head *head, size_t i)
{
    assert_true(i < head->n_fields);
    return head->fields[i].value;
}

#define VALUE(text) SLICE_LITERAL(text)

static void test_changing(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct head head, copy;
    head_init(&head, &arena);
    assert_int_equal(head.content_length, CONTENT_LENGTH_NONE);
    assert_true(head_add(&head, VALUE("via"), VALUE("1")));
    assert_true(head_add(&head, VALUE("x-a"), VALUE("2")));
    assert_true(head_add_id(&head, FIELD_VIA, VALUE("3")));
    assert_true(head_add(&head, VALUE("x-b"), VALUE("4")));
    assert_true(head_copy(&copy, &head, &arena));
    assert_int_equal(head_find(&head, FIELD_VIA)->value.ptr[0], '1');
    assert_int_equal(head_find_name(&head, VALUE("x-b"))->value.ptr[0], '4');
    assert_null(head_find(&head, FIELD_HOST));
    assert_null(head_find_name(&head, VALUE("x-c")));

    assert_true(head_set(&head, FIELD_VIA, VALUE("5"))); /* both become one, in its place */
    assert_int_equal(head.n_fields, 3);
    assert_true(slice_eq_str(value_of(&head, 0), "5") && slice_eq_str(value_of(&head, 2), "4"));
    assert_true(head_set(&head, FIELD_SERVER, VALUE("6")));
    assert_true(slice_eq_str(value_of(&head, 3), "6"));
    head_remove_prefix(&head, VALUE("x-"));
    assert_int_equal(head.n_fields, 2);
    head_remove_name(&head, VALUE("server"));
    head_remove(&head, FIELD_VIA);
    assert_int_equal(head.n_fields, 0);
    assert_true(slice_eq_str(value_of(&copy, 2), "3")); /* the copy is as it was */
    assert_true(head_add(&copy, VALUE("x-c"), VALUE("7")));
    assert_int_equal(copy.n_fields, 5);
    arena_fini(&arena);
}

static void test_many_fields(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct head head, copy;
    head_init(&head, &arena);
    for (int i = 0; i < 1000; i++)
        assert_true(head_add(&head, VALUE("x"), slice_of("0123456789", (size_t)i % 10)));
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(value_of(&head, i).len, i % 10);
    struct head none;
    head_init(&none, &arena);
    assert_true(head_copy(&copy, &none, &arena));
    assert_int_equal(copy.n_fields, 0);
    arena_fini(&arena);
}

static void test_status_texts(void **state)
{
    (void)state;
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_text(299), "");
    assert_string_equal(http_status_text(-1), "");
    assert_string_equal(http_status_text(9999), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_is_found),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_alphabets),
        cmocka_unit_test(test_controls_in_long_values),
        cmocka_unit_test(test_changing),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_status_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
