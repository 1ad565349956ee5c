#include "proxy/tunnel_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/original_dst.h"
#include "proxy/accept/loop.h"

static enum tunnel_step (*const tunnel_steps[])(struct tunnel *) = {
#define X(step, name, function) [step] = function,
    TUNNEL_STEPS(X)
#undef X
};

/* The only place where a tunnel goes from step to step. */
void tunnel_run(struct tunnel *tunnel)
{
    for (;;) {
        enum tunnel_step next = tunnel_steps[tunnel->step](tunnel);
        tunnel->is_readable = tunnel->is_timed_out = false;
        tunnel->is_entered = true;
        if (next == STEP_WAIT || next == STEP_ENDED)
            return;
        tunnel->step = next;
        tunnel->is_entered = false;
    }
}

static void on_corridor_event(struct tunnel *tunnel, struct conn *conn, short what)
{
    if (what == EV_WRITE && conn->state != CONN_CONNECTING) {
        /* the rest of a handshake message */
        if (conn_flush(conn) != CONN_BROKEN)
            return;
        if (conn->state != CONN_HANDSHAKE) {
            tunnel_end(tunnel, REASON_TLS_FAILED);
            return;
        }
        /* The step knows what follows, and what the peer said before it went may say why. */
        what = EV_READ;
    }
    tunnel->is_readable = what == EV_READ;
    tunnel_run(tunnel);
}

static void on_client_event(struct conn *conn, short what)
{
    on_corridor_event(LIST_ENTRY(conn, struct tunnel, client), conn, what);
}

static void on_server_event(struct conn *conn, short what)
{
    on_corridor_event(LIST_ENTRY(conn, struct tunnel, server), conn, what);
}

void tunnel_resume_at(struct tunnel *tunnel, enum tunnel_step step)
{
    conn_pause(&tunnel->client);
    conn_pause(&tunnel->server);
    tunnel->client.on_event = on_client_event;
    tunnel->server.on_event = on_server_event;
    tunnel->step = step;
    tunnel->is_entered = false;
    tunnel_run(tunnel);
}

static void on_timeout(struct timer *timer)
{
    struct tunnel *tunnel = LIST_ENTRY(timer, struct tunnel, timer);
    if (tunnel->step == STEP_RELAY) {
        tunnel_relay_timeout(tunnel);
        return;
    }
    tunnel->is_timed_out = true;
    tunnel_run(tunnel);
}

void tunnel_accept(struct workspace *workspace, enum direction direction, int fd,
                   const struct sockaddr_any *peer)
{
    bool is_inbound = direction == DIRECTION_INBOUND;
    telemetry_add(workspace->telemetry,
                  is_inbound ? COUNTER_ACCEPTED_INBOUND : COUNTER_ACCEPTED_OUTBOUND, 1);
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    if (!tunnel) {
        telemetry_add(workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        close(fd);
        return;
    }
    tunnel->workspace = workspace;
    tunnel->direction = direction;
    tunnel->source = *peer;
    tunnel->policy = tunnel->policy_why = "";
    tunnel->opened_ns = tunnel->active_ns = workspace->busy_ns = clock_now_ns();
    conn_init(&tunnel->client, &workspace->conns, on_client_event);
    conn_init(&tunnel->server, &workspace->conns, on_server_event);
    conn_open(&tunnel->client, fd);
    timer_init(&tunnel->timer, on_timeout);
    list_init(&tunnel->waiter.node);
    list_append(&workspace->tunnels, &tunnel->node);
    workspace->n_tunnels++;
    telemetry_add(workspace->telemetry,
                  is_inbound ? COUNTER_CONNECTIONS_INBOUND : COUNTER_CONNECTIONS_OUTBOUND, 1);
    workspace->shared->connections++;
    if (is_inbound)
        workspace->shared->inbound++;
    tunnel_hold_snapshot(tunnel);
    tunnel->step = is_inbound ? STEP_INBOUND_DESTINATION : STEP_OUTBOUND_DESTINATION;
    tunnel_run(tunnel);
}

static void tunnel_drop_configuration(struct tunnel *tunnel)
{
    if (tunnel->snapshot)
        snapshot_drop(tunnel->snapshot);
    if (tunnel->workload)
        workload_drop(tunnel->workload);
    if (tunnel->service)
        service_drop(tunnel->service);
    tunnel->snapshot = NULL;
    tunnel->workload = NULL;
    tunnel->service = NULL;
    tunnel->policy = "";
}

void tunnel_hold_snapshot(struct tunnel *tunnel)
{
    tunnel_drop_configuration(tunnel);
    tunnel->snapshot = snapshot_hold(tunnel->workspace->snapshot);
    if (tunnel->snapshot->workload)
        tunnel->workload = workload_hold(tunnel->snapshot->workload);
}

static void tunnel_free(struct grave *grave)
{
    free(LIST_ENTRY(grave, struct tunnel, grave));
}

static void tunnel_uncount(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    bool is_inbound = tunnel->direction == DIRECTION_INBOUND;
    workspace->n_tunnels--;
    workspace->shared->connections--;
    if (is_inbound)
        workspace->shared->inbound--;
    telemetry_add(workspace->telemetry,
                  is_inbound ? COUNTER_CONNECTIONS_INBOUND : COUNTER_CONNECTIONS_OUTBOUND, -1);
    if (tunnel->is_counted)
        tunnel->service->shared->connections--;
}

/*
 * By FIN what has ended in order, and a failed handshake, whose alert must reach the peer (a RST
 * could overtake it); all else by RST, so that nobody takes a cut stream for a whole one.
 */
static bool ends_by_reset(enum reason reason)
{
    return reason != REASON_DONE && reason != REASON_TLS_FAILED && reason != REASON_PEER_REJECTED;
}

/*
 * The far proxy took the connection and reset it without a byte: its application is not there. The
 * balancer must learn of that as of a refused connection, or what fails fast attracts more.
 */
static void tunnel_judge_endpoint(struct tunnel *tunnel, enum reason reason)
{
    if (tunnel->direction == DIRECTION_OUTBOUND && tunnel->step == STEP_RELAY &&
        reason == REASON_SERVER_RESET && tunnel->bytes_received == 0)
        attempts_failed(&tunnel->attempts, tunnel_connect_timeout_ms(tunnel) * NS_PER_MS,
                        clock_now_ns());
}

enum tunnel_step tunnel_vanish(struct tunnel *tunnel)
{
    struct workspace *workspace = tunnel->workspace;
    tunnel->step = STEP_ENDED;
    timer_cancel(&workspace->timers, &tunnel->timer);
    waits_leave(&workspace->waits, &tunnel->waiter);
    attempts_end(&tunnel->attempts);
    tunnel->endpoint = NULL;
    list_remove(&tunnel->node);
    tunnel_uncount(tunnel);
    tunnel_drop_configuration(tunnel);
    free(tunnel->server_name);
    free(tunnel->detail);
    tunnel->server_name = tunnel->detail = NULL;
    graveyard_park(&workspace->graveyard, &tunnel->grave, tunnel_free);
    workspace->busy_ns = clock_now_ns();
    workspace->tunnel_ended(workspace);
    return STEP_ENDED;
}

enum tunnel_step tunnel_end(struct tunnel *tunnel, enum reason reason)
{
    if (tunnel->step == STEP_ENDED)
        return STEP_ENDED;
    tunnel_record_end(tunnel, reason);
    tunnel_judge_endpoint(tunnel, reason);
    /* A TLS failure while relaying, or on the way out, cuts the other side's stream. */
    bool is_reset = ends_by_reset(reason) || tunnel->step == STEP_RELAY;
    bool is_cut = reason != REASON_DONE && (is_reset || tunnel->direction == DIRECTION_OUTBOUND);
    tunnel->step = STEP_ENDED;
    conn_close(&tunnel->client, is_cut);
    conn_close(&tunnel->server, reason != REASON_DONE && is_reset);
    return tunnel_vanish(tunnel);
}

void tunnel_end_all(struct workspace *workspace, enum reason reason)
{
    LIST_EACH(node, &workspace->tunnels)
        tunnel_end(LIST_ENTRY(node, struct tunnel, node), reason);
}

void tunnel_set_timer(struct tunnel *tunnel, uint64_t delay_ms)
{
    timer_set(&tunnel->workspace->timers, &tunnel->timer, clock_now_ns(), delay_ms);
}

void tunnel_set_detail(struct tunnel *tunnel, const char *text)
{
    free(tunnel->detail);
    tunnel->detail = strdup(text); /* NULL: the line goes without */
}

enum reason tunnel_tls_failed(struct tunnel *tunnel, const struct tls_layer *tls)
{
    char text[1024];
    enum reason reason =
        mesh_handshake_failed(tunnel->workspace->telemetry, tls, text, sizeof(text));
    tunnel_set_detail(tunnel, text);
    return reason;
}

bool tunnel_is_loop(const struct tunnel *tunnel, const struct sockaddr_any *address)
{
    return loop_is_loop(tunnel->workspace->settings, tunnel->workload, tunnel->direction,
                        tunnel->client.fd, address);
}

/* The connection itself is counted already. */
static bool is_one_too_many(const struct tunnel *tunnel)
{
    const struct workspace *workspace = tunnel->workspace;
    uint32_t max = workspace->settings->max_connections;
    if (max && workspace->shared->connections > max)
        return true;
    uint32_t max_inbound = tunnel->workload ? tunnel->workload->max_connections : 0;
    return tunnel->direction == DIRECTION_INBOUND && max_inbound &&
           workspace->shared->inbound > max_inbound;
}

/* Connections to the pod come faster than its policy allows. */
static bool is_too_fast(struct tunnel *tunnel)
{
    const struct workload *workload = tunnel->workload;
    if (tunnel->direction != DIRECTION_INBOUND || !workload || workload->connection_rates.n == 0)
        return false;
    struct ip source = addr_ip(&tunnel->source);
    char text[IP_TEXT_BYTES];
    uint64_t wait_ns;
    const struct rate_limit_request asked = {.source = slice_str(ip_format(&source, text))};
    const struct rate_limit *limit =
        rate_limits_take(&workload->connection_rates, &asked, clock_now_ns(), &wait_ns);
    if (!limit)
        return false;
    telemetry_add(tunnel->workspace->telemetry, COUNTER_CONNECTIONS_RATE_LIMITED, 1);
    tunnel->policy = limit->policy;
    tunnel->policy_why = "connection_rate";
    tunnel_set_detail(tunnel, limit->name);
    return true;
}

bool tunnel_find_destination(struct tunnel *tunnel, enum reason *reason)
{
    const struct worker_settings *settings = tunnel->workspace->settings;
    bool (*find)(int, struct sockaddr_any *) =
        settings->original_dst ? settings->original_dst : original_dst;
    *reason = REASON_NO_ORIGINAL_DST;
    if (!find(tunnel->client.fd, &tunnel->destination)) {
        tunnel->destination.sa.sa_family = AF_UNSPEC;
        return false;
    }
    if (tunnel_is_loop(tunnel, &tunnel->destination)) {
        telemetry_add(tunnel->workspace->telemetry, COUNTER_LOOPS, 1);
        *reason = REASON_LOOP;
        return false;
    }
    *reason = REASON_LIMIT_CONNECTIONS;
    if (is_one_too_many(tunnel))
        return false;
    *reason = REASON_LIMIT_CONNECTION_RATE;
    return !is_too_fast(tunnel);
}

const struct sockaddr_any *tunnel_upstream(const struct tunnel *tunnel)
{
    return tunnel->endpoint ? &tunnel->endpoint->addr : &tunnel->destination;
}

bool tunnel_is_self(const struct tunnel *tunnel, const struct sockaddr_any *address)
{
    return loop_is_self(tunnel->workload, address);
}

uint64_t tunnel_connect_timeout_ms(const struct tunnel *tunnel)
{
    if (tunnel->service && tunnel->service->connect_timeout_ms)
        return tunnel->service->connect_timeout_ms;
    if (tunnel->workload && tunnel->workload->connect_timeout_ms)
        return tunnel->workload->connect_timeout_ms;
    return tunnel->workspace->settings->connect_timeout_ms;
}
