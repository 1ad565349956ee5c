#include "proxy/request_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/wire.h"

/* Structs of requests that are kept, so that a request on a warm connection allocates nothing. */
#define IDLE_REQUESTS_MAX 256

static enum request_step (*const request_steps[])(struct request *) = {
#define X(step, name, function) [step] = function,
    REQUEST_STEPS(X)
#undef X
};

const char *request_step_name(enum request_step step)
{
    static const char *const names[] = {
#define X(step, name, function) [step] = name,
        REQUEST_STEPS(X)
#undef X
            [REQUEST_WAIT] = "wait",
        [REQUEST_ENDED] = "ended",
    };
    return names[step];
}

/* The only place where a request goes from step to step. */
void request_run(struct request *request)
{
    assert(!request->is_running);
    request->is_running = true;
    for (;;) {
        enum request_step next = request_steps[request->step](request);
        request->is_entered = true;
        if (next == REQUEST_WAIT || next == REQUEST_ENDED)
            break;
        request->step = next;
        request->is_entered = false;
    }
    request->is_running = false;
}

void request_resume_at(struct request *request, enum request_step step)
{
    request->step = step;
    request->is_entered = false;
    if (!request->is_running)
        request_run(request);
}

void request_set_detail(struct request *request, const char *text)
{
    const char *copy = arena_text(&request->down->arena, slice_str(text));
    request->detail = copy ? copy : "";
}

/* How long nothing may move. A tunnel is what any other connection of the service is. */
static uint64_t request_idle_limit_ms(const struct request *request)
{
    if (!request->is_tunnel)
        return request->workspace->codecs.limits->stream_idle_timeout_ms;
    if (request->service && request->service->idle_timeout_ms)
        return request->service->idle_timeout_ms;
    if (request->workload && request->workload->idle_timeout_ms)
        return request->workload->idle_timeout_ms;
    return request->workspace->settings->idle_timeout_ms;
}

void request_watch(struct request *request)
{
    timer_set(&request->workspace->timers, &request->timer, request->active_ns,
              request_idle_limit_ms(request));
}

/* Nothing has moved for too long: whose turn it was decides what is said. */
static void on_idle(struct timer *timer)
{
    struct request *request = LIST_ENTRY(timer, struct request, timer);
    struct workspace *workspace = request->workspace;
    uint64_t limit_ms = request_idle_limit_ms(request);
    uint64_t now_ns = clock_now_ns();
    uint64_t idle_ms = (now_ns - request->active_ns) / NS_PER_MS;
    if (idle_ms < limit_ms)
        timer_set(&workspace->timers, timer, now_ns, limit_ms - idle_ms);
    else if (request->is_tunnel)
        request_end(request, REQUEST_REASON_STREAM_IDLE, STREAM_CUT_TIMEOUT);
    else if (request->is_received && request->answer == ANSWER_NONE) {
        attempts_failed(&request->attempts, limit_ms * NS_PER_MS, now_ns);
        request_answer(request, REQUEST_REASON_REQUEST_TIMEOUT);
    } else {
        request_answer(request, REQUEST_REASON_STREAM_IDLE);
    }
}

static struct request *request_take(struct workspace *workspace)
{
    struct request *request;
    if (workspace->n_idle_requests == 0) {
        request = malloc(sizeof(*request));
    } else {
        request = LIST_ENTRY(workspace->idle_requests.next, struct request, node);
        list_remove(&request->node);
        workspace->n_idle_requests--;
    }
    if (request)
        *request = (struct request){.workspace = workspace};
    return request;
}

static void request_give(struct grave *grave)
{
    struct request *request = LIST_ENTRY(grave, struct request, grave);
    struct workspace *workspace = request->workspace;
    if (workspace->n_idle_requests >= IDLE_REQUESTS_MAX) {
        free(request);
        return;
    }
    list_prepend(&workspace->idle_requests, &request->node);
    workspace->n_idle_requests++;
}

void request_free_idle(struct workspace *workspace)
{
    LIST_EACH(node, &workspace->idle_requests)
        free(LIST_ENTRY(node, struct request, node));
    list_init(&workspace->idle_requests);
    workspace->n_idle_requests = 0;
}

static void request_fill(struct request *request, struct downstream *downstream,
                         struct stream *stream, struct head *head, bool is_end)
{
    struct workspace *workspace = request->workspace;
    request->downstream = downstream;
    request->down = stream;
    request->head = head;
    request->has_body = !is_end;
    request->is_received = is_end;
    request->spoken = head->version;
    request->method = head->method;
    request->authority = head->authority;
    request->upgrade = head->upgrade;
    request->policy = request->policy_why = request->detail = request->up_protocol = "";
    request->grpc_status = -1;
    request->begun_ns = request->active_ns = clock_now_ns();
    const struct field *type = head_find(head, FIELD_CONTENT_TYPE);
    request->is_grpc = type && slice_starts_with(type->value, SLICE_LITERAL("application/grpc"));
    timer_init(&request->timer, on_idle);
    request_set_ticket(request);
    if (workspace->snapshot->workload)
        request->workload = workload_hold(workspace->snapshot->workload);
    struct service *service = downstream_service(downstream);
    if (service)
        request->service = service_hold(service);
}

void request_begin(struct downstream *downstream, struct stream *stream, struct head *head,
                   bool is_end)
{
    struct workspace *workspace = downstream->workspace;
    struct request *request = request_take(workspace);
    if (!request) {
        telemetry_add(workspace->telemetry, COUNTER_SHED_MEMORY, 1);
        stream_close(stream, STREAM_CUT_REFUSED);
        return;
    }
    request_fill(request, downstream, stream, head, is_end);
    stream->events = &request_down_events;
    stream->owner = request;
    list_append(&downstream->requests, &request->node);
    downstream->n_requests++;
    if (!is_end)
        stream_pause(stream); /* until there is somebody to give it to */
    request_watch(request);
    request_record_begin(request);
    request->step = REQUEST_NORMALIZE;
    request_run(request);
}

static void request_drop_configuration(struct request *request)
{
    if (request->workload)
        workload_drop(request->workload);
    if (request->service)
        service_drop(request->service);
    if (request->endpoints)
        endpoints_drop(request->endpoints);
}

enum request_step request_end(struct request *request, enum request_reason reason,
                              enum stream_cut cut)
{
    struct workspace *workspace = request->workspace;
    if (request->step == REQUEST_ENDED)
        return REQUEST_ENDED;
    bool is_whole = request->answer == ANSWER_ENDED && !request->is_local;
    request->reason = reason;
    request_record(request);
    request->step = REQUEST_ENDED;
    pool_leave(&request->ticket);
    request_replay_drop(request);
    timer_cancel(&workspace->timers, &request->timer);
    request_stop_timeouts(request);
    request_mirror_drop(request);
    request_side_call_cancel(request);
    wire_free(request->external_answer);
    request->external_answer = NULL;
    request_breaker_end(request);
    /* In this order: the answer's head, which lives with `up`, must last as long as `down`. */
    stream_close(request->down, cut);
    if (request->up)
        stream_close(request->up, is_whole ? STREAM_CUT_NONE : STREAM_CUT_CANCELLED);
    request->up = request->down = NULL;
    attempts_end(&request->attempts);
    list_remove(&request->node);
    request->downstream->n_requests--;
    request_drop_configuration(request);
    graveyard_park(&workspace->graveyard, &request->grave, request_give);
    return REQUEST_ENDED;
}

/* As it came: what is not of the mesh means by its escapes what it likes. */
static void request_keep_path(struct request *request)
{
    struct slice target = request->head->path;
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    size_t len = mark ? (size_t)(mark - target.ptr) : target.len;
    request->path.path = slice_sub(target, 0, len);
    request->path.query = slice_sub(target, len, target.len);
    request->path.whole = target;
}

static const struct path_rules *request_path_rules(const struct request *request)
{
    static const struct path_rules strict = {SLASHES_REJECT, false}, keep = {SLASHES_KEEP, false};
    const struct workload *workload = request->workload;
    if (request_is_inbound(request))
        return workload ? &workload->inbound_paths : &strict;
    return workload ? &workload->outbound_paths : &keep;
}

/* The path, in the one form on which everybody agrees; what is forwarded as well. */
enum request_step request_normalize(struct request *request)
{
    const struct path_rules *rules = request_path_rules(request);
    if (!request_is_inbound(request) && (!request->service || !request->service->is_known)) {
        request_keep_path(request);
        return REQUEST_EDIT_OUTBOUND;
    }
    switch (path_normalize(request->head->path, rules, &request->down->arena, &request->path)) {
    case PATH_OK:
        break;
    case PATH_REFUSED:
        request_set_detail(request, request->path.why);
        return request_answer(request, REQUEST_REASON_PATH_REFUSED);
    case PATH_NO_MEMORY:
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    }
    request->head->path = request->path.whole;
    return request_is_inbound(request) ? REQUEST_EDIT_INBOUND : REQUEST_EDIT_OUTBOUND;
}
