#include "proxy/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

struct snapshot *snapshot_new(void)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (snapshot)
        atomic_init(&snapshot->refs, 1);
    return snapshot;
}

struct snapshot *snapshot_hold(struct snapshot *snapshot)
{
    if (snapshot)
        atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

static void snapshot_free_service(void *value)
{
    service_drop(value);
}

static void snapshot_free_endpoints(void *value)
{
    endpoints_drop(value);
}

void snapshot_drop(struct snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
        return;
    workload_drop(snapshot->workload);
    map_fini(&snapshot->services, snapshot_free_service);
    map_fini(&snapshot->endpoints, snapshot_free_endpoints);
    free(snapshot);
}

void snapshot_set_workload(struct snapshot *snapshot, struct workload *workload)
{
    workload_drop(snapshot->workload);
    snapshot->workload = workload;
}

bool snapshot_set_service(struct snapshot *snapshot, struct service *service)
{
    void *old;
    bool ok = map_set(&snapshot->services, slice_str(service->resource), service, &old);
    service_drop(ok ? old : service);
    return ok;
}

bool snapshot_set_endpoints(struct snapshot *snapshot, struct endpoints *endpoints)
{
    void *old;
    bool ok = map_set(&snapshot->endpoints, slice_str(endpoints->name), endpoints, &old);
    endpoints_drop(ok ? old : endpoints);
    return ok;
}

struct service *snapshot_service(const struct snapshot *snapshot, struct slice resource)
{
    return map_get(&snapshot->services, resource);
}

struct endpoints *snapshot_endpoints(const struct snapshot *snapshot, struct slice name)
{
    return map_get(&snapshot->endpoints, name);
}
