/*
 * The steps of a connection that the application makes, up to the endpoint; between `discover` and
 * `route` it may turn out to be HTTP (tunnel_peek.c).
 */
#include "proxy/tunnel_parts.h"
#include "proxy/balance/consistent.h"

#include "common/clock.h"

enum tunnel_step tunnel_outbound_destination(struct tunnel *tunnel)
{
    enum reason reason;
    if (!tunnel_find_destination(tunnel, &reason))
        return tunnel_end(tunnel, reason);
    return STEP_DISCOVER;
}

/* Everything that is needed to choose an endpoint has been answered. */
static bool is_described(const struct snapshot *snapshot, const struct service *service)
{
    if (!service)
        return false;
    for (size_t i = 0; i < service->n_uses; i++)
        if (!snapshot_endpoints(snapshot, slice_str(service->uses[i])))
            return false;
    return true;
}

static void on_published(struct waiter *waiter)
{
    tunnel_run(LIST_ENTRY(waiter, struct tunnel, waiter));
}

static bool tunnel_begin_wait(struct tunnel *tunnel, struct slice resource, bool is_asked)
{
    struct workspace *workspace = tunnel->workspace;
    uint64_t timeout_ms = tunnel->workload && tunnel->workload->discovery_timeout_ms
                              ? tunnel->workload->discovery_timeout_ms
                              : workspace->settings->discovery_timeout_ms;
    bool is_first;
    if (!waits_join(&workspace->waits, &tunnel->waiter, resource, on_published, &is_first))
        return false;
    telemetry_add(workspace->telemetry, COUNTER_DISCOVERY_WAITS, 1);
    telemetry_add(workspace->telemetry, COUNTER_DISCOVERY_WAITING, 1);
    tunnel_set_timer(tunnel, timeout_ms);
    if (is_first && !is_asked)
        workspace->want_service(workspace, resource);
    return true;
}

enum tunnel_step tunnel_discover(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    char text[ADDR_TEXT_BYTES];
    struct slice resource = slice_str(addr_format(&tunnel->destination, text));
    struct service *service = snapshot_service(workspace->snapshot, resource);
    bool is_waiting = tunnel->waiter.wait;
    if (!is_described(workspace->snapshot, service) && !tunnel->is_timed_out) {
        if (!is_waiting && !tunnel_begin_wait(tunnel, resource, service))
            return tunnel_end(tunnel, REASON_NO_MEMORY);
        return STEP_WAIT;
    }
    if (is_waiting) {
        waits_leave(&workspace->waits, &tunnel->waiter);
        timer_cancel(&workspace->timers, &tunnel->timer);
        telemetry_add(workspace->telemetry, COUNTER_DISCOVERY_WAITING, -1);
        if (tunnel->is_timed_out)
            telemetry_add(workspace->telemetry, COUNTER_DISCOVERY_TIMEOUTS, 1);
    }
    tunnel_hold_snapshot(tunnel);
    tunnel->service = service ? service_hold(service) : NULL;
    return STEP_PEEK;
}

/* A pod's call to itself: its own inbound policy decides, with its own identity. */
static bool tunnel_may_call_self(struct tunnel *tunnel)
{
    const struct sockaddr_any *upstream = tunnel_upstream(tunnel);
    if (!tunnel_is_self(tunnel, upstream))
        return true;
    telemetry_add(tunnel->workspace->telemetry, COUNTER_SELF_CALLS, 1);
    struct ip own = addr_ip(upstream);
    return tunnel_is_allowed(tunnel, tunnel->workspace->identity, &own, addr_port(upstream));
}

enum tunnel_step tunnel_pass_through(struct tunnel *tunnel)
{
    telemetry_add(tunnel->workspace->telemetry, COUNTER_PASSTHROUGH, 1);
    if (!tunnel_may_call_self(tunnel))
        return tunnel_end(tunnel, REASON_POLICY_DENIED);
    return STEP_CONNECT;
}

enum tunnel_step tunnel_route(struct tunnel *tunnel)
{
    struct service *service = tunnel->service;
    if (!service || !service->is_known)
        return tunnel->workload && tunnel->workload->egress_mode == EGRESS_REGISTRY_ONLY
                   ? STEP_EGRESS
                   : tunnel_pass_through(tunnel);
    service->shared->last_used_ns = clock_now_ns();
    tunnel->is_counted = true;
    uint32_t open = ++service->shared->connections;
    if (service->max_connections && open > service->max_connections)
        return tunnel_end(tunnel, REASON_LIMIT_CONNECTIONS);
    if (service->pod)
        return STEP_BALANCE;
    struct endpoints *endpoints = balancers_choose(service, tunnel->snapshot);
    if (!endpoints || endpoints->n == 0)
        return tunnel_end(tunnel, REASON_NO_ENDPOINTS);
    tunnel->endpoints = endpoints;
    return STEP_BALANCE;
}

/* Of what a request may be hashed by a connection has its source address only. */
static bool tunnel_hash(const struct tunnel *tunnel, uint64_t *hash)
{
    const struct balance_rules *rules = &tunnel->service->balancing;
    struct ip source = addr_ip(&tunnel->source);
    char text[IP_TEXT_BYTES];
    for (size_t i = 0; i < rules->n_hash_on; i++)
        if (rules->hash_on[i].source == HASH_SOURCE) {
            *hash = consistent_hash(slice_str(ip_format(&source, text)));
            return true;
        }
    return false;
}

/* The next endpoint that has not been tried, or NULL. */
static const struct endpoint *tunnel_next_endpoint(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    const struct endpoints *pod = tunnel->service->pod;
    if (pod) /* one endpoint, one attempt */
        return tunnel->endpoint || pod->n == 0 ? NULL : &pod->list[0];
    struct balancer *balancer =
        balancers_get(&workspace->balancers, BALANCE_CONNECTIONS, tunnel->endpoints);
    if (!balancer) {
        tunnel->failure = REASON_NO_MEMORY;
        return NULL;
    }
    uint64_t hash;
    bool is_hashed = tunnel_hash(tunnel, &hash);
    balancer_use(balancer, &tunnel->service->balancing, is_hashed ? &hash : NULL);
    return attempts_next(&tunnel->attempts, balancer, workspace->settings->connect_attempts,
                         clock_now_ns());
}

enum tunnel_step tunnel_balance(struct tunnel *tunnel)
{
    bool is_retry = tunnel->endpoint;
    const struct endpoint *endpoint = tunnel_next_endpoint(tunnel);
    if (!endpoint)
        return tunnel_end(tunnel,
                          tunnel->failure == REASON_DONE ? REASON_NO_ENDPOINTS : tunnel->failure);
    if (is_retry)
        telemetry_add(tunnel->workspace->telemetry, COUNTER_CONNECT_RETRIES, 1);
    tunnel->endpoint = endpoint;
    if (!tunnel_may_call_self(tunnel))
        return tunnel_end(tunnel, REASON_POLICY_DENIED);
    return STEP_CONNECT;
}
