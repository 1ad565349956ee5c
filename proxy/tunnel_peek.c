/*
 * The step that finds out what is spoken, from the client's first bytes (decrypted by nobody: after
 * TLS it is the ALPN that says it), and the step that hands a connection over to HTTP.
 *
 * Where the configuration says TCP or TLS nothing is read. Where it says HTTP the first bytes only
 * tell which version. Where it says nothing the client's silence of detect_timeout means opaque; a
 * server found to speak first then is remembered, and nobody waits for its clients again. Bytes
 * that may still become HTTP are waited for as long as a codec would wait for a head.
 */
#include "proxy/tunnel_parts.h"

#include "common/clock.h"
#include "proxy/detect/protocol.h"
#include "proxy/downstream.h"

static enum protocol tunnel_protocol(const struct tunnel *tunnel)
{
    if (tunnel->direction == DIRECTION_OUTBOUND)
        return tunnel->service && tunnel->service->is_known ? tunnel->service->protocol
                                                            : PROTOCOL_DETECT;
    const struct inbound_port *port =
        workload_port(tunnel->workload, addr_port(&tunnel->destination));
    return port ? port->protocol : PROTOCOL_DETECT;
}

bool tunnel_is_http_port(const struct tunnel *tunnel)
{
    enum protocol protocol = tunnel_protocol(tunnel);
    return protocol != PROTOCOL_DETECT && protocol != PROTOCOL_TCP && protocol != PROTOCOL_TLS;
}

/* Where the port is remembered; NULL when the controller has not told of it. */
static struct port_memory *tunnel_memory(const struct tunnel *tunnel)
{
    if (tunnel->direction == DIRECTION_INBOUND)
        return &tunnel->workload->opaque;
    return tunnel->service ? &tunnel->service->opaque : NULL;
}

void tunnel_hear_server_first(struct tunnel *tunnel, struct slice spoken)
{
    struct port_memory *memory = tunnel_memory(tunnel);
    if (memory)
        port_memory_note(memory, addr_port(&tunnel->destination), spoken, clock_wall_sec());
}

static enum tunnel_step tunnel_go_opaque(struct tunnel *tunnel)
{
    conn_pause(&tunnel->client);
    timer_cancel(&tunnel->workspace->timers, &tunnel->timer);
    return tunnel->direction == DIRECTION_INBOUND ? STEP_AUTHORIZE : STEP_ROUTE;
}

static enum tunnel_step tunnel_go_http(struct tunnel *tunnel, bool is_http_2)
{
    tunnel->is_http_2 = is_http_2;
    return STEP_HTTP;
}

/* What came is no HTTP, or not in time: an HTTP port's codec answers that it was malformed. */
static enum tunnel_step tunnel_give_up(struct tunnel *tunnel)
{
    enum protocol protocol = tunnel_protocol(tunnel);
    if (!tunnel_is_http_port(tunnel))
        return tunnel_go_opaque(tunnel);
    return tunnel_go_http(tunnel, protocol == PROTOCOL_HTTP2 || protocol == PROTOCOL_GRPC);
}

static enum tunnel_step tunnel_peek_bytes(struct tunnel *tunnel)
{
    struct slice bytes = buf_slice(&tunnel->client.early);
    if (bytes.len == 0)
        return STEP_WAIT;
    switch (protocol_detect(bytes)) {
    case DETECTED_MORE:
        if (!tunnel->is_begun) /* it has: segments may be lost, so that silence means nothing now */
            tunnel_set_timer(tunnel, tunnel->workspace->codecs.limits->head_timeout_ms);
        tunnel->is_begun = true;
        return STEP_WAIT;
    case DETECTED_HTTP1:
        return tunnel_go_http(tunnel, false);
    case DETECTED_HTTP2:
        return tunnel_go_http(tunnel, true);
    case DETECTED_OPAQUE:
        break;
    }
    return tunnel_give_up(tunnel);
}

static enum tunnel_step tunnel_peek_timeout(struct tunnel *tunnel)
{
    if (tunnel->is_begun)
        return tunnel_give_up(tunnel);
    if (tunnel_is_http_port(tunnel))
        return tunnel_end(tunnel, REASON_IDLE_TIMEOUT);
    tunnel->is_unheard = true;
    return tunnel_go_opaque(tunnel);
}

static enum tunnel_step tunnel_peek_read(struct tunnel *tunnel)
{
    switch (conn_read_early(&tunnel->client)) {
    case CONN_GOES_ON:
        return tunnel_peek_bytes(tunnel);
    case CONN_EOF: /* it is read again by whoever goes on */
        if (buf_len(&tunnel->client.early) == 0 && tunnel_is_http_port(tunnel))
            return tunnel_end(tunnel, REASON_DONE);
        return tunnel_give_up(tunnel);
    case CONN_NO_MEMORY: /* more than detection looks at came with one read */
        return tunnel_end(tunnel, REASON_NO_MEMORY);
    default:
        return tunnel_end(tunnel, REASON_CLIENT_RESET);
    }
}

static enum tunnel_step tunnel_peek_begin(struct tunnel *tunnel)
{
    const struct worker_settings *settings = tunnel->workspace->settings;
    enum protocol protocol = tunnel_protocol(tunnel);
    const struct port_memory *memory = tunnel_memory(tunnel);
    if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_TLS)
        return tunnel_go_opaque(tunnel);
    if (buf_len(&tunnel->client.early) == 0 && tunnel->is_unheard)
        return tunnel_go_opaque(tunnel); /* it was waited for already */
    tunnel_set_timer(tunnel, tunnel_is_http_port(tunnel) ? settings->idle_timeout_ms
                                                         : settings->detect_timeout_ms);
    enum tunnel_step next =
        buf_len(&tunnel->client.early) ? tunnel_peek_bytes(tunnel) : tunnel_peek_read(tunnel);
    if (next != STEP_WAIT)
        return next;
    if (!tunnel->is_begun && protocol == PROTOCOL_DETECT && memory &&
        port_memory_has(memory, addr_port(&tunnel->destination)))
        return tunnel_go_opaque(tunnel);
    conn_resume(&tunnel->client);
    return STEP_WAIT;
}

enum tunnel_step tunnel_peek(struct tunnel *tunnel)
{
    if (!tunnel->is_entered)
        return tunnel_peek_begin(tunnel);
    if (tunnel->is_timed_out)
        return tunnel_peek_timeout(tunnel);
    return tunnel->is_readable ? tunnel_peek_read(tunnel) : STEP_WAIT;
}

enum tunnel_step tunnel_http(struct tunnel *tunnel)
{
    struct downstream_facts facts = {
        .direction = tunnel->direction,
        .source = &tunnel->source,
        .destination = &tunnel->destination,
        .service = tunnel->service,
        .opened_ns = tunnel->opened_ns,
        .is_http_2 = tunnel->is_http_2,
    };
    enum reason reason;
    conn_pause(&tunnel->client);
    if (!downstream_open(tunnel->workspace, &tunnel->client, &facts, &reason))
        return tunnel_end(tunnel, reason);
    return tunnel_vanish(tunnel);
}
