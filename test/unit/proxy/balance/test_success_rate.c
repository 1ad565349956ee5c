/* Who is judged, and that random ejections never pass their cap. */
#include "test/unit/proxy/balance/balancer_rig.h"

#include <stdlib.h>

static const struct success_rate_rules rules = {.interval_ns = 10 * NS_PER_SEC,
                                                .min_hosts = 3,
                                                .min_requests = 10,
                                                .deviation_thousandths = 1900};

static void who_is_judged(void **state)
{
    static const struct {
        struct success_rate rates[6];
        const char *outliers; /* one letter each */
    } rows[] = {
        {{{100, 100}, {100, 100}, {100, 100}, {100, 100}, {100, 100}}, "......"},
        {{{100, 100}, {100, 100}, {100, 100}, {100, 100}, {100, 50}}, "....x."}, /* 2 deviations */
        {{{100, 99}, {100, 98}, {100, 100}, {100, 99}, {100, 97}}, "......"},
        {{{100, 100}, {100, 100}, {9, 0}}, "......"}, /* two that had enough */
        {{{0, 0}}, "......"},
        {{{10, 0}, {10, 0}, {10, 0}}, "......"},   /* all fail: none is an outlier */
        {{{10, 10}, {10, 10}, {10, 0}}, "......"}, /* of three none can be 1.9 deviations away */
        {{{99, 99}, {99, 99}, {99, 99}, {99, 99}, {99, 99}, {9, 0}}, "......"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct success_rate_mean others = success_rate_mean(rows[i].rates, 6, &rules);
        char outliers[7] = {0};
        for (size_t k = 0; k < 6; k++)
            outliers[k] = success_rate_is_outlier(&rows[i].rates[k], &rules, others) ? 'x' : '.';
        assert_string_equal(outliers, rows[i].outliers);
    }
}

/* Six endpoints, of which host 1 fails every second time: it goes when the window is over. */
static void who_fails_more_often_is_left_out(void **state)
{
    static const struct outlier_rules ejection = {.base_ns = 30 * NS_PER_SEC,
                                                  .max_ns = 30 * NS_PER_SEC,
                                                  .max_percent = 50,
                                                  .success_rate = {.interval_ns = NS_PER_SEC,
                                                                   .min_hosts = 5,
                                                                   .min_requests = 20,
                                                                   .deviation_thousandths = 1900}};
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1},
                                                 {.host = 2},
                                                 {.host = 3},
                                                 {.host = 4},
                                                 {.host = 5},
                                                 {.host = 6},
                                                 {.host = 0}},
                                  42);
    uint64_t now = NS_PER_SEC;
    unsigned n_failed = 0, n_ejected = 0, asked[MAX_ENDPOINTS] = {0};
    use(b, BALANCE_ROUND_ROBIN);
    for (unsigned i = 0; i < 3000; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, now);
        bool is_failure = host_of(taken) == 1 && n_failed++ % 2;
        asked[host_of(taken)] += now > 3 * NS_PER_SEC;
        now += NS_PER_MS;
        n_ejected +=
            balanced_result(taken, &ejection, is_failure ? OUTCOME_5XX : OUTCOME_SUCCESS, now);
        balanced_give(taken);
    }
    assert_int_equal(n_ejected, 1);
    assert_int_equal(asked[1], 0);
    assert_true(asked[2] > 100);
    balancer_free(b);
}

/* Whatever comes from whom by whatever rules: never more than their share are out at once. */
static void the_share_is_never_passed(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    (void)state;
    for (unsigned percent = 10; percent <= 100; percent += 30) {
        struct balancer *b = balancer((struct row[]){{.host = 1},
                                                     {.host = 2},
                                                     {.host = 3},
                                                     {.host = 4},
                                                     {.host = 5},
                                                     {.host = 6},
                                                     {.host = 7},
                                                     {.host = 0}},
                                      percent);
        uint64_t now = NS_PER_SEC;
        for (unsigned i = 0; i < 20000; i++) {
            struct outlier_rules random = {.consecutive_5xx = (uint32_t)nrand48(seed) % 4,
                                           .consecutive_local_failures =
                                               (uint32_t)nrand48(seed) % 4,
                                           .base_ns = 1 + (uint64_t)nrand48(seed) % NS_PER_SEC,
                                           .max_ns = NS_PER_SEC,
                                           .max_percent = percent,
                                           .success_rate = {NS_PER_MS * 50, 1, 1, 1}};
            struct balanced_view views[MAX_ENDPOINTS];
            struct balanced *taken = balancer_take(b, NULL, 0, now);
            now += (uint64_t)nrand48(seed) % (5 * NS_PER_MS);
            (void)balanced_result(taken, &random, (enum outcome)(nrand48(seed) % 4), now);
            balanced_give(taken);
            size_t n = balancer_views(b, views, MAX_ENDPOINTS), n_out = 0;
            for (size_t k = 0; k < n; k++)
                n_out += outlier_is_ejected(&views[k].outlier, now);
            assert_true(n_out * 100 <= n * percent);
        }
        balancer_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_judged),
        cmocka_unit_test(who_fails_more_often_is_left_out),
        cmocka_unit_test(the_share_is_never_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
