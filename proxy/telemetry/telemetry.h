/*
 * Counting. One shard belongs to one thread, which alone writes to it, without locks; any thread
 * may read it at any time (relaxed atomics, append-only list), so /metrics never waits for a
 * worker.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_TELEMETRY_H
#define OUTRIGGER_PROXY_TELEMETRY_TELEMETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/map.h"

enum counter {
#define COUNTER(name, metric, help) COUNTER_##name,
#define GAUGE(name, metric, help)   COUNTER_##name,
#include "proxy/telemetry/counters.def"
#undef COUNTER
#undef GAUGE
    COUNTER_COUNT
};

enum reason {
#define REASON(name, word, is_error, help) REASON_##name,
#include "proxy/telemetry/reasons.def"
#undef REASON
    REASON_COUNT
};
const char *reason_word(enum reason reason);
const char *reason_help(enum reason reason);
bool reason_is_error(enum reason reason);

enum direction { DIRECTION_INBOUND, DIRECTION_OUTBOUND };
const char *direction_name(enum direction direction); /* "inbound", "outbound" */

/*
 * The labels of a connection. Strings need to live only during the call that gets them; "" where
 * something is not known. None of them is chosen by a client freely: identities are verified,
 * the rest comes from the controller.
 */
struct flow_labels {
    enum direction direction;
    const char *source_identity, *source_workload, *source_namespace;
    const char *destination_identity, *destination_workload, *destination_namespace;
    const char *service; /* namespace/service */
    const char *route;   /* KIND/namespace/name/rule, or "" */
    const char *tls;     /* "mutual", "none", "passthrough" (the application's own) */
    const char *policy;  /* that decided or "" */
};

/* Buckets of connect and lifetime histograms: upper bounds in microseconds. */
#define FLOW_BUCKETS 14
extern const uint64_t flow_bucket_us[FLOW_BUCKETS];

/* What is counted for one set of labels. Written by the owner of the shard only. */
struct flow_stats {
    struct flow_stats *_Atomic next; /* append-only */
    char *labels;                    /* rendered once: direction="inbound",source_identity="..." */
    _Atomic uint64_t opened, open;
    _Atomic uint64_t requests_open; /* of HTTP connections */
    _Atomic uint64_t ended[REASON_COUNT];
    _Atomic uint64_t bytes_sent,
        bytes_received; /* from the client's point of view: to, from the server */
    _Atomic uint64_t connect_count, connect_sum_us, connect_bucket[FLOW_BUCKETS + 1];
    _Atomic uint64_t duration_sum_us, duration_count;
};

/*
 * The three moments of a connection. `duration_ns` is its life from accept to end. The owner's
 * thread only.
 */
void flow_opened(struct flow_stats *flow);
void flow_ended(struct flow_stats *flow, enum reason reason, uint64_t duration_ns);

struct telemetry_shard {
    _Atomic uint64_t counters[COUNTER_COUNT];
    struct flow_stats *_Atomic flows; /* newest first; read it with acquire */
    struct map by_labels;             /* the owner's index of `flows` */
    size_t n_flows, max_flows;        /* beyond the ceiling: the overflow entries */
    struct flow_stats *overflow[2];   /* by direction; always there */
    struct request_table *requests;   /* proxy/telemetry/request_stats.h */
};

/* max_flows: the ceiling for label sets, e.g. 1000. NULL when memory is short. */
struct telemetry_shard *telemetry_shard_new(size_t max_flows);
void telemetry_shard_free(struct telemetry_shard *shard); /* after its thread has ended */

/*
 * The entry for these labels, made if absent; never NULL: at the ceiling, or when memory is short,
 * the overflow entry of the direction, whose labels say overflow="true" and nothing else. It lives
 * as long as the shard. The owner's thread only.
 */
struct flow_stats *telemetry_flow(struct telemetry_shard *shard, const struct flow_labels *labels);

/* The owner's thread only: a load and a store, no locked instruction. */
static inline void stat_add(_Atomic uint64_t *value, uint64_t n)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void telemetry_add(struct telemetry_shard *shard, enum counter counter, int64_t n)
{
    stat_add(&shard->counters[counter], (uint64_t)n);
}

static inline uint64_t stat_get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* A connection to the endpoint was made in `latency_ns`. The owner's thread only. */
void flow_connected(struct flow_stats *flow, uint64_t latency_ns);

#endif
