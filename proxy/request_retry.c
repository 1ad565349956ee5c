/*
 * Further attempts that a route asks for: after which ends of an attempt, how many, how soon, and
 * within which budget. (What is safe to hide is tried again without being asked:
 * request_upstream.c.) Only before an answer has begun, and while everything is kept that another
 * attempt has to send.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "common/jitter.h"

/* A server that asks for more patience gets none: its answer goes to the client. */
#define PATIENCE_MS 10000

#define RETRY_AFTER   SLICE_LITERAL("retry-after")
#define GRPC_PUSHBACK SLICE_LITERAL("grpc-retry-pushback-ms")

static const struct retry_rules *retry_rules_of(const struct request *request)
{
    return request->match && request->match->rule->retry.attempts ? &request->match->rule->retry
                                                                  : NULL;
}

/* Full jitter: anything from nothing to the bound, which doubles with each attempt. */
static uint64_t back_off_ms(const struct retry_rules *rules, unsigned n_before)
{
    uint64_t bound = rules->backoff_ms;
    for (unsigned i = 0; i < n_before && bound < rules->backoff_max_ms; i++)
        bound *= 2;
    return jitter_below((bound < rules->backoff_max_ms ? bound : rules->backoff_max_ms) + 1);
}

/* Takes an attempt, if there is one. Then the step must become REQUEST_BACK_OFF. */
static bool retry_take(struct request *request, uint64_t at_least_ms)
{
    const struct retry_rules *rules = retry_rules_of(request);
    const struct routes *routes = request->service->routes;
    struct telemetry_shard *telemetry = request->workspace->telemetry;
    if (request->n_route_retries >= rules->attempts)
        return false;
    if (!request_replay_is_whole(request)) {
        telemetry_add(telemetry, COUNTER_RETRIES_NO_REPLAY, 1);
        return false;
    }
    if (!request_breaker_retry(request))
        return false;
    if (!retry_budget_take(&request->service->shared->retries, routes->budget_percent,
                           routes->budget_min_per_second, clock_now_ns())) {
        telemetry_add(telemetry, COUNTER_RETRIES_OVER_BUDGET, 1);
        return false;
    }
    telemetry_add(telemetry, COUNTER_ROUTE_RETRIES, 1);
    request->back_off_ms = back_off_ms(rules, request->n_route_retries++);
    if (request->back_off_ms < at_least_ms)
        request->back_off_ms = at_least_ms;
    request->may_start_over = true;
    request->has_raced = request->is_must_be_new = false;
    return true;
}

/* What is left of the attempt that failed. */
static void attempt_abandon(struct request *request)
{
    timer_cancel(&request->workspace->timers, &request->attempt_timer);
    pool_leave(&request->ticket);
    request_breaker_wait_over(request);
    if (request->has_body && !request->is_received)
        stream_pause(request->down);
    if (request->up)
        stream_close(request->up, STREAM_CUT_CANCELLED);
    request->up = NULL;
}

static bool retry_begin(struct request *request, uint64_t at_least_ms)
{
    if (!retry_take(request, at_least_ms))
        return false;
    attempt_abandon(request);
    return true;
}

bool request_retry_connect(struct request *request)
{
    const struct retry_rules *rules = retry_rules_of(request);
    return rules && rules->on_connect_failure && retry_begin(request, 0);
}

bool request_retry_reset(struct request *request)
{
    const struct retry_rules *rules = retry_rules_of(request);
    return rules && rules->on_reset && retry_begin(request, 0);
}

static bool has_status(const struct retry_rules *rules, uint16_t status)
{
    for (size_t i = 0; i < rules->n_statuses; i++)
        if (rules->statuses[i] == status)
            return true;
    return false;
}

void request_attempt_late(struct request *request)
{
    const struct retry_rules *rules = retry_rules_of(request);
    if (request->answer == ANSWER_NONE) {
        request_blame_endpoint(request);
        request_report_local_failure(request);
        if (rules && (rules->on_reset || has_status(rules, 504)) && retry_begin(request, 0)) {
            request_resume_at(request, REQUEST_BACK_OFF);
            return;
        }
    }
    request_answer(request, REQUEST_REASON_REQUEST_TIMEOUT);
}

/* The number of the field, in its unit; 0 without one; UINT64_MAX: it is not to be tried again. */
static uint64_t field_number(const struct head *head, struct slice name)
{
    const struct field *field = head_find_name(head, name);
    uint64_t number = 0;
    if (!field)
        return 0;
    for (size_t i = 0; i < field->value.len; i++) {
        char c = field->value.ptr[i];
        if (c < '0' || c > '9' || number > PATIENCE_MS)
            return UINT64_MAX; /* a date, a negative push-back, or more than we wait */
        number = number * 10 + (uint64_t)(c - '0');
    }
    return number;
}

/* What the server asks for before another attempt. False: it wants none, or none so soon. */
static bool patience_asked(const struct request *request, const struct head *head, uint64_t *ms)
{
    uint64_t after = field_number(head, request->is_grpc ? GRPC_PUSHBACK : RETRY_AFTER);
    *ms = request->is_grpc || after > PATIENCE_MS ? after : after * 1000;
    return *ms <= PATIENCE_MS;
}

static bool is_to_be_retried(const struct request *request, const struct retry_rules *rules,
                             const struct head *head, bool is_end)
{
    int code;
    if (!request->is_grpc || head->status != 200)
        return has_status(rules, head->status);
    return is_end && request_grpc_status(head, &code) && code > 0 && code <= 16 &&
           (rules->grpc_codes >> code & 1);
}

bool request_retry_answer(struct request *request, const struct head *head, bool is_end)
{
    const struct retry_rules *rules = retry_rules_of(request);
    uint64_t at_least_ms;
    if (!rules || !is_to_be_retried(request, rules, head, is_end) ||
        !patience_asked(request, head, &at_least_ms))
        return false;
    if (!retry_take(request, at_least_ms))
        return false;
    request_blame_endpoint(request);
    attempt_abandon(request);
    request_resume_at(request, REQUEST_BACK_OFF);
    return true;
}

enum request_step request_back_off(struct request *request)
{
    if (!request->is_entered && request->back_off_ms) {
        request_pause(request, request->back_off_ms);
        return REQUEST_WAIT;
    }
    return timer_is_set(&request->pause) ? REQUEST_WAIT : REQUEST_BALANCE;
}
