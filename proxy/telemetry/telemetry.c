#include "proxy/telemetry/telemetry.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/telemetry/label_text.h"
#include "proxy/telemetry/request_stats.h"

const uint64_t flow_bucket_us[FLOW_BUCKETS] = {
    100,   250,   500,    1000,   2500,    5000,    10000,
    25000, 50000, 100000, 250000, 1000000, 2500000, 10000000,
};

static const struct {
    const char *word, *help;
    bool is_error;
} reasons[REASON_COUNT] = {
#define REASON(name, word, is_error, help) [REASON_##name] = {word, help, is_error},
#include "proxy/telemetry/reasons.def"
#undef REASON
};

const char *reason_word(enum reason reason)
{
    assert(reason < REASON_COUNT);
    return reasons[reason].word;
}

const char *reason_help(enum reason reason)
{
    assert(reason < REASON_COUNT);
    return reasons[reason].help;
}

bool reason_is_error(enum reason reason)
{
    assert(reason < REASON_COUNT);
    return reasons[reason].is_error;
}

const char *direction_name(enum direction direction)
{
    return direction == DIRECTION_INBOUND ? "inbound" : "outbound";
}

static void text_flow(struct label_text *text, const struct flow_labels *labels)
{
    label_text_init(text);
    label_text_add(text, "direction", direction_name(labels->direction));
    label_text_add(text, "source_identity", labels->source_identity);
    label_text_add(text, "source_workload", labels->source_workload);
    label_text_add(text, "source_namespace", labels->source_namespace);
    label_text_add(text, "destination_identity", labels->destination_identity);
    label_text_add(text, "destination_workload", labels->destination_workload);
    label_text_add(text, "destination_namespace", labels->destination_namespace);
    label_text_add(text, "service", labels->service);
    label_text_add(text, "tls", labels->tls);
    label_text_add(text, "policy", labels->policy);
}

static struct flow_stats *flow_new(struct slice labels)
{
    struct flow_stats *flow = calloc(1, sizeof(*flow));
    char *copy = malloc(labels.len + 1);
    if (!flow || !copy) {
        free(flow);
        free(copy);
        return NULL;
    }
    memcpy(copy, labels.ptr, labels.len);
    copy[labels.len] = '\0';
    flow->labels = copy;
    return flow;
}

static void flow_free(struct flow_stats *flow)
{
    if (!flow)
        return;
    free(flow->labels);
    free(flow);
}

/* The release makes the entry's labels visible to whoever reads the list with acquire. */
static void shard_prepend(struct telemetry_shard *shard, struct flow_stats *flow)
{
    struct flow_stats *first = atomic_load_explicit(&shard->flows, memory_order_relaxed);
    atomic_store_explicit(&flow->next, first, memory_order_relaxed);
    atomic_store_explicit(&shard->flows, flow, memory_order_release);
}

static struct flow_stats *overflow_new(enum direction direction)
{
    struct label_text text;
    label_text_overflow(&text, direction_name(direction));
    return flow_new(label_text_slice(&text));
}

struct telemetry_shard *telemetry_shard_new(size_t max_flows)
{
    struct telemetry_shard *shard = calloc(1, sizeof(*shard));
    if (!shard)
        return NULL;
    shard->max_flows = max_flows;
    map_init(&shard->by_labels);
    shard->requests = request_table_new();
    if (!shard->requests) {
        telemetry_shard_free(shard);
        return NULL;
    }
    for (int i = DIRECTION_INBOUND; i <= DIRECTION_OUTBOUND; i++) {
        shard->overflow[i] = overflow_new((enum direction)i);
        if (!shard->overflow[i]) {
            telemetry_shard_free(shard);
            return NULL;
        }
        shard_prepend(shard, shard->overflow[i]);
    }
    return shard;
}

void telemetry_shard_free(struct telemetry_shard *shard)
{
    if (!shard)
        return;
    struct flow_stats *next;
    for (struct flow_stats *flow = atomic_load(&shard->flows); flow; flow = next) {
        next = atomic_load(&flow->next);
        flow_free(flow);
    }
    map_fini(&shard->by_labels, NULL);
    request_table_free(shard->requests);
    free(shard);
}

static struct flow_stats *shard_overflow(struct telemetry_shard *shard, enum direction direction)
{
    telemetry_add(shard, COUNTER_LABELS_OVERFLOWED, 1);
    return shard->overflow[direction];
}

struct flow_stats *telemetry_flow(struct telemetry_shard *shard, const struct flow_labels *labels)
{
    struct label_text text;
    text_flow(&text, labels);
    if (text.is_cut)
        return shard_overflow(shard, labels->direction);
    struct slice key = label_text_slice(&text);
    struct flow_stats *flow = map_get(&shard->by_labels, key);
    if (flow)
        return flow;
    if (shard->n_flows >= shard->max_flows)
        return shard_overflow(shard, labels->direction);
    flow = flow_new(key);
    if (!flow || !map_set(&shard->by_labels, key, flow, NULL)) {
        flow_free(flow);
        return shard_overflow(shard, labels->direction);
    }
    shard->n_flows++;
    shard_prepend(shard, flow);
    return flow;
}

void flow_opened(struct flow_stats *flow)
{
    stat_add(&flow->opened, 1);
    stat_add(&flow->open, 1);
}

void flow_ended(struct flow_stats *flow, enum reason reason, uint64_t duration_ns)
{
    assert(reason < REASON_COUNT);
    stat_add(&flow->open, (uint64_t)-1);
    stat_add(&flow->ended[reason], 1);
    stat_add(&flow->duration_sum_us, duration_ns / 1000);
    stat_add(&flow->duration_count, 1);
}

void flow_connected(struct flow_stats *flow, uint64_t latency_ns)
{
    uint64_t us = latency_ns / 1000;
    size_t bucket = 0;
    while (bucket < FLOW_BUCKETS && us > flow_bucket_us[bucket])
        bucket++;
    stat_add(&flow->connect_bucket[bucket], 1);
    stat_add(&flow->connect_sum_us, us);
    stat_add(&flow->connect_count, 1);
}
