#include "common/grpc/server.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/server_conn.h"
#include "common/log.h"

#define SERVER_BACKLOG         1024
#define SERVER_ACCEPT_ROUNDS   32 /* in one go, then the connections have their turn */
#define SERVER_ACCEPT_PAUSE_MS 200

/* ---- accept --------------------------------------------------------------------------------- */

static void pause_accepting(struct grpc_server *server, int error)
{
    struct timeval pause = clock_timeval_ms(SERVER_ACCEPT_PAUSE_MS);
    LOG_LIMITED(LOG_WARN, "grpc_accept_paused", LOG_S("error", strerror(error)));
    if (event_add(server->accept_again, &pause) == 0)
        event_del(server->acceptable);
}

void grpc_server_conn_gone(struct grpc_server *server)
{
    if (server->fd >= 0 && evtimer_pending(server->accept_again, NULL)) {
        event_del(server->accept_again);
        event_add(server->acceptable, NULL);
    }
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_server *server = arg;
    event_add(server->acceptable, NULL);
}

static void take_connection(struct grpc_server *server, int fd, const struct sockaddr_any *peer)
{
    struct err err;
    struct svid_tls *tls = NULL;
    if (server->stats.connections >= server->options.max_connections) {
        err_set(&err, "there are %u connections already", server->options.max_connections);
        close(fd);
    } else if (server->options.tls && !(tls = server->options.tls(server->options.tls_context))) {
        err_set(&err, "no certificate yet");
        close(fd);
    } else if (grpc_conn_open(server, fd, peer, tls, &err)) {
        server->stats.accepted++;
        svid_tls_drop(tls);
        return;
    }
    svid_tls_drop(tls);
    server->stats.refused++;
    LOG_LIMITED(LOG_WARN, "grpc_connection_refused", LOG_S("error", err.text));
}

/* True: there may be more to accept. */
static bool accept_one(struct grpc_server *server)
{
    struct sockaddr_any peer = {.len = sizeof(peer.in6)};
    int fd = accept4(server->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take_connection(server, fd, &peer);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_accepting(server, errno);
        return false;
    }
    return errno != EAGAIN; /* the others are about that one connection, see accept(2) */
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_server *server = arg;
    struct grpc_turn *turn = &server->turn;
    grpc_turn_enter(turn);
    for (unsigned round = 0; round < SERVER_ACCEPT_ROUNDS && server->fd >= 0; round++)
        if (!accept_one(server))
            break;
    grpc_turn_leave(turn);
}

/* ---- life ----------------------------------------------------------------------------------- */

static bool server_listen(struct grpc_server *server, struct err *err)
{
    const struct sockaddr_any *address = &server->options.listen;
    struct sockaddr_any bound = {.len = sizeof(bound.in6)};
    char text[ADDR_TEXT_BYTES];
    int one = 1, zero = 0;
    int fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server->fd = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        (address->sa.sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0) ||
        bind(fd, &address->sa, address->len) < 0 || listen(fd, SERVER_BACKLOG) < 0 ||
        getsockname(fd, &bound.sa, &bound.len) < 0)
        return err_set_errno(err, errno, "gRPC: listen at %s", addr_format(address, text));
    server->port = addr_port(&bound);
    server->acceptable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_acceptable, server);
    server->accept_again = evtimer_new(server->base, on_accept_again, server);
    if (!server->acceptable || !server->accept_again || event_add(server->acceptable, NULL) < 0)
        return err_set(err, "gRPC: out of memory for a server");
    return true;
}

/* 0 stands for the default. */
static void fill_in(struct grpc_server_options *options)
{
    if (!options->max_streams)
        options->max_streams = 100;
    if (!options->max_connections)
        options->max_connections = 20000;
    if (!options->handshake_timeout_ms)
        options->handshake_timeout_ms = 10000;
    if (!options->keepalive_ms)
        options->keepalive_ms = 30000;
    if (!options->keepalive_timeout_ms)
        options->keepalive_timeout_ms = 10000;
    if (!options->max_age_grace_ms)
        options->max_age_grace_ms = 10000;
    if (!options->max_message_bytes)
        options->max_message_bytes = 4 << 20;
    if (!options->max_queued_bytes)
        options->max_queued_bytes = 16 << 20;
}

static void stop_listening(struct grpc_server *server)
{
    if (server->acceptable)
        event_del(server->acceptable);
    if (server->accept_again)
        event_del(server->accept_again);
    if (server->fd >= 0)
        close(server->fd);
    server->fd = -1;
}

static void server_free(void *object)
{
    struct grpc_server *server = object;
    if (server->acceptable)
        event_free(server->acceptable);
    if (server->accept_again)
        event_free(server->accept_again);
    free(server);
}

struct grpc_server *grpc_server_new(struct event_base *base,
                                    const struct grpc_server_options *options, struct err *err)
{
    struct grpc_server *server = calloc(1, sizeof(*server));
    if (!server) {
        err_set(err, "gRPC: out of memory for a server");
        return NULL;
    }
    grpc_turn_init(&server->turn);
    list_init(&server->conns);
    server->base = base;
    server->options = *options;
    fill_in(&server->options);
    if (!server_listen(server, err)) {
        stop_listening(server);
        server_free(server);
        return NULL;
    }
    return server;
}

uint16_t grpc_server_port(const struct grpc_server *server)
{
    return server->port;
}

void grpc_server_drain(struct grpc_server *server)
{
    stop_listening(server);
    LIST_EACH(node, &server->conns) {
        grpc_session_drain(&LIST_ENTRY(node, struct grpc_conn, node)->session);
    }
}

void grpc_server_free(struct grpc_server *server)
{
    if (!server || server->is_freed)
        return;
    struct grpc_turn *turn = &server->turn;
    grpc_turn_enter(turn);
    server->is_freed = true;
    stop_listening(server);
    while (!list_is_empty(&server->conns))
        grpc_conn_close(LIST_ENTRY(server->conns.next, struct grpc_conn, node));
    grpc_turn_bury(&server->turn, &server->grave, server, server_free);
    grpc_turn_leave(turn);
}

struct grpc_server_stats grpc_server_stats(const struct grpc_server *server)
{
    return server->stats;
}
