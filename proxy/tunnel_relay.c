/*
 * The last step: bytes go both ways until both sides have finished. One side is read only while the
 * other takes what was read; what is held is at most one read's worth in each direction.
 */
#include "proxy/tunnel_parts.h"

#include <stdlib.h>

#include "common/clock.h"
#include "proxy/detect/client_hello.h"

void tunnel_look_at(struct tunnel *tunnel, struct slice bytes)
{
    struct client_hello hello;
    tunnel->is_looked_at = true;
    bytes = slice_sub(bytes, 0, CLIENT_HELLO_MAX_INPUT);
    /* The scratch buffer for the other kind of data than `bytes` may point to. */
    char *scratch = tunnel->workspace->conns.output.data;
    if (client_hello_parse(bytes, scratch, &hello) != CLIENT_HELLO_TLS)
        return;
    tunnel->is_application_tls = true;
    telemetry_add(tunnel->workspace->telemetry, COUNTER_APPLICATION_TLS, 1);
    if (hello.server_name.len)
        tunnel->server_name = strndup(hello.server_name.ptr, hello.server_name.len);
}

static bool is_client(const struct tunnel *tunnel, const struct conn *conn)
{
    return conn == &tunnel->client;
}

static void relay_reset(struct tunnel *tunnel, const struct conn *conn)
{
    tunnel_end(tunnel, is_client(tunnel, conn) ? REASON_CLIENT_RESET : REASON_SERVER_RESET);
}

/*
 * `to` takes no more: it has reset the connection. What it sent before that is still delivered, as
 * it would be without us; its next read tells the end.
 */
static void relay_broken(struct tunnel *tunnel, struct conn *from, struct conn *to)
{
    if (!to->is_broken) { /* not the socket: TLS refused to go on */
        tunnel_end(tunnel, REASON_TLS_FAILED);
        return;
    }
    conn_pause(from);
    if (conn_read_ended(to))
        relay_reset(tunnel, to);
}

/* `from` has finished, and `to` has taken everything: tells it. */
static void relay_finish(struct tunnel *tunnel, struct conn *from, struct conn *to)
{
    switch (conn_finish(to)) {
    case CONN_SENT:
        if (tunnel->client.state == CONN_ENDED && tunnel->server.state == CONN_ENDED)
            tunnel_end(tunnel, REASON_DONE);
        return;
    case CONN_BLOCKED: /* again when its close_notify has gone */
        return;
    case CONN_BROKEN:
        relay_broken(tunnel, from, to);
        return;
    case CONN_SHED:
        tunnel_end(tunnel, REASON_NO_MEMORY);
        return;
    }
}

static void relay_input_ended(struct tunnel *tunnel, struct conn *from, struct conn *to,
                              enum conn_end end)
{
    char text[256];
    switch (end) {
    case CONN_GOES_ON:
        return;
    case CONN_EOF:
        if (to->is_broken)
            relay_reset(tunnel, to);
        else if (buf_len(&to->out) == 0)
            relay_finish(tunnel, from, to);
        return;
    case CONN_RESET:
        relay_reset(tunnel, from);
        return;
    case CONN_TRUNCATED:
        tunnel_end(tunnel, REASON_TLS_TRUNCATED);
        return;
    case CONN_TLS_FAILED:
        tunnel_set_detail(tunnel, tls_layer_failure(from->tls, text, sizeof(text)));
        tunnel_end(tunnel, REASON_TLS_FAILED);
        return;
    case CONN_NO_MEMORY:
        tunnel_end(tunnel, REASON_NO_MEMORY);
        return;
    }
}

static void relay_count(struct tunnel *tunnel, const struct conn *from, size_t bytes)
{
    if (is_client(tunnel, from)) {
        tunnel->bytes_sent += bytes;
        stat_add(&tunnel->flow->bytes_sent, bytes);
    } else {
        tunnel->bytes_received += bytes;
        stat_add(&tunnel->flow->bytes_received, bytes);
    }
}

/* One read from `from` and one write to `to`. */
static void relay_move(struct tunnel *tunnel, struct conn *from, struct conn *to)
{
    tunnel->active_ns = clock_now_ns();
    struct conn_input input = conn_read(from);
    if (input.data.len) {
        if (!tunnel->is_looked_at && is_client(tunnel, from))
            tunnel_look_at(tunnel, input.data);
        relay_count(tunnel, from, input.data.len);
        switch (conn_write(to, input.data)) {
        case CONN_SENT:
            break;
        case CONN_BLOCKED:
            from->read_bytes = CONN_READ_MIN_BYTES;
            conn_pause(from);
            break;
        case CONN_BROKEN:
            relay_broken(tunnel, from, to);
            break;
        case CONN_SHED:
            tunnel_end(tunnel, REASON_NO_MEMORY);
            break;
        }
    }
    if (tunnel->step != STEP_ENDED)
        relay_input_ended(tunnel, from, to, input.end);
}

/* `to` may take more of what it was sent. */
static void relay_flush(struct tunnel *tunnel, struct conn *from, struct conn *to)
{
    tunnel->active_ns = clock_now_ns();
    switch (conn_flush(to)) {
    case CONN_SENT:
        if (!conn_read_ended(from))
            conn_resume(from);
        else if (!conn_write_ended(to))
            relay_finish(tunnel, from, to);
        return;
    case CONN_BROKEN:
        relay_broken(tunnel, from, to);
        return;
    case CONN_BLOCKED:
    case CONN_SHED:
        return;
    }
}

static void on_client_event(struct conn *client, short what)
{
    struct tunnel *tunnel = LIST_ENTRY(client, struct tunnel, client);
    if (what == EV_READ)
        relay_move(tunnel, client, &tunnel->server);
    else
        relay_flush(tunnel, &tunnel->server, client);
}

static void on_server_event(struct conn *server, short what)
{
    struct tunnel *tunnel = LIST_ENTRY(server, struct tunnel, server);
    if (what == EV_READ)
        relay_move(tunnel, server, &tunnel->client);
    else
        relay_flush(tunnel, &tunnel->client, server);
}

void tunnel_relay_timeout(struct tunnel *tunnel)
{
    uint64_t idle_ms = (clock_now_ns() - tunnel->active_ns) / NS_PER_MS;
    if (idle_ms >= tunnel->idle_ms)
        tunnel_end(tunnel, REASON_IDLE_TIMEOUT);
    else
        tunnel_set_timer(tunnel, tunnel->idle_ms - idle_ms);
}

static uint64_t relay_idle_ms(const struct tunnel *tunnel)
{
    if (tunnel->service && tunnel->service->idle_timeout_ms)
        return tunnel->service->idle_timeout_ms;
    if (tunnel->workload && tunnel->workload->idle_timeout_ms)
        return tunnel->workload->idle_timeout_ms;
    return tunnel->workspace->settings->idle_timeout_ms;
}

enum tunnel_step tunnel_relay(struct tunnel *tunnel)
{
    struct conn *client = &tunnel->client;
    struct conn *server = &tunnel->server;
    tunnel_record_open(tunnel);
    /* What is needed is held one by one: a long connection must not keep a whole old snapshot. */
    snapshot_drop(tunnel->snapshot);
    tunnel->snapshot = NULL;
    tunnel->endpoints = NULL;
    tunnel->active_ns = clock_now_ns();
    tunnel->idle_ms = relay_idle_ms(tunnel);
    tunnel_set_timer(tunnel, tunnel->idle_ms);
    client->on_event = on_client_event;
    server->on_event = on_server_event;
    conn_resume(client);
    conn_resume(server);
    if (buf_len(&client->early))
        relay_move(tunnel, client, server);
    if (tunnel->step != STEP_ENDED && buf_len(&server->early))
        relay_move(tunnel, server, client);
    return tunnel->step == STEP_ENDED ? STEP_ENDED : STEP_WAIT;
}
