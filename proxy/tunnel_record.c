/*
 * What is told of a tunnel: metrics, log lines, /connections.
 */
#include "proxy/tunnel_parts.h"

#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "proxy/flow_labels.h"

const char *tunnel_step_name(enum tunnel_step step)
{
    static const char *const names[] = {
#define X(step, name, function) [step] = name,
        TUNNEL_STEPS(X)
#undef X
            [STEP_WAIT] = "wait",
        [STEP_ENDED] = "ended",
    };
    return names[step];
}

const char *tunnel_tls(const struct tunnel *tunnel)
{
    if (tunnel->client.tls || tunnel->server.tls)
        return "mutual";
    return tunnel->is_application_tls ? "passthrough" : "none";
}

const char *tunnel_source_identity(const struct tunnel *tunnel)
{
    if (tunnel->direction == DIRECTION_OUTBOUND)
        return tunnel->workspace->identity;
    return tunnel->client.tls ? tls_layer_peer_id(tunnel->client.tls) : "";
}

const char *tunnel_destination_identity(const struct tunnel *tunnel)
{
    return flow_destination_identity(tunnel->direction, tunnel->workspace->identity,
                                     tunnel->endpoint);
}

static struct flow_stats *tunnel_flow(struct tunnel *tunnel)
{
    const struct flow_known known = {
        .direction = tunnel->direction,
        .own_identity = tunnel->workspace->identity,
        .workload = tunnel->workload,
        .source_identity = tunnel_source_identity(tunnel),
        .endpoint = tunnel->endpoint,
        .service = tunnel->service,
        .tls = tunnel_tls(tunnel),
        .policy = tunnel->policy,
    };
    struct flow_namespaces namespaces;
    struct flow_labels labels = flow_labels_of(&known);
    flow_labels_add_namespaces(&labels, &known, &namespaces);
    return telemetry_flow(tunnel->workspace->telemetry, &labels);
}

void tunnel_record_open(struct tunnel *tunnel)
{
    tunnel->flow = tunnel_flow(tunnel);
    tunnel->is_opened = true;
    flow_opened(tunnel->flow);
    flow_connected(tunnel->flow, clock_now_ns() - tunnel->connect_started_ns);
}

void tunnel_record_relabel(struct tunnel *tunnel)
{
    flow_ended(tunnel->flow, REASON_DONE, clock_now_ns() - tunnel->opened_ns);
    tunnel->flow = NULL;
    tunnel->is_opened = false;
    tunnel->connect_started_ns = clock_now_ns();
}

struct addresses {
    char source[ADDR_TEXT_BYTES], destination[ADDR_TEXT_BYTES];
};

static void tunnel_addresses(const struct tunnel *tunnel, struct addresses *text)
{
    addr_format(&tunnel->source, text->source);
    text->destination[0] = '\0';
    if (tunnel->destination.sa.sa_family != AF_UNSPEC)
        addr_format(&tunnel->destination, text->destination);
}

static void tunnel_log_refused(const struct tunnel *tunnel, enum reason reason)
{
    struct workspace *workspace = tunnel->workspace;
    struct addresses text;
    uint64_t suppressed;
    if (!log_is_on(LOG_WARN) || !log_budget_take(&workspace->refusals, clock_now_ns(), &suppressed))
        return;
    tunnel_addresses(tunnel, &text);
    bool is_inbound = tunnel->direction == DIRECTION_INBOUND;
    bool has_destination = text.destination[0];
    LOG(LOG_WARN, tunnel->is_opened ? "connection_broken" : "connection_refused",
        LOG_S("direction", direction_name(tunnel->direction)), LOG_S("reason", reason_word(reason)),
        LOG_S("meaning", reason_help(reason)), LOG_S("policy", tunnel->policy),
        LOG_S("why", tunnel->policy_why), LOG_S("source", text.source),
        LOG_S("source_identity", tunnel_source_identity(tunnel)),
        LOG_S("destination", text.destination),
        LOG_I("port", has_destination ? addr_port(&tunnel->destination) : 0),
        LOG_S("mtls_mode", is_inbound ? mtls_mode_name(tunnel->mtls_mode) : ""),
        LOG_S("service", tunnel->service && tunnel->service->is_known ? tunnel->service->name : ""),
        LOG_S("endpoint", tunnel->endpoint ? tunnel->endpoint->addr_text : ""),
        LOG_S("destination_identity", tunnel_destination_identity(tunnel)),
        LOG_S("error", tunnel->detail ? tunnel->detail : ""), LOG_I("suppressed", suppressed));
}

static void tunnel_log_access(const struct tunnel *tunnel, enum reason reason, uint64_t age_ns)
{
    struct addresses text;
    tunnel_addresses(tunnel, &text);
    LOG(LOG_INFO, "connection_closed", LOG_S("direction", direction_name(tunnel->direction)),
        LOG_S("reason", reason_word(reason)), LOG_S("source", text.source),
        LOG_S("source_identity", tunnel_source_identity(tunnel)),
        LOG_S("destination", text.destination),
        LOG_S("service", tunnel->service && tunnel->service->is_known ? tunnel->service->name : ""),
        LOG_S("endpoint", tunnel->endpoint ? tunnel->endpoint->addr_text : ""),
        LOG_S("destination_identity", tunnel_destination_identity(tunnel)),
        LOG_S("tls", tunnel_tls(tunnel)),
        LOG_S("sni", tunnel->server_name ? tunnel->server_name : ""),
        LOG_S("policy", tunnel->policy), LOG_I("bytes_sent", tunnel->bytes_sent),
        LOG_I("bytes_received", tunnel->bytes_received), LOG_I("duration_ms", age_ns / NS_PER_MS));
}

void tunnel_record_end(struct tunnel *tunnel, enum reason reason)
{
    uint64_t age_ns = clock_now_ns() - tunnel->opened_ns;
    if (tunnel->waiter.wait)
        telemetry_add(tunnel->workspace->telemetry, COUNTER_DISCOVERY_WAITING, -1);
    if (!tunnel->flow) {
        tunnel->flow = tunnel_flow(tunnel);
        flow_opened(tunnel->flow);
    }
    flow_ended(tunnel->flow, reason, age_ns);
    if (reason_is_error(reason))
        tunnel_log_refused(tunnel, reason);
    if (tunnel->workspace->settings->access_log ||
        (tunnel->workload && tunnel->workload->access_log))
        tunnel_log_access(tunnel, reason, age_ns);
}

static json_t *tunnel_describe(const struct tunnel *tunnel, uint64_t now_ns)
{
    struct addresses text;
    tunnel_addresses(tunnel, &text);
    const struct service *service = tunnel->service;
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "direction",
        direction_name(tunnel->direction), "state", tunnel_step_name(tunnel->step), "client_state",
        conn_state_name(tunnel->client.state), "server_state",
        conn_state_name(tunnel->server.state), "source", text.source, "original_destination",
        text.destination, "service", service && service->is_known ? service->name : "", "endpoint",
        tunnel->endpoint ? tunnel->endpoint->addr_text : "", "source_identity",
        tunnel_source_identity(tunnel), "destination_identity", tunnel_destination_identity(tunnel),
        "tls", tunnel_tls(tunnel), "sni", tunnel->server_name ? tunnel->server_name : "", "policy",
        tunnel->policy, "bytes_sent", (json_int_t)tunnel->bytes_sent, "bytes_received",
        (json_int_t)tunnel->bytes_received, "bytes_buffered",
        (json_int_t)(conn_buffered(&tunnel->client) + conn_buffered(&tunnel->server)), "age_ms",
        (json_int_t)((now_ns - tunnel->opened_ns) / NS_PER_MS), "idle_ms",
        (json_int_t)((now_ns - tunnel->active_ns) / NS_PER_MS));
}

struct json_t *tunnel_describe_all(const struct workspace *workspace)
{
    uint64_t now_ns = clock_now_ns();
    json_t *list = json_array();
    LIST_EACH(node, &workspace->tunnels)
        json_array_append_new(list, tunnel_describe(LIST_ENTRY(node, struct tunnel, node), now_ns));
    return list;
}

struct json_t *tunnel_describe_memory(const struct workspace *workspace)
{
    size_t buffered = 0, layers = 0;
    LIST_EACH(node, &workspace->tunnels) {
        const struct tunnel *tunnel = LIST_ENTRY(node, struct tunnel, node);
        buffered += conn_buffered(&tunnel->client) + conn_buffered(&tunnel->server);
        layers += !!tunnel->client.tls + !!tunnel->server.tls;
    }
    size_t scratch = CONN_READ_MAX_BYTES + workspace->conns.output.size;
    /* The tunnels' own: the one that gives memory back belongs to nobody. */
    size_t timers = workspace->timers.count - timer_is_set(&workspace->trim);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "tunnels",
                     (json_int_t)workspace->n_tunnels, "tunnel_bytes",
                     (json_int_t)(workspace->n_tunnels * sizeof(struct tunnel)), "buffered_bytes",
                     (json_int_t)buffered, "tls_connections", (json_int_t)layers, "tls_layer_bytes",
                     (json_int_t)(layers * sizeof(struct tls_layer)), "waiting_bytes",
                     (json_int_t)workspace->conns.waiting_bytes, "timers", (json_int_t)timers,
                     "scratch_bytes", (json_int_t)scratch);
}
