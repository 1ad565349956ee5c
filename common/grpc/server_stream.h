/*
 * The inside of a server's streams: understanding the request's head, calling the method, handing
 * out messages, and the trailers. server.h is the outside.
 */
#ifndef OUTRIGGER_COMMON_GRPC_SERVER_STREAM_H
#define OUTRIGGER_COMMON_GRPC_SERVER_STREAM_H

#include <nghttp2/nghttp2.h>

#include "common/buf.h"
#include "common/grpc/pipe.h"
#include "common/grpc/server.h"
#include "common/grpc/turn.h"

struct grpc_conn;

#define GRPC_STREAM_PATH_BYTES 256

enum grpc_stream_state {
    GRPC_STREAM_HEAD,   /* the request's head is being read */
    GRPC_STREAM_CALLED, /* the method has it */
    GRPC_STREAM_ENDING, /* the trailers wait for what is queued */
    GRPC_STREAM_CLOSED,
};

/* What the header fields of the request said. */
struct grpc_request {
    bool is_complete;
    bool is_post;
    bool is_grpc;
    bool is_compressed; /* grpc-encoding is not identity */
    bool has_timeout;
    bool has_bad_timeout;
    uint64_t timeout_ms;
    char path[GRPC_STREAM_PATH_BYTES]; /* cut if longer; no method of ours is that long */
};

struct grpc_stream {
    struct grpc_grave grave;
    struct grpc_conn *conn;
    enum grpc_stream_state state;
    struct grpc_pipe pipe;
    struct grpc_request request;
    struct grpc_stream_handlers handlers;
    void *context;
    bool is_accepted;
    bool has_sent_head; /* of the response */
    bool is_done_told;  /* on_peer_done */
    struct event *deadline;

    enum grpc_code code; /* for the trailers */
    struct buf message;  /* percent-coded */
    struct buf details;  /* base64 */
};

/* From inside nghttp2. NULL when memory is short. */
struct grpc_stream *grpc_stream_new(struct grpc_conn *conn);
void grpc_stream_on_header(struct grpc_pipe *pipe, struct slice name, struct slice value);
void grpc_stream_on_head(struct grpc_pipe *pipe);
void grpc_stream_on_sent(struct grpc_pipe *pipe);

/* Deferred: delivers what is new. */
void grpc_stream_on_ready(struct grpc_pipe *pipe);

/* The connection is going: on_close, and buried. */
void grpc_stream_on_lost(struct grpc_pipe *pipe);

#endif
