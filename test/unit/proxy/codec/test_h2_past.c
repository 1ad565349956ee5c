#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/codec/h2_past.h"

static void test_knows_what_became_of_a_stream(void **state)
{
    (void)state;
    struct h2_past past = {0};
    assert_int_equal(h2_past_state(&past, 1), H2_PAST_UNKNOWN);
    h2_past_open(&past, 3);
    h2_past_open(&past, 7);
    h2_past_end(&past, 7);
    assert_int_equal(h2_past_state(&past, 1), H2_PAST_SKIPPED);
    assert_int_equal(h2_past_state(&past, 2), H2_PAST_UNKNOWN);
    assert_int_equal(h2_past_state(&past, 3), H2_PAST_UNKNOWN); /* open, or reset by us */
    assert_int_equal(h2_past_state(&past, 5), H2_PAST_SKIPPED);
    assert_int_equal(h2_past_state(&past, 7), H2_PAST_ENDED);
    assert_int_equal(h2_past_state(&past, 9), H2_PAST_UNKNOWN);
}

static void test_an_older_stream_can_end_later(void **state)
{
    (void)state;
    struct h2_past past = {0};
    h2_past_open(&past, 1);
    h2_past_open(&past, 3);
    h2_past_end(&past, 1);
    assert_int_equal(h2_past_state(&past, 1), H2_PAST_ENDED);
    assert_int_equal(h2_past_state(&past, 3), H2_PAST_UNKNOWN);
}

static void test_forgets_what_is_too_old(void **state)
{
    (void)state;
    const uint32_t last = 2 * (H2_PAST_STREAMS - 1) + 1; /* the last that fits beside 1 */
    struct h2_past past = {0};
    for (uint32_t id = 1; id <= last; id += 2) {
        h2_past_open(&past, id);
        h2_past_end(&past, id);
    }
    assert_int_equal(h2_past_state(&past, 1), H2_PAST_ENDED);
    h2_past_open(&past, last + 2);
    assert_int_equal(h2_past_state(&past, 1), H2_PAST_UNKNOWN);
    assert_int_equal(h2_past_state(&past, 3), H2_PAST_ENDED);
    assert_int_equal(h2_past_state(&past, last + 2), H2_PAST_UNKNOWN);
    h2_past_end(&past, 1); /* one that lasted long; its place is another's */
    assert_int_equal(h2_past_state(&past, last + 2), H2_PAST_UNKNOWN);
}

static void test_a_leap_leaves_nothing_behind(void **state)
{
    (void)state;
    struct h2_past past = {0};
    for (uint32_t id = 1; id < 4 * H2_PAST_STREAMS; id += 2) {
        h2_past_open(&past, id);
        h2_past_end(&past, id);
    }
    h2_past_open(&past, 0x7fffffff);
    assert_int_equal(h2_past_state(&past, 0x7fffffff), H2_PAST_UNKNOWN);
    for (uint32_t back = 2; back < 2 * H2_PAST_STREAMS; back += 2)
        assert_int_equal(h2_past_state(&past, 0x7fffffff - back), H2_PAST_SKIPPED);
    assert_int_equal(h2_past_state(&past, 0x7fffffff - 2 * H2_PAST_STREAMS), H2_PAST_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_knows_what_became_of_a_stream),
        cmocka_unit_test(test_an_older_stream_can_end_later),
        cmocka_unit_test(test_forgets_what_is_too_old),
        cmocka_unit_test(test_a_leap_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
