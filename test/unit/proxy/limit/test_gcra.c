/*
 * The meter against a plain token bucket, on random arrivals; and the buckets of many keys.
 */
#include "proxy/limit/buckets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

static const struct {
    uint64_t requests, per_ns, burst;
} rates[] = {
    {10, NS_PER_SEC, 10}, {10, NS_PER_SEC, 1},      {1000, NS_PER_SEC, 50},
    {1, NS_PER_SEC, 5},   {60, 60 * NS_PER_SEC, 3}, {1000000, NS_PER_SEC, 100},
};

/* Tokens in units of a nanosecond of the interval: no rounding. */
struct reference {
    uint64_t tokens, max, at;
};

static bool reference_take(struct reference *reference, uint64_t interval_ns, uint64_t now_ns)
{
    reference->tokens += now_ns - reference->at;
    if (reference->tokens > reference->max)
        reference->tokens = reference->max;
    reference->at = now_ns;
    if (reference->tokens < interval_ns)
        return false;
    reference->tokens -= interval_ns;
    return true;
}

static void it_is_a_token_bucket(void **state)
{
    unsigned short seed[3] = {1, 2, 3};
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct gcra_rate rate = gcra_rate_of(rates[i].requests, rates[i].per_ns, rates[i].burst);
        uint64_t now_ns = 3600 * NS_PER_SEC, wait_ns;
        struct reference reference = {rate.burst_ns, rate.burst_ns, now_ns};
        _Atomic uint64_t bucket = 0;
        for (int n = 0; n < 20000; n++) {
            bool is_allowed = gcra_take(&bucket, rate, now_ns, &wait_ns);
            assert_int_equal(is_allowed, reference_take(&reference, rate.interval_ns, now_ns));
            now_ns += (uint64_t)nrand48(seed) % (2 * rate.interval_ns);
        }
    }
}

static void who_comes_again_when_told_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct gcra_rate rate = gcra_rate_of(rates[i].requests, rates[i].per_ns, rates[i].burst);
        uint64_t now_ns = NS_PER_SEC, wait_ns = 0, n = 0;
        _Atomic uint64_t bucket = 0;
        while (gcra_take(&bucket, rate, now_ns, &wait_ns))
            n++;
        assert_int_equal(n, rates[i].burst);
        uint64_t told_ns = wait_ns;
        assert_true(told_ns > 0);
        assert_false(gcra_take(&bucket, rate, now_ns + told_ns - 1, &wait_ns));
        assert_true(gcra_take(&bucket, rate, now_ns + told_ns, &wait_ns));
    }
}

static struct slice key_text(char text[32], unsigned i)
{
    snprintf(text, 32, "key-%u", i);
    return slice_str(text);
}

static void keys_have_buckets_of_their_own(void **state)
{
    struct gcra_rate rate = gcra_rate_of(1, NS_PER_SEC, 1);
    struct buckets *buckets = buckets_new(4096);
    uint64_t now_ns = NS_PER_SEC, wait_ns;
    unsigned allowed = 0;
    char text[32];
    (void)state;
    for (unsigned i = 0; i < 500; i++)
        allowed += buckets_take(buckets, key_text(text, i), rate, now_ns, &wait_ns);
    assert_int_equal(allowed + buckets_shared(buckets), 500);
    assert_true(allowed >= 499); /* nine of 500 keys in one of 512 sets: hardly ever */
    for (unsigned i = 0; i < 500; i++)
        assert_false(buckets_take(buckets, key_text(text, i), rate, now_ns, &wait_ns));
    buckets_drop(buckets);
}

/* A crowd of keys makes the limit stricter, and never looser: nobody's refusal is forgotten. */
static void a_crowd_of_keys_frees_nobody(void **state)
{
    struct gcra_rate rate = gcra_rate_of(1, 60 * NS_PER_SEC, 1);
    struct buckets *buckets = buckets_new(64);
    uint64_t now_ns = NS_PER_SEC, wait_ns;
    unsigned allowed = 0;
    char text[32];
    (void)state;
    assert_true(buckets_take(buckets, SLICE_LITERAL("victim"), rate, now_ns, &wait_ns));
    for (unsigned i = 0; i < 100000; i++)
        allowed += buckets_take(buckets, key_text(text, i), rate, now_ns, &wait_ns);
    assert_true(allowed < buckets_n(buckets));
    assert_false(buckets_take(buckets, SLICE_LITERAL("victim"), rate, now_ns, &wait_ns));
    assert_true(buckets_shared(buckets) > 90000);
    /* When all are empty again there is room for others. */
    now_ns += 61 * NS_PER_SEC;
    assert_true(buckets_take(buckets, SLICE_LITERAL("new"), rate, now_ns, &wait_ns));
    buckets_drop(buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_token_bucket),
        cmocka_unit_test(who_comes_again_when_told_is_allowed),
        cmocka_unit_test(keys_have_buckets_of_their_own),
        cmocka_unit_test(a_crowd_of_keys_frees_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
