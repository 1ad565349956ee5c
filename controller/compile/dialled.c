#include "controller/compile/dialled.h"

#include "controller/compile/effective.h"
#include "controller/compile/endpoint.h"
#include "controller/compile/endpoints.h"
#include "controller/compile/pod_ports.h"
#include "controller/compile/retries.h"
#include "controller/compile/routes.h"
#include "controller/objects/keys.h"
#include "controller/objects/service.h"
#include "controller/objects/traffic_policy.h"

#define CLUSTER_DOMAIN "cluster.local"

static Outrigger__V1__Service *make_message(struct compile *compile, const struct object *object,
                                            uint16_t port)
{
    Outrigger__V1__Service *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__service__init(message);
    message->name = compile_text(compile, "%s/%s", object->namespace, object->name);
    message->port = port;
    message->balancing = OUTRIGGER__V1__BALANCING__P2C_PEAK_EWMA;
    return message;
}

/* The names under which DNS knows the Service, from the shortest to the whole. */
static void fill_hosts(struct compile *compile, const struct object *service,
                       Outrigger__V1__Service *message)
{
    static const char *const ends[] = {"", ".svc", ".svc." CLUSTER_DOMAIN};
    message->hosts = compile_take(compile, 4, sizeof(*message->hosts));
    if (!message->hosts)
        return;
    message->hosts[message->n_hosts++] = compile_text(compile, "%s", service->name);
    for (size_t i = 0; i < 3; i++)
        message->hosts[message->n_hosts++] =
            compile_text(compile, "%s.%s%s", service->name, service->namespace, ends[i]);
}

static void fill_backend(struct compile *compile, const struct service *service,
                         const struct service_port *port, int family,
                         Outrigger__V1__Service *message)
{
    Outrigger__V1__Backend *backend = compile_take(compile, 1, sizeof(*backend));
    message->backends = compile_take(compile, 1, sizeof(*message->backends));
    if (!backend || !message->backends)
        return;
    outrigger__v1__backend__init(backend);
    backend->endpoints = endpoints_name(compile, service, port, family);
    backend->weight = 1;
    message->backends[message->n_backends++] = backend;
}

static bool policy_names(const struct traffic_policy *policy, const struct service *service)
{
    for (size_t i = 0; i < policy->services.n; i++)
        if (strcmp(policy->services.list[i], service->object.name) == 0)
            return true;
    return false;
}

static void take_first(const struct traffic_policy **first, const struct traffic_policy *policy,
                       bool is_set)
{
    if (is_set && (!*first || object_precedence(&policy->object, &(*first)->object) < 0))
        *first = policy;
}

static void fill_balancing(struct compile *compile, const struct traffic_balancing *set,
                           Outrigger__V1__Service *message)
{
    message->balancing = (Outrigger__V1__Balancing)set->algorithm;
    if (!set->slow_start_ms && set->n_hash_on == 0)
        return;
    Outrigger__V1__BalancingRules *rules = compile_take(compile, 1, sizeof(*rules));
    Outrigger__V1__HashOn *made = compile_take(compile, set->n_hash_on + 1, sizeof(*made));
    Outrigger__V1__HashOn **list = compile_take(compile, set->n_hash_on + 1, sizeof(*list));
    if (!rules || !made || !list)
        return;
    outrigger__v1__balancing_rules__init(rules);
    for (size_t i = 0; i < set->n_hash_on; i++) {
        outrigger__v1__hash_on__init(&made[i]);
        made[i].source = (Outrigger__V1__HashSource)set->hash_on[i].source;
        made[i].name = (char *)(uintptr_t)set->hash_on[i].name;
        made[i].ttl_ms = set->hash_on[i].ttl_ms;
        list[i] = &made[i];
    }
    rules->hash_on = list;
    rules->n_hash_on = set->n_hash_on;
    rules->slow_start_ms = set->slow_start_ms;
    message->balancing_rules = rules;
}

static void fill_outlier(struct compile *compile, const struct traffic_outlier *set,
                         Outrigger__V1__Service *message)
{
    message->outlier_ejection = compile_take(compile, 1, sizeof(*message->outlier_ejection));
    if (!message->outlier_ejection)
        return;
    outrigger__v1__outlier_ejection__init(message->outlier_ejection);
    message->outlier_ejection->consecutive_5xx = set->consecutive_5xx;
    message->outlier_ejection->consecutive_gateway_errors = set->consecutive_gateway_errors;
    message->outlier_ejection->consecutive_local_failures = set->consecutive_local_failures;
    message->outlier_ejection->base_ms = set->base_ms;
    message->outlier_ejection->max_ms = set->max_ms;
    message->outlier_ejection->max_percent = set->max_percent;
    message->outlier_ejection->panic_percent = set->panic_percent;
    Outrigger__V1__SuccessRate *rate =
        set->judges_rates ? compile_take(compile, 1, sizeof(*rate)) : NULL;
    if (!rate)
        return;
    outrigger__v1__success_rate__init(rate);
    rate->interval_ms = set->interval_ms;
    rate->min_hosts = set->min_hosts;
    rate->min_requests = set->min_requests;
    rate->deviation_thousandths = set->deviation_thousandths;
    message->outlier_ejection->success_rate = rate;
}

static void fill_breaker(struct compile *compile, uint32_t max_requests, uint32_t max_pending,
                         uint32_t max_retries, Outrigger__V1__Service *message)
{
    if (!max_requests && !max_pending && !max_retries)
        return;
    message->circuit_breaker = compile_take(compile, 1, sizeof(*message->circuit_breaker));
    if (!message->circuit_breaker)
        return;
    outrigger__v1__circuit_breaker__init(message->circuit_breaker);
    message->circuit_breaker->max_requests = max_requests;
    message->circuit_breaker->max_pending = max_pending;
    message->circuit_breaker->max_retries = max_retries;
}

/* As fill_settings(): each from the policy that goes first and sets it. */
static void fill_resilience(struct compile *compile, const struct service *service,
                            Outrigger__V1__Service *message)
{
    char key[STORE_KEY_BYTES];
    struct found found = compile_find(
        compile, key_of_namespace(key, OBJECT_TRAFFIC_POLICY, service->object.namespace));
    const struct traffic_policy *balancing = NULL, *outlier = NULL, *requests = NULL;
    const struct traffic_policy *pending = NULL, *retries = NULL;
    for (size_t i = 0; i < found.n; i++) {
        const struct traffic_policy *policy = (const struct traffic_policy *)found.list[i];
        const struct traffic_resilience *set = &policy->service.resilience;
        if (!policy_names(policy, service))
            continue;
        take_first(&balancing, policy, set->balancing.algorithm);
        take_first(&outlier, policy, set->outlier.is_set);
        take_first(&requests, policy, set->max_requests);
        take_first(&pending, policy, set->max_pending);
        take_first(&retries, policy, set->max_retries);
    }
    if (balancing)
        fill_balancing(compile, &balancing->service.resilience.balancing, message);
    if (outlier)
        fill_outlier(compile, &outlier->service.resilience.outlier, message);
    fill_breaker(compile, requests ? requests->service.resilience.max_requests : 0,
                 pending ? pending->service.resilience.max_pending : 0,
                 retries ? retries->service.resilience.max_retries : 0, message);
}

/*
 * Field by field the policy that goes first and sets it. Policies of one namespace are few, so that
 * the whole list is searched for the best of each field.
 */
static void fill_settings(struct compile *compile, const struct service *service,
                          Outrigger__V1__Service *message)
{
    char key[STORE_KEY_BYTES];
    struct found found = compile_find(
        compile, key_of_namespace(key, OBJECT_TRAFFIC_POLICY, service->object.namespace));
    const struct object *connect = NULL, *idle = NULL, *connections = NULL;
    for (size_t i = 0; i < found.n; i++) {
        const struct traffic_policy *policy = (const struct traffic_policy *)found.list[i];
        const struct object *object = found.list[i];
        const struct traffic_service *set = &policy->service;
        if (!policy_names(policy, service))
            continue;
        if (set->connect_timeout_ms && (!connect || object_precedence(object, connect) < 0)) {
            message->connect_timeout_ms = set->connect_timeout_ms;
            connect = object;
        }
        if (set->idle_timeout_ms && (!idle || object_precedence(object, idle) < 0)) {
            message->idle_timeout_ms = set->idle_timeout_ms;
            idle = object;
        }
        if (set->max_connections && (!connections || object_precedence(object, connections) < 0)) {
            message->max_connections = set->max_connections;
            connections = object;
        }
    }
}

static Outrigger__V1__Service *make_service(struct compile *compile, const struct service *service,
                                            uint16_t port_number, int family)
{
    const struct service_port *port = service_port_by_number(service, port_number);
    Outrigger__V1__Service *message = make_message(compile, &service->object, port_number);
    if (!port || !message)
        return NULL;
    message->port_name = (char *)(uintptr_t)port->name;
    message->protocol = service_port_protocol(service, port);
    fill_hosts(compile, &service->object, message);
    fill_backend(compile, service, port, family, message);
    fill_settings(compile, service, message);
    fill_resilience(compile, service, message);
    routes_compile(compile, service, port, family, message);
    retries_compile(compile, service, message);
    return message;
}

static bool has_port(const struct pod *pod, uint16_t port)
{
    for (size_t i = 0; i < pod->n_ports; i++)
        if (pod->ports[i].port == port)
            return true;
    return false;
}

/* A pod on its node's network answers for the ports it declares; the others are the node's. */
static Outrigger__V1__Service *make_pod(struct compile *compile, const struct ip *ip, uint16_t port)
{
    const struct pod *pod = endpoint_find_pod(compile, ip, "", "");
    if (!pod || (pod->is_host_network && !has_port(pod, port)))
        return NULL;
    const struct effective *effective = effective_of_pod(compile, pod);
    Outrigger__V1__Service *message = make_message(compile, &pod->object, port);
    if (!effective || !message)
        return NULL;
    message->protocol = pod_ports_protocol(pod_ports_of(compile, effective), port);
    message->pod = endpoint_make(compile, ip, port, pod);
    return message->pod ? message : NULL;
}

ProtobufCMessage *dialled_compile(struct compile *compile, struct slice name)
{
    struct sockaddr_any addr;
    struct err ignored;
    char text[ADDR_TEXT_BYTES], key[STORE_KEY_BYTES];
    /* One way to write an address, or the same service could be asked for under many names. */
    if (!addr_parse(name, &addr, &ignored) || !slice_eq_str(name, addr_format(&addr, text)))
        return NULL;
    struct ip ip = addr_ip(&addr);
    uint16_t port = addr_port(&addr);
    struct found found = compile_find(compile, key_of_vip(key, &ip, port));
    const struct object *first = NULL;
    for (size_t i = 0; i < found.n; i++)
        if (!first || object_precedence(found.list[i], first) < 0)
            first = found.list[i];
    Outrigger__V1__Service *message =
        first ? make_service(compile, (const struct service *)first, port, ip.family)
              : make_pod(compile, &ip, port);
    return message ? &message->base : NULL;
}
