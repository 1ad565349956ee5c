#include "proxy/telemetry/request_stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/telemetry/label_text.h"

const uint64_t request_bucket_us[REQUEST_BUCKETS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,    25000,    50000,
    75000, 100000, 250000, 500000, 1000000, 2500000, 10000000, 30000000,
};

/* Entries of one peers that are found at once; the others by walking their list. */
#define RECENT_STATS 8
/* Policies told apart for one pair of peers; more are counted under policy="other". */
#define PEERS_POLICIES 64

struct request_peers {
    char *labels; /* direction="...",...,route="" */
    char *destination_identity;
    char *destination_workload;
    char *service;
    char *route;
    struct request_stats *stats; /* by `sibling` */
    struct request_stats *recent[RECENT_STATS];
    char *policies[PEERS_POLICIES]; /* the number of a policy is its place here */
    size_t n_policies;
};

/* ---- small vocabularies ---- */

static const struct {
    const char *name;
    size_t len;
} methods[] = {
#define METHOD(name)                                                                               \
    {                                                                                              \
        name, sizeof(name) - 1                                                                     \
    }
    METHOD("OTHER"),  METHOD("GET"),   METHOD("POST"),    METHOD("PUT"),     METHOD("HEAD"),
    METHOD("DELETE"), METHOD("PATCH"), METHOD("OPTIONS"), METHOD("CONNECT"), METHOD("TRACE"),
#undef METHOD
};

static unsigned method_number(struct slice method)
{
    for (unsigned i = 1; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (method.len == methods[i].len && memcmp(method.ptr, methods[i].name, method.len) == 0)
            return i;
    return 0;
}

const char *request_protocol_name(enum request_protocol protocol)
{
    static const char *const names[] = {"http/1.0", "http/1.1", "h2", "grpc"};
    return names[protocol];
}

static const char *status_class(unsigned number)
{
    static const char *const names[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    return names[number];
}

#define GRPC_NONE 17

/* All that the labels of an entry have beyond its peers', packed. */
union request_kind {
    struct {
        uint8_t method, status, grpc_status, protocol, reason, policy;
    };
    uint64_t packed;
};

/* ---- exemplars ---- */

static void exemplar_write(struct request_exemplar *to, const struct request_seen *seen)
{
    uint64_t words[2], sequence = stat_get(&to->sequence);
    memcpy(words, seen->trace_id, sizeof(words));
    atomic_store_explicit(&to->sequence, sequence + 1, memory_order_relaxed);
    /* Each release carries the odd sequence: who sees a new word sees that it is being written. */
    atomic_store_explicit(&to->trace_id[0], words[0], memory_order_release);
    atomic_store_explicit(&to->trace_id[1], words[1], memory_order_release);
    atomic_store_explicit(&to->duration_us, seen->duration_us, memory_order_release);
    atomic_store_explicit(&to->wall_ms, seen->wall_ms, memory_order_release);
    atomic_store_explicit(&to->sequence, sequence + 2, memory_order_release);
}

bool request_exemplar_read(const struct request_exemplar *from, struct exemplar *to)
{
    uint64_t words[2];
    uint64_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
    if (before == 0 || before & 1)
        return false;
    /* Acquire: whoever sees a new word sees the odd sequence below as well. */
    words[0] = atomic_load_explicit(&from->trace_id[0], memory_order_acquire);
    words[1] = atomic_load_explicit(&from->trace_id[1], memory_order_acquire);
    to->duration_us = atomic_load_explicit(&from->duration_us, memory_order_acquire);
    to->wall_ms = atomic_load_explicit(&from->wall_ms, memory_order_acquire);
    memcpy(to->trace_id, words, sizeof(words));
    return atomic_load_explicit(&from->sequence, memory_order_relaxed) == before;
}

static void stats_exemplar(struct request_stats *stats, size_t bucket,
                           const struct request_seen *seen)
{
    struct request_exemplar *all = atomic_load_explicit(&stats->exemplars, memory_order_relaxed);
    if (!all) {
        all = calloc(REQUEST_BUCKETS + 1, sizeof(*all));
        if (!all)
            return;
        atomic_store_explicit(&stats->exemplars, all, memory_order_release);
    }
    exemplar_write(&all[bucket], seen);
}

/* ---- entries ---- */

/* The release makes the entry's labels visible to whoever reads the list with acquire. */
static void table_prepend(struct request_table *table, struct request_stats *stats)
{
    struct request_stats *first = atomic_load_explicit(&table->all, memory_order_relaxed);
    atomic_store_explicit(&stats->next, first, memory_order_relaxed);
    atomic_store_explicit(&table->all, stats, memory_order_release);
}

static struct request_stats *stats_new(const struct label_text *labels)
{
    struct request_stats *stats = calloc(1, sizeof(*stats));
    if (!stats)
        return NULL;
    stats->labels = label_text_copy(labels);
    if (!stats->labels) {
        free(stats);
        return NULL;
    }
    return stats;
}

static void kind_text(struct label_text *text, union request_kind kind, const char *policy)
{
    char grpc_status[4] = "";
    if (kind.grpc_status != GRPC_NONE)
        snprintf(grpc_status, sizeof(grpc_status), "%u", kind.grpc_status);
    label_text_add(text, "protocol", request_protocol_name(kind.protocol));
    label_text_add(text, "method", methods[kind.method].name);
    label_text_add(text, "status", status_class(kind.status));
    label_text_add(text, "grpc_status", grpc_status);
    label_text_add(text, "reason", request_reason_word(kind.reason));
    label_text_add(text, "policy", policy);
}

static struct request_stats *peers_add(struct telemetry_shard *shard, struct request_peers *peers,
                                       union request_kind kind, const char *policy)
{
    struct request_table *table = shard->requests;
    struct label_text text;
    if (table->n_stats >= shard->max_flows)
        return NULL;
    label_text_init(&text);
    text.len = strlen(peers->labels);
    memcpy(text.bytes, peers->labels, text.len);
    kind_text(&text, kind, policy);
    struct request_stats *stats = text.is_cut ? NULL : stats_new(&text);
    if (!stats)
        return NULL;
    stats->kind = kind.packed;
    stats->sibling = peers->stats;
    peers->stats = stats;
    table->n_stats++;
    table_prepend(table, stats);
    return stats;
}

static unsigned kind_place(union request_kind kind)
{
    return (kind.method ^ kind.status ^ (unsigned)(kind.grpc_status * 3u) ^ kind.reason) %
           RECENT_STATS;
}

static struct request_stats *peers_stats(struct telemetry_shard *shard, struct request_peers *peers,
                                         union request_kind kind, const char *policy)
{
    struct request_stats **recent = &peers->recent[kind_place(kind)];
    struct request_stats *stats = *recent;
    if (stats && stats->kind == kind.packed)
        return stats;
    for (stats = peers->stats; stats && stats->kind != kind.packed; stats = stats->sibling)
        continue;
    if (!stats)
        stats = peers_add(shard, peers, kind, policy);
    if (stats)
        *recent = stats;
    return stats;
}

/* Its number; policies beyond the ceiling share the last one, whose name becomes "other". */
static uint8_t peers_policy(struct request_peers *peers, const char **policy)
{
    size_t i = 0;
    while (i < peers->n_policies && strcmp(peers->policies[i], *policy) != 0)
        i++;
    if (i < peers->n_policies)
        return (uint8_t)i;
    if (i < PEERS_POLICIES && (peers->policies[i] = strdup(*policy)))
        return (uint8_t)peers->n_policies++;
    *policy = "other";
    return PEERS_POLICIES;
}

static struct request_stats *stats_of(struct telemetry_shard *shard, struct request_peers *peers,
                                      const struct request_seen *seen)
{
    const char *policy = seen->policy;
    struct request_stats *stats = NULL;
    union request_kind kind = {.packed = 0};
    kind.method = (uint8_t)method_number(seen->method);
    kind.status = (uint8_t)(seen->status >= 100 && seen->status <= 599 ? seen->status / 100 : 0);
    kind.grpc_status = seen->grpc_status < 0    ? GRPC_NONE
                       : seen->grpc_status > 16 ? 2
                                                : (uint8_t)seen->grpc_status;
    kind.protocol = (uint8_t)seen->protocol;
    kind.reason = (uint8_t)seen->reason;
    if (peers) {
        kind.policy = peers_policy(peers, &policy);
        stats = peers_stats(shard, peers, kind, policy);
    }
    if (stats)
        return stats;
    telemetry_add(shard, COUNTER_REQUEST_LABELS_OVERFLOWED, 1);
    return shard->requests->overflow[seen->direction];
}

void request_stats_count(struct telemetry_shard *shard, struct request_peers *peers,
                         const struct request_seen *seen)
{
    struct request_stats *stats = stats_of(shard, peers, seen);
    size_t bucket = 0;
    while (bucket < REQUEST_BUCKETS && seen->duration_us > request_bucket_us[bucket])
        bucket++;
    stat_add(&stats->bucket[bucket], 1);
    stat_add(&stats->sum_us, seen->duration_us);
    stat_add(&stats->request_bytes, seen->request_bytes);
    stat_add(&stats->response_bytes, seen->response_bytes);
    if (seen->trace_id)
        stats_exemplar(stats, bucket, seen);
}

/* ---- peers ---- */

struct request_peers *request_peers_cached(const struct request_peers_cache *cache,
                                           const char *destination_identity,
                                           const char *destination_workload, const char *service,
                                           const char *route)
{
    for (size_t i = 0; i < REQUEST_PEERS_KEPT && cache->kept[i]; i++) {
        struct request_peers *peers = cache->kept[i];
        if (strcmp(peers->destination_identity, destination_identity) == 0 &&
            strcmp(peers->destination_workload, destination_workload) == 0 &&
            strcmp(peers->service, service) == 0 && strcmp(peers->route, route) == 0)
            return peers;
    }
    return NULL;
}

static void peers_free(void *value)
{
    struct request_peers *peers = value;
    if (!peers)
        return;
    for (size_t i = 0; i < peers->n_policies; i++)
        free(peers->policies[i]);
    free(peers->labels);
    free(peers->destination_identity);
    free(peers->destination_workload);
    free(peers->service);
    free(peers->route);
    free(peers);
}

static struct request_peers *peers_new(const struct flow_labels *labels,
                                       const struct label_text *text)
{
    struct request_peers *peers = calloc(1, sizeof(*peers));
    if (!peers)
        return NULL;
    peers->labels = label_text_copy(text);
    peers->destination_identity = strdup(labels->destination_identity);
    peers->destination_workload = strdup(labels->destination_workload);
    peers->service = strdup(labels->service);
    peers->route = strdup(labels->route);
    if (!peers->labels || !peers->destination_identity || !peers->destination_workload ||
        !peers->service || !peers->route) {
        peers_free(peers);
        return NULL;
    }
    return peers;
}

static void peers_text(struct label_text *text, const struct flow_labels *labels)
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
    label_text_add(text, "route", labels->route);
}

struct request_peers *request_peers_find(struct telemetry_shard *shard,
                                         const struct flow_labels *labels,
                                         struct request_peers_cache *cache)
{
    struct request_table *table = shard->requests;
    struct label_text text;
    peers_text(&text, labels);
    if (text.is_cut)
        return NULL;
    struct slice key = label_text_slice(&text);
    struct request_peers *peers = map_get(&table->peers_by_labels, key);
    if (!peers) {
        if (table->n_stats >= shard->max_flows || !(peers = peers_new(labels, &text)))
            return NULL;
        if (!map_set(&table->peers_by_labels, key, peers, NULL)) {
            peers_free(peers);
            return NULL;
        }
    }
    cache->kept[cache->next++ % REQUEST_PEERS_KEPT] = peers;
    return peers;
}

/* ---- the table ---- */

static struct request_stats *overflow_new(enum direction direction)
{
    struct label_text text;
    label_text_overflow(&text, direction_name(direction));
    return stats_new(&text);
}

struct request_table *request_table_new(void)
{
    struct request_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    map_init(&table->peers_by_labels);
    for (int i = DIRECTION_INBOUND; i <= DIRECTION_OUTBOUND; i++) {
        table->overflow[i] = overflow_new((enum direction)i);
        if (!table->overflow[i]) {
            request_table_free(table);
            return NULL;
        }
        table_prepend(table, table->overflow[i]);
    }
    return table;
}

void request_table_free(struct request_table *table)
{
    if (!table)
        return;
    struct request_stats *next;
    for (struct request_stats *stats = atomic_load(&table->all); stats; stats = next) {
        next = atomic_load(&stats->next);
        free(atomic_load(&stats->exemplars));
        free(stats->labels);
        free(stats);
    }
    map_fini(&table->peers_by_labels, peers_free);
    free(table);
}
