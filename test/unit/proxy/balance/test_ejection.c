/* Panic, what a version that is past may still say, and when ejections are over. */
#include "test/unit/proxy/balance/balancer_rig.h"

static const struct row four[] = {{.host = 1}, {.host = 2}, {.host = 3}, {.host = 4}, {.host = 0}};

static const struct outlier_rules at_once = {
    .consecutive_5xx = 1, .base_ns = 30 * NS_PER_SEC, .max_ns = 30 * NS_PER_SEC, .max_percent = 75};

static void panic_at(struct balancer *b, uint32_t percent)
{
    balancer_use(
        b, &(struct balance_rules){.algorithm = BALANCE_ROUND_ROBIN, .panic_percent = percent},
        NULL);
}

/* Asks until so many more are out; the time stands still. */
static void eject(struct balancer *b, unsigned n, uint64_t now_ns)
{
    while (n > 0) {
        struct balanced *taken = balancer_take(b, NULL, 0, now_ns);
        n -= balanced_result(taken, &at_once, OUTCOME_5XX, now_ns);
        balanced_give(taken);
    }
}

/* How many different ones eight choices find. */
static unsigned n_asked(struct balancer *b, uint64_t now_ns)
{
    bool is_asked[MAX_ENDPOINTS] = {false};
    unsigned n = 0;
    for (unsigned i = 0; i < 8; i++) {
        struct balanced *taken = balancer_take(b, NULL, 0, now_ns);
        n += !is_asked[host_of(taken)];
        is_asked[host_of(taken)] = true;
        balanced_give(taken);
    }
    return n;
}

static void in_panic_all_are_asked(void **state)
{
    static const struct {
        unsigned n_ejected;
        uint32_t percent;
        unsigned n_asked;
    } rows[] = {{1, 50, 3}, {2, 50, 2}, {3, 50, 4}, {3, 0, 1}, {3, 25, 1}, {3, 26, 4}, {1, 100, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct balancer *b = balancer(four, 42);
        panic_at(b, 0);
        eject(b, rows[i].n_ejected, NS_PER_SEC);
        panic_at(b, rows[i].percent);
        assert_int_equal(n_asked(b, NS_PER_SEC), rows[i].n_asked);
        balancer_free(b);
    }
}

static void panic_ends_with_the_ejections(void **state)
{
    (void)state;
    struct balancer *b = balancer(four, 42);
    struct balanced_view views[MAX_ENDPOINTS];
    uint64_t now = NS_PER_SEC, next = UINT64_MAX;
    panic_at(b, 50);
    eject(b, 3, now);
    assert_int_equal(n_asked(b, now), 4);
    assert_int_equal(balancer_views(b, views, MAX_ENDPOINTS), 4);
    assert_true(views[0].is_panic);
    assert_int_equal(balancer_ejected(b, now, &next), 3);
    assert_int_equal(next, now + at_once.base_ns);
    now = next;
    assert_int_equal(balancer_ejected(b, now, &next), 0);
    assert_int_equal(n_asked(b, now), 4);
    balancer_views(b, views, MAX_ENDPOINTS);
    assert_false(views[0].is_panic);
    balancer_free(b);
}

static void a_version_that_is_past_ejects_nobody(void **state)
{
    (void)state;
    struct balancer *b = balancer(four, 42);
    uint64_t next = UINT64_MAX;
    panic_at(b, 0);
    struct balanced *old = balancer_take(b, NULL, 0, NS_PER_SEC);
    update(b, four);
    assert_int_equal(balanced_result(old, &at_once, OUTCOME_5XX, NS_PER_SEC), 0);
    balanced_give(old);
    assert_int_equal(balancer_ejected(b, NS_PER_SEC, &next), 0);
    balancer_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_panic_all_are_asked),
        cmocka_unit_test(panic_ends_with_the_ejections),
        cmocka_unit_test(a_version_that_is_past_ejects_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
