#include "proxy/telemetry/request_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/telemetry/request_metrics.h"

#define PEERS(service)                                                                             \
    "direction=\"outbound\",source_identity=\"spiffe://a\",source_workload=\"web\","               \
    "source_namespace=\"shop\",destination_identity=\"spiffe://b\",destination_workload=\"api\","  \
    "destination_namespace=\"shop\",service=\"" service "\",route=\"\","

static struct flow_labels labels_of(const char *service)
{
    return (struct flow_labels){.direction = DIRECTION_OUTBOUND,
                                .source_identity = "spiffe://a",
                                .source_workload = "web",
                                .source_namespace = "shop",
                                .destination_identity = "spiffe://b",
                                .destination_workload = "api",
                                .destination_namespace = "shop",
                                .service = service,
                                .route = ""};
}

static struct request_seen seen_of(const char *method, unsigned status)
{
    return (struct request_seen){.direction = DIRECTION_OUTBOUND,
                                 .protocol = REQUEST_HTTP_1_1,
                                 .method = slice_str(method),
                                 .status = status,
                                 .grpc_status = -1,
                                 .policy = "",
                                 .duration_us = 1200,
                                 .request_bytes = 3,
                                 .response_bytes = 5};
}

static void count(struct telemetry_shard *shard, const char *service,
                  const struct request_seen *seen)
{
    struct request_peers_cache cache = {0};
    struct flow_labels labels = labels_of(service);
    request_stats_count(shard, request_peers_find(shard, &labels, &cache), seen);
}

static char *rendered(enum metrics_format format, const struct telemetry_shard *const *shards,
                      size_t n)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_true(request_metrics_render(&out, format, shards, n));
    char *text = calloc(1, buf_len(&out) + 1);
    memcpy(text, buf_slice(&out).ptr, buf_len(&out));
    buf_fini(&out);
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

#define GET_200                                                                                    \
    "protocol=\"http/1.1\",method=\"GET\",status=\"2xx\",grpc_status=\"\",reason=\"\",policy=\"\""

static void shards_are_summed(void **state)
{
    (void)state;
    struct telemetry_shard *one = telemetry_shard_new(10), *two = telemetry_shard_new(10);
    const struct telemetry_shard *shards[] = {one, two};
    struct request_seen get = seen_of("GET", 204), slow = seen_of("GET", 200);
    struct request_seen refused = seen_of("BREW", 403), rpc = seen_of("POST", 200);
    slow.duration_us = 60 * 1000000;
    refused.reason = REQUEST_REASON_POLICY_DENIED;
    refused.policy = "shop/no";
    rpc.protocol = REQUEST_GRPC;
    rpc.grpc_status = 77;
    count(one, "shop/api", &get);
    count(one, "shop/api", &slow);
    count(two, "shop/api", &get);
    count(two, "shop/api", &refused);
    count(two, "shop/other", &rpc);
    char *text = rendered(METRICS_PROMETHEUS, shards, 2);
    static const char *const lines[] = {
        "# TYPE outrigger_requests_total counter",
        "outrigger_requests_total{" PEERS("shop/api") GET_200 "} 3",
        "outrigger_request_bytes_total{" PEERS("shop/api") GET_200 "} 9",
        "outrigger_response_bytes_total{" PEERS("shop/api") GET_200 "} 15",
        "outrigger_requests_total{" PEERS(
            "shop/api") "protocol=\"http/1.1\",method=\"OTHER\",status=\"4xx\",grpc_status=\"\","
                        "reason=\"policy_denied\",policy=\"shop/no\"} 1",
        "outrigger_requests_total{" PEERS(
            "shop/other") "protocol=\"grpc\",method=\"POST\",status=\"2xx\",grpc_status=\"2\","
                          "reason=\"\",policy=\"\"} 1",
        "outrigger_request_duration_seconds_bucket{" PEERS("shop/api") GET_200 ",le=\"0.001\"} 0",
        "outrigger_request_duration_seconds_bucket{" PEERS("shop/api") GET_200 ",le=\"0.0025\"} 2",
        "outrigger_request_duration_seconds_bucket{" PEERS("shop/api") GET_200 ",le=\"30.0\"} 2",
        "outrigger_request_duration_seconds_bucket{" PEERS("shop/api") GET_200 ",le=\"+Inf\"} 3",
        "outrigger_request_duration_seconds_count{" PEERS("shop/api") GET_200 "} 3",
        "outrigger_request_duration_seconds_sum{" PEERS("shop/api") GET_200 "} 60.002400",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_line(text, lines[i]);
    assert_null(strstr(text, "overflow"));
    free(text);
    telemetry_shard_free(one);
    telemetry_shard_free(two);
}

static void exemplars_are_for_openmetrics(void **state)
{
    (void)state;
    static const uint8_t id[REQUEST_TRACE_ID_BYTES] = {0xab, [15] = 0x01};
    struct telemetry_shard *shard = telemetry_shard_new(10);
    const struct telemetry_shard *shards[] = {shard};
    struct request_seen get = seen_of("GET", 200);
    get.trace_id = id;
    get.wall_ms = 1700000000042;
    count(shard, "shop/api", &get);
    char *text = rendered(METRICS_OPENMETRICS, shards, 1);
    assert_line(text, "# TYPE outrigger_requests counter");
    assert_line(text, "outrigger_request_duration_seconds_bucket{" PEERS("shop/api") GET_200
                ",le=\"0.0025\"} 1 # {trace_id=\"ab000000000000000000000000000001\"} 0.001200 "
                "1700000000.042");
    free(text);
    text = rendered(METRICS_PROMETHEUS, shards, 1);
    assert_null(strstr(text, "trace_id"));
    free(text);
    telemetry_shard_free(shard);
}

static void the_ceiling_is_kept(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(2);
    const struct telemetry_shard *shards[] = {shard};
    static const char *const methods[] = {"GET", "POST", "PUT", "GET", "PATCH"};
    for (size_t i = 0; i < 5; i++) {
        struct request_seen seen = seen_of(methods[i], 200);
        count(shard, "shop/api", &seen);
    }
    struct request_seen seen = seen_of("GET", 200);
    count(shard, "shop/new", &seen); /* not even the peers are remembered */
    char *text = rendered(METRICS_PROMETHEUS, shards, 1);
    assert_line(text, "outrigger_requests_total{direction=\"outbound\",overflow=\"true\"} 3");
    assert_line(text, "outrigger_requests_total{" PEERS("shop/api") GET_200 "} 2");
    assert_int_equal(stat_get(&shard->counters[COUNTER_REQUEST_LABELS_OVERFLOWED]), 3);
    assert_int_equal(shard->requests->peers_by_labels.count, 1);
    free(text);
    telemetry_shard_free(shard);
}

static void a_connection_remembers_its_peers(void **state)
{
    (void)state;
    struct telemetry_shard *shard = telemetry_shard_new(100);
    struct request_peers_cache cache = {0};
    static const char *const services[] = {"a", "b", "c", "d", "e"};
    struct request_peers *first = NULL;
    for (size_t i = 0; i < 5; i++) {
        struct flow_labels labels = labels_of(services[i]);
        struct request_peers *peers = request_peers_find(shard, &labels, &cache);
        assert_non_null(peers);
        assert_ptr_equal(request_peers_cached(&cache, "spiffe://b", "api", services[i], ""), peers);
        first = first ? first : peers;
    }
    assert_null(
        request_peers_cached(&cache, "spiffe://b", "api", "a", "")); /* the fifth took its place */
    assert_null(request_peers_cached(&cache, "spiffe://c", "api", "b", ""));
    assert_null(request_peers_cached(&cache, "spiffe://b", "web", "b", ""));
    struct flow_labels labels = labels_of("a");
    assert_ptr_equal(request_peers_find(shard, &labels, &cache), first);
    request_peers_forget(&cache);
    assert_null(request_peers_cached(&cache, "spiffe://b", "api", "e", ""));
    telemetry_shard_free(shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_summed),
        cmocka_unit_test(exemplars_are_for_openmetrics),
        cmocka_unit_test(the_ceiling_is_kept),
        cmocka_unit_test(a_connection_remembers_its_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
