/*
 * Where routes are attached to a service: which of them the request follows, and to which of its
 * backends it goes. How long it may take stands there as well.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "common/jitter.h"
#include "proxy/route/match.h"

/* ---- the timers ---- */

static void on_deadline(struct timer *timer)
{
    struct request *request = LIST_ENTRY(timer, struct request, deadline);
    request_set_detail(request, "the route's request timeout");
    request_answer(request, REQUEST_REASON_REQUEST_TIMEOUT);
}

static void on_attempt_late(struct timer *timer)
{
    struct request *request = LIST_ENTRY(timer, struct request, attempt_timer);
    request_set_detail(request, "the route's backend request timeout");
    request_attempt_late(request);
}

static void on_pause_over(struct timer *timer)
{
    request_run(LIST_ENTRY(timer, struct request, pause));
}

void request_pause(struct request *request, uint64_t delay_ms)
{
    timer_set(&request->workspace->timers, &request->pause, clock_now_ns(), delay_ms);
}

void request_attempt_begin(struct request *request)
{
    if (request->match && request->match->rule->backend_timeout_ms)
        timer_set(&request->workspace->timers, &request->attempt_timer, clock_now_ns(),
                  request->match->rule->backend_timeout_ms);
}

void request_stop_timeouts(struct request *request)
{
    struct timer_wheel *timers = &request->workspace->timers;
    if (!request->match)
        return;
    timer_cancel(timers, &request->deadline);
    timer_cancel(timers, &request->attempt_timer);
    timer_cancel(timers, &request->pause);
}

/* ---- which route, which backend ---- */

static void request_begin_route(struct request *request, const struct route_match *match)
{
    const struct route_rule *rule = match->rule;
    request->match = match;
    request->filters = &rule->filters;
    timer_init(&request->deadline, on_deadline);
    timer_init(&request->attempt_timer, on_attempt_late);
    timer_init(&request->pause, on_pause_over);
    if (rule->request_timeout_ms)
        timer_set(&request->workspace->timers, &request->deadline, request->begun_ns,
                  rule->request_timeout_ms);
    if (rule->retry.attempts)
        retry_budget_request(&request->service->shared->retries, request->begun_ns);
}

enum request_step request_follow_route(struct request *request)
{
    const struct route_request asked = {.method = request->method,
                                        .path = request->path.path,
                                        .query = request->path.query,
                                        .head = request->head};
    const struct route_match *match = routes_match(request->service->routes, &asked);
    if (!match)
        return request_answer(request, REQUEST_REASON_NO_ROUTE);
    request_begin_route(request, match);
    return REQUEST_FILTER;
}

enum request_step request_choose_backend(struct request *request)
{
    uint64_t random;
    jitter_bytes(&random, sizeof(random));
    const struct route_backend *backend = route_backend_choose(request->match->rule, random);
    if (!backend || !backend->endpoints[0]) {
        request_set_detail(request, backend ? backend->why : "the rule has no backend");
        return request_answer(request, REQUEST_REASON_NO_BACKEND);
    }
    request->backend = backend;
    struct endpoints *endpoints =
        snapshot_endpoints(request->workspace->snapshot, slice_str(backend->endpoints));
    if (!endpoints || endpoints->n == 0) {
        request_set_detail(request, backend->service);
        return request_answer(request, REQUEST_REASON_NO_ENDPOINTS);
    }
    request->endpoints = endpoints_hold(endpoints);
    request->filters = &backend->filters;
    request->filter_at = 0;
    return REQUEST_FILTER;
}
