/*
 * The last step: the request's body one way, the answer the other, each as fast as its receiver
 * takes it: what one side is given goes to the other in the same call. Nothing is kept but what
 * request_replay.c keeps of a small body, until it is answered.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"

#define IS_INTERIM(status) ((status) < 200 && (status) != 101)

static void relay_moved(struct request *request)
{
    request->active_ns = clock_coarse_ns();
}

/* Is there nothing more to wait for? An answer that has ended ends the exchange, but a tunnel. */
static bool relay_is_over(const struct request *request)
{
    return request->answer == ANSWER_ENDED && (!request->is_tunnel || request->is_received);
}

static void relay_finish(struct request *request)
{
    if (relay_is_over(request))
        request_end(request, REQUEST_REASON_NONE, STREAM_CUT_NONE);
}

enum request_step request_relay(struct request *request)
{
    if (!request->is_entered && request->has_body && request_replay_send(request))
        stream_resume(request->down);
    return REQUEST_WAIT;
}

/* ---- from the client ---- */

static void on_down_data(struct stream *down, struct slice data, bool is_end)
{
    struct request *request = down->owner;
    relay_moved(request);
    request->bytes_sent += data.len;
    request->is_body_begun = true;
    request->is_received = is_end;
    request_replay_keep(request, data);
    if (request->mirrors)
        request_mirror_data(request, data, is_end);
    if (!stream_send_data(request->up, data, is_end) && !is_end)
        stream_pause(down);
    if (is_end)
        relay_finish(request);
}

/* What only the proxy may say to the application. */
static void strip_trailers(const struct workload *workload, struct head *trailers)
{
    jwt_strip(&workload->jwt, trailers);
    external_authorization_strip(&workload->authorization, trailers);
}

static void on_down_trailers(struct stream *down, struct head *trailers)
{
    struct request *request = down->owner;
    relay_moved(request);
    request->is_body_begun = request->is_received = true;
    request_replay_drop(request);
    request_mirror_data(request, slice_of("", 0), true);
    if (request_is_inbound(request) && request->workload)
        strip_trailers(request->workload, trailers);
    if (!stream_send_trailers(request->up, trailers))
        request_answer(request, REQUEST_REASON_NO_MEMORY);
}

static void on_down_reset(struct stream *down, enum stream_cut cut, bool is_unprocessed)
{
    struct request *request = down->owner;
    (void)is_unprocessed;
    if (cut == STREAM_CUT_TIMEOUT && request->answer == ANSWER_NONE)
        request->status = 408; /* as the codec has answered */
    request_end(request,
                cut == STREAM_CUT_PROTOCOL || cut == STREAM_CUT_TOO_LARGE ? REQUEST_REASON_MALFORMED
                : cut == STREAM_CUT_TIMEOUT ? REQUEST_REASON_STREAM_IDLE
                                            : REQUEST_REASON_CLIENT_GONE,
                STREAM_CUT_NONE);
}

static void on_down_drained(struct stream *down)
{
    const struct request *request = down->owner;
    if (request->up && request->answer == ANSWER_BEGUN)
        stream_resume(request->up);
}

const struct stream_events request_down_events = {
    .on_data = on_down_data,
    .on_trailers = on_down_trailers,
    .on_reset = on_down_reset,
    .on_drained = on_down_drained,
};

/* ---- from the server ---- */

bool request_grpc_status(const struct head *head, int *status)
{
    const struct field *field = head_find(head, FIELD_GRPC_STATUS);
    if (!field || field->value.len < 1 || field->value.len > 2)
        return false;
    *status = 0;
    for (size_t i = 0; i < field->value.len; i++)
        *status = *status * 10 + (field->value.ptr[i] - '0');
    return true;
}

static void relay_see_grpc_status(struct request *request, const struct head *head)
{
    if (request->is_grpc)
        (void)request_grpc_status(head, &request->grpc_status);
}

/* Why the endpoint's proxy answered itself is for our log, and for nobody else. */
static void relay_hide_reason(struct request *request, struct head *head)
{
    const struct field *said = head_find_name(head, REQUEST_REASON_FIELD);
    if (!said)
        return;
    if (request->endpoint && request->endpoint->identity[0]) {
        const char *text = arena_printf(&request->down->arena, "the endpoint's proxy: %.*s",
                                        SLICE_ARG(said->value));
        request->detail = text ? text : "";
    }
    head_remove_name(head, REQUEST_REASON_FIELD);
}

static void on_up_head(struct stream *up, struct head *head, bool is_end)
{
    struct request *request = up->owner;
    relay_moved(request);
    if (IS_INTERIM(head->status)) {
        if (!stream_send_head(request->down, head, false))
            request_answer(request, REQUEST_REASON_UPSTREAM_MALFORMED);
        return;
    }
    /* To a gRPC client a proxy says no with 200 and trailers only. */
    if (head->status >= 400 || (request->is_grpc && is_end)) {
        request_report_head(request, head, is_end);
        if (request_was_refused(request, head)) {
            request_send_again(request, true);
            return;
        }
        if (request_retry_answer(request, head, is_end))
            return;
        relay_hide_reason(request, head);
    } else {
        request_report_head(request, head, is_end);
    }
    request_replay_drop(request);
    request->status = head->status;
    request->head_ns = clock_now_ns();
    request->is_tunnel =
        head->status == 101 || (slice_eq_str(request->method, "CONNECT") && head->status < 300);
    if (request->is_tunnel) {
        request_stop_timeouts(request);
        request_watch(request);
    }
    attempts_connected(&request->attempts, request->head_ns);
    relay_see_grpc_status(request, head);
    if (!request_filter_answer(request, head) || !request_hash_answer(request, head) ||
        !stream_send_head(request->down, head, is_end)) {
        request_answer(request, REQUEST_REASON_UPSTREAM_MALFORMED);
        return;
    }
    request->answer = is_end ? ANSWER_ENDED : ANSWER_BEGUN;
    request_record_head(request);
    relay_finish(request);
}

static void on_up_data(struct stream *up, struct slice data, bool is_end)
{
    struct request *request = up->owner;
    relay_moved(request);
    request->bytes_received += data.len;
    if (is_end)
        request->answer = ANSWER_ENDED;
    if (!stream_send_data(request->down, data, is_end) && !is_end)
        stream_pause(up);
    if (is_end)
        relay_finish(request);
}

static void on_up_trailers(struct stream *up, struct head *trailers)
{
    struct request *request = up->owner;
    relay_moved(request);
    relay_see_grpc_status(request, trailers);
    request_report_trailers(request, trailers);
    if (!stream_send_trailers(request->down, trailers)) {
        request_answer(request, REQUEST_REASON_NO_MEMORY);
        return;
    }
    request->answer = ANSWER_ENDED;
    relay_finish(request);
}

static void on_up_reset(struct stream *up, enum stream_cut cut, bool is_unprocessed)
{
    struct request *request = up->owner;
    if (request->answer == ANSWER_NONE) {
        request_up_failed(request, cut, is_unprocessed);
    } else {
        request_set_detail(request, stream_cut_word(cut));
        request_end(request, REQUEST_REASON_UPSTREAM_CUT,
                    cut == STREAM_CUT_CANCELLED ? cut : STREAM_CUT_TRUNCATED);
    }
}

static void on_up_drained(struct stream *up)
{
    const struct request *request = up->owner;
    if (!request->is_received)
        stream_resume(request->down);
}

const struct stream_events request_up_events = {
    .on_head = on_up_head,
    .on_data = on_up_data,
    .on_trailers = on_up_trailers,
    .on_reset = on_up_reset,
    .on_drained = on_up_drained,
};
