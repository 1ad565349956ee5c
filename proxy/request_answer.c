/*
 * Answers of the proxy itself: an HTTP status and one line of text, or to a gRPC client a status of
 * gRPC's (trailers only), never a page.
 */
#include "proxy/request_parts.h"

#define OWN_NAME SLICE_LITERAL("outrigger")

static bool answer_grpc(struct request *request, struct head *head, enum request_reason reason)
{
    const char *status = arena_printf(head->arena, "%d", request->grpc_status);
    head->status = 200;
    head_remove(head, FIELD_CONTENT_TYPE);
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

struct head *request_own_head(struct request *request, unsigned status)
{
    struct arena *arena = &request->down->arena;
    struct head *head = arena_take(arena, sizeof(*head));
    if (!head)
        return NULL;
    head_init(head, arena);
    head->status = (uint16_t)status;
    return head_add_id(head, FIELD_SERVER, OWN_NAME) ? head : NULL;
}

/* What a client of gRPC's makes of an HTTP status (gRPC's http-grpc-status-mapping). */
static int grpc_status_of(unsigned status)
{
    switch (status) {
    case 400:
        return 13;
    case 401:
        return 16;
    case 403:
        return 7;
    case 404:
        return 12;
    case 429:
    case 502:
    case 503:
    case 504:
        return 14;
    default:
        return 2;
    }
}

static bool may_have_body(const struct request *request, const struct head *head)
{
    return !slice_eq_str(request->method, "HEAD") && head->status != 204 && head->status != 304;
}

static bool answer_send(struct request *request, enum request_reason reason, struct head *head,
                        struct slice body)
{
    bool has_body = !request->is_grpc && body.len && may_have_body(request, head);
    if (request->is_grpc && !answer_grpc(request, head, reason))
        return false;
    if (!request->is_grpc && head->status != 204)
        head->content_length = (int64_t)body.len;
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

enum request_step request_answer_with(struct request *request, enum request_reason reason,
                                      struct head *head, struct slice body)
{
    request->is_local = true;
    if (request->is_grpc && request->grpc_status < 0)
        request->grpc_status = grpc_status_of(head->status);
    bool is_sent = answer_send(request, reason, head, body);
    return request_end(request, reason, is_sent ? STREAM_CUT_NONE : STREAM_CUT_INTERNAL);
}

enum request_step request_answer(struct request *request, enum request_reason reason)
{
    request->is_local = true;
    if (request->step == REQUEST_ENDED)
        return REQUEST_ENDED;
    if (request->answer != ANSWER_NONE || request_reason_status(reason) == 0)
        return request_end(request, reason, STREAM_CUT_TRUNCATED);
    struct head *head = request_own_head(request, (unsigned)request_reason_status(reason));
    if (!head || !head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain")))
        return request_end(request, reason, STREAM_CUT_INTERNAL);
    if (request->is_grpc)
        request->grpc_status = request_reason_grpc_status(reason);
    return request_answer_with(request, reason, head, answer_body(request, reason));
}
