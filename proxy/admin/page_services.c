#include <jansson.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/hash_on_json.h"
#include "proxy/admin/endpoint_json.h"
#include "proxy/admin/opaque_json.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/routes_json.h"
#include "common/text.h"

static json_t *backends_json(const struct service *service)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < service->n_backends; i++)
        json_array_append_new(array,
                              json_pack("{s:s,s:I}", "endpoints", service->backends[i].endpoints,
                                        "weight", (json_int_t)service->backends[i].weight));
    return array;
}

static json_t *hosts_json(const struct service *service)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < service->n_hosts; i++)
        json_array_append_new(array, json_string(service->hosts[i]));
    return array;
}

static json_t *service_json(const struct service *service)
{
    const struct service_shared *shared = service->shared;
    uint64_t used = atomic_load(&shared->last_used_ns), now = clock_now_ns();
    json_t *json =
        json_pack("{s:s,s:b,s:I,s:I}", "address", service->resource, "is_known", service->is_known,
                  "connections", (json_int_t)atomic_load(&shared->connections), "idle_seconds",
                  (json_int_t)(now > used ? (now - used) / NS_PER_SEC : 0));
    if (!json)
        return NULL;
    json_object_set_new(json, "opaque_ports", opaque_json(&service->opaque));
    if (!service->is_known)
        return json;
    json_object_set_new(json, "name", json_string(service->name));
    json_object_set_new(json, "port", json_integer(service->port));
    json_object_set_new(json, "protocol", json_string(protocol_name(service->protocol)));
    json_object_set_new(json, "version", json_string(service->version));
    json_object_set_new(json, "hosts", hosts_json(service));
    json_object_set_new(json, "backends", backends_json(service));
    json_object_set_new(json, "balancing",
                        json_string(balance_algorithm_name(service->balancing.algorithm)));
    json_object_set_new(json, "hash_on", hash_on_json(&service->balancing));
    json_object_set_new(json, "slow_start_ms",
                        json_integer((json_int_t)(service->balancing.slow_start_ns / NS_PER_MS)));
    json_object_set_new(json, "circuit_breaker",
                        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "requests",
                                  (json_int_t)atomic_load(&shared->requests), "max_requests",
                                  (json_int_t)service->max_requests, "pending",
                                  (json_int_t)atomic_load(&shared->pending), "max_pending",
                                  (json_int_t)service->max_pending, "retries",
                                  (json_int_t)atomic_load(&shared->retries_open), "max_retries",
                                  (json_int_t)service->max_retries, "tripped",
                                  (json_int_t)atomic_load(&shared->tripped)));
    if (service->routes)
        json_object_set_new(json, "routes", routes_json(service->routes));
    if (service->pod && service->pod->n > 0)
        json_object_set_new(json, "pod", endpoint_json(&service->pod->list[0]));
    json_object_set_new(json, "max_connections", json_integer(service->max_connections));
    return json;
}

void page_services(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    const struct snapshot *snapshot = control_snapshot(sources->control);
    struct map_entry **entries = text_sorted(&snapshot->services);
    json_t *array = entries ? json_array() : NULL;
    for (size_t i = 0; array && i < snapshot->services.count; i++)
        json_array_append_new(array, service_json(entries[i]->value));
    free(entries);
    admin_reply_json(request, array ? json_pack("{s:I,s:o}", "generation",
                                                (json_int_t)snapshot->generation, "services", array)
                                    : NULL);
}
