#include "proxy/balance/outlier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"

static const struct outlier_rules all = {.consecutive_5xx = 5,
                                         .consecutive_gateway_errors = 3,
                                         .consecutive_local_failures = 2,
                                         .base_ns = 10 * NS_PER_SEC,
                                         .max_ns = 35 * NS_PER_SEC,
                                         .max_percent = 50};

/* s: success, 5: another 5xx, g: gateway error, l: local failure. */
static void so_many_in_a_row_eject(void **state)
{
    static const struct {
        const char *outcomes;
        enum outlier_why at_last;
    } rows[] = {
        {"s", OUTLIER_NOT},     {"5555", OUTLIER_NOT},
        {"55555", OUTLIER_5XX}, {"5555s5555", OUTLIER_NOT},
        {"gg", OUTLIER_NOT},    {"ggg", OUTLIER_GATEWAY_ERRORS},
        {"gg5g", OUTLIER_NOT},  {"gg5gg", OUTLIER_5XX},
        {"l", OUTLIER_NOT},     {"ll", OUTLIER_LOCAL_FAILURES},
        {"l5l", OUTLIER_NOT},   {"5555l5", OUTLIER_NOT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outlier outlier = {0};
        enum outlier_why why = OUTLIER_NOT;
        for (const char *c = rows[i].outcomes; *c; c++) {
            assert_int_equal(why, OUTLIER_NOT);
            why = outlier_note(&outlier, &all,
                               *c == 's'   ? OUTCOME_SUCCESS
                               : *c == '5' ? OUTCOME_5XX
                               : *c == 'g' ? OUTCOME_GATEWAY_ERROR
                                           : OUTCOME_LOCAL_FAILURE);
        }
        assert_int_equal(why, rows[i].at_last);
    }
}

static void what_is_not_set_is_not_looked_at(void **state)
{
    const struct outlier_rules only = {.consecutive_5xx = 2};
    struct outlier outlier = {0};
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(outlier_note(&outlier, &only, OUTCOME_LOCAL_FAILURE), OUTLIER_NOT);
    assert_false(outlier_rules_are_set(&(struct outlier_rules){.max_percent = 50}));
    assert_true(outlier_rules_are_set(&only));
}

static void ejections_grow_and_are_forgotten(void **state)
{
    struct outlier outlier = {0};
    uint64_t now_ns = 100 * NS_PER_SEC;
    (void)state;
    for (uint64_t n = 1; n <= 5; n++) {
        uint64_t expected = n * all.base_ns < all.max_ns ? n * all.base_ns : all.max_ns;
        assert_int_equal(outlier_eject(&outlier, &all, OUTLIER_5XX, now_ns), expected);
        assert_true(outlier_is_ejected(&outlier, now_ns + expected - 1));
        assert_false(outlier_is_ejected(&outlier, now_ns + expected));
        now_ns += expected;
    }
    now_ns += 3 * all.base_ns + 1;
    assert_int_equal(outlier_eject(&outlier, &all, OUTLIER_5XX, now_ns), 3 * all.base_ns);
    now_ns += 1000 * NS_PER_SEC;
    assert_int_equal(outlier_eject(&outlier, &all, OUTLIER_5XX, now_ns), all.base_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_in_a_row_eject),
        cmocka_unit_test(what_is_not_set_is_not_looked_at),
        cmocka_unit_test(ejections_grow_and_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
