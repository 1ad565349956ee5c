#include "proxy/downstream.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "proxy/request.h"
#include "proxy/flow_labels.h"

const char *downstream_source_identity(const struct downstream *downstream)
{
    return downstream->direction == DIRECTION_INBOUND ? downstream->identity
                                                      : downstream->workspace->identity;
}

static const char *service_name(const struct downstream *downstream)
{
    const struct service *service = downstream->service;
    return service && service->is_known ? service->name : "";
}

static const char *downstream_tls(const struct downstream *downstream)
{
    return downstream_is_mesh(downstream) ? "mutual" : "none";
}

/* ---- counting, logging ---- */

static struct flow_known downstream_known(const struct downstream *downstream,
                                          const struct endpoint *endpoint,
                                          const struct service *service)
{
    const struct workspace *workspace = downstream->workspace;
    return (struct flow_known){
        .direction = downstream->direction,
        .own_identity = workspace->identity,
        .workload = workspace->snapshot->workload,
        .source_identity = downstream_source_identity(downstream),
        .endpoint = endpoint,
        .service = service,
        .tls = downstream_tls(downstream),
        .policy = "",
    };
}

/* Outbound nothing is said of the other end: it is another one for each request. */
static struct flow_stats *downstream_flow(const struct downstream *downstream)
{
    const struct flow_known known = downstream_known(downstream, NULL, downstream->service);
    struct flow_namespaces namespaces;
    struct flow_labels labels = flow_labels_of(&known);
    flow_labels_add_namespaces(&labels, &known, &namespaces);
    return telemetry_flow(downstream->workspace->telemetry, &labels);
}

struct request_peers *downstream_peers(struct downstream *downstream,
                                       const struct endpoint *endpoint,
                                       const struct service *service, const char *route)
{
    const struct workspace *workspace = downstream->workspace;
    struct flow_known known = downstream_known(downstream, endpoint, service);
    struct flow_namespaces namespaces;
    known.route = route;
    struct flow_labels labels = flow_labels_of(&known);
    if (downstream->peers_generation != workspace->snapshot->generation) {
        downstream->peers_generation = workspace->snapshot->generation;
        request_peers_forget(&downstream->peers);
    }
    struct request_peers *peers =
        request_peers_cached(&downstream->peers, labels.destination_identity,
                             labels.destination_workload, labels.service, labels.route);
    if (peers)
        return peers;
    flow_labels_add_namespaces(&labels, &known, &namespaces);
    return request_peers_find(workspace->telemetry, &labels, &downstream->peers);
}

static void downstream_record(struct downstream *downstream, enum reason reason, const char *detail)
{
    struct workspace *workspace = downstream->workspace;
    const struct codec *codec = downstream->codec;
    const struct workload *workload = workspace->snapshot->workload;
    uint64_t age_ns = clock_now_ns() - downstream->opened_ns, suppressed;
    char source[ADDR_TEXT_BYTES];
    stat_add(&downstream->flow->bytes_sent, codec->bytes_read);
    stat_add(&downstream->flow->bytes_received, codec->bytes_written);
    flow_ended(downstream->flow, reason, age_ns);
    addr_format(&downstream->source, source);
    if (reason_is_error(reason) && log_is_on(LOG_WARN) &&
        log_budget_take(&workspace->refusals, clock_now_ns(), &suppressed))
        LOG(LOG_WARN, "connection_broken",
            LOG_S("direction", direction_name(downstream->direction)),
            LOG_S("reason", reason_word(reason)), LOG_S("meaning", reason_help(reason)),
            LOG_S("source", source),
            LOG_S("source_identity", downstream_source_identity(downstream)),
            LOG_S("destination", downstream->destination_text),
            LOG_S("service", service_name(downstream)), LOG_S("error", detail),
            LOG_I("suppressed", suppressed));
    if (workspace->settings->access_log || (workload && workload->access_log))
        LOG(LOG_INFO, "connection_closed",
            LOG_S("direction", direction_name(downstream->direction)),
            LOG_S("reason", reason_word(reason)), LOG_S("source", source),
            LOG_S("source_identity", downstream_source_identity(downstream)),
            LOG_S("destination", downstream->destination_text),
            LOG_S("service", service_name(downstream)), LOG_S("tls", downstream_tls(downstream)),
            LOG_S("protocol", codec->ops->protocol), LOG_I("requests", codec->n_requests),
            LOG_I("bytes_sent", codec->bytes_read), LOG_I("bytes_received", codec->bytes_written),
            LOG_I("duration_ms", age_ns / NS_PER_MS));
}

static void downstream_count(struct downstream *downstream, int by)
{
    struct workspace *workspace = downstream->workspace;
    bool is_inbound = downstream->direction == DIRECTION_INBOUND;
    workspace->n_downstreams += (size_t)by;
    workspace->shared->connections += (uint32_t)by;
    if (is_inbound)
        workspace->shared->inbound += (uint32_t)by;
    telemetry_add(workspace->telemetry,
                  is_inbound ? COUNTER_CONNECTIONS_INBOUND : COUNTER_CONNECTIONS_OUTBOUND, by);
}

/* ---- what it belongs to ---- */

static void downstream_set_service(struct downstream *downstream, struct service *service)
{
    struct service *old = downstream->service;
    downstream->service = service ? service_hold(service) : NULL;
    if (downstream->is_counted)
        old->shared->connections--;
    downstream->is_counted = service && service->is_known;
    if (downstream->is_counted)
        service->shared->connections++;
    if (old)
        service_drop(old);
}

struct service *downstream_service(struct downstream *downstream)
{
    const struct snapshot *snapshot = downstream->workspace->snapshot;
    if (downstream->direction == DIRECTION_INBOUND)
        return NULL;
    if (downstream->generation != snapshot->generation) {
        struct service *service =
            snapshot_service(snapshot, slice_str(downstream->destination_text));
        downstream->generation = snapshot->generation;
        if (service && service != downstream->service)
            downstream_set_service(downstream, service);
    }
    if (downstream->service)
        downstream->service->shared->last_used_ns = clock_coarse_ns();
    return downstream->service;
}

/* ---- its life ---- */

static void downstream_free(struct grave *grave)
{
    struct downstream *downstream = LIST_ENTRY(grave, struct downstream, grave);
    free(downstream->identity);
    free(downstream);
}

static void on_request(void *owner, struct stream *stream, struct head *head, bool is_end)
{
    struct downstream *downstream = owner;
    if (downstream->workspace->is_draining) /* it was opened since; before anything is answered */
        codec_drain(downstream->codec);
    request_begin(downstream, stream, head, is_end);
}

static void on_closed(void *owner, enum reason reason, const char *detail)
{
    struct downstream *downstream = owner;
    struct workspace *workspace = downstream->workspace;
    downstream_record(downstream, reason, detail);
    downstream_set_service(downstream, NULL);
    downstream_count(downstream, -1);
    list_remove(&downstream->node);
    codec_free(downstream->codec);
    downstream->codec = NULL;
    graveyard_park(&workspace->graveyard, &downstream->grave, downstream_free);
    workspace->busy_ns = clock_now_ns();
    workspace->tunnel_ended(workspace);
}

static const struct codec_events downstream_events = {
    .on_request = on_request,
    .on_closed = on_closed,
};

static struct downstream *downstream_new(struct workspace *workspace, const struct conn *client,
                                         const struct downstream_facts *facts)
{
    struct downstream *downstream = calloc(1, sizeof(*downstream));
    if (!downstream)
        return NULL;
    downstream->identity = strdup(client->tls ? tls_layer_peer_id(client->tls) : "");
    if (!downstream->identity) {
        free(downstream);
        return NULL;
    }
    downstream->workspace = workspace;
    downstream->direction = facts->direction;
    downstream->source = *facts->source;
    downstream->destination = *facts->destination;
    addr_format(&downstream->destination, downstream->destination_text);
    struct ip source = addr_ip(&downstream->source);
    ip_format(&source, downstream->source_ip);
    downstream->opened_ns = facts->opened_ns;
    downstream->generation = workspace->snapshot->generation;
    list_init(&downstream->requests);
    return downstream;
}

static bool is_one_too_many(const struct service *service)
{
    return service && service->is_known && service->max_connections &&
           service->shared->connections >= service->max_connections;
}

bool downstream_open(struct workspace *workspace, struct conn *client,
                     const struct downstream_facts *facts, enum reason *reason)
{
    *reason = REASON_LIMIT_CONNECTIONS;
    if (is_one_too_many(facts->service))
        return false;
    *reason = REASON_NO_MEMORY;
    struct downstream *downstream = downstream_new(workspace, client, facts);
    if (!downstream)
        return false;
    bool is_plaintext_inbound = facts->direction == DIRECTION_INBOUND && !client->tls;
    downstream->codec =
        facts->is_http_2
            ? h2_server_new(&workspace->codecs, client, &downstream_events, downstream)
            : h1_server_new(&workspace->codecs, client, &downstream_events, downstream);
    if (!downstream->codec) {
        downstream_free(&downstream->grave);
        return false;
    }
    if (is_plaintext_inbound)
        telemetry_add(workspace->telemetry, COUNTER_PLAINTEXT_INBOUND, 1);
    list_append(&workspace->downstreams, &downstream->node);
    downstream_count(downstream, 1);
    downstream_set_service(downstream, facts->service);
    downstream->flow = downstream_flow(downstream);
    flow_opened(downstream->flow);
    return true;
}

/* ---- all of them ---- */

void downstream_drain_all(struct workspace *workspace)
{
    LIST_EACH(node, &workspace->downstreams)
        codec_drain(LIST_ENTRY(node, struct downstream, node)->codec);
}

void downstream_end_all(struct workspace *workspace, enum reason reason)
{
    LIST_EACH(node, &workspace->downstreams)
        codec_close(LIST_ENTRY(node, struct downstream, node)->codec, reason);
}

static json_t *downstream_describe(const struct downstream *downstream, uint64_t now_ns)
{
    char source[ADDR_TEXT_BYTES];
    const struct codec *codec = downstream->codec;
    json_t *json = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "direction",
        direction_name(downstream->direction), "state", "http", "source",
        addr_format(&downstream->source, source), "original_destination",
        downstream->destination_text, "service", service_name(downstream), "source_identity",
        downstream_source_identity(downstream), "tls", downstream_tls(downstream), "protocol",
        codec->ops->protocol, "bytes_sent", (json_int_t)codec->bytes_read, "bytes_received",
        (json_int_t)codec->bytes_written, "bytes_buffered", (json_int_t)conn_buffered(&codec->conn),
        "age_ms", (json_int_t)((now_ns - downstream->opened_ns) / NS_PER_MS), "idle_ms",
        (json_int_t)((now_ns - codec->active_ns) / NS_PER_MS));
    json_t *streams = json_array();
    LIST_EACH(node, &downstream->requests)
        json_array_append_new(streams, request_describe(node, now_ns));
    if (json) {
        json_object_set_new(json, "requests", json_integer((json_int_t)codec->n_requests));
        json_object_set_new(json, "streams", streams);
    } else {
        json_decref(streams);
    }
    return json;
}

void downstream_describe_all(const struct workspace *workspace, json_t *array)
{
    uint64_t now_ns = clock_now_ns();
    LIST_EACH(node, &workspace->downstreams)
        json_array_append_new(
            array, downstream_describe(LIST_ENTRY(node, struct downstream, node), now_ns));
}
