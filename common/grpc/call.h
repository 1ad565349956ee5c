/*
 * The inside of a client's calls: sending the request, understanding the answer, and the one end
 * that each call has. client.h is the outside.
 */
#ifndef OUTRIGGER_COMMON_GRPC_CALL_H
#define OUTRIGGER_COMMON_GRPC_CALL_H

#include "common/grpc/answer.h"
#include "common/grpc/channel.h"
#include "common/grpc/pipe.h"
#include "common/grpc/turn.h"

enum grpc_call_state {
    GRPC_CALL_WAITING, /* for a connection */
    GRPC_CALL_OPEN,    /* has a stream */
    GRPC_CALL_ENDED,   /* on_end was called, or grpc_call_cancel() */
};

struct grpc_call {
    struct grpc_grave grave;
    struct list node;     /* in the channel's calls */
    struct list waiting;  /* in the channel's waiting */
    struct list deferred; /* in the channel's deferred */
    struct grpc_channel *channel;
    enum grpc_call_state state;
    struct grpc_pipe pipe;
    struct grpc_call_handlers handlers;
    void *context;
    char *path;
    unsigned attempts; /* streams so far */
    uint64_t deadline_ms;
    uint64_t deadline_ns; /* 0: none */
    struct event *deadline;
    struct grpc_answer answer;
};

/* NULL when memory is short. The call is in the channel's lists. */
struct grpc_call *grpc_call_new(struct grpc_channel *channel, const char *path,
                                const struct grpc_call_handlers *handlers, void *context,
                                uint64_t deadline_ms);

/*
 * Ends the call and buries it, inside a turn; does nothing if it was ended before. `tells_user`:
 * on_end is called.
 */
void grpc_call_end(struct grpc_call *call, bool tells_user, enum grpc_code code,
                   struct slice message, struct slice details);

/* The same, with the text of an error. */
void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const struct err *err);

/* Gives a waiting call a stream on a link that is up; the link may leave instead. */
void grpc_call_submit(struct grpc_call *call, struct grpc_link *link);

/* The connection of a call has gone. */
void grpc_call_on_lost(struct grpc_pipe *pipe, const struct err *err);

/* Delivers what is new; deferred. */
void grpc_call_on_ready(struct grpc_pipe *pipe);

/* From inside nghttp2; takes notes. */
bool grpc_call_on_header(struct grpc_pipe *pipe, struct slice name, struct slice value);
void grpc_call_on_head(struct grpc_pipe *pipe, bool is_end);

#endif
