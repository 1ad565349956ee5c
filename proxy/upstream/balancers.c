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
    for (enum balance kind = 0; kind < BALANCE_KINDS; kind++)
        map_fini(&balancers->by_name[kind], free_balancer);
}

/*
 * Tells which addresses of `before` are not in `after` (NULL: none is). When memory is short nobody
 * is told: what is open to them goes when it has been idle for long enough.
 */
static void tell_gone(const struct balancers *balancers, const struct endpoints *before,
                      const struct endpoints *after)
{
    struct map still = {0};
    bool ok = balancers->endpoint_gone != NULL;
    for (size_t i = 0; ok && after && i < after->n; i++)
        ok = map_set(&still, slice_str(after->list[i].addr_text), (void *)&after->list[i], NULL);
    for (size_t i = 0; ok && i < before->n; i++)
        if (!map_get(&still, slice_str(before->list[i].addr_text)))
            balancers->endpoint_gone(balancers->context, &before->list[i].addr);
    map_fini(&still, NULL);
}

static void bring_up_to_date(struct balancers *balancers, struct balancer *balancer,
                             struct endpoints *endpoints)
{
    const struct endpoints *before = balancer_endpoints(balancer);
    if (before == endpoints)
        return;
    tell_gone(balancers, before, endpoints);
    if (!balancer_update(balancer, endpoints))
        LOG_LIMITED(LOG_ERROR, "endpoints_not_updated", LOG_S("endpoints", endpoints->name),
                    LOG_S("error", "out of memory"));
}

struct balancer *balancers_get(struct balancers *balancers, enum balance kind,
                               struct endpoints *endpoints)
{
    struct slice name = slice_str(endpoints->name);
    struct balancer *balancer = map_get(&balancers->by_name[kind], name);
    if (balancer) {
        bring_up_to_date(balancers, balancer, endpoints);
        return balancer;
    }
    balancer = balancer_new(endpoints, kind, jitter_below(UINT64_MAX));
    if (balancer && !map_set(&balancers->by_name[kind], name, balancer, NULL)) {
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

void balancers_leaving(struct balancers *balancers, const struct sockaddr_any *address,
                       uint64_t now_ns)
{
    for (enum balance kind = 0; kind < BALANCE_KINDS; kind++)
        MAP_EACH(entry, &balancers->by_name[kind])
            balancer_leaving(entry->value, address, now_ns);
}

size_t balancers_ejected(const struct balancers *balancers, uint64_t now_ns, uint64_t *next_ns)
{
    size_t n = 0;
    for (enum balance kind = 0; kind < BALANCE_KINDS; kind++)
        MAP_EACH(entry, &balancers->by_name[kind])
            n += balancer_ejected(entry->value, now_ns, next_ns);
    return n;
}

static void follow_kind(struct balancers *balancers, struct map *by_name,
                        const struct snapshot *snapshot)
{
    MAP_EACH(entry, by_name) {
        struct balancer *balancer = entry->value;
        struct endpoints *endpoints = snapshot_endpoints(snapshot, entry->key);
        if (endpoints) {
            bring_up_to_date(balancers, balancer, endpoints);
        } else {
            tell_gone(balancers, balancer_endpoints(balancer), NULL);
            map_remove(by_name, entry->key);
            balancer_free(balancer);
        }
    }
}

void balancers_follow(struct balancers *balancers, const struct snapshot *snapshot)
{
    for (enum balance kind = 0; kind < BALANCE_KINDS; kind++)
        follow_kind(balancers, &balancers->by_name[kind], snapshot);
}

/* Appends to `list`. */
static void describe_one(const struct balancer *balancer, const char *kind, json_t *list)
{
    struct balanced_view *views = calloc(VIEWS_MAX, sizeof(*views));
    size_t n = views ? balancer_views(balancer, views, VIEWS_MAX) : 0;
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < n; i++) {
        const struct balanced_view *view = &views[i];
        const struct endpoint *endpoint = view->endpoint;
        bool ejected = outlier_is_ejected(&view->outlier, now_ns);
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:i,s:I,s:I,s:s,s:I,s:I,s:b}", "address",
                      endpoint->addr_text, "balanced", kind, "identity", endpoint->identity, "pod",
                      endpoint->pod, "health", health_name(endpoint->health), "weight",
                      (int)endpoint->weight, "latency_us", (json_int_t)(view->latency_ns / 1000),
                      "open", (int)view->open, "chosen", (json_int_t)view->chosen, "failed",
                      (json_int_t)view->failed, "ejected",
                      outlier_why_name(ejected ? view->outlier.why : OUTLIER_NOT), "ejected_for_ms",
                      (json_int_t)(ejected ? (view->outlier.until_ns - now_ns) / NS_PER_MS : 0),
                      "ejections", (json_int_t)view->outlier.n_ejections, "panic", view->is_panic));
    }
    free(views);
}

struct json_t *balancers_describe(const struct balancers *balancers)
{
    static const char *const kinds[] = {
        [BALANCE_CONNECTIONS] = "connections", [BALANCE_REQUESTS] = "requests"};
    json_t *object = json_object();
    for (enum balance kind = 0; kind < BALANCE_KINDS; kind++)
        MAP_EACH(entry, &balancers->by_name[kind]) {
            json_t *list = json_object_getn(object, entry->key.ptr, entry->key.len);
            if (!list) {
                list = json_array();
                json_object_setn_new(object, entry->key.ptr, entry->key.len, list);
            }
            describe_one(entry->value, kinds[kind], list);
        }
    return object;
}
