/*
 * The steps of a connection that comes to the pod, up to the application.
 */
#include "proxy/tunnel_parts.h"

#include "common/clock.h"
#include "common/log.h"
#include "proxy/detect/client_hello.h"

enum tunnel_step tunnel_inbound_destination(struct tunnel *tunnel)
{
    enum reason reason;
    if (!tunnel_find_destination(tunnel, &reason))
        return tunnel_end(tunnel, reason);
    if (!tunnel->workload)
        return tunnel_end(tunnel, REASON_NOT_READY);
    tunnel->mtls_mode = workload_mtls_mode(tunnel->workload, addr_port(&tunnel->destination));
    return tunnel->mtls_mode == MTLS_DISABLED ? STEP_PEEK : STEP_DETECT;
}

/* What is left until accept + handshake_timeout; at least 1. */
static uint64_t handshake_left_ms(const struct tunnel *tunnel)
{
    uint64_t gone_ms = (clock_now_ns() - tunnel->opened_ns) / NS_PER_MS;
    uint64_t limit_ms = tunnel->workspace->settings->handshake_timeout_ms;
    return gone_ms < limit_ms ? limit_ms - gone_ms : 1;
}

static struct access_verdict tunnel_judge(const struct tunnel *tunnel, const char *identity,
                                          const struct ip *source, uint16_t port)
{
    struct access_request request = {
        .identity = slice_str(identity), .source = *source, .port = port};
    return access_check(tunnel->workload->access, &request);
}

/* Not the mesh's TLS. */
static enum tunnel_step tunnel_go_plain(struct tunnel *tunnel, bool is_application_tls)
{
    conn_pause(&tunnel->client);
    tunnel->is_application_tls = is_application_tls;
    if (tunnel->mtls_mode == MTLS_STRICT)
        return tunnel_end(tunnel, REASON_PLAINTEXT_REFUSED);
    return is_application_tls ? STEP_AUTHORIZE : STEP_PEEK;
}

/*
 * Nothing was said for detect_timeout: the server speaks first, or the ClientHello was lost on the
 * way and will come. Where the policy has no place for a stranger it can only be the second.
 */
static enum tunnel_step tunnel_hear_silence(struct tunnel *tunnel)
{
    struct ip source = addr_ip(&tunnel->source);
    uint16_t port = addr_port(&tunnel->destination);
    if (!tunnel->is_silent && !tunnel_judge(tunnel, "", &source, port).is_allowed) {
        tunnel->is_silent = true;
        tunnel_set_timer(tunnel, handshake_left_ms(tunnel));
        return STEP_WAIT;
    }
    tunnel->is_silent = tunnel->is_unheard = true;
    return tunnel_go_plain(tunnel, false);
}

static enum tunnel_step tunnel_detect_timeout(struct tunnel *tunnel)
{
    if (tunnel->mtls_mode == MTLS_STRICT)
        return tunnel_end(tunnel, REASON_TLS_TIMEOUT);
    if (buf_len(&tunnel->client.early) == 0)
        return tunnel_is_http_port(tunnel) ? tunnel_end(tunnel, REASON_IDLE_TIMEOUT)
                                           : tunnel_hear_silence(tunnel);
    return tunnel_go_plain(tunnel, false); /* began like TLS, and then nothing */
}

/* Judges what has been read. */
static enum tunnel_step tunnel_detect_bytes(struct tunnel *tunnel)
{
    struct client_hello hello;
    struct slice bytes = buf_slice(&tunnel->client.early);
    switch (client_hello_parse(bytes, tunnel->workspace->conns.plain, &hello)) {
    case CLIENT_HELLO_MORE:
        if (bytes.len) /* it has begun: segments may be lost, so that silence means nothing now */
            tunnel_set_timer(tunnel, handshake_left_ms(tunnel));
        return STEP_WAIT;
    case CLIENT_HELLO_NOT_TLS:
        return tunnel_go_plain(tunnel, false);
    case CLIENT_HELLO_TLS:
        break;
    }
    if (client_hello_offers(&hello, MESH_ALPN_PREFIX)) {
        tunnel->is_silent = false;
        return STEP_TERMINATE;
    }
    tunnel_look_at(tunnel, bytes);
    return tunnel_go_plain(tunnel, true);
}

enum tunnel_step tunnel_detect(struct tunnel *tunnel)
{
    const struct worker_settings *settings = tunnel->workspace->settings;
    if (!tunnel->is_entered) {
        tunnel_set_timer(tunnel, tunnel->mtls_mode != MTLS_PERMISSIVE
                                     ? settings->handshake_timeout_ms
                                 : tunnel_is_http_port(tunnel) ? settings->idle_timeout_ms
                                                               : settings->detect_timeout_ms);
        conn_resume(&tunnel->client);
        return STEP_WAIT;
    }
    if (tunnel->is_timed_out)
        return tunnel_detect_timeout(tunnel);
    if (!tunnel->is_readable)
        return STEP_WAIT;
    switch (conn_read_early(&tunnel->client)) {
    case CONN_GOES_ON:
        return tunnel_detect_bytes(tunnel);
    case CONN_EOF: /* it is read again by the relay */
        if (tunnel->mtls_mode == MTLS_STRICT)
            return tunnel_end(tunnel, REASON_DONE);
        return tunnel_go_plain(tunnel, false);
    case CONN_NO_MEMORY:
        return tunnel_end(tunnel, REASON_NO_MEMORY);
    default:
        return tunnel_end(tunnel, REASON_CLIENT_RESET);
    }
}

/* What is spoken inside was said by the peer, in the handshake. */
static enum tunnel_step tunnel_secured(struct tunnel *tunnel)
{
    enum mesh_alpn alpn = mesh_handshake_alpn(tunnel->client.tls);
    tunnel->is_unheard = false;
    tunnel->is_http_2 = alpn == MESH_ALPN_H2;
    return alpn == MESH_ALPN_H2 || alpn == MESH_ALPN_HTTP_1_1 ? STEP_HTTP : STEP_AUTHORIZE;
}

enum tunnel_step tunnel_terminate(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    if (!tunnel->is_entered) {
        if (!workspace->tls.server)
            return tunnel_end(tunnel, REASON_NO_CERTIFICATE);
        struct tls_layer *layer =
            tls_layer_new(workspace->tls.server, slice_of(NULL, 0), workspace->conns.bio_methods,
                          &workspace->conns.output);
        if (!layer)
            return tunnel_end(tunnel, REASON_NO_MEMORY);
        conn_start_tls(&tunnel->client, layer);
        tunnel_set_timer(tunnel, handshake_left_ms(tunnel));
        tunnel->is_readable = false; /* the ClientHello is in `early` */
        conn_resume(&tunnel->client);
    }
    if (tunnel->is_timed_out)
        return tunnel_end(tunnel, REASON_TLS_TIMEOUT);
    switch (conn_handshake(&tunnel->client, tunnel->is_readable)) {
    case CONN_WAITS:
        return STEP_WAIT;
    case CONN_FAILED:
        return tunnel_end(tunnel, tunnel_tls_failed(tunnel, tunnel->client.tls));
    case CONN_SECURED:
        break;
    }
    conn_pause(&tunnel->client);
    mesh_handshake_done(workspace->telemetry);
    return tunnel_secured(tunnel);
}

static void tunnel_log_audit(const struct tunnel *tunnel, const struct access_verdict *verdict,
                             const char *identity, const struct ip *source, uint16_t port)
{
    char text[IP_TEXT_BYTES];
    uint64_t suppressed;
    telemetry_add(tunnel->workspace->telemetry, COUNTER_POLICY_AUDITED, 1);
    if (!log_budget_take(&tunnel->workspace->refusals, clock_now_ns(), &suppressed))
        return;
    LOG(LOG_WARN, "access_audit", LOG_S("policy", verdict->audit_policy),
        LOG_S("why", access_why_name(verdict->why)), LOG_S("source_identity", identity),
        LOG_S("source_ip", ip_format(source, text)), LOG_I("port", port),
        LOG_I("suppressed", suppressed));
}

/* Requests are what an authorizer is asked about: what is none cannot be, and is not let by. */
static bool is_for_authorizer(const struct workload *workload)
{
    const struct external_authorization *rules = &workload->authorization;
    return rules->service.policy && !(rules->is_fail_open && rules->is_understood);
}

bool tunnel_is_allowed(struct tunnel *tunnel, const char *identity, const struct ip *source,
                       uint16_t port)
{
    struct access_verdict verdict = tunnel_judge(tunnel, identity, source, port);
    tunnel->policy = verdict.policy ? verdict.policy : "";
    tunnel->policy_why = access_why_name(verdict.why);
    if (verdict.audit_policy)
        tunnel_log_audit(tunnel, &verdict, identity, source, port);
    if (verdict.is_allowed && tunnel->workload && tunnel->workload->jwt.is_required) {
        /* What is not HTTP has nowhere to show a token. */
        verdict.is_allowed = false;
        tunnel->policy = tunnel->workload->jwt.policy;
        tunnel->policy_why = "jwt_missing";
    }
    if (verdict.is_allowed && tunnel->workload && is_for_authorizer(tunnel->workload)) {
        verdict.is_allowed = false;
        tunnel->policy = tunnel->workload->authorization.service.policy;
        tunnel->policy_why = "external_authorization";
    }
    if (!verdict.is_allowed)
        telemetry_add(tunnel->workspace->telemetry, COUNTER_POLICY_DENIED, 1);
    return verdict.is_allowed;
}

enum tunnel_step tunnel_authorize(struct tunnel *tunnel)
{
    struct ip source = addr_ip(&tunnel->source);
    timer_cancel(&tunnel->workspace->timers, &tunnel->timer);
    if (!tunnel_is_allowed(tunnel, tunnel_source_identity(tunnel), &source,
                           addr_port(&tunnel->destination)))
        return tunnel_end(tunnel, REASON_POLICY_DENIED);
    if (!tunnel->client.tls)
        telemetry_add(tunnel->workspace->telemetry, COUNTER_PLAINTEXT_INBOUND, 1);
    /* After a late ClientHello the application is connected already. */
    return tunnel->server.state == CONN_OPEN ? STEP_RELAY : STEP_CONNECT;
}
