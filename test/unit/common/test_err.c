/* common/err.c: one clean line, whatever it quotes. */
#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void test_set_and_prefix(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set(&err, "port: %d is not a port", 70000));
    assert_string_equal(err.text, "port: 70000 is not a port");
    assert_false(err_prefix(&err, "a.yaml:%d", 14));
    assert_string_equal(err.text, "a.yaml:14: port: 70000 is not a port");
    assert_false(err_set_errno(&err, ENOENT, "open %s", "x"));
    assert_string_equal(err.text, "open x: No such file or directory");
}

static void test_control_bytes(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, "a%sb", "\n\x1b[31m\x7f\t");
    assert_string_equal(err.text, "a??[31m??b");
    err_prefix(&err, "x\ny");
    assert_string_equal(err.text, "x?y: a??[31m??b");
    err_set(&err, "%s", "n\xc3\xa4h"); /* UTF-8 stays */
    assert_string_equal(err.text, "n\xc3\xa4h");
}

static void test_cut(void **state)
{
    (void)state;
    struct err err;
    char text[2000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_prefix(&err, "where");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "where: aaa", 10);
    err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_set_errno(&err, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_prefix),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
