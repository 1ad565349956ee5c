/*
 * What is told of a request: counters, the access log, /connections.
 */
#include "proxy/request_parts.h"

#include <jansson.h>

#include "common/clock.h"
#include "common/log.h"
#include "proxy/telemetry/access_log.h"
#include "proxy/flow_labels.h"
#include "proxy/telemetry/tap.h"
#include "proxy/telemetry/trace_export.h"

static const char *version_name(enum http_version version)
{
    return version == HTTP_2 ? "h2" : version == HTTP_1_1 ? "http/1.1" : "http/1.0";
}

/* KIND/NAMESPACE/NAME/RULE, or "". */
static const char *request_route_name(const struct request *request)
{
    return request->match ? request->match->rule->name : "";
}

static const char *request_service_name(const struct request *request)
{
    return request->service && request->service->is_known ? request->service->name : "";
}

void request_record_begin(struct request *request)
{
    struct telemetry_shard *telemetry = request->workspace->telemetry;
    telemetry_add(
        telemetry,
        request_is_inbound(request) ? COUNTER_REQUESTS_INBOUND : COUNTER_REQUESTS_OUTBOUND, 1);
    telemetry_add(telemetry, COUNTER_REQUESTS_OPEN, 1);
    stat_add(&request->downstream->flow->requests_open, 1);
}

void request_record_head(struct request *request)
{
    (void)request; /* the time is in head_ns; whoever streams live requests begins here */
}

static enum request_protocol request_protocol(const struct request *request)
{
    if (request->is_grpc)
        return REQUEST_GRPC;
    return request->head->version == HTTP_2     ? REQUEST_HTTP_2
           : request->head->version == HTTP_1_1 ? REQUEST_HTTP_1_1
                                                : REQUEST_HTTP_1_0;
}

static void request_count(const struct request *request, uint64_t now_ns)
{
    struct telemetry_shard *telemetry = request->workspace->telemetry;
    struct downstream *downstream = request->downstream;
    struct request_seen seen = {
        .direction = downstream->direction,
        .protocol = request_protocol(request),
        .method = request->method,
        .status = request->status,
        .grpc_status = request->grpc_status,
        .reason = request->reason,
        .policy = request->policy,
        .duration_us = (now_ns - request->begun_ns) / 1000,
        .request_bytes = request->bytes_sent,
        .response_bytes = request->bytes_received,
    };
    telemetry_add(telemetry, COUNTER_REQUESTS_OPEN, -1);
    stat_add(&downstream->flow->requests_open, (uint64_t)-1);
    if (request_reason_is_failure(request->reason))
        telemetry_add(telemetry, COUNTER_REQUESTS_FAILED, 1);
    if (trace_is_sampled(&request->trace)) {
        seen.trace_id = request->trace.trace_id;
        seen.wall_ms = clock_wall_ms();
    }
    request_stats_count(telemetry,
                        downstream_peers(downstream, request->endpoint, request->service,
                                         request_route_name(request)),
                        &seen);
}

/* All that is told; texts that are made for it are in `source` and `trace_id`. */
static struct request_facts request_facts_of(const struct request *request, uint64_t now_ns,
                                             char source[ADDR_TEXT_BYTES],
                                             char trace_id[TRACE_ID_TEXT_BYTES])
{
    const struct downstream *downstream = request->downstream;
    const struct endpoint *endpoint = request->endpoint;
    uint64_t duration_ns = now_ns - request->begun_ns;
    return (struct request_facts){
        .direction = downstream->direction,
        .method = request->method,
        .path = request->path.path,
        .authority = request->authority,
        .request_id = request->id,
        .status = request->status,
        .grpc_status = request->grpc_status,
        .is_grpc = request->is_grpc,
        .reason = request_reason_word(request->reason),
        .error = request->detail,
        .begun_wall_ns = clock_wall_ns() - duration_ns,
        .duration_us = duration_ns / 1000,
        .head_us = request->head_ns ? (request->head_ns - request->begun_ns) / 1000 : 0,
        .connect_us = request->connect_ns / 1000,
        .bytes_sent = request->bytes_sent,
        .bytes_received = request->bytes_received,
        .retries = request->n_retries + request->n_route_retries,
        .source = addr_format(&downstream->source, source),
        .source_identity = downstream_source_identity(downstream),
        .destination = downstream->destination_text,
        .service = request_service_name(request),
        .route = request_route_name(request),
        .backend = request->backend ? request->backend->service : "",
        .endpoint = endpoint ? endpoint->addr_text : "",
        .destination_identity = flow_destination_identity(downstream->direction,
                                                          request->workspace->identity, endpoint),
        .protocol = version_name(request->head->version),
        .upstream_protocol = request->up_protocol,
        .policy = request->policy,
        .why = request->policy_why,
        .trace_id = trace_is_there(&request->trace) ? trace_id_text(&request->trace, trace_id) : "",
        .trace = &request->trace,
    };
}

static bool request_is_logged(const struct request *request)
{
    return log_is_on(LOG_INFO) && (request->workspace->settings->access_log ||
                                   (request->workload && request->workload->access_log));
}

void request_record(struct request *request)
{
    const struct worker_settings *settings = request->workspace->settings;
    char source[ADDR_TEXT_BYTES], trace_id[TRACE_ID_TEXT_BYTES];
    uint64_t now_ns = clock_now_ns();
    bool is_logged = request_is_logged(request);
    bool is_tapped = settings->taps && tap_hub_is_watched(settings->taps);
    bool is_traced = settings->tracing && trace_is_sampled(&request->trace);
    request_count(request, now_ns);
    if (!is_logged && !is_tapped && !is_traced)
        return;
    struct request_facts facts = request_facts_of(request, now_ns, source, trace_id);
    if (is_logged)
        access_log_write(settings->lines, &facts);
    if (is_tapped)
        tap_offer(settings->taps, &facts);
    if (is_traced)
        trace_export_record(settings->tracing->export, &facts);
}

json_t *request_describe(const struct list *node, uint64_t now_ns)
{
    const struct request *request = LIST_ENTRY(node, struct request, node);
    return json_pack("{s:I,s:s,s:s%,s:s%,s:s%,s:i,s:s,s:s,s:I,s:I,s:I,s:I}", "stream",
                     (json_int_t)request->down->id, "state", request_step_name(request->step),
                     "method", request->method.ptr, request->method.len, "path",
                     request->path.path.ptr ? request->path.path.ptr : "", request->path.path.len,
                     "authority", request->authority.ptr ? request->authority.ptr : "",
                     request->authority.len, "status", (int)request->status, "endpoint",
                     request->endpoint ? request->endpoint->addr_text : "", "upstream_protocol",
                     request->up_protocol, "bytes_sent", (json_int_t)request->bytes_sent,
                     "bytes_received", (json_int_t)request->bytes_received, "age_ms",
                     (json_int_t)((now_ns - request->begun_ns) / NS_PER_MS), "idle_ms",
                     (json_int_t)((now_ns - request->active_ns) / NS_PER_MS));
}
