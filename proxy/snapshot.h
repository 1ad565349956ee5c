/*
 * Everything that the controller has said and that holds now: one immutable, reference-counted
 * value. The main thread makes the next one from the last (sharing what did not change) and
 * publishes it to the workers; a connection holds the one that it began with.
 */
#ifndef OUTRIGGER_PROXY_SNAPSHOT_H
#define OUTRIGGER_PROXY_SNAPSHOT_H

#include "common/map.h"
#include "proxy/config/endpoints.h"
#include "proxy/config/service.h"
#include "proxy/config/workload.h"

struct snapshot {
    _Atomic unsigned refs;
    uint64_t generation;       /* grows by one each time */
    struct workload *workload; /* NULL until the controller has answered: inbound is refused */
    struct map services;       /* resource name -> struct service, each held */
    struct map endpoints;      /* name -> struct endpoints, each held */
};

/* An empty snapshot, generation 0. NULL when memory is short. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_hold(struct snapshot *snapshot);
void snapshot_drop(struct snapshot *snapshot);

/* Before publishing only. Each takes over the caller's reference, also when it fails. */
void snapshot_set_workload(struct snapshot *snapshot, struct workload *workload);
bool snapshot_set_service(struct snapshot *snapshot, struct service *service) MUST_USE;
bool snapshot_set_endpoints(struct snapshot *snapshot, struct endpoints *endpoints) MUST_USE;

/* NULL: the controller has not been asked, or has not answered yet. Not held for the caller. */
struct service *snapshot_service(const struct snapshot *snapshot, struct slice resource);
struct endpoints *snapshot_endpoints(const struct snapshot *snapshot, struct slice name);

#endif
