/*
 * What one discovery stream has subscribed to, what it has been told and what it still has to be
 * told: the delta variant of the xDS protocol, without transport, clock or log. Envoy's "xDS REST
 * and gRPC protocol", section Incremental xDS, is the reference.
 *
 * - A name that is subscribed is answered: with the resource, or at once among removed_resources
 *   when nothing has the name or this peer may not see it. It stays subscribed either way.
 * - A name subscribed again is answered again, even if nothing changed.
 * - In the first request of a type, initial_resource_versions says what the peer holds: the same
 *   version is not sent. In later requests it is ignored.
 * - A response is settled by a request with its nonce: ACK, or NACK when error_detail is there.
 * What was refused is not sent again before it changes or is asked for again. A nonce that is not
 * that of an open response is stale and settles nothing; the names in such a request still count.
 * - "*" and a first request without names (wildcards) subscribe to nothing: these types are for who
 *   asks by name.
 * - The queue is the set of names whose newest state has not been told, so that a slow peer skips
 *   what lay between; at most DELTA_IN_FLIGHT_MAX responses or DELTA_IN_FLIGHT_BYTES wait for their
 *   ACK (one may pass that if it is larger by itself).
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_STATE_H
#define OUTRIGGER_CONTROLLER_DELTA_STATE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/list.h"
#include "common/map.h"
#include "controller/compile/compile.h"
#include "controller/delta/cache.h"
#include "controller/delta/request.h"

#define DELTA_SUBSCRIPTIONS_MAX 20000 /* of a stream */
#define DELTA_IN_FLIGHT_MAX     8
#define DELTA_IN_FLIGHT_BYTES   (512u << 10)
#define DELTA_RESPONSE_BYTES    (256u << 10) /* what one response aims at */
#define DELTA_RESPONSE_MAX      (4u << 20)   /* gRPC's usual limit: no single resource beyond */

enum delta_told { DELTA_TOLD_NOTHING, DELTA_TOLD_RESOURCE, DELTA_TOLD_REMOVED };

struct delta_subscription {
    struct list entry_node; /* in the entry's subscribers */
    struct list due_node;   /* in the state's due list, while the peer is owed an answer */
    struct delta_state *state;
    struct delta_entry *entry;
    enum delta_told told;
    bool is_asked;   /* owed an answer whether or not it says something new */
    bool is_hidden;  /* was answered as removed because the peer may not see it */
    bool is_refused; /* `version` was NACKed */
    uint64_t nonce;  /* of the response that told it */
    char version[RESOURCE_VERSION_BYTES]; /* told; "" when nothing or removed */
    char acked[RESOURCE_VERSION_BYTES];   /* "" before the first ACK */
};

struct delta_nack {
    enum resource_type type;
    struct slice names; /* comma-separated, the first few */
    size_t n_left_out;  /* that `names` had no room for */
    int code;           /* google.rpc.Code */
    const char *message;
    bool is_repeated; /* the same versions have been refused before on this stream */
};

/* Called from inside the functions below; they must not call back into the state. */
struct delta_state_events {
    /* delta_state_next() has something to say; may be told more often than needed. */
    void (*on_due)(void *context);
    void (*on_nack)(void *context, const struct delta_nack *nack);
    /* The peer asked for a Workload that is not its own; once for each subscription. */
    void (*on_hidden)(void *context, const struct delta_entry *entry);
    void (*on_too_large)(void *context, const struct delta_entry *entry);
};

/* What happened on all streams that share it. */
struct delta_counters {
    uint64_t responses[RESOURCE_TYPES], resources[RESOURCE_TYPES], removed[RESOURCE_TYPES];
    uint64_t acks[RESOURCE_TYPES], nacks[RESOURCE_TYPES], stale_nonces[RESOURCE_TYPES];
};

struct delta_in_flight {
    uint64_t nonce;
    enum resource_type type;
    uint32_t bytes;
};

struct delta_state {
    struct delta_cache *cache;
    struct delta_counters *counters;
    struct slice namespace, service_account; /* the peer's, proven by its certificate */
    const struct delta_state_events *events;
    void *context;
    struct map subscriptions[RESOURCE_TYPES];
    struct list due[RESOURCE_TYPES];
    bool has_begun[RESOURCE_TYPES]; /* had its first request */
    uint64_t last_nonce;
    struct delta_in_flight in_flight[DELTA_IN_FLIGHT_MAX];
    size_t n_in_flight;
    size_t in_flight_bytes;
    size_t n_subscriptions;
    uint64_t n_nacks;
};

/* Cache, counters, events and what the slices point to must outlive the state. */
void delta_state_init(struct delta_state *state, struct delta_cache *cache,
                      struct delta_counters *counters, struct slice namespace,
                      struct slice service_account, const struct delta_state_events *events,
                      void *context);
void delta_state_fini(struct delta_state *state);

/*
 * Takes a request of a known type. False when the ceiling of subscriptions or memory is reached;
 * the stream should then end.
 */
bool delta_state_request(struct delta_state *state, enum resource_type type,
                         const DeltaDiscoveryRequest *request, struct err *err) MUST_USE;

/* Everybody who subscribes to the entry is owed its new state. */
void delta_state_changed(struct delta_entry *entry);

enum delta_next { DELTA_IDLE, DELTA_RESPONSE, DELTA_SHORT };

/*
 * Appends the next response to `out` (empty, ceiling DELTA_RESPONSE_MAX) and takes it for sent:
 * Workloads first, then Endpoints, then Services, so that a Service finds its Endpoints there.
 * DELTA_IDLE: nothing is due, or too much waits for its ACK. DELTA_SHORT: memory is short, the
 * stream should end.
 */
enum delta_next delta_state_next(struct delta_state *state, struct buf *out) MUST_USE;

#endif
