/*
 * Counting requests, one entry for each set of labels, in a shard (telemetry.h): written by the
 * shard's owner alone, readable by any thread at any time.
 *
 * No label is formatted for a request. Who talks to whom is a struct request_peers, which the
 * connection keeps (four of them: the endpoints of a Service mostly share one identity); the rest
 * of the labels are a few small numbers, which find the entry among those of the peers. Together
 * that is two comparisons of strings and some twenty stores: 25 ns on a connection that has been
 * used before, 1.5 us for the first request of a kind.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_REQUEST_STATS_H
#define OUTRIGGER_PROXY_TELEMETRY_REQUEST_STATS_H

#include "proxy/telemetry/request_reason.h"
#include "proxy/telemetry/telemetry.h"

/* Upper bounds of the histogram of durations, in microseconds. */
#define REQUEST_BUCKETS 17
extern const uint64_t request_bucket_us[REQUEST_BUCKETS];

#define REQUEST_TRACE_ID_BYTES 16

/*
 * The last sampled request of a bucket: an OpenMetrics exemplar. `sequence` is odd while the owner
 * writes; a reader who finds another one afterwards has read nothing.
 */
struct request_exemplar {
    _Atomic uint64_t sequence; /* 0: none yet */
    _Atomic uint64_t trace_id[2];
    _Atomic uint64_t duration_us, wall_ms;
};
struct exemplar {
    uint8_t trace_id[REQUEST_TRACE_ID_BYTES];
    uint64_t duration_us, wall_ms;
};
/* False: there is none, or it is being written. Any thread. */
bool request_exemplar_read(const struct request_exemplar *from, struct exemplar *to);

/* What is counted for one set of labels. */
struct request_stats {
    struct request_stats *_Atomic next; /* of the shard; append-only */
    struct request_stats *sibling;      /* of the peers; the owner's */
    char *labels;                       /* rendered once */
    uint64_t kind;                      /* all labels that the peers do not have, packed */
    _Atomic uint64_t bucket[REQUEST_BUCKETS + 1], sum_us;
    _Atomic uint64_t request_bytes, response_bytes;
    struct request_exemplar *_Atomic exemplars; /* one a bucket; NULL until the first */
};

/* Who talks to whom, as struct flow_labels tells it; `policy` and `tls` are not looked at. */
struct request_peers;

/* One connection's memory of the peers that its requests were counted for. All zero at first. */
#define REQUEST_PEERS_KEPT 4
struct request_peers_cache {
    struct request_peers *kept[REQUEST_PEERS_KEPT];
    unsigned next;
};

/* Forget all: what is not compared (source, and the pod's own names) may have changed. */
static inline void request_peers_forget(struct request_peers_cache *cache)
{
    *cache = (struct request_peers_cache){0};
}

/* The one of the cache for this destination, service and route, or NULL. */
struct request_peers *request_peers_cached(const struct request_peers_cache *cache,
                                           const char *destination_identity,
                                           const char *destination_workload, const char *service,
                                           const char *route);

/*
 * The peers of these labels, made if absent, and put into the cache. Formats the labels. NULL: at
 * the ceiling, or memory is short; such requests are counted under the overflow entry.
 */
struct request_peers *request_peers_find(struct telemetry_shard *shard,
                                         const struct flow_labels *labels,
                                         struct request_peers_cache *cache);

/* The protocol that the client spoke. */
enum request_protocol { REQUEST_HTTP_1_0, REQUEST_HTTP_1_1, REQUEST_HTTP_2, REQUEST_GRPC };
const char *request_protocol_name(enum request_protocol protocol);

/* A request that has ended. */
struct request_seen {
    enum direction direction;
    enum request_protocol protocol;
    struct slice method; /* the well-known ones are told apart, others are OTHER */
    unsigned status;     /* 0: no answer */
    int grpc_status;     /* -1: none; not one of gRPC's counts as UNKNOWN (2) */
    enum request_reason reason;
    const char *policy; /* that decided, or "" */
    uint64_t duration_us, request_bytes, response_bytes;
    const uint8_t *trace_id; /* of a sampled trace, 16 bytes; else NULL */
    uint64_t wall_ms;        /* with trace_id: now */
};

/* The owner's thread only. `peers` may be NULL. */
void request_stats_count(struct telemetry_shard *shard, struct request_peers *peers,
                         const struct request_seen *seen);

/* What a shard holds of it. */
struct request_table {
    struct request_stats *_Atomic all; /* newest first; read it with acquire */
    struct map peers_by_labels;        /* the owner's */
    size_t n_stats;
    struct request_stats *overflow[2]; /* by direction; always there */
};
struct request_table *request_table_new(void); /* NULL when memory is short */
void request_table_free(struct request_table *table);

#endif
