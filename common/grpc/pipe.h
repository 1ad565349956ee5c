/*
 * The messages of one stream, both ways: a bounded queue of what is not sent yet, and the bytes
 * that were received and not yet consumed. Client and server embed one in each of their streams.
 *
 * Flow control: bytes count as consumed, and their window is given back to the peer, when their
 * message was handed out, or at once while they are part of a message that is not whole (which
 * max_message_bytes bounds). While the pipe is paused nothing is given back, so that a peer that
 * sends on is stopped by its window, GRPC_SESSION_STREAM_WINDOW bytes later.
 */
#ifndef OUTRIGGER_COMMON_GRPC_PIPE_H
#define OUTRIGGER_COMMON_GRPC_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/slice.h"

struct grpc_session;

struct grpc_pipe {
    struct grpc_session *session; /* NULL: on no connection */
    int32_t id;                   /* of the stream; 0: none */
    struct list node;             /* in session->pipes */
    struct list ready;            /* in session->ready: the owner has something to look at */
    size_t head_bytes;            /* of the header block being received */

    struct buf out;          /* framed messages */
    size_t sent;             /* bytes at its front that were sent and are kept for a retry */
    size_t max_queued_bytes; /* for out without what was sent */
    bool keeps_sent;
    bool is_out_done;   /* nothing is to follow what is in `out` */
    bool is_deferred;   /* nghttp2 waits for grpc_pipe_send() or grpc_pipe_done_sending() */
    bool was_half_full; /* the owner is owed an on_writable when it is less than half full */
    bool was_refused;   /* likewise, when it is empty */
    bool is_writable;   /* and here it is */

    struct buf in;
    size_t handed_out; /* bytes at its front of the message that was handed out last */
    size_t credited;   /* bytes at its front whose window was given back */
    size_t max_message_bytes;
    bool is_paused;
    bool is_in_done; /* END_STREAM was received */

    bool is_closed;    /* the stream is; h2_error says how */
    bool is_refused;   /* the peer's application has certainly not seen the stream */
    uint32_t h2_error; /* RFC 9113 section 7 */
};

enum grpc_pipe_next {
    GRPC_PIPE_MESSAGE,
    GRPC_PIPE_WAIT,       /* no whole message yet, or paused */
    GRPC_PIPE_END,        /* END_STREAM was received and everything before it was handed out */
    GRPC_PIPE_CUT,        /* END_STREAM in the middle of a message */
    GRPC_PIPE_TOO_LONG,   /* beyond max_message_bytes */
    GRPC_PIPE_COMPRESSED, /* compressed, which we never offer */
    GRPC_PIPE_GARBAGE,    /* no gRPC message */
};

/* `keeps_sent`: what is sent is kept, up to 64 KiB, so that grpc_pipe_rewind() can send it again.
 */
void grpc_pipe_init(struct grpc_pipe *pipe, size_t max_message_bytes, size_t max_queued_bytes,
                    bool keeps_sent);
void grpc_pipe_fini(struct grpc_pipe *pipe);

/* Queues a message (copied). False beyond max_queued_bytes, after the end, or without memory. */
bool grpc_pipe_send(struct grpc_pipe *pipe, struct slice message) MUST_USE;

/* Ends what is sent after what is queued. */
void grpc_pipe_done_sending(struct grpc_pipe *pipe);

/* Takes up to `size` bytes to send. `is_end`: they were the last. Marks the pipe ready if due. */
size_t grpc_pipe_take(struct grpc_pipe *pipe, uint8_t *bytes, size_t size, bool *is_end);

/* Is owed an on_writable? Answers yes once. */
bool grpc_pipe_take_writable(struct grpc_pipe *pipe);

/* The peer has answered: what was sent need not be kept any more. */
void grpc_pipe_forget_sent(struct grpc_pipe *pipe);

/* Makes a pipe whose stream was refused as new. False when too much was sent to send it again. */
bool grpc_pipe_rewind(struct grpc_pipe *pipe) MUST_USE;

/* Bytes of a DATA frame. False when memory is short. */
bool grpc_pipe_receive(struct grpc_pipe *pipe, struct slice bytes) MUST_USE;

/*
 * The next message, good until the next call. For GRPC_PIPE_TOO_LONG `announced` is the length that
 * the peer wanted to send. After anything but MESSAGE and WAIT the pipe must not be asked again.
 */
enum grpc_pipe_next grpc_pipe_next(struct grpc_pipe *pipe, struct slice *message,
                                   uint32_t *announced);

void grpc_pipe_pause(struct grpc_pipe *pipe);
/* Marks the pipe ready if it is on a connection. */
void grpc_pipe_resume(struct grpc_pipe *pipe);

#endif
