/*
 * Answers of the proxy itself: an HTTP status and one line of text, or to a gRPC client a status of
 * gRPC's (trailers only), never a page.
 */
#include "proxy/request_parts.h"

#define OWN_NAME SLICE_LITERAL("outrigger")

static bool answer_grpc(struct request *request, struct head *head, enum request_reason reason)
{
    request->grpc_status = request_reason_grpc_status(reason);
    const char *status = arena_printf(head->arena, "%d", request->grpc_status);
    head->status = 200;
    return status && head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("application/grpc")) &&
           head_add_id(head, FIELD_GRPC_STATUS, slice_str(status)) &&
           head_add_id(head, FIELD_GRPC_MESSAGE, slice_str(request_reason_help(reason)));
}

/* "connect_failed: no endpoint could be connected to" */
static struct slice answer_body(struct request *request, enum request_reason reason)
{
    return slice_str(arena_printf(&request->down->arena, "%s: %s\n", request_reason_word(reason),
                                  request_reason_help(reason)));
}

static bool answer_http(struct head *head, enum request_reason reason, struct slice body)
{
    head->status = (uint16_t)request_reason_status(reason);
    head->content_length = (int64_t)body.len;
    return head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain"));
}

static bool answer_send(struct request *request, enum request_reason reason)
{
    struct arena *arena = &request->down->arena;
    struct head *head = arena_take(arena, sizeof(*head));
    struct slice body = request->is_grpc ? slice_of(NULL, 0) : answer_body(request, reason);
    bool has_body = body.len && !slice_eq_str(request->method, "HEAD");
    if (!head)
        return false;
    head_init(head, arena);
    if (!head_add_id(head, FIELD_SERVER, OWN_NAME) ||
        !(request->is_grpc ? answer_grpc(request, head, reason) : answer_http(head, reason, body)))
        return false;
    /* For the proxy that asks: whether the application has seen the request. */
    if (downstream_is_mesh(request->downstream) &&
        !head_add(head, REQUEST_REASON_FIELD, slice_str(request_reason_word(reason))))
        return false;
    if (!stream_send_head(request->down, head, !has_body))
        return false;
    request->status = head->status;
    request->answer = ANSWER_ENDED;
    if (has_body)
        (void)stream_send_data(request->down, body, true);
    return true;
}

enum request_step request_answer(struct request *request, enum request_reason reason)
{
    request->is_local = true;
    if (request->step == REQUEST_ENDED)
        return REQUEST_ENDED;
    if (request->answer != ANSWER_NONE || request_reason_status(reason) == 0)
        return request_end(request, reason, STREAM_CUT_TRUNCATED);
    bool is_sent = answer_send(request, reason);
    return request_end(request, reason, is_sent ? STREAM_CUT_NONE : STREAM_CUT_INTERNAL);
}
