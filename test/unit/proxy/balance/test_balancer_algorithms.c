/* What a Service can ask for instead of P2C peak EWMA. */
#include "test/unit/proxy/balance/balancer_rig.h"

/* Weights 3, 2, 1: in every six turns each has exactly its share, and the heavy one is spread. */
static void round_robin_is_exact(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1, .weight = 3},
                                                 {.host = 2, .weight = 2},
                                                 {.host = 3, .weight = 1},
                                                 {.host = 0}},
                                  42);
    uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1, 50, 1}, now = NS_PER_SEC;
    use(b, BALANCE_ROUND_ROBIN);
    for (unsigned round = 1; round <= 100; round++) {
        unsigned counts[MAX_ENDPOINTS] = {0};
        run(b, 6, latency_ms, &now, counts);
        assert_int_equal(counts[1], 3);
        assert_int_equal(counts[2], 2);
        assert_int_equal(counts[3], 1);
    }
    balancer_free(b);
}

static void random_is_by_weight_alone(void **state)
{
    (void)state;
    struct balancer *b = balancer(
        (struct row[]){{.host = 1, .weight = 3}, {.host = 2, .weight = 1}, {.host = 0}}, 42);
    uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1000, 1}, now = NS_PER_SEC;
    unsigned counts[MAX_ENDPOINTS] = {0};
    use(b, BALANCE_RANDOM);
    run(b, 8000, latency_ms, &now, counts);
    assert_in_range(counts[1], 5800, 6200);
    balancer_free(b);
}

static void least_request_goes_where_less_is_open(void **state)
{
    (void)state;
    struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 0}}, 42);
    struct balanced *taken[200];
    unsigned counts[MAX_ENDPOINTS] = {0};
    use(b, BALANCE_LEAST_REQUEST);
    for (unsigned i = 0; i < 200; i++) {
        taken[i] = balancer_take(b, NULL, 0, NS_PER_SEC);
        counts[host_of(taken[i])]++;
    }
    assert_int_equal(counts[1], 100); /* of two both are drawn: always the one with less */
    for (unsigned i = 0; i < 200; i++)
        balanced_give(taken[i]);
    balancer_free(b);
}

static unsigned host_for(struct balancer *b, enum balance_algorithm algorithm, uint64_t hash,
                         struct balanced *const *tried, size_t n, uint64_t now_ns)
{
    balancer_use(b, &(struct balance_rules){.algorithm = algorithm}, &hash);
    struct balanced *taken = balancer_take(b, tried, n, now_ns);
    assert_non_null(taken);
    unsigned host = host_of(taken);
    balanced_give(taken);
    return host;
}

/* Every balancer finds the same, whatever its seed; who has been tried is not found again, and only
 * the users of who goes move. */
static void a_hash_stays_with_its_endpoint(void **state)
{
    static const enum balance_algorithm algorithms[] = {BALANCE_RING_HASH, BALANCE_MAGLEV};
    static const struct row all[] = {{.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {0}};
    static const struct row fewer[] = {{.host = 1}, {.host = 2}, {.host = 4}, {0}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct balancer *a = balancer(all, 1), *b = balancer(all, 2);
        unsigned owner[1000], counts[MAX_ENDPOINTS] = {0}, moved = 0;
        for (unsigned key = 0; key < 1000; key++) {
            uint64_t hash = consistent_rehash(key, 1);
            owner[key] = host_for(a, algorithms[i], hash, NULL, 0, NS_PER_SEC);
            assert_int_equal(owner[key], host_for(b, algorithms[i], hash, NULL, 0, NS_PER_SEC));
            counts[owner[key]]++;
        }
        for (unsigned host = 1; host <= 4; host++)
            assert_in_range(counts[host], 180, 320);
        balancer_use(a, &(struct balance_rules){.algorithm = algorithms[i]},
                     &(uint64_t){consistent_rehash(0, 1)});
        struct balanced *first = balancer_take(a, NULL, 0, NS_PER_SEC);
        assert_int_equal(host_of(first), owner[0]);
        assert_int_not_equal(
            host_for(a, algorithms[i], consistent_rehash(0, 1), &first, 1, NS_PER_SEC), owner[0]);
        balanced_give(first);
        update(b, fewer);
        for (unsigned key = 0; key < 1000; key++) {
            unsigned now =
                host_for(b, algorithms[i], consistent_rehash(key, 1), NULL, 0, NS_PER_SEC);
            moved += owner[key] != 3 && now != owner[key];
        }
        assert_in_range(moved, 0, 30); /* of Maglev a few, of the ring none */
        balancer_free(a);
        balancer_free(b);
    }
}

/* Nothing to hash: all are asked. Ejected: another, and always the same. */
static void a_hash_does_not_lead_to_who_is_out(void **state)
{
    (void)state;
    struct balancer *b =
        balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 3}, {.host = 0}}, 42);
    const struct outlier_rules once = {.consecutive_5xx = 1,
                                       .base_ns = 10 * NS_PER_SEC,
                                       .max_ns = 10 * NS_PER_SEC,
                                       .max_percent = 50};
    uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1, 1, 1}, now = NS_PER_SEC, hash = 7;
    unsigned counts[MAX_ENDPOINTS] = {0};
    use(b, BALANCE_MAGLEV);
    run(b, 300, latency_ms, &now, counts);
    for (unsigned host = 1; host <= 3; host++)
        assert_in_range(counts[host], 60, 140);
    balancer_use(b, &(struct balance_rules){.algorithm = BALANCE_MAGLEV}, &hash);
    struct balanced *taken = balancer_take(b, NULL, 0, now);
    unsigned own = host_of(taken);
    assert_true(balanced_result(taken, &once, OUTCOME_5XX, now));
    balanced_give(taken);
    unsigned other = host_for(b, BALANCE_MAGLEV, hash, NULL, 0, now);
    assert_int_not_equal(other, own);
    assert_int_equal(host_for(b, BALANCE_MAGLEV, hash, NULL, 0, now), other);
    assert_int_equal(host_for(b, BALANCE_MAGLEV, hash, NULL, 0, now + 11 * NS_PER_SEC), own);
    balancer_free(b);
}

/* Who comes new is asked a little at first, and after its time like all. */
static void a_new_endpoint_starts_slowly(void **state)
{
    static const enum balance_algorithm algorithms[] = {BALANCE_P2C_PEAK_EWMA, BALANCE_ROUND_ROBIN,
                                                        BALANCE_LEAST_REQUEST, BALANCE_RANDOM};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct balancer *b = balancer((struct row[]){{.host = 1}, {.host = 2}, {.host = 0}}, 42);
        uint64_t latency_ms[MAX_ENDPOINTS] = {1, 1, 1, 1}, now = NS_PER_SEC;
        unsigned at_first[MAX_ENDPOINTS] = {0}, later[MAX_ENDPOINTS] = {0}, between[8] = {0};
        balancer_use(
            b,
            &(struct balance_rules){.algorithm = algorithms[i], .slow_start_ns = 100 * NS_PER_SEC},
            NULL);
        update(b, (struct row[]){{.host = 1}, {.host = 2}, {.host = 3}, {.host = 0}});
        run(b, 3000, latency_ms, &now, at_first); /* the first 3 s */
        assert_in_range(at_first[3], 20, 600);
        now += 60 * NS_PER_SEC;
        run(b, 3000, latency_ms, &now, between);
        assert_true(between[3] > at_first[3]);
        now += 60 * NS_PER_SEC;
        run(b, 3000, latency_ms, &now, later);
        assert_in_range(later[3], 850, 1150);
        balancer_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_is_exact),
        cmocka_unit_test(random_is_by_weight_alone),
        cmocka_unit_test(least_request_goes_where_less_is_open),
        cmocka_unit_test(a_hash_stays_with_its_endpoint),
        cmocka_unit_test(a_hash_does_not_lead_to_who_is_out),
        cmocka_unit_test(a_new_endpoint_starts_slowly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
