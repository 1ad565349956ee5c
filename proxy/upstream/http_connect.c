#include "proxy/upstream/http_connect.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/upstream/connect.h"

struct http_connect {
    struct workspace *workspace;
    const struct http_connect_events *events;
    void *owner;
    struct http_connect_target target;
    struct conn conn;
    struct timer timer;
    struct grave grave;
    uint64_t started_ns;
    bool is_ended; /* one of the events has been told, or nobody wants it */
};

static void attempt_failed(struct http_connect *attempt, enum reason reason, const char *detail)
{
    if (attempt->is_ended)
        return;
    attempt->is_ended = true;
    timer_cancel(&attempt->workspace->timers, &attempt->timer);
    /* Not by RST where an alert must reach the peer, which a RST could overtake. */
    conn_close(&attempt->conn, reason == REASON_CONNECT_TIMEOUT || reason == REASON_TLS_TIMEOUT);
    attempt->events->on_failed(attempt->owner, reason, detail);
}

static void attempt_errno(struct http_connect *attempt, int error)
{
    char text[128];
    enum reason reason = connect_failed(attempt->workspace->telemetry, error, text, sizeof(text));
    attempt_failed(attempt, reason, text);
}

static void attempt_open(struct http_connect *attempt)
{
    attempt->is_ended = true;
    timer_cancel(&attempt->workspace->timers, &attempt->timer);
    conn_pause(&attempt->conn);
    attempt->events->on_open(attempt->owner, &attempt->conn, clock_now_ns() - attempt->started_ns);
}

static void attempt_secured(struct http_connect *attempt)
{
    struct telemetry_shard *telemetry = attempt->workspace->telemetry;
    if (mesh_handshake_alpn(attempt->conn.tls) != attempt->target.alpn) {
        char text[64];
        enum reason reason =
            mesh_handshake_mismatch(telemetry, attempt->target.alpn, text, sizeof(text));
        attempt_failed(attempt, reason, text);
        return;
    }
    mesh_handshake_done(telemetry);
    attempt_open(attempt);
}

static void attempt_handshake(struct http_connect *attempt, bool is_readable)
{
    switch (conn_handshake(&attempt->conn, is_readable)) {
    case CONN_WAITS:
        return;
    case CONN_FAILED: {
        char text[1024];
        enum reason reason = mesh_handshake_failed(attempt->workspace->telemetry, attempt->conn.tls,
                                                   text, sizeof(text));
        attempt_failed(attempt, reason, text);
        return;
    }
    case CONN_SECURED:
        attempt_secured(attempt);
        return;
    }
}

/* Connected: TLS where it is due. */
static void attempt_connected(struct http_connect *attempt)
{
    struct workspace *workspace = attempt->workspace;
    if (!attempt->target.identity[0]) {
        attempt_open(attempt);
        return;
    }
    if (!workspace->tls.client) { /* it has expired while the connection was made */
        attempt_failed(attempt, REASON_NO_CERTIFICATE, "the proxy has no valid certificate");
        return;
    }
    struct tls_layer *layer =
        tls_layer_new(workspace->tls.client, slice_str(attempt->target.identity),
                      workspace->conns.bio_methods, &workspace->conns.output);
    if (!layer || !mesh_handshake_offer(layer, attempt->target.alpn)) {
        tls_layer_free(layer);
        telemetry_add(workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        attempt_failed(attempt, REASON_NO_MEMORY, "memory is short");
        return;
    }
    conn_start_tls(&attempt->conn, layer);
    conn_resume(&attempt->conn);
    attempt_handshake(attempt, false);
}

static void on_writable(struct http_connect *attempt)
{
    struct conn *conn = &attempt->conn;
    int error;
    if (conn->state == CONN_CONNECTING) {
        if (conn_connected(conn, &error))
            attempt_connected(attempt);
        else
            attempt_errno(attempt, error);
        return;
    }
    /* the rest of a handshake message */
    if (conn_flush(conn) == CONN_BROKEN)
        attempt_failed(attempt, REASON_TLS_FAILED, "the peer closed the connection");
}

static void on_conn_event(struct conn *conn, short what)
{
    struct http_connect *attempt = LIST_ENTRY(conn, struct http_connect, conn);
    if (attempt->is_ended)
        return;
    if (what == EV_WRITE)
        on_writable(attempt);
    else
        attempt_handshake(attempt, true);
}

static void on_timeout(struct timer *timer)
{
    struct http_connect *attempt = LIST_ENTRY(timer, struct http_connect, timer);
    if (attempt->conn.tls)
        attempt_failed(attempt, REASON_TLS_TIMEOUT, "the TLS handshake took too long");
    else
        attempt_failed(attempt, REASON_CONNECT_TIMEOUT, "connecting took too long");
}

struct http_connect *http_connect_new(struct workspace *workspace,
                                      const struct http_connect_target *target,
                                      const struct http_connect_events *events, void *owner)
{
    struct http_connect *attempt = calloc(1, sizeof(*attempt));
    if (!attempt)
        return NULL;
    attempt->workspace = workspace;
    attempt->target = *target;
    attempt->events = events;
    attempt->owner = owner;
    conn_init(&attempt->conn, &workspace->conns, on_conn_event);
    timer_init(&attempt->timer, on_timeout);
    return attempt;
}

void http_connect_start(struct http_connect *attempt)
{
    struct workspace *workspace = attempt->workspace;
    int fd;
    attempt->started_ns = clock_now_ns();
    if (attempt->target.identity[0] && !workspace->tls.client) {
        attempt_failed(attempt, REASON_NO_CERTIFICATE, "the proxy has no valid certificate");
        return;
    }
    int error = connect_begin(&attempt->target.address, workspace->settings->socket_mark, &fd);
    if (error && error != EINPROGRESS) {
        attempt_errno(attempt, error);
        return;
    }
    timer_set(&workspace->timers, &attempt->timer, attempt->started_ns, attempt->target.timeout_ms);
    if (error) {
        conn_connecting(&attempt->conn, fd);
        return;
    }
    conn_open(&attempt->conn, fd);
    attempt_connected(attempt);
}

static void attempt_free(struct grave *grave)
{
    free(LIST_ENTRY(grave, struct http_connect, grave));
}

void http_connect_free(struct http_connect *attempt)
{
    if (!attempt)
        return;
    attempt->is_ended = true;
    timer_cancel(&attempt->workspace->timers, &attempt->timer);
    conn_close(&attempt->conn, true);
    graveyard_park(&attempt->workspace->graveyard, &attempt->grave, attempt_free);
}

const char *http_connect_state(const struct http_connect *attempt)
{
    return conn_state_name(attempt->conn.state);
}
