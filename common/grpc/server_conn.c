#include "common/grpc/server_conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/server_stream.h"
#include "common/jitter.h"
#include "common/log.h"

#define CONN_MAX_HEAD_BYTES     16384
#define CONN_AGE_JITTER_PERCENT 10

static struct grpc_pipe *on_begin(void *owner, int32_t stream_id)
{
    (void)stream_id;
    struct grpc_stream *stream = grpc_stream_new(owner);
    return stream ? &stream->pipe : NULL;
}

static bool on_header(void *owner, struct grpc_pipe *pipe, struct slice name, struct slice value)
{
    (void)owner;
    grpc_stream_on_header(pipe, name, value);
    return true;
}

static void on_head(void *owner, struct grpc_pipe *pipe, bool is_end)
{
    (void)owner;
    (void)is_end;
    grpc_stream_on_head(pipe);
}

static void on_sent(void *owner, struct grpc_pipe *pipe)
{
    (void)owner;
    grpc_stream_on_sent(pipe);
}

static void on_ready(void *owner, struct grpc_pipe *pipe)
{
    (void)owner;
    grpc_stream_on_ready(pipe);
}

static void on_up(void *owner)
{
    struct grpc_conn *conn = owner;
    conn->is_up = true;
}

static void on_lost(void *owner, const struct err *err)
{
    struct grpc_conn *conn = owner;
    char text[ADDR_TEXT_BYTES];
    addr_format(&conn->peer, text);
    if (!conn->is_up) {
        conn->server->stats.handshake_failures++;
        LOG_LIMITED(LOG_WARN, "grpc_handshake_failed", LOG_S("address", text),
                    LOG_S("error", err->text));
    } else {
        LOG(LOG_DEBUG, "grpc_connection_closed", LOG_S("address", text), LOG_S("error", err->text));
    }
    grpc_conn_close(conn);
}

static const struct grpc_session_ops ops = {
    .on_begin = on_begin,
    .on_header = on_header,
    .on_head = on_head,
    .on_sent = on_sent,
    .on_ready = on_ready,
    .on_up = on_up,
    .on_lost = on_lost,
};

/* First the age: no new streams. Then the grace: no more patience. */
static void on_age(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_conn *conn = arg;
    struct grpc_turn *turn = &conn->server->turn;
    struct timeval grace = clock_timeval_ms(conn->server->options.max_age_grace_ms);
    grpc_turn_enter(turn);
    if (conn->is_leaving) {
        grpc_conn_close(conn);
    } else {
        conn->is_leaving = true;
        event_add(conn->age, &grace);
        grpc_session_drain(&conn->session);
    }
    grpc_turn_leave(turn);
}

static void conn_free(void *object)
{
    struct grpc_conn *conn = object;
    grpc_session_fini(&conn->session);
    if (conn->age)
        event_free(conn->age);
    free(conn);
}

bool grpc_conn_open(struct grpc_server *server, int fd, const struct sockaddr_any *peer,
                    struct svid_tls *tls, struct err *err)
{
    const struct grpc_server_options *options = &server->options;
    struct grpc_session_settings settings = {
        .is_server = true,
        .max_streams = options->max_streams,
        .max_head_bytes = CONN_MAX_HEAD_BYTES,
        .setup_timeout_ms = options->handshake_timeout_ms,
        .keepalive_ms = options->keepalive_ms,
        .keepalive_timeout_ms = options->keepalive_timeout_ms,
    };
    struct grpc_conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        close(fd);
        return err_set(err, "out of memory for a connection");
    }
    conn->server = server;
    conn->peer = *peer;
    list_append(&server->conns, &conn->node);
    server->stats.connections++;
    conn->age = evtimer_new(server->base, on_age, conn);
    struct timeval age =
        clock_timeval_ms(jitter_around(options->max_age_ms, CONN_AGE_JITTER_PERCENT));
    bool is_open = grpc_session_open(&conn->session, &server->turn, server->base, fd, tls,
                                     (struct slice){NULL, 0}, &settings, &ops, conn, err);
    if (is_open && conn->age && (options->max_age_ms == 0 || event_add(conn->age, &age) == 0))
        return true;
    if (is_open)
        err_set(err, "out of memory for a connection");
    grpc_conn_close(conn);
    return false;
}

void grpc_conn_close(struct grpc_conn *conn)
{
    /* First, because on_close may ask who the peer was; and it may come back here. */
    while (!list_is_empty(&conn->session.pipes))
        grpc_stream_on_lost(LIST_ENTRY(conn->session.pipes.next, struct grpc_pipe, node));
    if (conn->is_closed)
        return;
    conn->is_closed = true;
    grpc_session_close(&conn->session);
    if (conn->age)
        event_del(conn->age);
    list_remove(&conn->node);
    conn->server->stats.connections--;
    grpc_server_conn_gone(conn->server);
    grpc_turn_bury(&conn->server->turn, &conn->grave, conn, conn_free);
}
