#include "common/grpc/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/grpc/link.h"
#include "common/grpc/metadata.h"
#include "common/version.h"

#define CALL_MAX_ATTEMPTS 5 /* streams that the peers' applications have not seen */

static struct grpc_call *call_of(struct grpc_pipe *pipe)
{
    return LIST_ENTRY(pipe, struct grpc_call, pipe);
}

/* ---- the request ---------------------------------------------------------------------------- */

static nghttp2_nv field(const char *name, const char *value)
{
    /* nghttp2 copies both, and does not write. */
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)value,
        .valuelen = strlen(value),
    };
}

static bool submit(struct grpc_call *call, struct grpc_link *link)
{
    const struct grpc_channel_options *options = &call->channel->options;
    char timeout[GRPC_TIMEOUT_TEXT_BYTES];
    nghttp2_nv fields[9] = {
        field(":method", "POST"),
        field(":scheme", link->is_secure ? "https" : "http"),
        field(":path", call->path),
        field(":authority", options->authority),
        field("te", "trailers"),
        field("content-type", "application/grpc"),
        field("user-agent", "outrigger/" OUTRIGGER_VERSION),
        field("grpc-accept-encoding", "identity"),
    };
    size_t n = 8;
    if (call->deadline_ns) {
        uint64_t now = clock_now_ns();
        uint64_t left = now < call->deadline_ns ? call->deadline_ns - now : 1;
        grpc_timeout_format((left + NS_PER_MS - 1) / NS_PER_MS, timeout);
        fields[n++] = field("grpc-timeout", timeout);
    }
    return grpc_link_submit(link, &call->pipe, fields, n);
}

void grpc_call_submit(struct grpc_call *call, struct grpc_link *link)
{
    struct err err;
    if (++call->attempts > CALL_MAX_ATTEMPTS) {
        err_set(&err, "refused %u times", CALL_MAX_ATTEMPTS);
        grpc_call_fail(call, GRPC_UNAVAILABLE, &err);
        return;
    }
    if (!submit(call, link)) {
        /* Out of stream IDs, or of memory: the call goes on waiting for another connection. */
        err_set(&err, "the connection takes no more calls");
        grpc_link_leave(link);
        grpc_channel_link_leaving(call->channel, link, &err);
        return;
    }
    list_remove(&call->waiting);
    call->state = GRPC_CALL_OPEN;
}

/* ---- the end -------------------------------------------------------------------------------- */

static void call_free(void *object)
{
    struct grpc_call *call = object;
    if (call->deadline)
        event_free(call->deadline);
    grpc_pipe_fini(&call->pipe);
    grpc_answer_fini(&call->answer);
    free(call->path);
    free(call);
}

void grpc_call_end(struct grpc_call *call, bool tells_user, enum grpc_code code,
                   struct slice message, struct slice details)
{
    if (call->state == GRPC_CALL_ENDED)
        return;
    call->state = GRPC_CALL_ENDED;
    list_remove(&call->node);
    list_remove(&call->waiting);
    list_remove(&call->deferred);
    event_del(call->deadline);
    grpc_session_detach(&call->pipe, call->pipe.is_in_done ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    const struct grpc_status status = {.code = code, .message = message, .details = details};
    if (tells_user)
        call->handlers.on_end(call->context, call, &status);
    grpc_turn_bury(&call->channel->turn, &call->grave, call, call_free);
}

void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const struct err *err)
{
    grpc_call_end(call, true, code, slice_str(err->text), (struct slice){NULL, 0});
}

/* The answer is complete: what it says is the status. */
static void end_as_answered(struct grpc_call *call)
{
    const struct grpc_answer *answer = &call->answer;
    struct err err;
    if (!answer->has_code) {
        err_set(&err, "the answer ended without a grpc-status");
        grpc_call_fail(call, GRPC_UNKNOWN, &err);
        return;
    }
    grpc_call_end(call, true, answer->code, buf_slice(&answer->message),
                  buf_slice(&answer->details));
}

/* PROTOCOL-HTTP2.md, "HTTP2 Error Codes". */
static enum grpc_code code_of_reset(uint32_t h2_error)
{
    switch (h2_error) {
    case NGHTTP2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case NGHTTP2_CANCEL:
        return GRPC_CANCELLED;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY:
        return GRPC_PERMISSION_DENIED;
    default:
        return GRPC_INTERNAL;
    }
}

/* A stream that the peer's application has not seen is tried again on the next connection. */
static bool call_again(struct grpc_call *call)
{
    if (call->answer.has_head || call->attempts >= CALL_MAX_ATTEMPTS ||
        call->channel->state == GRPC_CHANNEL_FREED || !grpc_pipe_rewind(&call->pipe))
        return false;
    call->state = GRPC_CALL_WAITING;
    list_append(&call->channel->waiting, &call->waiting);
    grpc_channel_run_soon(call->channel);
    return true;
}

static void end_as_reset(struct grpc_call *call)
{
    struct err err;
    if (call->pipe.is_refused && call_again(call))
        return;
    err_set(&err, "the stream was reset: %s", nghttp2_http2_strerror(call->pipe.h2_error));
    if (call->attempts >= CALL_MAX_ATTEMPTS)
        err_set(&err, "refused %u times", call->attempts);
    grpc_call_fail(call, code_of_reset(call->pipe.h2_error), &err);
}

void grpc_call_on_lost(struct grpc_pipe *pipe, const struct err *err)
{
    struct grpc_call *call = call_of(pipe);
    bool is_refused = pipe->is_closed && pipe->is_refused;
    grpc_session_detach(pipe, NGHTTP2_CANCEL);
    if (pipe->is_in_done)
        return; /* it is paused, and has its whole answer */
    if (is_refused && call_again(call))
        return;
    struct err why = *err;
    err_prefix(&why, "connection lost");
    grpc_call_fail(call, GRPC_UNAVAILABLE, &why);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_call *call = arg;
    struct grpc_channel *channel = call->channel;
    struct grpc_turn *turn = &channel->turn;
    struct err err;
    grpc_turn_enter(turn);
    err_set(&err, "no end within %llu ms", (unsigned long long)call->deadline_ms);
    if (call->state == GRPC_CALL_WAITING)
        err_set(&err, "no connection within %llu ms%s%s", (unsigned long long)call->deadline_ms,
                channel->has_lost ? "; last: " : "",
                channel->has_lost ? channel->lost_err.text : "");
    grpc_call_fail(call, GRPC_DEADLINE_EXCEEDED, &err);
    grpc_turn_leave(turn);
}

/* ---- the answer ----------------------------------------------------------------------------- */

bool grpc_call_on_header(struct grpc_pipe *pipe, struct slice name, struct slice value)
{
    return grpc_answer_field(&call_of(pipe)->answer, name, value);
}

void grpc_call_on_head(struct grpc_pipe *pipe, bool is_end)
{
    (void)is_end; /* the pipe knows */
    if (grpc_answer_block(&call_of(pipe)->answer))
        grpc_pipe_forget_sent(pipe);
}

static void end_as_bad(struct grpc_call *call, enum grpc_pipe_next what, uint32_t announced)
{
    struct err err;
    enum grpc_code code = GRPC_INTERNAL;
    switch (what) {
    case GRPC_PIPE_TOO_LONG:
        code = GRPC_RESOURCE_EXHAUSTED;
        err_set(&err, "the peer sends a message of %u bytes, at most %zu are taken", announced,
                call->pipe.max_message_bytes);
        break;
    case GRPC_PIPE_CUT:
        /* The peer's own reason for stopping short is the better one. */
        if (call->answer.has_code && call->answer.code != GRPC_OK) {
            end_as_answered(call);
            return;
        }
        err_set(&err, "the answer ended in the middle of a message");
        break;
    case GRPC_PIPE_COMPRESSED:
        err_set(&err, "the peer sends a compressed message, which was not offered");
        break;
    default:
        err_set(&err, "the peer sends what is no gRPC message");
        break;
    }
    grpc_call_fail(call, code, &err);
}

/* Hands out messages until there is none, the call is paused, or it has ended. */
static void hand_out(struct grpc_call *call)
{
    struct slice message;
    uint32_t announced = 0;
    while (call->state == GRPC_CALL_OPEN) {
        enum grpc_pipe_next what = grpc_pipe_next(&call->pipe, &message, &announced);
        switch (what) {
        case GRPC_PIPE_MESSAGE:
            call->handlers.on_message(call->context, call, message);
            break;
        case GRPC_PIPE_WAIT:
            return;
        case GRPC_PIPE_END:
            end_as_answered(call);
            return;
        default:
            end_as_bad(call, what, announced);
            return;
        }
    }
}

void grpc_call_on_ready(struct grpc_pipe *pipe)
{
    struct grpc_call *call = call_of(pipe);
    struct err err;
    if (call->state != GRPC_CALL_OPEN)
        return;
    if (grpc_answer_is_foreign(&call->answer, &err)) {
        grpc_call_fail(call, grpc_code_of_http(call->answer.http), &err);
        return;
    }
    hand_out(call);
    if (call->state == GRPC_CALL_OPEN && grpc_pipe_take_writable(pipe) &&
        call->handlers.on_writable)
        call->handlers.on_writable(call->context, call);
    if (call->state == GRPC_CALL_OPEN && pipe->is_closed && !pipe->is_in_done)
        end_as_reset(call);
}

/* ---- the beginning -------------------------------------------------------------------------- */

struct grpc_call *grpc_call_new(struct grpc_channel *channel, const char *path,
                                const struct grpc_call_handlers *handlers, void *context,
                                uint64_t deadline_ms)
{
    struct grpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->channel = channel;
    call->handlers = *handlers;
    call->context = context;
    call->deadline_ms = deadline_ms;
    list_init(&call->node);
    list_init(&call->waiting);
    list_init(&call->deferred);
    grpc_answer_init(&call->answer);
    grpc_pipe_init(&call->pipe, channel->options.max_message_bytes,
                   channel->options.max_queued_bytes, true);
    call->path = strdup(path);
    call->deadline = evtimer_new(channel->base, on_deadline, call);
    struct timeval wait = clock_timeval_ms(deadline_ms);
    if (!call->path || !call->deadline || (deadline_ms && event_add(call->deadline, &wait) < 0)) {
        call_free(call);
        return NULL;
    }
    if (deadline_ms)
        call->deadline_ns = clock_now_ns() + deadline_ms * NS_PER_MS;
    list_append(&channel->calls, &call->node);
    list_append(&channel->waiting, &call->waiting);
    return call;
}
