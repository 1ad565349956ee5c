/*
 * The last step: bytes go both ways until both sides have finished. One side is read only while the
 * other takes what was read; what is held is at most one read's worth in each direction.
 */
#include "proxy/tunnel_parts.h"

#include <stdlib.h>

#include "common/clock.h"
#include "proxy/detect/client_hello.h"

/* How often a side that is not read is asked whether it was reset. */
#define LISTEN_MS 5000

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

/* A side is not read for now: whether it was reset is looked at every LISTEN_MS. */
static void relay_go_deaf(struct tunnel *tunnel)
{
    uint64_t soon_ns = tunnel->active_ns + (LISTEN_MS + 1000) * NS_PER_MS;
    if (tunnel->timer.due_ns > soon_ns)
        tunnel_set_timer(tunnel, LISTEN_MS);
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
        relay_go_deaf(tunnel);
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
    tunnel->is_unheard = false;
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
        if (tunnel->is_unheard && !is_client(tunnel, from))
            tunnel_hear_server_first(tunnel, input.data);
        relay_count(tunnel, from, input.data.len);
        switch (conn_write(to, input.data)) {
        case CONN_SENT:
            break;
        case CONN_BLOCKED:
            from->read_bytes = CONN_READ_MIN_BYTES;
            conn_pause(from);
            relay_go_deaf(tunnel);
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

/* It is no ClientHello of the mesh after all: what came of it goes first. */
static void relay_hear_plaintext(struct tunnel *tunnel, short what)
{
    tunnel->is_silent = false;
    tunnel->client.on_event = on_client_event;
    on_client_event(&tunnel->client, what);
}

/* The connection is the mesh's: it is counted and judged anew, as that. */
static void relay_take_back(struct tunnel *tunnel)
{
    tunnel_record_relabel(tunnel);
    tunnel->is_silent = false;
    tunnel_resume_at(tunnel, STEP_TERMINATE);
}

static void on_server_event(struct conn *server, short what)
{
    struct tunnel *tunnel = LIST_ENTRY(server, struct tunnel, server);
    if (what == EV_READ)
        relay_move(tunnel, server, &tunnel->client);
    else
        relay_flush(tunnel, &tunnel->client, server);
}

/* Within handshake_timeout, and the application has neither said anything nor gone. */
static bool relay_is_untouched(const struct tunnel *tunnel)
{
    uint64_t age_ms = (clock_now_ns() - tunnel->opened_ns) / NS_PER_MS;
    return age_ms < tunnel->workspace->settings->handshake_timeout_ms &&
           tunnel->bytes_received == 0 && tunnel->client.state == CONN_OPEN &&
           tunnel->server.state == CONN_OPEN;
}

/*
 * Inbound, after detect_timeout of silence, taken for plaintext: the first bytes may yet be the
 * ClientHello of the mesh, if it was lost on the way and sent again. As long as the application has
 * said nothing there is no harm in taking it for what it is.
 */
static void on_silent_client_event(struct conn *client, short what)
{
    struct tunnel *tunnel = LIST_ENTRY(client, struct tunnel, client);
    const struct worker_settings *settings = tunnel->workspace->settings;
    if (what != EV_READ || !relay_is_untouched(tunnel)) {
        relay_hear_plaintext(tunnel, what);
        return;
    }
    enum conn_end end = conn_read_early(client);
    if (end == CONN_RESET) {
        relay_reset(tunnel, client);
        return;
    }
    struct client_hello hello;
    enum client_hello_result result =
        client_hello_parse(buf_slice(&client->early), tunnel->workspace->conns.plain, &hello);
    tunnel->active_ns = clock_now_ns();
    if (end == CONN_GOES_ON && result == CLIENT_HELLO_MORE)
        tunnel_set_timer(tunnel, settings->handshake_timeout_ms);
    else if (result == CLIENT_HELLO_TLS && client_hello_offers(&hello, MESH_ALPN_PREFIX))
        relay_take_back(tunnel);
    else
        relay_hear_plaintext(tunnel, what);
}

/* Is there a side whose end we would not see, because nothing is read from it? */
static bool relay_is_deaf(const struct conn *conn)
{
    return !event_pending(&conn->readable, EV_READ, NULL);
}

static bool relay_lost(struct tunnel *tunnel, const struct conn *conn)
{
    if (!relay_is_deaf(conn) || !conn_is_reset(conn))
        return false;
    relay_reset(tunnel, conn);
    return true;
}

static void relay_arm(struct tunnel *tunnel, uint64_t left_ms)
{
    bool is_deaf = relay_is_deaf(&tunnel->client) || relay_is_deaf(&tunnel->server);
    tunnel_set_timer(tunnel, is_deaf && left_ms > LISTEN_MS ? LISTEN_MS : left_ms);
}

void tunnel_relay_timeout(struct tunnel *tunnel)
{
    uint64_t idle_ms = (clock_now_ns() - tunnel->active_ns) / NS_PER_MS;
    if (relay_lost(tunnel, &tunnel->client) || relay_lost(tunnel, &tunnel->server))
        return;
    if (idle_ms >= tunnel->idle_ms) {
        tunnel_end(tunnel, REASON_IDLE_TIMEOUT);
        return;
    }
    relay_arm(tunnel, tunnel->idle_ms - idle_ms);
    if (buf_len(&tunnel->client.early)) /* began like TLS, late, and then nothing */
        relay_hear_plaintext(tunnel, EV_READ);
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
    if (tunnel->snapshot)
        snapshot_drop(tunnel->snapshot);
    tunnel->snapshot = NULL;
    tunnel->endpoints = NULL;
    tunnel->active_ns = clock_now_ns();
    tunnel->idle_ms = relay_idle_ms(tunnel);
    tunnel_set_timer(tunnel, tunnel->idle_ms);
    client->on_event = tunnel->is_silent ? on_silent_client_event : on_client_event;
    server->on_event = on_server_event;
    conn_resume(client);
    conn_resume(server);
    if (buf_len(&client->early))
        relay_move(tunnel, client, server);
    if (tunnel->step != STEP_ENDED && buf_len(&server->early))
        relay_move(tunnel, server, client);
    return tunnel->step == STEP_ENDED ? STEP_ENDED : STEP_WAIT;
}
