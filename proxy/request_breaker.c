/*
 * The circuit breakers of a service: how many requests, waiting requests and retries this proxy has
 * open to it, all workers together. What is over is refused at once, so that a service that does
 * not keep up is not waited for by ever more. What a request has taken it gives back when it ends.
 */
#include "proxy/request_parts.h"

/* Takes one, unless that is one too many. */
static bool take(_Atomic uint32_t *open, uint32_t max, struct service_shared *shared)
{
    if (++*open <= max || max == 0)
        return true;
    --*open;
    ++shared->tripped;
    return false;
}

bool request_breaker_begin(struct request *request)
{
    const struct service *service = request->service;
    request->is_counted_open =
        take(&service->shared->requests, service->max_requests, service->shared);
    return request->is_counted_open;
}

bool request_breaker_wait(struct request *request)
{
    const struct service *service = request->service;
    if (!service || !service->is_known)
        return true;
    request->is_counted_pending =
        take(&service->shared->pending, service->max_pending, service->shared);
    return request->is_counted_pending;
}

void request_breaker_wait_over(struct request *request)
{
    if (request->is_counted_pending)
        --request->service->shared->pending;
    request->is_counted_pending = false;
}

bool request_breaker_retry(struct request *request)
{
    const struct service *service = request->service;
    if (!request->is_counted_retry)
        request->is_counted_retry =
            take(&service->shared->retries_open, service->max_retries, service->shared);
    return request->is_counted_retry;
}

void request_breaker_end(struct request *request)
{
    request_breaker_wait_over(request);
    if (request->is_counted_open)
        --request->service->shared->requests;
    if (request->is_counted_retry)
        --request->service->shared->retries_open;
    request->is_counted_open = request->is_counted_retry = false;
}
