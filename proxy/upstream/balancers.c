#include "proxy/upstream/balancers.h"

#include <jansson.h>

#include "common/clock.h"
#include "common/jitter.h"
#include "common/log.h"

#define VIEWS_MAX 1024 /* of one balancer on the admin page */

static void free_balancer(void *balancer)
{
    balancer_free(balancer);
}

void balancers_fini(struct balancers *balancers)
{
    map_fini(&balancers->by_name, free_balancer);
}

struct balancer *balancers_get(struct balancers *balancers, struct endpoints *endpoints)
{
    struct slice name = slice_str(endpoints->name);
    struct balancer *balancer = map_get(&balancers->by_name, name);
    if (balancer) {
        if (balancer_endpoints(balancer) != endpoints && !balancer_update(balancer, endpoints))
            LOG_LIMITED(LOG_ERROR, "endpoints_not_updated", LOG_S("endpoints", endpoints->name),
                        LOG_S("error", "out of memory"));
        return balancer;
    }
    balancer = balancer_new(endpoints, jitter_below(UINT64_MAX));
    if (balancer && !map_set(&balancers->by_name, name, balancer, NULL)) {
        balancer_free(balancer);
        return NULL;
    }
    return balancer;
}

struct endpoints *balancers_choose(const struct service *service, const struct snapshot *snapshot)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < service->n_backends; i++)
        sum += service->backends[i].weight;
    if (sum == 0)
        return NULL;
    uint64_t at = service->n_backends == 1 ? 0 : jitter_below(sum);
    const struct backend *backend = service->backends;
    while (at >= backend->weight)
        at -= backend++->weight;
    return snapshot_endpoints(snapshot, slice_str(backend->endpoints));
}

void balancers_follow(struct balancers *balancers, const struct snapshot *snapshot)
{
    MAP_EACH(entry, &balancers->by_name) {
        struct balancer *balancer = entry->value;
        struct endpoints *endpoints = snapshot_endpoints(snapshot, entry->key);
        if (!endpoints) {
            map_remove(&balancers->by_name, entry->key);
            balancer_free(balancer);
        } else if (balancer_endpoints(balancer) != endpoints &&
                   !balancer_update(balancer, endpoints)) {
            LOG_LIMITED(LOG_ERROR, "endpoints_not_updated", LOG_SL("endpoints", entry->key),
                        LOG_S("error", "out of memory"));
        }
    }
}

static json_t *describe_one(const struct balancer *balancer)
{
    json_t *list = json_array();
    struct balanced_view *views = calloc(VIEWS_MAX, sizeof(*views));
    size_t n = views ? balancer_views(balancer, views, VIEWS_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct balanced_view *view = &views[i];
        const struct endpoint *endpoint = view->endpoint;
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:i,s:I,s:I}", "address", endpoint->addr_text,
                      "identity", endpoint->identity, "pod", endpoint->pod, "health",
                      health_name(endpoint->health), "weight", (int)endpoint->weight, "latency_us",
                      (json_int_t)(view->latency_ns / 1000), "open", (int)view->open, "chosen",
                      (json_int_t)view->chosen, "failed", (json_int_t)view->failed));
    }
    free(views);
    return list;
}

struct json_t *balancers_describe(const struct balancers *balancers)
{
    json_t *object = json_object();
    MAP_EACH(entry, &balancers->by_name)
        json_object_setn_new(object, entry->key.ptr, entry->key.len, describe_one(entry->value));
    return object;
}
