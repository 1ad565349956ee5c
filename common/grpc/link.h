/*
 * One connection of a channel, from the name of its peer to the end: resolve, connect to one of the
 * addresses, TLS, HTTP/2. When it ends the channel makes another.
 */
#ifndef OUTRIGGER_COMMON_GRPC_LINK_H
#define OUTRIGGER_COMMON_GRPC_LINK_H

#include "common/cidr.h"
#include "common/err.h"
#include "common/grpc/channel.h"
#include "common/grpc/resolve.h"
#include "common/grpc/session.h"
#include "common/grpc/turn.h"

enum grpc_link_state {
    GRPC_LINK_RESOLVING,
    GRPC_LINK_CONNECTING, /* TCP */
    GRPC_LINK_OPENING,    /* TLS and HTTP/2 */
    GRPC_LINK_UP,
    GRPC_LINK_LEAVING, /* takes no new calls */
    GRPC_LINK_CLOSED,
};

struct grpc_link {
    struct grpc_grave grave;
    struct list node; /* in the channel's links */
    struct grpc_channel *channel;
    enum grpc_link_state state;
    uint64_t deadline_ns; /* for everything before UP */
    uint64_t up_ns;

    struct grpc_resolve *resolve;
    struct sockaddr_any addresses[GRPC_RESOLVE_MAX_ADDRESSES];
    size_t n_addresses;
    size_t n_tried;
    size_t first; /* index of the first to try: replicas share the load */

    int fd; /* connecting; -1: none */
    struct event *connected;
    struct event *timer; /* deadline_ns, before there is a session */

    bool has_session;
    bool is_secure;
    bool was_up;
    bool is_proven; /* a call was answered on it: the peer is good for something */
    struct grpc_session session;
};

/*
 * Begins. Tells the channel with grpc_channel_link_up(), _leaving() and _lost(), never from in
 * here. NULL when memory is short.
 */
struct grpc_link *grpc_link_new(struct grpc_channel *channel);

/* Starts a call on a link that is UP; false with `h2_error` 0 when the link can take no more. */
bool grpc_link_submit(struct grpc_link *link, struct grpc_pipe *pipe, const nghttp2_nv *fields,
                      size_t n_fields) MUST_USE;

/* Takes no new calls and closes after the last; before it is up, at once. */
void grpc_link_leave(struct grpc_link *link);

/* Closes and buries, inside a turn. Its pipes must have been detached. May be called twice. */
void grpc_link_close(struct grpc_link *link);

#endif
