/*
 * What it costs to count a request, warm: its peers found in the connection's memory, then its
 * entry, then the stores. Medians of five rounds, in nanoseconds, as JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/telemetry/request_stats.h"
#include "test/bench/tool.h"

#define ROUNDS   5
#define REQUESTS 1000000

static const struct flow_labels labels = {
    .direction = DIRECTION_OUTBOUND,
    .source_identity = "spiffe://cluster.local/ns/shop/sa/web",
    .source_workload = "web",
    .source_namespace = "shop",
    .destination_identity = "spiffe://cluster.local/ns/shop/sa/api",
    .destination_workload = "api",
    .destination_namespace = "shop",
    .service = "shop/api",
    .route = "",
};

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Every request has another duration, and every tenth another status. */
static double measure(struct telemetry_shard *shard, struct request_peers_cache *cache,
                      const uint8_t *trace_id)
{
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_now_ns();
        for (unsigned i = 0; i < REQUESTS; i++) {
            struct request_seen seen = {.protocol = REQUEST_HTTP_1_1,
                                        .method = SLICE_LITERAL("GET"),
                                        .status = i % 10 ? 200 : 404,
                                        .grpc_status = -1,
                                        .policy = "",
                                        .duration_us = i % 50000,
                                        .response_bytes = 128,
                                        .trace_id = trace_id,
                                        .wall_ms = 1};
            struct request_peers *peers =
                request_peers_cached(cache, labels.destination_identity,
                                     labels.destination_workload, labels.service, "");
            if (!peers)
                tool_die("the peers were forgotten");
            request_stats_count(shard, peers, &seen);
        }
        rounds[round] = (double)(clock_now_ns() - start) / REQUESTS;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
    return rounds[ROUNDS / 2];
}

int main(void)
{
    static const uint8_t trace_id[REQUEST_TRACE_ID_BYTES] = {1};
    struct telemetry_shard *shard = telemetry_shard_new(1000);
    struct request_peers_cache cache = {0};
    if (!shard || !request_peers_find(shard, &labels, &cache))
        tool_die("no memory");
    double counted = measure(shard, &cache, NULL);
    double sampled = measure(shard, &cache, trace_id);
    printf("{\"counted_ns\": %.1f, \"with_exemplar_ns\": %.1f}\n", counted, sampled);
    telemetry_shard_free(shard);
    return 0;
}
