#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "proxy/route/retry_budget.h"

static unsigned take_all(struct retry_budget *budget, uint32_t percent, uint32_t min,
                         uint64_t now_ns)
{
    unsigned n = 0;
    while (retry_budget_take(budget, percent, min, now_ns))
        n++;
    return n;
}

static void a_share_of_the_requests_and_a_minimum_may_be_retried(void **state)
{
    static const struct {
        unsigned requests;
        uint32_t percent, min;
        unsigned allowed;
    } rows[] = {
        {0, 20, 0, 0}, {0, 20, 10, 100}, {1000, 20, 0, 200}, {1000, 20, 10, 300},
        {4, 20, 0, 0}, {5, 20, 0, 1},    {100, 100, 0, 100}, {100, 0, 1, 10},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retry_budget budget = {0};
        uint64_t now_ns = 1000 * NS_PER_SEC;
        for (unsigned j = 0; j < rows[i].requests; j++)
            retry_budget_request(&budget, now_ns);
        assert_int_equal(take_all(&budget, rows[i].percent, rows[i].min, now_ns), rows[i].allowed);
    }
}

static void what_is_ten_seconds_old_counts_no_more(void **state)
{
    struct retry_budget budget = {0};
    uint64_t now_ns = 5 * NS_PER_SEC;
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        retry_budget_request(&budget, now_ns);
    assert_int_equal(take_all(&budget, 20, 0, now_ns + 9 * NS_PER_SEC), 20);
    assert_int_equal(take_all(&budget, 20, 0, now_ns + 9 * NS_PER_SEC), 0);
    /* The requests are forgotten first: what was taken still counts against the minimum. */
    assert_int_equal(take_all(&budget, 20, 2, now_ns + 10 * NS_PER_SEC), 0);
    assert_int_equal(take_all(&budget, 20, 2, now_ns + 19 * NS_PER_SEC), 20);
}

/* Everything fails and everybody asks for three more: never more than 1 + budget times the load. */
static void total_failure_is_not_amplified(void **state)
{
    struct retry_budget budget = {0};
    unsigned requests = 0, retries = 0;
    (void)state;
    for (uint64_t ms = 0; ms < 60000; ms++) {
        uint64_t now_ns = NS_PER_SEC + ms * NS_PER_MS;
        retry_budget_request(&budget, now_ns);
        requests++;
        for (unsigned attempt = 0; attempt < 3; attempt++)
            retries += retry_budget_take(&budget, 20, 1, now_ns);
    }
    assert_in_range(retries, requests / 10, requests * 23 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_of_the_requests_and_a_minimum_may_be_retried),
        cmocka_unit_test(what_is_ten_seconds_old_counts_no_more),
        cmocka_unit_test(total_failure_is_not_amplified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
