/*
 * The part of a body that was sent before the request was answered: with it the request can be sent
 * again when it turns out that the server has not begun with it, as happens to the last requests
 * that reach a pod that is going. Small bodies only; nothing is kept once an answer has begun.
 */
#include "proxy/request_parts.h"

#define REPLAY_MAX_BYTES        (64 * 1024)
#define REPLAY_WORKER_MAX_BYTES ((size_t)16 * 1024 * 1024) /* of all requests of a worker */

void request_replay_drop(struct request *request)
{
    request->workspace->replay_bytes -= request->replay.len;
    queue_clear(&request->replay, request->workspace->codecs.slabs);
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
    if (!is_too_much && data.len <= REPLAY_MAX_BYTES - request->replay.len &&
        queue_append(&request->replay, workspace->codecs.slabs, data))
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
    const struct queue *kept = &request->replay;
    bool has_room = true;
    if (kept->len == 0 && !request->is_received)
        return true; /* nothing has come yet */
    request->is_body_begun = true;
    if (kept->len == 0)
        has_room = stream_send_data(request->up, slice_of("", 0), true);
    for (size_t at = 0; at < kept->len;) {
        struct slice data = queue_at(kept, at);
        at += data.len;
        has_room = stream_send_data(request->up, data, request->is_received && at == kept->len);
    }
    return has_room && !request->is_received;
}
