#include "common/jitter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DRAWS 20000

/* Every value comes, none beyond the bound, and none much more often than another. */
static void test_below(void **state)
{
    (void)state;
    unsigned seen[10] = {0};
    assert_int_equal(jitter_below(0), 0);
    assert_int_equal(jitter_below(1), 0);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = jitter_below(10);
        assert_in_range(value, 0, 9);
        seen[value]++;
    }
    /* 2000 each; ten standard deviations are 424. */
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 1500, 2500);
}

static void test_around(void **state)
{
    (void)state;
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = jitter_around(1000, 20);
        assert_in_range(value, 800, 1200);
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    assert_true(least < 820 && most > 1180);
    assert_int_equal(jitter_around(1000, 0), 1000);
    assert_int_equal(jitter_around(0, 50), 0);
    assert_in_range(jitter_around(100, 1000), 0, 200);
    for (int i = 0; i < 100; i++)
        assert_true(jitter_around(UINT64_MAX, 10) >= UINT64_MAX / 10 * 9);
}

static void test_backoff(void **state)
{
    (void)state;
    static const struct {
        unsigned attempt;
        uint64_t middle;
    } cases[] = {
        {0, 100}, {1, 200}, {2, 400}, {6, 6400}, {7, 10000}, {8, 10000}, {4000000000u, 10000}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int draw = 0; draw < 200; draw++)
            assert_in_range(jitter_backoff(100, 10000, cases[i].attempt), cases[i].middle / 2,
                            cases[i].middle * 3 / 2);
    }
    assert_in_range(jitter_backoff(500, 100, 0), 50, 150);
    assert_int_equal(jitter_backoff(0, 0, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_around),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
