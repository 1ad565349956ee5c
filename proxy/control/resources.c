#include "proxy/control/resources.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/cidr.h"
#include "common/clock.h"
#include "common/log.h"

/* ---- what the stream has to be told ---- */

static void resources_note(struct map *set, struct map *opposite, struct slice name)
{
    map_remove(opposite, name);
    /* Short of memory the stream says less; the next one says everything. */
    if (!map_set(set, name, set, NULL))
        return;
}

static void resources_subscribe(struct resources *resources, enum resource_type type,
                                struct slice name)
{
    if (resources->is_streaming)
        resources_note(&resources->subscribe[type], &resources->unsubscribe[type], name);
}

static void resources_unsubscribe(struct resources *resources, enum resource_type type,
                                  struct slice name)
{
    if (resources->is_streaming)
        resources_note(&resources->unsubscribe[type], &resources->subscribe[type], name);
}

/* ---- following and forgetting ---- */

static void followed_free(void *value)
{
    struct followed *followed = value;
    if (!followed)
        return;
    service_drop(followed->service);
    service_drop(followed->published);
    service_shared_drop(followed->shared);
    endpoints_drop(followed->endpoints);
    free(followed);
}

/* One version of a resource no longer names its Endpoints: what nobody names is forgotten. */
static void resources_unuse_names(struct resources *resources, const char *const *uses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct slice name = slice_str(uses[i]);
        struct followed *followed = map_get(&resources->endpoints, name);
        if (!followed || --followed->users > 0)
            continue;
        resources_unsubscribe(resources, RESOURCE_ENDPOINTS, name);
        followed_free(map_remove(&resources->endpoints, name));
        resources->is_dirty = true;
    }
}

static void resources_unuse(struct resources *resources, const struct service *service)
{
    if (service)
        resources_unuse_names(resources, service->uses, service->n_uses);
}

static void resources_unuse_workload(struct resources *resources, const struct workload *workload)
{
    if (workload)
        resources_unuse_names(resources, workload->uses, workload->n_uses);
}

static bool resources_use_one(struct resources *resources, struct slice name, uint64_t now_ns)
{
    struct followed *followed = map_get(&resources->endpoints, name);
    if (!followed) {
        followed = calloc(1, sizeof(*followed));
        if (!followed || !map_set(&resources->endpoints, name, followed, NULL)) {
            free(followed);
            return false;
        }
        followed->asked_ns = now_ns;
        resources_subscribe(resources, RESOURCE_ENDPOINTS, name);
    }
    followed->users++;
    return true;
}

static bool resources_use(struct resources *resources, const char *const *uses, size_t n,
                          struct err *err)
{
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < n; i++) {
        if (resources_use_one(resources, slice_str(uses[i]), now_ns))
            continue;
        resources_unuse_names(resources, uses, i); /* nobody else has seen what names them */
        return err_set(err, "endpoints: out of memory");
    }
    return true;
}

static void resources_forget(struct resources *resources, struct slice name)
{
    struct followed *followed = map_get(&resources->services, name);
    resources_unsubscribe(resources, RESOURCE_SERVICE, name);
    resources_unuse(resources, followed->service);
    if (followed->published != followed->service)
        resources_unuse(resources, followed->published);
    resources->is_dirty |= followed->published != NULL;
    resources->evicted++;
    followed_free(map_remove(&resources->services, name)); /* `name` may be the map's own */
}

static void resources_make_room(struct resources *resources)
{
    struct map_entry *oldest = NULL;
    bool oldest_is_used = true;
    uint64_t oldest_ns = UINT64_MAX;
    if (resources->services.count < resources->max_services)
        return;
    MAP_EACH(entry, &resources->services) {
        const struct service_shared *shared = ((struct followed *)entry->value)->shared;
        bool is_used = atomic_load_explicit(&shared->connections, memory_order_relaxed) > 0;
        uint64_t used_ns = atomic_load_explicit(&shared->last_used_ns, memory_order_relaxed);
        if (is_used < oldest_is_used || (is_used == oldest_is_used && used_ns <= oldest_ns)) {
            oldest = entry;
            oldest_is_used = is_used;
            oldest_ns = used_ns;
        }
    }
    if (oldest)
        resources_forget(resources, oldest->key);
}

bool resources_want(struct resources *resources, struct slice name, uint64_t now_ns)
{
    struct sockaddr_any addr;
    struct err err;
    if (map_get(&resources->services, name))
        return true;
    if (!addr_parse(name, &addr, &err))
        return false;
    resources_make_room(resources);
    struct followed *followed = calloc(1, sizeof(*followed));
    if (!followed)
        return false;
    followed->shared = service_shared_new();
    followed->asked_ns = now_ns;
    if (!followed->shared || !map_set(&resources->services, name, followed, NULL)) {
        followed_free(followed);
        return false;
    }
    atomic_store_explicit(&followed->shared->last_used_ns, now_ns, memory_order_relaxed);
    resources_subscribe(resources, RESOURCE_SERVICE, name);
    return true;
}

void resources_forget_idle(struct resources *resources, uint64_t now_ns, uint64_t idle_ns)
{
    MAP_EACH(entry, &resources->services) {
        const struct service_shared *shared = ((struct followed *)entry->value)->shared;
        uint64_t used_ns = atomic_load_explicit(&shared->last_used_ns, memory_order_relaxed);
        if (atomic_load_explicit(&shared->connections, memory_order_relaxed) == 0 &&
            used_ns + idle_ns <= now_ns)
            resources_forget(resources, entry->key);
    }
}

/* ---- responses ---- */

static void resources_set_service(struct resources *resources, struct followed *followed,
                                  struct service *service)
{
    struct service *old = followed->service;
    followed->service = service;
    resources->is_dirty = true;
    if (old && old != followed->published) /* never published: nobody uses what it names */
        resources_unuse(resources, old);
    service_drop(old);
}

static void inherit_limits(struct workload *workload, const struct workload *old)
{
    rate_limits_inherit(&workload->rate_limits, &old->rate_limits);
    rate_limits_inherit(&workload->connection_rates, &old->connection_rates);
}

static bool resources_take_workload(struct resources *resources, struct slice bytes,
                                    const char *version, struct err *err)
{
    resources->workload_asked_ns = 0;
    struct workload *workload =
        workload_build(bytes, slice_str(resources->pod), slice_str(version), err);
    if (!workload)
        return false;
    if (*workload->trust_domain && strcmp(workload->trust_domain, resources->trust_domain) != 0) {
        err_set(err, "mesh.trust_domain: \"%s\" is not %s, the proxy's own", workload->trust_domain,
                resources->trust_domain);
        workload_drop(workload);
        return false;
    }
    if (!resources_use(resources, workload->uses, workload->n_uses, err)) {
        workload_drop(workload);
        return false;
    }
    struct workload *old = resources->workload;
    if (old)
        inherit_limits(workload, old);
    if (old != resources->published_workload) /* never published: nobody uses what it names */
        resources_unuse_workload(resources, old);
    workload_drop(old);
    resources->workload = workload;
    resources->workload_is_gone = false;
    resources->is_dirty = true;
    return true;
}

static bool resources_take_service(struct resources *resources, struct slice name,
                                   struct slice bytes, const char *version, struct err *err)
{
    struct followed *followed = map_get(&resources->services, name);
    if (!followed)
        return true;
    followed->asked_ns = 0;
    struct service *service = service_build(bytes, name, slice_str(version), followed->shared, err);
    if (!service)
        return false;
    if (!resources_use(resources, service->uses, service->n_uses, err)) {
        service_drop(service);
        return false;
    }
    resources_set_service(resources, followed, service);
    return true;
}

static bool resources_set_endpoints(struct resources *resources, struct followed *followed,
                                    struct endpoints *endpoints)
{
    if (!endpoints)
        return false;
    endpoints_drop(followed->endpoints);
    followed->endpoints = endpoints;
    resources->is_dirty = true;
    return true;
}

static bool resources_take_endpoints(struct resources *resources, struct slice name,
                                     struct slice bytes, const char *version, struct err *err)
{
    struct followed *followed = map_get(&resources->endpoints, name);
    if (!followed)
        return true;
    followed->asked_ns = 0;
    return resources_set_endpoints(resources, followed,
                                   endpoints_build(bytes, name, slice_str(version), err));
}

static bool resources_take(struct resources *resources, enum resource_type type,
                           const Envoy__Service__Discovery__V3__Resource *in, struct err *err)
{
    struct slice name = slice_str(in->name);
    if (!in->resource)
        return err_set(err, "resource: missing");
    if (strcmp(in->resource->type_url, resource_type_url(type)) != 0)
        return err_set(err, "resource.type_url: \"%.100s\" is not %s", in->resource->type_url,
                       resource_type_url(type));
    struct slice bytes = slice_of(in->resource->value.data, in->resource->value.len);
    switch (type) {
    case RESOURCE_WORKLOAD:
        return !slice_eq_str(name, resources->pod) ||
               resources_take_workload(resources, bytes, in->version, err);
    case RESOURCE_SERVICE:
        return resources_take_service(resources, name, bytes, in->version, err);
    case RESOURCE_ENDPOINTS:
        return resources_take_endpoints(resources, name, bytes, in->version, err);
    case RESOURCE_TYPES:
        break;
    }
    return err_set(err, "type_url: not known");
}

/* The controller has no such resource: an answer, and not the absence of one. */
static bool resources_take_removal(struct resources *resources, enum resource_type type,
                                   struct slice name, struct err *err)
{
    struct followed *followed = NULL;
    bool ok = true;
    if (type == RESOURCE_SERVICE && (followed = map_get(&resources->services, name))) {
        struct service *unknown = service_unknown(name, followed->shared);
        if ((ok = unknown != NULL))
            resources_set_service(resources, followed, unknown);
    } else if (type == RESOURCE_ENDPOINTS && (followed = map_get(&resources->endpoints, name))) {
        ok = resources_set_endpoints(resources, followed, endpoints_empty(name));
    } else if (type == RESOURCE_WORKLOAD && slice_eq_str(name, resources->pod)) {
        /* Its policy stays: a pod that the controller lost sight of is not open to everybody. */
        if (!resources->workload_is_gone)
            LOG(LOG_WARN, "workload_unknown", LOG_S("node", resources->pod),
                LOG_S("error", "the controller: " RESOURCES_WORKLOAD_GONE));
        resources->workload_is_gone = true;
        resources->workload_asked_ns = 0;
    }
    if (followed)
        followed->asked_ns = 0;
    return ok || err_set(err, "out of memory");
}

bool resources_apply(struct resources *resources, const DeltaDiscoveryResponse *response,
                     struct err *err)
{
    enum resource_type type;
    struct err one;
    size_t refused = 0;
    if (!resource_type_parse(slice_str(response->type_url), &type))
        return err_set(err, "type_url: \"%.100s\" is not a type that this proxy follows",
                       response->type_url);
    for (size_t i = 0; i < response->n_resources; i++) {
        const Envoy__Service__Discovery__V3__Resource *in = response->resources[i];
        if (resources_take(resources, type, in, &one))
            continue;
        err_prefix(&one, "%s %.200s", resource_type_word(type), in->name);
        if (refused++ == 0)
            *err = one;
    }
    for (size_t i = 0; i < response->n_removed_resources; i++) {
        const char *name = response->removed_resources[i];
        if (resources_take_removal(resources, type, slice_str(name), &one))
            continue;
        err_prefix(&one, "%s %.200s", resource_type_word(type), name);
        if (refused++ == 0)
            *err = one;
    }
    if (refused > 1) {
        one = *err;
        err_set(err, "%s (and %zu more)", one.text, refused - 1);
    }
    return refused == 0;
}

/* ---- the stream ---- */

static void resources_clear_notes(struct resources *resources)
{
    for (size_t type = 0; type < RESOURCE_TYPES; type++) {
        map_fini(&resources->subscribe[type], NULL);
        map_fini(&resources->unsubscribe[type], NULL);
    }
}

void resources_stream_opened(struct resources *resources, uint64_t now_ns)
{
    resources_clear_notes(resources);
    resources->is_streaming = true;
    /* What is held needs no answer: silence then means that it is still so. */
    if (!resources->workload)
        resources->workload_asked_ns = now_ns;
    MAP_EACH(entry, &resources->services)
        if (!((struct followed *)entry->value)->service)
            ((struct followed *)entry->value)->asked_ns = now_ns;
    MAP_EACH(entry, &resources->endpoints)
        if (!((struct followed *)entry->value)->endpoints)
            ((struct followed *)entry->value)->asked_ns = now_ns;
}

void resources_stream_closed(struct resources *resources)
{
    resources->is_streaming = false;
    resources_clear_notes(resources);
}

static bool resources_has_unanswered(const struct map *map, uint64_t since_ns)
{
    MAP_EACH(entry, map) {
        const struct followed *followed = entry->value;
        if (followed->asked_ns && followed->asked_ns <= since_ns)
            return true;
    }
    return false;
}

bool resources_is_unanswered(const struct resources *resources, uint64_t since_ns)
{
    return (resources->workload_asked_ns && resources->workload_asked_ns <= since_ns) ||
           resources_has_unanswered(&resources->services, since_ns) ||
           resources_has_unanswered(&resources->endpoints, since_ns);
}

const struct map *resources_followed(const struct resources *resources, enum resource_type type)
{
    const struct map *maps[] = {&resources->workloads, &resources->services, &resources->endpoints};
    return maps[type];
}

const char *resources_version(const struct resources *resources, enum resource_type type,
                              const struct map_entry *entry)
{
    const struct followed *followed = entry->value;
    if (type == RESOURCE_WORKLOAD)
        return resources->workload ? resources->workload->version : "";
    if (type == RESOURCE_SERVICE)
        return followed->service ? followed->service->version : "";
    return followed->endpoints ? followed->endpoints->version : "";
}

/* ---- snapshots ---- */

static bool resources_is_ready(const struct resources *resources, const char *const *uses, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct followed *followed = map_get(&resources->endpoints, slice_str(uses[i]));
        if (!followed || !followed->endpoints)
            return false;
    }
    return true;
}

/* The newest version becomes the published one if all that it names is there. */
static void resources_promote(struct resources *resources, struct followed *followed)
{
    struct service *old = followed->published;
    if (!followed->service || followed->service == old ||
        !resources_is_ready(resources, followed->service->uses, followed->service->n_uses))
        return;
    followed->published = service_hold(followed->service);
    resources_unuse(resources, old);
    service_drop(old);
}

static void resources_promote_workload(struct resources *resources)
{
    struct workload *newest = resources->workload, *old = resources->published_workload;
    if (!newest || newest == old || !resources_is_ready(resources, newest->uses, newest->n_uses))
        return;
    resources->published_workload = workload_hold(newest);
    resources_unuse_workload(resources, old);
    workload_drop(old);
}

struct snapshot *resources_snapshot(struct resources *resources, uint64_t generation)
{
    struct snapshot *snapshot = snapshot_new();
    if (!snapshot)
        return NULL;
    snapshot->generation = generation;
    resources_promote_workload(resources);
    snapshot_set_workload(snapshot, workload_hold(resources->published_workload));
    MAP_EACH(entry, &resources->services) {
        struct followed *followed = entry->value;
        resources_promote(resources, followed);
        if (followed->published &&
            !snapshot_set_service(snapshot, service_hold(followed->published)))
            goto short_of_memory;
    }
    MAP_EACH(entry, &resources->endpoints) {
        struct followed *followed = entry->value;
        if (followed->endpoints &&
            !snapshot_set_endpoints(snapshot, endpoints_hold(followed->endpoints)))
            goto short_of_memory;
    }
    resources->is_dirty = false;
    return snapshot;
short_of_memory:
    snapshot_drop(snapshot);
    resources->is_dirty = true;
    return NULL;
}

struct resources *resources_new(const char *pod, const char *trust_domain, size_t max_services)
{
    struct resources *resources = calloc(1, sizeof(*resources));
    if (!resources)
        return NULL;
    resources->pod = strdup(pod);
    resources->trust_domain = strdup(trust_domain);
    resources->max_services = max_services ? max_services : 1;
    if (resources->pod && resources->trust_domain &&
        map_set(&resources->workloads, slice_str(resources->pod), resources, NULL))
        return resources;
    resources_free(resources);
    return NULL;
}

void resources_free(struct resources *resources)
{
    if (!resources)
        return;
    resources_clear_notes(resources);
    map_fini(&resources->workloads, NULL);
    map_fini(&resources->services, followed_free);
    map_fini(&resources->endpoints, followed_free);
    workload_drop(resources->workload);
    workload_drop(resources->published_workload);
    free(resources->pod);
    free(resources->trust_domain);
    free(resources);
}
