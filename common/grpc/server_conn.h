/*
 * One connection of a server: its session, its age, its peer.
 */
#ifndef OUTRIGGER_COMMON_GRPC_SERVER_CONN_H
#define OUTRIGGER_COMMON_GRPC_SERVER_CONN_H

#include "common/cidr.h"
#include "common/grpc/server.h"
#include "common/grpc/session.h"
#include "common/grpc/turn.h"
#include "common/list.h"

struct grpc_server {
    struct grpc_turn turn;
    struct grpc_grave grave;
    struct event_base *base;
    struct grpc_server_options options; /* defaults filled in */
    struct grpc_server_stats stats;
    struct list conns;
    uint16_t port;
    int fd; /* listening; -1: not any more */
    struct event *acceptable;
    struct event *accept_again; /* after descriptors ran out */
    bool is_freed;
};

struct grpc_conn {
    struct grpc_grave grave;
    struct list node; /* in the server's conns */
    struct grpc_server *server;
    struct grpc_session session;
    struct sockaddr_any peer;
    struct event *age;
    bool is_up;      /* the handshake is done */
    bool is_leaving; /* max_age_ms has passed */
    bool is_closed;
};

/* Takes the socket over, also when it fails. Inside a turn. */
bool grpc_conn_open(struct grpc_server *server, int fd, const struct sockaddr_any *peer,
                    struct svid_tls *tls, struct err *err) MUST_USE;

/* on_close of its streams, then the end; buried. May be called twice. */
void grpc_conn_close(struct grpc_conn *conn);

/* Tells the server that a descriptor is free again. */
void grpc_server_conn_gone(struct grpc_server *server);

#endif
