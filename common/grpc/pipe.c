#include "common/grpc/pipe.h"

#include <assert.h>

#include "common/grpc/framing.h"
#include "common/grpc/session.h"

#define PIPE_KEEP_BYTES 65536

void grpc_pipe_init(struct grpc_pipe *pipe, size_t max_message_bytes, size_t max_queued_bytes,
                    bool keeps_sent)
{
    *pipe = (struct grpc_pipe){
        .max_queued_bytes = max_queued_bytes,
        .max_message_bytes = max_message_bytes,
        .keeps_sent = keeps_sent,
    };
    list_init(&pipe->node);
    list_init(&pipe->ready);
    buf_init(&pipe->out, max_queued_bytes + GRPC_FRAMING_HEAD_BYTES + PIPE_KEEP_BYTES);
    /* A message, and a window of what follows it. */
    buf_init(&pipe->in,
             max_message_bytes + GRPC_FRAMING_HEAD_BYTES + 2 * GRPC_SESSION_STREAM_WINDOW);
}

void grpc_pipe_fini(struct grpc_pipe *pipe)
{
    list_remove(&pipe->node);
    list_remove(&pipe->ready);
    buf_fini(&pipe->out);
    buf_fini(&pipe->in);
}

/* ---- to the peer ---------------------------------------------------------------------------- */

static size_t queued_bytes(const struct grpc_pipe *pipe)
{
    return buf_len(&pipe->out) - pipe->sent;
}

bool grpc_pipe_send(struct grpc_pipe *pipe, struct slice message)
{
    uint8_t head[GRPC_FRAMING_HEAD_BYTES];
    size_t queued = queued_bytes(pipe);
    if (pipe->is_out_done || pipe->is_closed || message.len > UINT32_MAX)
        return false;
    if (message.len > pipe->max_queued_bytes || queued > pipe->max_queued_bytes - message.len ||
        !buf_room(&pipe->out, GRPC_FRAMING_HEAD_BYTES + message.len)) {
        pipe->was_refused = queued > 0;
        return false;
    }
    grpc_framing_head((uint32_t)message.len, head);
    bool has_room = buf_append(&pipe->out, head, sizeof(head)) &&
                    buf_append(&pipe->out, message.ptr, message.len);
    assert(has_room);
    (void)has_room;
    if (queued_bytes(pipe) >= pipe->max_queued_bytes / 2)
        pipe->was_half_full = true;
    grpc_session_has_output(pipe);
    return true;
}

void grpc_pipe_done_sending(struct grpc_pipe *pipe)
{
    pipe->is_out_done = true;
    grpc_session_has_output(pipe);
}

size_t grpc_pipe_take(struct grpc_pipe *pipe, uint8_t *bytes, size_t size, bool *is_end)
{
    struct slice next = slice_sub(buf_slice(&pipe->out), pipe->sent, size);
    if (next.len > 0)
        memcpy(bytes, next.ptr, next.len);
    if (pipe->keeps_sent && pipe->sent + next.len <= PIPE_KEEP_BYTES) {
        pipe->sent += next.len;
    } else {
        buf_consume(&pipe->out, pipe->sent + next.len);
        pipe->keeps_sent = false;
        pipe->sent = 0;
    }
    size_t left = queued_bytes(pipe);
    *is_end = left == 0 && pipe->is_out_done;
    if (next.len > 0 && ((pipe->was_half_full && left < pipe->max_queued_bytes / 2) ||
                         (pipe->was_refused && left == 0))) {
        pipe->was_half_full = pipe->was_refused = false;
        pipe->is_writable = true;
        grpc_session_mark_ready(pipe);
    }
    return next.len;
}

bool grpc_pipe_take_writable(struct grpc_pipe *pipe)
{
    bool is_writable = pipe->is_writable && !pipe->is_out_done && !pipe->is_closed;
    pipe->is_writable = false;
    return is_writable;
}

void grpc_pipe_forget_sent(struct grpc_pipe *pipe)
{
    pipe->keeps_sent = false;
    buf_consume(&pipe->out, pipe->sent);
    pipe->sent = 0;
}

bool grpc_pipe_rewind(struct grpc_pipe *pipe)
{
    if (!pipe->keeps_sent)
        return false;
    list_remove(&pipe->node);
    list_remove(&pipe->ready);
    pipe->session = NULL;
    pipe->id = 0;
    pipe->sent = 0;
    pipe->is_deferred = pipe->is_closed = pipe->is_refused = pipe->is_in_done = false;
    pipe->handed_out = pipe->credited = 0;
    buf_fini(&pipe->in);
    return true;
}

/* ---- from the peer -------------------------------------------------------------------------- */

static void credit(struct grpc_pipe *pipe, size_t bytes)
{
    if (bytes > 0)
        grpc_session_credit(pipe, bytes);
}

bool grpc_pipe_receive(struct grpc_pipe *pipe, struct slice bytes)
{
    return buf_append(&pipe->in, bytes.ptr, bytes.len);
}

/* The message that was handed out is consumed. */
static void drop_handed_out(struct grpc_pipe *pipe)
{
    size_t len = pipe->handed_out;
    pipe->handed_out = 0;
    if (len == 0)
        return;
    buf_consume(&pipe->in, len);
    size_t early = len < pipe->credited ? len : pipe->credited;
    pipe->credited -= early;
    credit(pipe, len - early);
}

static enum grpc_pipe_next nothing_whole(struct grpc_pipe *pipe)
{
    size_t len = buf_len(&pipe->in);
    if (pipe->is_in_done)
        return len == 0 ? GRPC_PIPE_END : GRPC_PIPE_CUT;
    credit(pipe, len - pipe->credited);
    pipe->credited = len;
    return GRPC_PIPE_WAIT;
}

enum grpc_pipe_next grpc_pipe_next(struct grpc_pipe *pipe, struct slice *message,
                                   uint32_t *announced)
{
    drop_handed_out(pipe);
    if (pipe->is_paused)
        return GRPC_PIPE_WAIT;
    switch (grpc_framing_next(buf_slice(&pipe->in), pipe->max_message_bytes, message, announced)) {
    case GRPC_FRAMING_MESSAGE:
        pipe->handed_out = GRPC_FRAMING_HEAD_BYTES + message->len;
        return GRPC_PIPE_MESSAGE;
    case GRPC_FRAMING_MORE:
        return nothing_whole(pipe);
    case GRPC_FRAMING_TOO_LONG:
        return GRPC_PIPE_TOO_LONG;
    case GRPC_FRAMING_COMPRESSED:
        return GRPC_PIPE_COMPRESSED;
    case GRPC_FRAMING_BAD_FLAG:
        return GRPC_PIPE_GARBAGE;
    }
    return GRPC_PIPE_GARBAGE;
}

void grpc_pipe_pause(struct grpc_pipe *pipe)
{
    pipe->is_paused = true;
}

void grpc_pipe_resume(struct grpc_pipe *pipe)
{
    if (!pipe->is_paused)
        return;
    pipe->is_paused = false;
    grpc_session_mark_ready(pipe);
}
