#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/http/query.h"

static void table(void **state)
{
    static const struct {
        const char *query, *name, *value; /* value NULL: there is none */
    } rows[] = {
        {"", "a", NULL},           {"?", "a", NULL},     {"?a", "a", ""},
        {"?a=", "a", ""},          {"?a=1", "a", "1"},   {"?b=2&a=1", "a", "1"},
        {"?a=1&a=2", "a", "1"},    {"?aa=1", "a", NULL}, {"?a=1=2", "a", "1=2"},
        {"?&&a=1&", "a", "1"},     {"?A=1", "a", NULL},  {"?x=a", "a", NULL},
        {"?a%20b=1", "a b", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice value;
        bool found = query_find(slice_str(rows[i].query), slice_str(rows[i].name), &value);
        assert_int_equal(found, rows[i].value != NULL);
        if (found)
            assert_true(slice_eq_str(value, rows[i].value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
