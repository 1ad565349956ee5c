#include "proxy/config/service.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proto/resources.pb-c.h"
#include "proxy/config/balance_rules.h"
#include "proxy/config/endpoint.h"
#include "proxy/wire.h"

#define SERVICE_MAX_BACKENDS 256
#define SERVICE_MAX_HOSTS    256

#define EJECTION_MAX_MS     (24ull * 3600 * 1000)
#define EJECTION_BASE_MS    30000
#define EJECTION_LONGEST_MS 300000
#define EJECTED_PERCENT     50

/* As Envoy has them. */
#define RATE_INTERVAL_MS  10000
#define RATE_MIN_HOSTS    5
#define RATE_MIN_REQUESTS 100
#define RATE_DEVIATION    1900
#define DEVIATION_MAX     100000

struct service_shared *service_shared_new(void)
{
    struct service_shared *shared = calloc(1, sizeof(*shared));
    if (shared) {
        atomic_init(&shared->refs, 1);
        atomic_init(&shared->connections, 0);
        atomic_init(&shared->last_used_ns, clock_now_ns());
    }
    return shared;
}

struct service_shared *service_shared_hold(struct service_shared *shared)
{
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void service_shared_drop(struct service_shared *shared)
{
    if (shared && atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1)
        free(shared);
}

static struct service *service_new(struct slice resource, struct slice version,
                                   struct service_shared *shared)
{
    struct service *service = calloc(1, sizeof(*service));
    if (!service)
        return NULL;
    atomic_init(&service->refs, 1);
    service->shared = service_shared_hold(shared);
    service->resource = strndup(resource.len ? resource.ptr : "", resource.len);
    service->version = strndup(version.len ? version.ptr : "", version.len);
    if (service->resource && service->version)
        return service;
    service_drop(service);
    return NULL;
}

static bool service_set_name(struct service *service, const Outrigger__V1__Service *message,
                             struct err *err)
{
    if (!(service->name = wire_text(message->name, "name", err)))
        return false;
    if (!wire_is_namespaced(slice_str(service->name)))
        return err_set(err, "name: \"%s\" is not NAMESPACE/NAME", service->name);
    service->namespace = strndup(service->name, strcspn(service->name, "/"));
    return service->namespace || err_set(err, "name: out of memory");
}

static bool service_set_hosts(struct service *service, const Outrigger__V1__Service *message,
                              struct err *err)
{
    if (!wire_at_most(message->n_hosts, SERVICE_MAX_HOSTS, "hosts: their number", err))
        return false;
    service->hosts = calloc(message->n_hosts ? message->n_hosts : 1, sizeof(char *));
    if (!service->hosts)
        return err_set(err, "hosts: out of memory");
    for (size_t i = 0; i < message->n_hosts; i++) {
        char field[32];
        snprintf(field, sizeof(field), "hosts[%zu]", i);
        if (!(service->hosts[i] = wire_text(message->hosts[i], field, err)))
            return false;
        service->n_hosts++;
    }
    return true;
}

static bool service_add_backend(struct service *service, const Outrigger__V1__Backend *message,
                                struct err *err)
{
    struct backend *backend = &service->backends[service->n_backends];
    if (!(backend->endpoints = wire_text(message->endpoints, "endpoints", err)))
        return false;
    service->n_backends++;
    if (!*backend->endpoints)
        return err_set(err, "endpoints: empty; expected the name of an Endpoints resource");
    if (message->weight < 1 || message->weight > WIRE_MAX_WEIGHT)
        return err_set(err, "weight: %u is not a weight (1-%u)", message->weight, WIRE_MAX_WEIGHT);
    backend->weight = message->weight;
    for (size_t i = 0; i + 1 < service->n_backends; i++)
        if (strcmp(service->backends[i].endpoints, backend->endpoints) == 0)
            return err_set(err, "endpoints: \"%s\" is there twice (also backends[%zu])",
                           backend->endpoints, i);
    return true;
}

static bool service_set_backends(struct service *service, const Outrigger__V1__Service *message,
                                 struct err *err)
{
    if (!wire_at_most(message->n_backends, SERVICE_MAX_BACKENDS, "backends: their number", err))
        return false;
    service->backends =
        calloc(message->n_backends ? message->n_backends : 1, sizeof(struct backend));
    if (!service->backends)
        return err_set(err, "backends: out of memory");
    for (size_t i = 0; i < message->n_backends; i++)
        if (!service_add_backend(service, message->backends[i], err))
            return wire_at(err, "backends[%zu]", i);
    return true;
}

/*
 * A pod that was dialled by its address: that address is where its connections must go, whatever
 * else the controller may say.
 */
static bool service_set_pod(struct service *service, const Outrigger__V1__Endpoint *message,
                            struct err *err)
{
    struct sockaddr_any dialled;
    service->pod = endpoints_new(slice_str(service->resource), slice_str(service->version), 1);
    if (!service->pod)
        return err_set(err, "pod: out of memory");
    service->pod->n = 1;
    if (!endpoint_init(service->pod->list, message, err))
        return wire_at(err, "pod");
    if (!addr_parse(slice_str(service->resource), &dialled, err))
        return err_prefix(err, "the resource's name");
    if (!addr_eq(&dialled, &service->pod->list[0].addr))
        return err_set(err, "pod.address: %s is not %s, which was dialled",
                       service->pod->list[0].addr_text, service->resource);
    return true;
}

/* While it is found out which Endpoints a service names. */
struct service_uses {
    struct service *service;
    struct map seen;
};

static bool service_set_routes(struct service *service, const Outrigger__V1__Service *message,
                               struct err *err)
{
    if (message->n_rules == 0)
        return message->n_matches == 0 || err_set(err, "matches: there are no rules");
    service->routes = calloc(1, sizeof(*service->routes));
    return service->routes ? routes_build(service->routes, message, err)
                           : err_set(err, "rules: out of memory");
}

/* Room for the names of all; at most as many as there are references. */
static bool service_make_uses(struct service *service, struct err *err)
{
    size_t n = service->n_backends;
    for (size_t i = 0; service->routes && i < service->routes->n_rules; i++)
        n += route_rule_n_references(&service->routes->rules[i]);
    service->uses = calloc(n ? n : 1, sizeof(*service->uses));
    return service->uses || err_set(err, "backends: out of memory");
}

static bool service_add_use(void *context, const char *endpoints)
{
    struct service_uses *uses = context;
    struct slice name = slice_str(endpoints);
    if (!*endpoints || map_get(&uses->seen, name))
        return true;
    if (!map_set(&uses->seen, name, uses->service, NULL))
        return false;
    uses->service->uses[uses->service->n_uses++] = endpoints;
    return true;
}

static bool service_set_uses(struct service *service, struct err *err)
{
    struct service_uses uses = {.service = service};
    bool ok = true;
    if (!service_make_uses(service, err))
        return false;
    for (size_t i = 0; ok && i < service->n_backends; i++)
        ok = service_add_use(&uses, service->backends[i].endpoints);
    for (size_t i = 0; ok && service->routes && i < service->routes->n_rules; i++)
        ok = route_rule_each_reference(&service->routes->rules[i], service_add_use, &uses);
    map_fini(&uses.seen, NULL);
    return ok || err_set(err, "backends: out of memory");
}

static bool service_set_success_rate(struct success_rate_rules *rules,
                                     const Outrigger__V1__SuccessRate *message, struct err *err)
{
    if (!message)
        return true;
    if (!wire_at_most(message->interval_ms, EJECTION_MAX_MS, "interval_ms", err) ||
        !wire_at_most(message->deviation_thousandths, DEVIATION_MAX, "deviation_thousandths", err))
        return wire_at(err, "success_rate");
    *rules = (struct success_rate_rules){
        .interval_ns = (message->interval_ms ? message->interval_ms : RATE_INTERVAL_MS) * NS_PER_MS,
        .min_hosts = message->min_hosts ? message->min_hosts : RATE_MIN_HOSTS,
        .min_requests = message->min_requests ? message->min_requests : RATE_MIN_REQUESTS,
        .deviation_thousandths =
            message->deviation_thousandths ? message->deviation_thousandths : RATE_DEVIATION,
    };
    return true;
}

static bool service_set_outlier(struct service *service,
                                const Outrigger__V1__OutlierEjection *message, struct err *err)
{
    if (!message)
        return true;
    if (!wire_at_most(message->base_ms, EJECTION_MAX_MS, "base_ms", err) ||
        !wire_at_most(message->max_ms, EJECTION_MAX_MS, "max_ms", err) ||
        !wire_at_most(message->max_percent, 100, "max_percent", err) ||
        !wire_at_most(message->panic_percent, 100, "panic_percent", err))
        return false;
    service->balancing.panic_percent = message->panic_percent;
    uint64_t base_ms = message->base_ms ? message->base_ms : EJECTION_BASE_MS;
    uint64_t max_ms = message->max_ms ? message->max_ms : EJECTION_LONGEST_MS;
    service->outlier = (struct outlier_rules){
        .consecutive_5xx = message->consecutive_5xx,
        .consecutive_gateway_errors = message->consecutive_gateway_errors,
        .consecutive_local_failures = message->consecutive_local_failures,
        .base_ns = base_ms * NS_PER_MS,
        .max_ns = (max_ms > base_ms ? max_ms : base_ms) * NS_PER_MS,
        .max_percent = message->max_percent ? message->max_percent : EJECTED_PERCENT,
    };
    return service_set_success_rate(&service->outlier.success_rate, message->success_rate, err);
}

static bool service_fill(struct service *service, const Outrigger__V1__Service *message,
                         struct err *err)
{
    if (!service_set_name(service, message, err) || !wire_port(message->port, "port", err) ||
        !wire_at_most(message->connect_timeout_ms, WIRE_MAX_CONNECT_MS, "connect_timeout_ms",
                      err) ||
        !wire_at_most(message->idle_timeout_ms, WIRE_MAX_IDLE_MS, "idle_timeout_ms", err))
        return false;
    if (message->pod && message->n_backends > 0)
        return err_set(err, "backends: must be empty where `pod` is set");
    if (!message->pod && message->n_backends == 0)
        return err_set(err, "backends: empty, and `pod` is not set: one of them is needed");
    service->is_known = true;
    service->port = (uint16_t)message->port;
    service->protocol = protocol_from_wire((int)message->protocol);
    service->connect_timeout_ms = message->connect_timeout_ms;
    service->idle_timeout_ms = message->idle_timeout_ms;
    service->max_connections = message->max_connections;
    if (message->circuit_breaker) {
        service->max_requests = message->circuit_breaker->max_requests;
        service->max_pending = message->circuit_breaker->max_pending;
        service->max_retries = message->circuit_breaker->max_retries;
    }
    if (!balance_rules_build(&service->balancing, message, err))
        return wire_at(err, "balancing_rules");
    if (!service_set_outlier(service, message->outlier_ejection, err))
        return wire_at(err, "outlier_ejection");
    return service_set_hosts(service, message, err) &&
           service_set_backends(service, message, err) &&
           service_set_routes(service, message, err) && service_set_uses(service, err) &&
           (!message->pod || service_set_pod(service, message->pod, err));
}

struct service *service_build(struct slice bytes, struct slice resource, struct slice version,
                              struct service_shared *shared, struct err *err)
{
    Outrigger__V1__Service *message = wire_unpack(&outrigger__v1__service__descriptor, bytes, err);
    if (!message)
        return NULL;
    struct service *service = service_new(resource, version, shared);
    bool ok = service ? service_fill(service, message, err) : err_set(err, "out of memory");
    wire_free(message);
    if (ok)
        return service;
    service_drop(service);
    return NULL;
}

struct service *service_unknown(struct slice resource, struct service_shared *shared)
{
    struct service *service = service_new(resource, slice_str(""), shared);
    if (!service)
        return NULL;
    service->name = strdup("");
    service->namespace = strdup("");
    if (service->name && service->namespace)
        return service;
    service_drop(service);
    return NULL;
}

struct service *service_hold(struct service *service)
{
    if (service)
        atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
    return service;
}

void service_drop(struct service *service)
{
    if (!service || atomic_fetch_sub_explicit(&service->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < service->n_hosts; i++)
        free(service->hosts[i]);
    for (size_t i = 0; i < service->n_backends; i++)
        free(service->backends[i].endpoints);
    free(service->hosts);
    free(service->backends);
    free(service->uses);
    balance_rules_fini(&service->balancing);
    if (service->routes)
        routes_fini(service->routes);
    free(service->routes);
    endpoints_drop(service->pod);
    service_shared_drop(service->shared);
    free(service->resource);
    free(service->version);
    free(service->name);
    free(service->namespace);
    free(service);
}
