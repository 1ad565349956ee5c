/*
 * The part of a body that was sent before the request was answered: with it the request can be sent
 * again when it turns out that the server has not begun with it, as happens to the last requests
 * that reach a pod that is going. Small bodies only; nothing is kept once an answer has begun.
 */
#include "proxy/request_parts.h"

#define REPLAY_MAX_BYTES        (64 * 1024)
#define REPLAY_WORKER_MAX_BYTES ((size_t)16 * 1024 * 1024) /* of all requests of a worker */

void request_replay_init(struct request *request)
{
    buf_init(&request->replay, REPLAY_MAX_BYTES);
}

void request_replay_drop(struct request *request)
{
    request->workspace->replay_bytes -= buf_len(&request->replay);
    buf_fini(&request->replay);
    request->is_replay_lost = true;
}

void request_replay_keep(struct request *request, struct slice data)
{
    struct workspace *workspace = request->workspace;
    if (request->is_replay_lost || data.len == 0)
        return;
    bool is_too_much = workspace->replay_bytes + data.len > REPLAY_WORKER_MAX_BYTES;
    if (is_too_much)
        telemetry_add(workspace->telemetry, COUNTER_REPLAYS_SHED, 1);
    if (!is_too_much && buf_append(&request->replay, data.ptr, data.len))
        workspace->replay_bytes += data.len;
    else
        request_replay_drop(request);
}

bool request_replay_is_whole(const struct request *request)
{
    return !request->is_body_begun || !request->is_replay_lost;
}

bool request_replay_send(struct request *request)
{
    struct slice kept = buf_slice(&request->replay);
    if (kept.len == 0 && !request->is_received)
        return true; /* nothing has come yet */
    request->is_body_begun = true;
    return stream_send_data(request->up, kept, request->is_received) && !request->is_received;
}
