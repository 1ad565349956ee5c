#include "proxy/telemetry/telemetry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct flow_labels labels_for(const char *service)
{
    return (struct flow_labels){
        .direction = DIRECTION_OUTBOUND,
        .source_identity = "spiffe://cluster.local/ns/a/sa/web",
        .source_workload = "web",
        .source_namespace = "a",
        .destination_identity = "",
        .destination_workload = "api",
        .destination_namespace = "b",
        .service = service,
        .tls = "mutual",
        .policy = "",
    };
}

static void same_labels_give_the_same_entry(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    struct flow_labels one = labels_for("b/api"), two = labels_for("b/other");
    struct flow_stats *first = telemetry_flow(shard, &one);
    assert_ptr_equal(first, telemetry_flow(shard, &one));
    assert_ptr_not_equal(first, telemetry_flow(shard, &two));
    assert_string_equal(first->labels,
                        "direction=\"outbound\","
                        "source_identity=\"spiffe://cluster.local/ns/a/sa/web\","
                        "source_workload=\"web\",source_namespace=\"a\","
                        "destination_identity=\"\",destination_workload=\"api\","
                        "destination_namespace=\"b\",service=\"b/api\",tls=\"mutual\",policy=\"\"");
    telemetry_shard_free(shard);
}

static void values_are_escaped_and_null_is_empty(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    struct flow_labels labels = labels_for("a\"b\\c\nd");
    labels.policy = NULL;
    struct flow_stats *flow = telemetry_flow(shard, &labels);
    assert_non_null(strstr(flow->labels, "service=\"a\\\"b\\\\c\\nd\""));
    assert_non_null(strstr(flow->labels, "policy=\"\""));
    telemetry_shard_free(shard);
}

static void beyond_the_ceiling_is_overflow_by_direction(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(1);
    struct flow_labels one = labels_for("b/one"), two = labels_for("b/two"), in = labels_for("b/3");
    in.direction = DIRECTION_INBOUND;
    struct flow_stats *first = telemetry_flow(shard, &one);
    struct flow_stats *out = telemetry_flow(shard, &two);
    assert_string_equal(out->labels, "direction=\"outbound\",overflow=\"true\"");
    assert_string_equal(telemetry_flow(shard, &in)->labels,
                        "direction=\"inbound\",overflow=\"true\"");
    assert_ptr_equal(first, telemetry_flow(shard, &one));
    assert_int_equal(stat_get(&shard->counters[COUNTER_LABELS_OVERFLOWED]), 2);
    telemetry_shard_free(shard);
}

static void labels_too_long_are_overflow(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    char *longest = malloc(10000);
    memset(longest, 'x', 9999);
    longest[9999] = '\0';
    struct flow_labels labels = labels_for(longest);
    assert_ptr_equal(telemetry_flow(shard, &labels), shard->overflow[DIRECTION_OUTBOUND]);
    free(longest);
    telemetry_shard_free(shard);
}

static void connect_time_falls_in_its_bucket(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        size_t bucket;
    } cases[] = {
        {0, 0}, {100000, 0}, {101000, 1}, {1000000, 3}, {10000000000, 13}, {10000001000, 14},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct telemetry_shard *shard = telemetry_shard_new(10);
        struct flow_labels labels = labels_for("b/api");
        struct flow_stats *flow = telemetry_flow(shard, &labels);
        flow_connected(flow, cases[i].ns);
        assert_int_equal(stat_get(&flow->connect_bucket[cases[i].bucket]), 1);
        assert_int_equal(stat_get(&flow->connect_count), 1);
        assert_int_equal(stat_get(&flow->connect_sum_us), cases[i].ns / 1000);
        telemetry_shard_free(shard);
    }
}

static void opened_and_ended_balance(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    struct flow_labels labels = labels_for("b/api");
    struct flow_stats *flow = telemetry_flow(shard, &labels);
    flow_opened(flow);
    flow_opened(flow);
    flow_ended(flow, REASON_DONE, 5000000);
    assert_int_equal(stat_get(&flow->opened), 2);
    assert_int_equal(stat_get(&flow->open), 1);
    assert_int_equal(stat_get(&flow->ended[REASON_DONE]), 1);
    assert_int_equal(stat_get(&flow->duration_sum_us), 5000);
    telemetry_shard_free(shard);
}

static void gauges_go_down_as_well(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    telemetry_add(shard, COUNTER_SERVICES, 3);
    telemetry_add(shard, COUNTER_SERVICES, -1);
    assert_int_equal(stat_get(&shard->counters[COUNTER_SERVICES]), 2);
    telemetry_shard_free(shard);
}

static void every_reason_has_its_own_word(void **state)
{
    (void)state;
    for (int i = 0; i < REASON_COUNT; i++) {
        assert_true(reason_help((enum reason)i)[0] != '\0');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(reason_word((enum reason)i), reason_word((enum reason)j));
    }
    assert_false(reason_is_error(REASON_DONE));
    assert_true(reason_is_error(REASON_POLICY_DENIED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_labels_give_the_same_entry),
        cmocka_unit_test(values_are_escaped_and_null_is_empty),
        cmocka_unit_test(beyond_the_ceiling_is_overflow_by_direction),
        cmocka_unit_test(labels_too_long_are_overflow),
        cmocka_unit_test(connect_time_falls_in_its_bucket),
        cmocka_unit_test(opened_and_ended_balance),
        cmocka_unit_test(gauges_go_down_as_well),
        cmocka_unit_test(every_reason_has_its_own_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
