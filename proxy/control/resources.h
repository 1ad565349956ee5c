/*
 * What this proxy follows and what it holds of it: one Workload, the Services that were dialled,
 * the Endpoints that those name. Takes responses in, gives subscriptions and snapshots out; knows
 * nothing of streams, so that every sequence of responses can be tested as a table.
 *
 * A resource that cannot be accepted leaves the last good version where it was. A Service is
 * published when every Endpoints it names has been answered, and so is the Workload; until then the
 * old version stays.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_RESOURCES_H
#define OUTRIGGER_PROXY_CONTROL_RESOURCES_H

#include "common/err.h"
#include "common/map.h"
#include "common/resource_type.h"
#include "proto/discovery.pb-c.h"
#include "proxy/snapshot.h"

/* One name that is followed. */
struct followed {
    struct service_shared *shared; /* Services: for all their versions */
    struct service *service;       /* the newest accepted; NULL before */
    struct service *published;     /* what snapshots have of it */
    struct endpoints *endpoints;   /* Endpoints: the newest accepted; NULL before */
    unsigned users;                /* Endpoints: versions of Services that name it */
    uint64_t asked_ns;             /* when it was asked for; 0 once it has been answered */
};

struct resources {
    char *pod;          /* the Workload's name */
    char *trust_domain; /* the Workload's must be it */
    size_t max_services;
    struct workload *workload;           /* the newest accepted; NULL before */
    struct workload *published_workload; /* what snapshots have of it: all that it names is there */
    bool workload_is_gone;               /* the controller says that it knows no such Workload */
    uint64_t workload_asked_ns;
    struct map workloads; /* the one name; values mean nothing */
    struct map services;  /* resource name -> struct followed */
    struct map endpoints; /* name -> struct followed */
    bool is_dirty;        /* something that a snapshot shows has changed */

    /* What a stream that is open has to be told; names to anything. Empty while none is. */
    bool is_streaming;
    struct map subscribe[RESOURCE_TYPES], unsubscribe[RESOURCE_TYPES];
    uint64_t evicted;
};

/* What it means that `workload_is_gone`: the controller does not tell the two apart. */
#define RESOURCES_WORKLOAD_GONE                                                                    \
    "it knows no pod of this name that runs as the service account of the proxy's token"

struct resources *resources_new(const char *pod, const char *trust_domain, size_t max_services);
void resources_free(struct resources *resources);

/*
 * Follows a Service from now on; nothing happens when it is followed already. At the ceiling the
 * least recently used one is forgotten, of those without connections if there are any. False when
 * the name is no address and port, or memory is short.
 */
bool resources_want(struct resources *resources, struct slice name, uint64_t now_ns) MUST_USE;

/* Forgets the Services that no connection has used since `now_ns - idle_ns`. */
void resources_forget_idle(struct resources *resources, uint64_t now_ns, uint64_t idle_ns);

typedef Envoy__Service__Discovery__V3__DeltaDiscoveryResponse DeltaDiscoveryResponse;

/*
 * Takes a response: each resource in it as a whole or not at all. False when any was refused, with
 * `err` naming resource and field of the first and the number of the others. Names that are not
 * followed (any more) are skipped.
 */
bool resources_apply(struct resources *resources, const DeltaDiscoveryResponse *response,
                     struct err *err) MUST_USE;

/* A stream begins (everything is asked for again, with versions) or has ended. */
void resources_stream_opened(struct resources *resources, uint64_t now_ns);
void resources_stream_closed(struct resources *resources);

/* Whether something was asked for before `since_ns` and has not been answered, not even refused. */
bool resources_is_unanswered(const struct resources *resources, uint64_t since_ns);

/* All names of a type that are followed. */
const struct map *resources_followed(const struct resources *resources, enum resource_type type);

/* The version of what is held under a name; "" when there is none or its absence is what is held.
 */
const char *resources_version(const struct resources *resources, enum resource_type type,
                              const struct map_entry *entry);

/*
 * What holds now, and no longer dirty. The caller drops it. NULL when memory is short: still dirty.
 */
struct snapshot *resources_snapshot(struct resources *resources, uint64_t generation) MUST_USE;

#endif
