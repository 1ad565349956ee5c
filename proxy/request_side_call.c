/*
 * A unary call of gRPC's that the proxy makes because of a request, to a service that is asked
 * about it: through the pools, as every request of the mesh, with mutual TLS where the endpoint has
 * an identity. Endpoints that cannot be connected to are passed over within the call's time; once
 * it was sent it is not sent again.
 */
#include "proxy/request_parts.h"

#include <stdlib.h>

#include "common/clock.h"
#include "proxy/accept/loop.h"

#define ANSWER_MAX_BYTES (64 * 1024)
#define FRAME_BYTES      5 /* of gRPC: compressed or not, length */

struct side_call {
    struct request *request; /* NULL once it is over */
    struct workspace *workspace;
    side_call_on_answer *on_answer;
    struct arena arena; /* of `head` and the message */
    struct head head;
    struct slice frame; /* what is sent */
    struct pool_ticket ticket;
    struct stream *up;
    struct endpoints *endpoints; /* held */
    struct attempts attempts;
    struct timer timer;
    struct buf received;
    struct grave grave;
};

static void side_call_free(struct grave *grave)
{
    struct side_call *call = LIST_ENTRY(grave, struct side_call, grave);
    buf_fini(&call->received);
    arena_fini(&call->arena);
    free(call);
}

static void side_call_close(struct side_call *call, enum stream_cut cut)
{
    struct workspace *workspace = call->workspace;
    call->request = NULL;
    pool_leave(&call->ticket);
    timer_cancel(&workspace->timers, &call->timer);
    if (call->up)
        stream_close(call->up, cut);
    call->up = NULL;
    attempts_end(&call->attempts);
    endpoints_drop(call->endpoints);
    graveyard_park(&workspace->graveyard, &call->grave, side_call_free);
}

void request_side_call_cancel(struct request *request)
{
    struct side_call *call = request->side_call;
    request->side_call = NULL;
    if (call)
        side_call_close(call, STREAM_CUT_CANCELLED);
}

/* `why`: "" for an answer. */
static void side_call_over(struct side_call *call, struct slice message, const char *why)
{
    struct request *request = call->request;
    if (!request)
        return;
    request->side_call = NULL;
    call->on_answer(request, message, why);
    side_call_close(call, *why ? STREAM_CUT_CANCELLED : STREAM_CUT_NONE);
    if (!request->is_running)
        request_run(request);
}

static void side_call_failed(struct side_call *call, const char *why)
{
    side_call_over(call, slice_of(NULL, 0), why);
}

static void on_late(struct timer *timer)
{
    struct side_call *call = LIST_ENTRY(timer, struct side_call, timer);
    attempts_failed(&call->attempts, NS_PER_SEC, clock_now_ns());
    side_call_failed(call, "no answer in time");
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void side_call_read(struct side_call *call)
{
    struct slice got = buf_slice(&call->received);
    const uint8_t *frame = (const uint8_t *)got.ptr;
    if (got.len < FRAME_BYTES || frame[0] != 0) {
        side_call_failed(call, "the answer is no message of gRPC's");
        return;
    }
    uint32_t len =
        (uint32_t)frame[1] << 24 | (uint32_t)frame[2] << 16 | (uint32_t)frame[3] << 8 | frame[4];
    if (len != got.len - FRAME_BYTES)
        side_call_failed(call, "the answer is no single message of gRPC's");
    else
        side_call_over(call, slice_sub(got, FRAME_BYTES, len), "");
}

static void side_call_end(struct side_call *call, const struct head *last)
{
    char why[48];
    int status;
    attempts_connected(&call->attempts, clock_now_ns());
    if (!request_grpc_status(last, &status)) {
        side_call_failed(call, "the answer has no grpc-status");
    } else if (status != 0) {
        snprintf(why, sizeof(why), "it answered with grpc-status %d", status);
        side_call_failed(call, why);
    } else {
        side_call_read(call);
    }
}

static void on_up_head(struct stream *up, struct head *head, bool is_end)
{
    struct side_call *call = up->owner;
    char why[48];
    if (head->status < 200)
        return;
    if (head->status != 200) {
        snprintf(why, sizeof(why), "it answered with status %u", head->status);
        side_call_failed(call, why);
    } else if (is_end) {
        side_call_end(call, head);
    }
}

static void on_up_data(struct stream *up, struct slice data, bool is_end)
{
    struct side_call *call = up->owner;
    if (!buf_append(&call->received, data.ptr, data.len))
        side_call_failed(call, "the answer is too large");
    else if (is_end)
        side_call_failed(call, "the answer has no trailers");
}

static void on_up_trailers(struct stream *up, struct head *trailers)
{
    side_call_end(up->owner, trailers);
}

static void on_up_reset(struct stream *up, enum stream_cut cut, bool is_unprocessed)
{
    struct side_call *call = up->owner;
    (void)is_unprocessed;
    attempts_failed(&call->attempts, NS_PER_SEC, clock_now_ns());
    side_call_failed(call, stream_cut_word(cut));
}

static void on_up_drained(struct stream *up)
{
    (void)up; /* all of it was given at once */
}

static const struct stream_events side_call_events = {
    .on_head = on_up_head,
    .on_data = on_up_data,
    .on_trailers = on_up_trailers,
    .on_reset = on_up_reset,
    .on_drained = on_up_drained,
};

/* ---- the way to it -------------------------------------------------------------------------- */

static void on_ready(struct pool_ticket *ticket, struct codec *codec, bool is_new,
                     uint64_t connect_ns)
{
    struct side_call *call = LIST_ENTRY(ticket, struct side_call, ticket);
    (void)is_new;
    (void)connect_ns;
    call->up = codec_open(codec, &call->head, false, &side_call_events, call);
    if (!call->up)
        side_call_failed(call, "out of memory");
    else
        (void)stream_send_data(call->up, call->frame, true);
}

static void side_call_connect(struct side_call *call);

static void on_failed(struct pool_ticket *ticket, enum reason reason, const char *detail)
{
    struct side_call *call = LIST_ENTRY(ticket, struct side_call, ticket);
    attempts_failed(&call->attempts, NS_PER_SEC, clock_now_ns());
    if (reason == REASON_CONNECT_FAILED || reason == REASON_CONNECT_TIMEOUT)
        side_call_connect(call);
    else
        side_call_failed(call, *detail ? detail : reason_word(reason));
}

/* To the next endpoint: not to a port of the proxies', nor to the pod itself, past its policy. */
static void side_call_connect(struct side_call *call)
{
    struct workspace *workspace = call->workspace;
    const struct request *request = call->request;
    const struct downstream *downstream = request->downstream;
    struct balancer *balancer =
        balancers_get(&workspace->balancers, BALANCE_REQUESTS, call->endpoints);
    const struct endpoint *endpoint =
        balancer ? attempts_next(&call->attempts, balancer, workspace->settings->connect_attempts,
                                 clock_now_ns())
                 : NULL;
    if (!endpoint) {
        side_call_failed(call, "no endpoint could be connected to");
        return;
    }
    if (loop_is_self(request->workload, &endpoint->addr) ||
        loop_is_loop(workspace->settings, request->workload, downstream->direction,
                     downstream->codec->conn.fd, &endpoint->addr) ||
        !request_mark_head(&call->head, endpoint->identity[0], HTTP_2)) {
        side_call_failed(call, "its endpoint is the pod itself");
        return;
    }
    const struct pool_key key = {.address = endpoint->addr,
                                 .identity = endpoint->identity,
                                 .on_behalf = "",
                                 .protocol = POOL_HTTP_2};
    const struct pool_limits limits =
        request_pool_limits(workspace, POOL_HTTP_2, request_connect_timeout_ms(request));
    pool_take(workspace->pools, &key, &limits, false, &call->ticket);
}

/* "judge.demo:9000" of "demo/judge:9000"; NULL: memory is short. */
static const char *authority_of(struct arena *arena, const char *service)
{
    const char *slash = strchr(service, '/');
    const char *colon = strrchr(service, ':');
    if (!slash || !colon || colon < slash)
        return arena_text(arena, slice_str(service));
    return arena_printf(arena, "%.*s.%.*s%s", (int)(colon - slash - 1), slash + 1,
                        (int)(slash - service), service, colon);
}

static bool side_call_fill(struct side_call *call, const struct external_service *service,
                           const char *method, const ProtobufCMessage *message)
{
    struct arena *arena = &call->arena;
    struct head *head = &call->head;
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = arena_take(arena, FRAME_BYTES + len);
    const char *authority = authority_of(arena, service->service);
    const char *timeout = arena_printf(arena, "%llum", (unsigned long long)service->timeout_ms);
    if (!frame || !authority || !timeout)
        return false;
    frame[1] = (uint8_t)(len >> 24);
    frame[2] = (uint8_t)(len >> 16);
    frame[3] = (uint8_t)(len >> 8);
    frame[4] = (uint8_t)len;
    protobuf_c_message_pack(message, frame + FRAME_BYTES);
    call->frame = slice_of((char *)frame, FRAME_BYTES + len);
    head_init(head, arena);
    head->version = HTTP_2;
    head->content_length = CONTENT_LENGTH_NONE;
    head->method = SLICE_LITERAL("POST");
    head->scheme = SLICE_LITERAL("http");
    head->authority = slice_str(authority);
    head->path = slice_str(method);
    return head_add(head, SLICE_LITERAL("content-type"), SLICE_LITERAL("application/grpc")) &&
           head_add(head, SLICE_LITERAL("te"), SLICE_LITERAL("trailers")) &&
           head_add(head, SLICE_LITERAL("grpc-timeout"), slice_str(timeout));
}

bool request_side_call_begin(struct request *request, const struct external_service *service,
                             const char *method, const ProtobufCMessage *message,
                             side_call_on_answer *on_answer)
{
    struct workspace *workspace = request->workspace;
    struct endpoints *endpoints =
        *service->endpoints ? snapshot_endpoints(workspace->snapshot, slice_str(service->endpoints))
                            : NULL;
    struct side_call *call = endpoints ? calloc(1, sizeof(*call)) : NULL;
    if (!call || !side_call_fill(call, service, method, message)) {
        if (call)
            side_call_free(&call->grave);
        return false;
    }
    call->request = request;
    call->workspace = workspace;
    call->on_answer = on_answer;
    call->endpoints = endpoints_hold(endpoints);
    buf_init(&call->received, ANSWER_MAX_BYTES);
    list_init(&call->ticket.node);
    call->ticket.on_ready = on_ready;
    call->ticket.on_failed = on_failed;
    timer_init(&call->timer, on_late);
    timer_set(&workspace->timers, &call->timer, clock_now_ns(), service->timeout_ms);
    request->side_call = call;
    side_call_connect(call);
    return true;
}
