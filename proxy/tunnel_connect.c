/*
 * The steps to the server's side: connect, and mutual TLS where the endpoint has an identity. What
 * fails here is tried on another endpoint; there is no way from TLS back to plaintext.
 */
#include "proxy/tunnel_parts.h"

#include <errno.h>

#include "common/clock.h"

static bool tunnel_wants_tls(const struct tunnel *tunnel)
{
    return tunnel->endpoint && tunnel->endpoint->identity[0] &&
           !tunnel_is_self(tunnel, &tunnel->endpoint->addr);
}

/* So that the balancer can leave out who cannot be reached. */
static void tunnel_report(struct tunnel *tunnel, enum outcome outcome)
{
    const struct service *service = tunnel->service;
    if (service && outlier_rules_are_set(&service->outlier))
        ejected_more(
            &tunnel->workspace->ejected,
            attempts_result(&tunnel->attempts, &service->outlier, outcome, clock_now_ns()));
}

/* This attempt has failed: the next endpoint, or the end. */
static enum tunnel_step tunnel_attempt_failed(struct tunnel *tunnel, enum reason reason)
{
    struct workspace *workspace = tunnel->workspace;
    uint64_t penalty_ns = tunnel_connect_timeout_ms(tunnel) * NS_PER_MS;
    attempts_failed(&tunnel->attempts, penalty_ns, clock_now_ns());
    tunnel_report(tunnel, OUTCOME_LOCAL_FAILURE);
    timer_cancel(&workspace->timers, &tunnel->timer);
    if (!tunnel->endpoint)
        return tunnel_end(tunnel, reason);
    conn_close(&tunnel->server, reason == REASON_CONNECT_TIMEOUT);
    conn_init(&tunnel->server, &workspace->conns, tunnel->server.on_event);
    tunnel->failure = reason;
    return STEP_BALANCE;
}

static enum tunnel_step tunnel_connect_failed(struct tunnel *tunnel, int error)
{
    char text[128];
    enum reason reason = connect_failed(tunnel->workspace->telemetry, error, text, sizeof(text));
    tunnel_set_detail(tunnel, text);
    if (reason == REASON_NO_DESCRIPTORS || reason == REASON_NO_MEMORY)
        return tunnel_end(tunnel, reason); /* another endpoint would not help */
    return tunnel_attempt_failed(tunnel, reason);
}

/* Connected, and with TLS where it is due: the server is ready. */
static enum tunnel_step tunnel_ready(struct tunnel *tunnel)
{
    timer_cancel(&tunnel->workspace->timers, &tunnel->timer);
    attempts_connected(&tunnel->attempts, clock_now_ns());
    tunnel_report(tunnel, OUTCOME_SUCCESS);
    return STEP_RELAY;
}

enum tunnel_step tunnel_connect(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    int error = 0;
    if (!tunnel->is_entered) {
        /* An endpoint could else be a way to the admin port that looks as if it came from here. */
        if (tunnel->endpoint && tunnel_is_loop(tunnel, &tunnel->endpoint->addr)) {
            telemetry_add(workspace->telemetry, COUNTER_LOOPS, 1);
            return tunnel_attempt_failed(tunnel, REASON_LOOP);
        }
        if (tunnel_wants_tls(tunnel) && !workspace->tls.client)
            return tunnel_end(tunnel, REASON_NO_CERTIFICATE);
        int fd;
        tunnel->connect_started_ns = clock_now_ns();
        error = connect_begin(tunnel_upstream(tunnel), workspace->settings->socket_mark, &fd);
        if (error == EINPROGRESS) {
            conn_connecting(&tunnel->server, fd);
            tunnel_set_timer(tunnel, tunnel_connect_timeout_ms(tunnel));
            return STEP_WAIT;
        }
        if (error)
            return tunnel_connect_failed(tunnel, error);
        conn_open(&tunnel->server, fd);
        tunnel_set_timer(tunnel, tunnel_connect_timeout_ms(tunnel));
    } else if (tunnel->is_timed_out) {
        return tunnel_attempt_failed(tunnel, REASON_CONNECT_TIMEOUT);
    } else if (!conn_connected(&tunnel->server, &error)) {
        return tunnel_connect_failed(tunnel, error);
    }
    return tunnel_wants_tls(tunnel) ? STEP_ORIGINATE : tunnel_ready(tunnel);
}

/* The time for this was set when connecting began: both together must not take longer. */
enum tunnel_step tunnel_originate(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    struct conn *server = &tunnel->server;
    if (!tunnel->is_entered) {
        if (!workspace->tls.client) /* it has expired while the connection was made */
            return tunnel_end(tunnel, REASON_NO_CERTIFICATE);
        struct tls_layer *layer =
            tls_layer_new(workspace->tls.client, slice_str(tunnel->endpoint->identity),
                          workspace->conns.bio_methods, &workspace->conns.output);
        if (!layer || !mesh_handshake_offer(layer, MESH_ALPN_TCP)) {
            tls_layer_free(layer);
            return tunnel_end(tunnel, REASON_NO_MEMORY);
        }
        conn_start_tls(server, layer);
        conn_resume(server);
    }
    if (tunnel->is_timed_out)
        return tunnel_attempt_failed(tunnel, REASON_TLS_TIMEOUT);
    switch (conn_handshake(server, tunnel->is_readable)) {
    case CONN_WAITS:
        return STEP_WAIT;
    case CONN_FAILED:
        return tunnel_attempt_failed(tunnel, tunnel_tls_failed(tunnel, server->tls));
    case CONN_SECURED:
        break;
    }
    if (mesh_handshake_alpn(server->tls) != MESH_ALPN_TCP) {
        char text[64];
        enum reason reason =
            mesh_handshake_mismatch(workspace->telemetry, MESH_ALPN_TCP, text, sizeof(text));
        tunnel_set_detail(tunnel, text);
        return tunnel_attempt_failed(tunnel, reason);
    }
    mesh_handshake_done(workspace->telemetry);
    return tunnel_ready(tunnel);
}
