/*
 * A request that the application makes: which service it is for, and which endpoint of it.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "proxy/accept/loop.h"

/* Where the request goes. */
static const struct sockaddr_any *request_target(const struct request *request)
{
    return request->endpoint ? &request->endpoint->addr : &request->downstream->destination;
}

/* A pod's call to itself: its own inbound policy decides, with its own identity. */
static bool request_may_call_self(struct request *request)
{
    const struct sockaddr_any *target = request_target(request);
    if (!loop_is_self(request->workload, target))
        return true;
    telemetry_add(request->workspace->telemetry, COUNTER_SELF_CALLS, 1);
    return request_is_allowed(request, request->workspace->identity, target, addr_port(target));
}

/* Where only what is known may be gone to: is it something outside that has a name? */
static bool request_may_go_out(struct request *request)
{
    const struct workload *workload = request->workload;
    if (!workload || workload->egress_mode != EGRESS_REGISTRY_ONLY)
        return true;
    const struct external_host *host =
        external_hosts_find(&workload->external_hosts, &request->downstream->destination,
                            external_host_name(request->authority));
    request->policy = host ? host->object : "";
    request->policy_why = host ? "external_service" : "";
    return host;
}

static enum request_step request_pass_through(struct request *request)
{
    if (!request_may_go_out(request))
        return request_answer(request, REQUEST_REASON_EGRESS_DENIED);
    telemetry_add(request->workspace->telemetry, COUNTER_PASSTHROUGH, 1);
    if (!request_may_call_self(request))
        return request_answer(request, REQUEST_REASON_POLICY_DENIED);
    return REQUEST_CONNECT;
}

enum request_step request_route(struct request *request)
{
    const struct service *service = request->service;
    if (!service || !service->is_known)
        return request_pass_through(request);
    if (!request_breaker_begin(request))
        return request_answer(request, REQUEST_REASON_LIMIT_REQUESTS);
    if (service->pod)
        return REQUEST_BALANCE;
    if (service->routes)
        return request_follow_route(request);
    struct endpoints *endpoints = balancers_choose(service, request->workspace->snapshot);
    if (!endpoints || endpoints->n == 0)
        return request_answer(request, REQUEST_REASON_NO_ENDPOINTS);
    request->endpoints = endpoints_hold(endpoints);
    return REQUEST_BALANCE;
}

/* The next endpoint that has not been tried, or NULL. */
static const struct endpoint *request_next_endpoint(struct request *request)
{
    struct workspace *workspace = request->workspace;
    const struct endpoints *pod = request->service->pod;
    if (pod) /* one endpoint, one attempt */
        return request->endpoint || pod->n == 0 ? NULL : &pod->list[0];
    struct balancer *balancer =
        balancers_get(&workspace->balancers, BALANCE_REQUESTS, request->endpoints);
    if (!balancer) {
        request->failure = REASON_NO_MEMORY;
        return NULL;
    }
    uint64_t hash;
    bool is_hashed = request_hash(request, &hash);
    balancer_use(balancer, &request->service->balancing, is_hashed ? &hash : NULL);
    unsigned max = workspace->settings->connect_attempts;
    uint64_t now_ns = request->endpoint ? clock_now_ns() : request->begun_ns;
    const struct endpoint *next = attempts_next(&request->attempts, balancer, max, now_ns);
    if (!next && request->may_start_over) {
        attempts_end(&request->attempts);
        next = attempts_next(&request->attempts, balancer, max, now_ns);
    }
    request->may_start_over = false;
    return next;
}

enum request_step request_balance(struct request *request)
{
    bool is_retry = request->endpoint;
    const struct endpoint *endpoint = request_next_endpoint(request);
    if (!endpoint && is_retry && request_retry_connect(request))
        return REQUEST_BACK_OFF;
    if (!endpoint)
        return request_answer(request, request->failure == REASON_DONE
                                           ? REQUEST_REASON_NO_ENDPOINTS
                                           : request_reason_of(request->failure));
    if (is_retry)
        telemetry_add(request->workspace->telemetry, COUNTER_CONNECT_RETRIES, 1);
    request->endpoint = endpoint;
    if (!request_may_call_self(request))
        return request_answer(request, REQUEST_REASON_POLICY_DENIED);
    return REQUEST_CONNECT;
}
