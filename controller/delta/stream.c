#include "controller/delta/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/spiffe.h"
#include "controller/delta/response.h"

/* Log lines about Workloads that are not the peer's own; it chooses how many it asks for. */
#define HIDDEN_LOGGED_MAX 8

/* The wall clock may be set while a timer runs: it is looked at again at least this often. */
#define EXPIRY_CHECK_MAX_SEC 600

void delta_stream_end(struct delta_stream *stream, enum grpc_code code, const char *message)
{
    if (stream->is_over)
        return;
    stream->is_over = true;
    list_remove(&stream->due_node);
    event_del(stream->expiry);
    grpc_stream_end(stream->grpc, code, message);
}

static const char *stream_node(const struct delta_stream *stream)
{
    return stream->node ? stream->node : "";
}

static void on_due(void *context)
{
    struct delta_stream *stream = context;
    struct delta_streams *streams = stream->streams;
    if (stream->is_over || !list_is_empty(&stream->due_node))
        return;
    /* Sent at the end of the loop's turn: what one event changes goes out together. */
    if (list_is_empty(&streams->due))
        event_add(streams->flush, &(struct timeval){0});
    list_append(&streams->due, &stream->due_node);
}

static void on_nack(void *context, const struct delta_nack *nack)
{
    struct delta_stream *stream = context;
    LOG(nack->is_repeated ? LOG_DEBUG : LOG_WARN, "resource_refused",
        LOG_S("node", stream_node(stream)), LOG_S("identity", stream->identity),
        LOG_S("type", resource_type_url(nack->type)), LOG_SL("resources", nack->names),
        LOG_I("more", nack->n_left_out), LOG_I("code", nack->code), LOG_S("error", nack->message));
    char *text;
    if (asprintf(&text, "%.*s: %.512s", SLICE_ARG(nack->names), nack->message) < 0)
        return;
    free(stream->last_nack);
    stream->last_nack = text;
}

static void on_hidden(void *context, const struct delta_entry *entry)
{
    struct delta_stream *stream = context;
    stream->streams->n_hidden++;
    if (stream->n_hidden_logged++ >= HIDDEN_LOGGED_MAX)
        return;
    LOG(LOG_WARN, "workload_hidden", LOG_S("node", stream_node(stream)),
        LOG_S("identity", stream->identity), LOG_S("address", stream->address),
        LOG_S("resource", entry->name),
        LOG_S("error", "the pod has another identity than the peer"));
}

static void on_too_large(void *context, const struct delta_entry *entry)
{
    struct delta_stream *stream = context;
    stream->streams->n_too_large++;
    LOG_LIMITED(LOG_ERROR, "resource_too_large", LOG_S("type", resource_type_url(entry->type)),
                LOG_S("resource", entry->name), LOG_I("bytes", entry->resource->bytes.len),
                LOG_I("limit", DELTA_RESPONSE_MAX));
}

static const struct delta_state_events state_events = {on_due, on_nack, on_hidden, on_too_large};

void delta_stream_push(struct delta_stream *stream)
{
    list_remove(&stream->due_node);
    enum delta_next next = DELTA_RESPONSE;
    while (next == DELTA_RESPONSE && !stream->is_over) {
        struct buf out;
        buf_init(&out, DELTA_RESPONSE_MAX);
        next = delta_state_next(&stream->state, &out);
        if (next == DELTA_SHORT ||
            (next == DELTA_RESPONSE && !grpc_stream_send(stream->grpc, buf_slice(&out)))) {
            stream->streams->n_overflows++;
            delta_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "no room for the response");
        }
        buf_fini(&out);
    }
}

/*
 * A type of another version of Outrigger, or of another mesh: nothing of it exists here, which is
 * told at once, so that a newer proxy does not wait for what an older controller has never heard
 * of.
 */
static void answer_unknown_type(struct delta_stream *stream, const DeltaDiscoveryRequest *request)
{
    if (!stream->has_unknown_type) {
        stream->has_unknown_type = true;
        stream->streams->n_unknown_types++;
        LOG(LOG_WARN, "unknown_type", LOG_S("node", stream_node(stream)),
            LOG_S("identity", stream->identity), LOG_S("type", request->type_url));
    }
    if (request->n_resource_names_subscribe == 0)
        return;
    char nonce[24];
    snprintf(nonce, sizeof(nonce), "%" PRIu64, ++stream->state.last_nonce);
    struct buf out;
    buf_init(&out, DELTA_RESPONSE_MAX);
    bool is_sent = delta_response_begin(&out, request->type_url, nonce);
    for (size_t i = 0; is_sent && i < request->n_resource_names_subscribe; i++)
        is_sent = delta_response_removed(&out, request->resource_names_subscribe[i]);
    if (!is_sent || !grpc_stream_send(stream->grpc, buf_slice(&out))) {
        stream->streams->n_overflows++;
        delta_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "no room for the response");
    }
    buf_fini(&out);
}

/* For logs and pages only: what the peer may see is decided by its certificate. */
static void remember_node(struct delta_stream *stream, const DeltaDiscoveryRequest *request)
{
    if (stream->node || !request->node)
        return;
    stream->node = strndup(request->node->id, RESOURCE_NAME_MAX);
    for (char *c = stream->node; c && *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    LOG(LOG_INFO, "proxy_connected", LOG_S("node", stream_node(stream)),
        LOG_S("identity", stream->identity), LOG_S("address", stream->address),
        LOG_S("version", request->node->user_agent_version));
}

static void on_message(void *context, struct grpc_stream *grpc, struct slice message)
{
    (void)grpc;
    struct delta_stream *stream = context;
    if (stream->is_over)
        return;
    struct err err;
    DeltaDiscoveryRequest *request = delta_request_read(message, &err);
    if (!request) {
        stream->streams->n_bad_requests++;
        LOG_LIMITED(LOG_WARN, "bad_request", LOG_S("node", stream_node(stream)),
                    LOG_S("identity", stream->identity), LOG_S("error", err.text));
        delta_stream_end(stream, GRPC_INVALID_ARGUMENT, err.text);
        return;
    }
    remember_node(stream, request);
    enum resource_type type;
    if (!resource_type_parse(slice_str(request->type_url), &type)) {
        answer_unknown_type(stream, request);
    } else if (!delta_state_request(&stream->state, type, request, &err)) {
        stream->streams->n_overflows++;
        LOG_LIMITED(LOG_WARN, "stream_overflow", LOG_S("node", stream_node(stream)),
                    LOG_S("identity", stream->identity), LOG_S("error", err.text));
        delta_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, err.text);
    }
    delta_request_free(request);
}

static void on_peer_done(void *context, struct grpc_stream *grpc)
{
    (void)grpc;
    delta_stream_end(context, GRPC_OK, "");
}

static void on_close(void *context, struct grpc_stream *grpc)
{
    (void)grpc;
    struct delta_stream *stream = context;
    LOG(LOG_INFO, "proxy_disconnected", LOG_S("node", stream_node(stream)),
        LOG_S("identity", stream->identity), LOG_S("address", stream->address),
        LOG_I("seconds", clock_wall_sec() - stream->since));
    stream->is_over = true;
    event_free(stream->expiry);
    delta_state_fini(&stream->state);
    list_remove(&stream->due_node);
    list_remove(&stream->open_node);
    stream->streams->n_open--;
    free(stream->identity);
    free(stream->node);
    free(stream->last_nack);
    free(stream);
}

static const struct grpc_stream_handlers stream_handlers = {on_message, on_peer_done, NULL,
                                                            on_close};

static void watch_expiry(struct delta_stream *stream)
{
    int64_t left = stream->not_after - clock_wall_sec();
    if (left > EXPIRY_CHECK_MAX_SEC)
        left = EXPIRY_CHECK_MAX_SEC;
    struct timeval wait = {.tv_sec = (time_t)left + 1};
    event_add(stream->expiry, &wait);
}

static void on_expiry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct delta_stream *stream = context;
    if (clock_wall_sec() <= stream->not_after) {
        watch_expiry(stream);
        return;
    }
    stream->streams->n_expired++;
    LOG(LOG_INFO, "peer_certificate_expired", LOG_S("node", stream_node(stream)),
        LOG_S("identity", stream->identity), LOG_S("address", stream->address));
    delta_stream_end(stream, GRPC_UNAUTHENTICATED, "the client certificate has expired");
}

/* NULL when the peer may have a stream. */
static const char *peer_objection(struct delta_streams *streams, const struct grpc_stream *grpc,
                                  enum grpc_code *code)
{
    struct slice peer = grpc_stream_peer_id(grpc);
    int64_t not_after = grpc_stream_peer_not_after(grpc);
    struct spiffe_id id;
    struct err err;
    *code = GRPC_UNAUTHENTICATED;
    if (peer.len == 0)
        return "discovery needs a client certificate";
    if (not_after != 0 && clock_wall_sec() > not_after)
        return "the client certificate has expired";
    *code = GRPC_PERMISSION_DENIED;
    if (!spiffe_parse(peer, &id, &err) || id.namespace.len == 0)
        return "the identity is not a workload's (spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT)";
    if (!slice_eq_str(id.trust_domain, streams->trust_domain))
        return "the identity is of another trust domain";
    return NULL;
}

static struct delta_stream *stream_new(struct delta_streams *streams, struct grpc_stream *grpc)
{
    struct delta_stream *stream = calloc(1, sizeof(*stream));
    struct slice peer = grpc_stream_peer_id(grpc);
    char *identity = stream ? strndup(peer.ptr, peer.len) : NULL;
    struct spiffe_id id;
    struct err err;
    struct event *expiry = identity ? event_new(streams->base, -1, 0, on_expiry, stream) : NULL;
    if (!expiry || !spiffe_parse(slice_str(identity), &id, &err)) {
        if (expiry)
            event_free(expiry);
        free(identity);
        free(stream);
        return NULL;
    }
    stream->streams = streams;
    stream->grpc = grpc;
    stream->identity = identity;
    stream->expiry = expiry;
    stream->not_after = grpc_stream_peer_not_after(grpc);
    stream->since = clock_wall_sec();
    addr_format(grpc_stream_peer_addr(grpc), stream->address);
    list_init(&stream->due_node);
    delta_state_init(&stream->state, &streams->cache, &streams->counters, id.namespace,
                     id.service_account, &state_events, stream);
    return stream;
}

void delta_stream_accept(struct delta_streams *streams, struct grpc_stream *grpc)
{
    enum grpc_code code;
    const char *objection = peer_objection(streams, grpc, &code);
    if (objection) {
        char address[ADDR_TEXT_BYTES];
        streams->n_unauthenticated++;
        LOG_LIMITED(LOG_WARN, "discovery_refused",
                    LOG_S("address", addr_format(grpc_stream_peer_addr(grpc), address)),
                    LOG_SL("identity", grpc_stream_peer_id(grpc)), LOG_S("error", objection));
        grpc_stream_end(grpc, code, objection);
        return;
    }
    struct delta_stream *stream = stream_new(streams, grpc);
    if (!stream) {
        grpc_stream_end(grpc, GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    list_append(&streams->open, &stream->open_node);
    streams->n_open++;
    streams->n_accepted++;
    if (stream->not_after != 0)
        watch_expiry(stream);
    grpc_stream_accept(grpc, &stream_handlers, stream);
}
