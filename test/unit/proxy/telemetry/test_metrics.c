#include "proxy/telemetry/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct flow_stats *flow_of(struct telemetry_shard *shard, const char *service)
{
    struct flow_labels labels = {
        .direction = DIRECTION_OUTBOUND, .service = service, .tls = "mutual"};
    return telemetry_flow(shard, &labels);
}

#define LABELS(service)                                                                            \
    "direction=\"outbound\",source_identity=\"\",source_workload=\"\",source_namespace=\"\","      \
    "destination_identity=\"\",destination_workload=\"\",destination_namespace=\"\",service="      \
    "\"" service "\",tls=\"mutual\",policy=\"\""

/* Two shards that both saw "b/api", and one more that "a/web" came to. */
static char *rendered(enum metrics_format format)
{
    struct telemetry_shard *one = telemetry_shard_new(10), *two = telemetry_shard_new(10);
    const struct telemetry_shard *shards[] = {one, two};
    flow_opened(flow_of(one, "b/api"));
    flow_opened(flow_of(two, "b/api"));
    flow_opened(flow_of(two, "a/web"));
    flow_connected(flow_of(one, "b/api"), 300000);
    flow_connected(flow_of(two, "b/api"), 20000000000);
    flow_ended(flow_of(two, "b/api"), REASON_CLIENT_RESET, 1500000000);
    stat_add(&flow_of(one, "b/api")->bytes_sent, 7);
    stat_add(&flow_of(two, "b/api")->bytes_sent, 5);
    telemetry_add(one, COUNTER_LOOPS, 2);
    telemetry_add(two, COUNTER_LOOPS, 3);
    telemetry_add(two, COUNTER_CONNECTIONS_INBOUND, 1);
    struct metrics_sample samples[] = {
        {"outrigger_build_info", "the version", false, "version=\"1\"", 1},
        {"process_cpu_seconds_total", "CPU time", true, NULL, 0.25},
    };
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(metrics_render(&out, format, shards, 2, samples, 2));
    char *text = calloc(1, buf_len(&out) + 1);
    memcpy(text, buf_slice(&out).ptr, buf_len(&out));
    buf_fini(&out);
    telemetry_shard_free(one);
    telemetry_shard_free(two);
    return text;
}

static void assert_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at++) {
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return;
    }
    fail_msg("no line '%s' in:\n%s", line, text);
}

static void shards_are_summed_by_labels(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "# TYPE outrigger_loops_total counter",
        "outrigger_loops_total 5",
        "# TYPE outrigger_inbound_connections gauge",
        "outrigger_inbound_connections 1",
        "outrigger_build_info{version=\"1\"} 1",
        "process_cpu_seconds_total 0.25",
        "outrigger_connections_opened_total{" LABELS("b/api") "} 2",
        "outrigger_connections_opened_total{" LABELS("a/web") "} 1",
        "outrigger_connections_open{" LABELS("b/api") "} 1",
        "outrigger_sent_bytes_total{" LABELS("b/api") "} 12",
        "outrigger_connections_ended_total{" LABELS("b/api") ",reason=\"client_reset\"} 1",
        "# TYPE outrigger_connect_seconds histogram",
        "outrigger_connect_seconds_bucket{" LABELS("b/api") ",le=\"0.00025\"} 0",
        "outrigger_connect_seconds_bucket{" LABELS("b/api") ",le=\"0.0005\"} 1",
        "outrigger_connect_seconds_bucket{" LABELS("b/api") ",le=\"1.0\"} 1",
        "outrigger_connect_seconds_bucket{" LABELS("b/api") ",le=\"10.0\"} 1",
        "outrigger_connect_seconds_bucket{" LABELS("b/api") ",le=\"+Inf\"} 2",
        "outrigger_connect_seconds_count{" LABELS("b/api") "} 2",
        "outrigger_connect_seconds_sum{" LABELS("b/api") "} 20.000300",
        "outrigger_connection_duration_seconds_sum{" LABELS("b/api") "} 1.500000",
    };
    char *text = rendered(METRICS_PROMETHEUS);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_line(text, lines[i]);
    assert_null(strstr(text, "overflow=\"true\"")); /* nothing was counted there */
    assert_null(strstr(text, "# EOF"));
    assert_true(strstr(text, "{" LABELS("a/web")) < strstr(text, "{" LABELS("b/api")));
    free(text);
}

static void openmetrics_differs_where_it_must(void **state)
{
    (void)state;
    char *text = rendered(METRICS_OPENMETRICS);
    assert_line(text, "# TYPE outrigger_loops counter");
    assert_line(text, "outrigger_loops_total 5");
    assert_line(text, "# TYPE process_cpu_seconds counter");
    assert_line(text, "# TYPE outrigger_connections_ended counter");
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    free(text);
}

static void a_ceiling_is_told(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(10);
    const struct telemetry_shard *shards[] = {shard};
    struct buf out;
    buf_init(&out, 100);
    assert_false(metrics_render(&out, METRICS_PROMETHEUS, shards, 1, NULL, 0));
    buf_fini(&out);
    telemetry_shard_free(shard);
}

static void accept_decides(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum metrics_format format;
    } cases[] = {
        {NULL, METRICS_PROMETHEUS},
        {"", METRICS_PROMETHEUS},
        {"*/*", METRICS_PROMETHEUS},
        {"text/plain", METRICS_PROMETHEUS},
        {"application/openmetrics-text", METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0", METRICS_OPENMETRICS},
        {"application/openmetrics-text; version=2.0.0", METRICS_PROMETHEUS},
        {"application/openmetrics-text;q=0", METRICS_PROMETHEUS},
        {"application/openmetrics-text;q=0.5,text/plain;q=0.6", METRICS_PROMETHEUS},
        {"text/plain;q=0.5 , application/openmetrics-text;q=0.75", METRICS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
         "version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
         METRICS_OPENMETRICS},
        {"application/openmetrics-text;q=9", METRICS_PROMETHEUS},
        {"application/openmetrics-text;q=x", METRICS_PROMETHEUS},
        {",;,;=;", METRICS_PROMETHEUS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (metrics_negotiate(cases[i].accept) != cases[i].format)
            fail_msg("wrong format for '%s'", cases[i].accept ? cases[i].accept : "(none)");
    }
}

static void a_label_is_read_back_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *labels, *name, *value;
    } cases[] = {
        {"a=\"1\",b=\"2\"", "a", "1"},
        {"a=\"1\",b=\"2\"", "b", "2"},
        {"a=\"1\",b=\"2\"", "c", ""},
        {"ab=\"1\",b=\"2\"", "b", "2"},
        {"a=\"x,b=\\\"no\\\"\",b=\"yes\"", "b", "yes"},
        {"a=\"q\\\"s\\\\n\\n\"", "a", "q\"s\\n\n"},
        {"a=\"12345678\"", "a", "1234567"},
        {"", "a", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char value[8];
        assert_string_equal(metrics_label(cases[i].labels, cases[i].name, value, sizeof(value)),
                            cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_summed_by_labels),
        cmocka_unit_test(openmetrics_differs_where_it_must),
        cmocka_unit_test(a_ceiling_is_told),
        cmocka_unit_test(accept_decides),
        cmocka_unit_test(a_label_is_read_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
