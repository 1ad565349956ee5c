#include "common/grpc/client.h"

#include "common/clock.h"
#include "common/grpc/call.h"
#include "common/grpc/channel.h"
#include "common/grpc/resolve.h"

struct grpc_channel *grpc_channel_new(struct event_base *base,
                                      const struct grpc_channel_options *options, struct err *err)
{
    char host[256], port[6];
    if (!grpc_target_split(options->target, host, sizeof(host), port, err))
        return NULL;
    struct grpc_channel *channel = grpc_channel_make(base, options);
    if (!channel)
        err_set(err, "out of memory for a channel to %s", options->target);
    return channel;
}

void grpc_channel_free(struct grpc_channel *channel)
{
    if (!channel)
        return;
    struct grpc_turn *turn = &channel->turn;
    grpc_turn_enter(turn);
    grpc_channel_end(channel);
    grpc_turn_leave(turn);
}

void grpc_channel_renew(struct grpc_channel *channel)
{
    struct grpc_turn *turn = &channel->turn;
    grpc_turn_enter(turn);
    grpc_channel_restart(channel);
    grpc_turn_leave(turn);
}

struct grpc_call *grpc_call_start(struct grpc_channel *channel, const char *path,
                                  const struct grpc_call_handlers *handlers, void *context,
                                  uint64_t deadline_ms)
{
    if (channel->state == GRPC_CHANNEL_FREED)
        return NULL;
    struct grpc_call *call = grpc_call_new(channel, path, handlers, context, deadline_ms);
    grpc_channel_run_soon(channel);
    return call;
}

bool grpc_call_send(struct grpc_call *call, struct slice message)
{
    return call->state != GRPC_CALL_ENDED && grpc_pipe_send(&call->pipe, message);
}

void grpc_call_done_sending(struct grpc_call *call)
{
    if (call->state != GRPC_CALL_ENDED)
        grpc_pipe_done_sending(&call->pipe);
}

void grpc_call_cancel(struct grpc_call *call)
{
    struct grpc_turn *turn = &call->channel->turn;
    grpc_turn_enter(turn);
    grpc_call_end(call, false, GRPC_CANCELLED, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    grpc_turn_leave(turn);
}

void grpc_call_pause(struct grpc_call *call)
{
    grpc_pipe_pause(&call->pipe);
}

void grpc_call_resume(struct grpc_call *call)
{
    if (call->state == GRPC_CALL_ENDED)
        return;
    grpc_pipe_resume(&call->pipe);
    if (call->state != GRPC_CALL_OPEN || call->pipe.session)
        return;
    /* The connection has gone, but the whole answer is here. */
    list_remove(&call->deferred);
    list_append(&call->channel->deferred, &call->deferred);
    grpc_channel_run_soon(call->channel);
}
