/*
 * The inside of a client's channel: which connection is the current one, when the next attempt may
 * be made, and which calls wait for it. client.h is the outside; client.c has the calls.
 */
#ifndef OUTRIGGER_COMMON_GRPC_CHANNEL_H
#define OUTRIGGER_COMMON_GRPC_CHANNEL_H

#include "common/grpc/client.h"
#include "common/grpc/session.h"
#include "common/grpc/turn.h"
#include "common/list.h"

struct grpc_link;

enum grpc_channel_state {
    GRPC_CHANNEL_IDLE,    /* no connection, and none is wanted */
    GRPC_CHANNEL_TRYING,  /* `link` is being made */
    GRPC_CHANNEL_UP,      /* `link` takes calls */
    GRPC_CHANNEL_BACKOFF, /* none before retry_ns */
    GRPC_CHANNEL_FREED,
};

struct grpc_channel {
    struct grpc_turn turn;
    struct grpc_grave grave;
    struct event_base *base;
    struct grpc_channel_options options; /* defaults filled in; strings are ours */

    enum grpc_channel_state state;
    struct grpc_link *link; /* the current one, TRYING or UP */
    struct list links;      /* all, with those that are leaving */
    bool wants_link;        /* also if no call waits */
    unsigned failures;      /* in a row */
    uint64_t retry_ns;
    struct err lost_err; /* why the last connection was lost or not made */
    bool has_lost;

    struct list calls;    /* all of them, of struct grpc_call */
    struct list waiting;  /* for a connection */
    struct list deferred; /* with something to tell the user */
    struct event *work;   /* looks at waiting and deferred soon */
    struct event *timer;  /* retry_ns */
};

/* What links tell their channel; deferred, inside a turn, may end calls. */
void grpc_channel_link_up(struct grpc_channel *channel, struct grpc_link *link);
void grpc_channel_link_leaving(struct grpc_channel *channel, struct grpc_link *link,
                               const struct err *err);
void grpc_channel_link_lost(struct grpc_channel *channel, struct grpc_link *link,
                            const struct err *err);

/* The target has been checked; strings are copied. NULL when memory is short. */
struct grpc_channel *grpc_channel_make(struct event_base *base,
                                       const struct grpc_channel_options *options);

/* Another connection for the calls to come, at once. Inside a turn. */
void grpc_channel_restart(struct grpc_channel *channel);

/* Ends every call and closes every link; buries the channel. Inside a turn. */
void grpc_channel_end(struct grpc_channel *channel);

/* Looks at what waits from the event loop, soon. */
void grpc_channel_run_soon(struct grpc_channel *channel);

#endif
