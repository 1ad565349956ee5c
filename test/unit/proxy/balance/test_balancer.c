#include "test/unit/proxy/balance/balancer_rig.h"

static void equals_share_equally(void **state)
{
    (void)state;
    struct balancer *b = balancer(
        (struct row[]){{.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {.host = 0}}, 42);
    uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1, 1, 1, 1}, now = NS_PER_SEC;
    unsigned counts[MAX_ENDPOINTS] = {0};
    run(b, 8000, latency_ms, &now, counts);
    for (unsigned host = 1; host <= 4; host++)
        assert_in_range(counts[host], 1800, 2200);
    balancer_free(b);
}

static void weights_are_shares(void **state)
{
    (void)state;
    struct balancer *b = balancer(
        (struct row[]){{.host = 1, .weight = 3}, {.host = 2, .weight = 1}, {.host = 0}}, 42);
    uint64_t latency_ms[MAX_ENDPOINTS] = {0, 1, 1}, now = NS_PER_SEC;
    unsigned counts[MAX_ENDPOINTS] = {0};
    run(b, 8000, latency_ms, &now, counts);
    assert_in_range(counts[1], 5700, 6300);
    balancer_free(b);
}

static void the_slow_one_gets_less(void **state)
{
    (void)state;
    struct balancer *b =
        balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 3}, {.host = 0}}, 7);
    uint64_t latency_ms[MAX_ENDPOINTS] = {0, 2, 2, 20}, now = NS_PER_SEC;
    unsigned counts[MAX_ENDPOINTS] = {0};
    run(b, 6000, latency_ms, &now, counts);
    assert_in_range(counts[3], 1, 600); /* less than a third of its share, and never forgotten */
    assert_in_range(counts[1], 2400, 3300);
    balancer_free(b);
}

/* Fractions of a millisecond tell requests apart, and connections not; none gets all or nothing. */
static void fast_answers_are_told_apart(void **state)
{
    (void)state;
    static const struct row rows[] = {{.host = 1}, {.host = 2}, {.host = 0}};
    static const uint64_t latency_us[][2] = {{200, 800}, {30, 90}};
    for (size_t l = 0; l < 2; l++)
        for (enum balance kind = BALANCE_CONNECTIONS; kind <= BALANCE_REQUESTS; kind++) {
            struct balancer *b = balancer_of(kind, rows, 42);
            unsigned counts[3] = {0};
            uint64_t now = NS_PER_SEC;
            for (unsigned i = 0; i < 8000; i++, now += NS_PER_MS / 10) {
                struct balanced *taken = balancer_take(b, NULL, 0, now);
                unsigned host = host_of(taken);
                balanced_connected(taken, latency_us[l][host - 1] * 1000, now);
                counts[host]++;
                balanced_give(taken);
            }
            bool is_told_apart = l == 0 && kind == BALANCE_REQUESTS;
            assert_in_range(counts[1], is_told_apart ? 6100 : 3800, is_told_apart ? 6700 : 4200);
            balancer_free(b);
        }
}

/*
 * A simulation: connections arrive each millisecond and stay as long as the endpoint needs; one
 * endpoint serves ten times slower. Were the choice blind, a third of all would wait there.
 */
static void a_loaded_one_gets_less(void **state)
{
    (void)state;
    static const struct row rows[] = {{.host = 1}, {.host = 2}, {.host = 3}, {.host = 0}};
    static const uint64_t hold_ms[] = {0, 20, 20, 200};
    struct open {
        struct balanced *balanced;
        uint64_t until_ns;
    } open[1000];
    struct balancer *b = balancer(rows, 3);
    unsigned n_open = 0, counts[MAX_ENDPOINTS] = {0};
    for (uint64_t now = NS_PER_SEC; now < 6 * NS_PER_SEC; now += NS_PER_MS) {
        for (unsigned i = 0; i < n_open;) {
            if (open[i].until_ns > now) {
                i++;
                continue;
            }
            balanced_give(open[i].balanced);
            open[i] = open[--n_open];
        }
        struct balanced *taken = balancer_take(b, NULL, 0, now);
        unsigned host = host_of(taken);
        counts[host]++;
        balanced_connected(taken, NS_PER_MS, now); /* connecting takes the same everywhere */
        assert_true(n_open < 1000);
        open[n_open++] = (struct open){taken, now + hold_ms[host] * NS_PER_MS};
    }
    assert_in_range(counts[3], 1, 5000 / 3 / 2);
    assert_in_range(counts[1], 1800, 2500);
    while (n_open > 0)
        balanced_give(open[--n_open].balanced);
    balancer_free(b);
}

static void what_fails_fast_does_not_attract(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 0}}, 11);
    uint64_t now = NS_PER_SEC;
    unsigned failed = 0;
    for (unsigned i = 0; i < 1000; i++, now += NS_PER_MS) {
        struct balanced *taken = balancer_take(b, NULL, 0, now);
        if (host_of(taken) == 1) {
            balanced_failed(taken, 5 * NS_PER_SEC, now);
            failed++;
        } else {
            balanced_connected(taken, NS_PER_MS, now);
        }
        balanced_give(taken);
    }
    assert_in_range(failed, 1, 10);

    /* And it comes back: after three minutes its failures are forgotten. */
    unsigned counts[MAX_ENDPOINTS] = {0};
    uint64_t latency_ms[MAX_ENDPOINTS] = {0, 1, 1};
    now += 180 * NS_PER_SEC;
    run(b, 1000, latency_ms, &now, counts);
    assert_in_range(counts[1], 400, 600);
    balancer_free(b);
}

static void one_success_after_a_failure_helps(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 0}}, 11);
    struct balanced_view view;
    struct balanced *taken = balancer_take(b, NULL, 0, NS_PER_SEC);
    balanced_failed(taken, 5 * NS_PER_SEC, NS_PER_SEC);
    balanced_connected(taken, NS_PER_MS, 31 * NS_PER_SEC); /* three time constants later */
    assert_int_equal(balancer_views(b, &view, 1), 1);
    assert_in_range(view.latency_ns, NS_PER_MS, 300 * NS_PER_MS);
    assert_int_equal(view.failed, 1);
    assert_int_equal(view.chosen, 1);
    assert_int_equal(view.open, 1);
    balanced_give(taken);
    balancer_free(b);
}

static void health_decides_first(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1, 1, HEALTH_UNHEALTHY}, {2, 1, HEALTH_HEALTHY}, {3, 1, HEALTH_DRAINING}, {.host = 0}};
    struct balancer *b = balancer(rows, 5);
    struct balanced *tried[3];
    tried[0] = balancer_take(b, NULL, 0, 1);
    assert_int_equal(host_of(tried[0]), 2);
    tried[1] = balancer_take(b, tried, 1, 1);
    assert_int_equal(host_of(tried[1]), 1);
    assert_null(balancer_take(b, tried, 2, 1)); /* never the draining one */
    balanced_give(tried[0]);
    balanced_give(tried[1]);
    balancer_free(b);

    b = balancer((struct row[]){{.host = 0}}, 5);
    assert_null(balancer_take(b, NULL, 0, 1));
    balancer_free(b);
}

/* Before what is unhealthy, behind all that stays; forgotten after a while. */
static void who_leaves_comes_last(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1, 1, HEALTH_HEALTHY}, {2, 1, HEALTH_HEALTHY}, {3, 1, HEALTH_UNHEALTHY}, {.host = 0}};
    struct balancer *b = balancer(rows, 5);
    struct sockaddr_any address = balancer_endpoints(b)->list[0].addr;
    uint64_t now_ns = NS_PER_SEC;
    unsigned n_first = 0;
    balancer_leaving(b, &address, now_ns);
    for (int i = 0; i < 100; i++) {
        struct balanced *tried[2];
        tried[0] = balancer_take(b, NULL, 0, now_ns);
        assert_int_equal(host_of(tried[0]), 2);
        tried[1] = balancer_take(b, tried, 1, now_ns);
        assert_int_equal(host_of(tried[1]), 1);
        balanced_give(tried[0]);
        balanced_give(tried[1]);
    }
    now_ns += BALANCER_LEAVING_MS * NS_PER_MS;
    for (int i = 0; i < 100; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, now_ns);
        n_first += host_of(taken) == 1;
        balanced_give(taken);
    }
    assert_in_range(n_first, 20, 80);
    balancer_free(b);
}

static void each_is_tried_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct balancer *b = balancer(
            (struct row[]){
                {.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {.host = 5}, {.host = 0}},
            seed);
        struct balanced *tried[5];
        unsigned seen = 0;
        for (size_t n = 0; n < 5; n++) {
            tried[n] = balancer_take(b, tried, n, 1);
            assert_non_null(tried[n]);
            assert_false(seen & 1u << host_of(tried[n]));
            seen |= 1u << host_of(tried[n]);
        }
        assert_null(balancer_take(b, tried, 5, 1));
        for (size_t n = 0; n < 5; n++)
            balanced_give(tried[n]);
        balancer_free(b);
    }
}

static void an_update_keeps_what_was_learned(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 0}}, 9);
    struct balanced *first = balancer_take(b, NULL, 0, 1);
    struct balanced *second = balancer_take(b, &first, 1, 1);
    struct balanced *one = host_of(first) == 1 ? first : second;
    struct balanced *two = host_of(first) == 1 ? second : first;
    balanced_connected(one, 77 * NS_PER_MS, 1);
    const struct endpoint *endpoint = balanced_endpoint(two);

    update(b, (struct row[]){{.host = 3}, {.host = 1}, {.host = 0}}); /* 2 is gone, 3 is new */
    struct balanced_view views[MAX_ENDPOINTS];
    assert_int_equal(balancer_views(b, views, MAX_ENDPOINTS), 2);
    assert_string_equal(views[1].endpoint->addr_text, "10.0.0.1:80");
    assert_int_equal(views[1].latency_ns, 77 * NS_PER_MS);
    assert_int_equal(views[1].open, 1);
    assert_int_equal(views[0].latency_ns, 0);

    /* What a connection has of the old version stays good, and counts for the new one. */
    assert_ptr_equal(balanced_endpoint(two), endpoint);
    assert_string_equal(endpoint->addr_text, "10.0.0.2:80");
    struct balanced *third = balancer_take(b, &one, 1, 1); /* 1 was tried in the version before */
    assert_int_equal(host_of(third), 3);
    balanced_give(one);
    assert_int_equal(balancer_views(b, views, MAX_ENDPOINTS), 2);
    assert_int_equal(views[1].open, 0);
    balanced_failed(two, NS_PER_SEC, 2);
    balanced_give(two);

    /* Connections may even outlive the balancer. */
    balancer_free(b);
    assert_string_equal(balanced_endpoint(third)->addr_text, "10.0.0.3:80");
    balanced_give(third);
}

static void a_seed_makes_it_repeatable(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {.host = 0}};
    struct balancer *a = balancer(rows, 1234), *b = balancer(rows, 1234), *c = balancer(rows, 4321);
    unsigned differ = 0;
    for (unsigned i = 0; i < 64; i++) {
        struct balanced *x = balancer_take(a, NULL, 0, 1), *y = balancer_take(b, NULL, 0, 1),
                        *z = balancer_take(c, NULL, 0, 1);
        assert_int_equal(host_of(x), host_of(y));
        differ += host_of(x) != host_of(z);
        balanced_give(x);
        balanced_give(y);
        balanced_give(z);
    }
    assert_true(differ > 0);
    balancer_free(a);
    balancer_free(b);
    balancer_free(c);
}

static const struct outlier_rules twice = {.consecutive_5xx = 2,
                                           .base_ns = 10 * NS_PER_SEC,
                                           .max_ns = 100 * NS_PER_SEC,
                                           .max_percent = 50};

/* Everything that is answered by these hosts fails; how many are left out after so many answers. */
static unsigned ejected_after(struct balancer *b, unsigned n, uint64_t *now_ns)
{
    unsigned ejected = 0;
    for (unsigned i = 0; i < n; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, *now_ns);
        *now_ns += NS_PER_MS;
        ejected += balanced_result(taken, &twice, OUTCOME_5XX, *now_ns);
        balanced_give(taken);
    }
    return ejected;
}

static void no_more_than_their_share_are_ejected(void **state)
{
    static const enum balance_algorithm algorithms[] = {BALANCE_P2C_PEAK_EWMA, BALANCE_ROUND_ROBIN,
                                                        BALANCE_LEAST_REQUEST, BALANCE_RANDOM};
    (void)state;
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        struct balancer *b = balancer(
            (struct row[]){
                {.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {.host = 5}, {.host = 0}},
            42);
        uint64_t now = NS_PER_SEC;
        use(b, algorithms[i]);
        assert_int_equal(ejected_after(b, 1000, &now), 2);
        balancer_free(b);
    }
}

static void who_is_ejected_is_asked_again_later(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 0}}, 42);
    uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1, 1}, now = NS_PER_SEC;
    unsigned bad = 0;
    for (unsigned i = 0; i < 100 && !bad; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, now);
        if (host_of(taken) == 1 && balanced_result(taken, &twice, OUTCOME_5XX, now))
            bad = 1;
        balanced_give(taken);
    }
    assert_int_equal(bad, 1);
    unsigned counts[MAX_ENDPOINTS] = {0};
    run(b, 1000, latency_ms, &now, counts);
    assert_int_equal(counts[1], 0);
    now += 10 * NS_PER_SEC;
    run(b, 1000, latency_ms, &now, counts);
    assert_true(counts[1] > 100);
    balancer_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_share_equally),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(the_slow_one_gets_less),
        cmocka_unit_test(fast_answers_are_told_apart),
        cmocka_unit_test(a_loaded_one_gets_less),
        cmocka_unit_test(what_fails_fast_does_not_attract),
        cmocka_unit_test(one_success_after_a_failure_helps),
        cmocka_unit_test(health_decides_first),
        cmocka_unit_test(who_leaves_comes_last),
        cmocka_unit_test(each_is_tried_once),
        cmocka_unit_test(an_update_keeps_what_was_learned),
        cmocka_unit_test(a_seed_makes_it_repeatable),
        cmocka_unit_test(no_more_than_their_share_are_ejected),
        cmocka_unit_test(who_is_ejected_is_asked_again_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
