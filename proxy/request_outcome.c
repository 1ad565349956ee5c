/*
 * What is told to the balancer about the endpoint of a request, so that it can leave out those from
 * which only failures come.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"

static void report(struct request *request, enum outcome outcome)
{
    const struct service *service = request->service;
    if (service && outlier_rules_are_set(&service->outlier))
        ejected_more(
            &request->workspace->ejected,
            attempts_result(&request->attempts, &service->outlier, outcome, clock_now_ns()));
}

static enum outcome outcome_of_status(unsigned status)
{
    if (status >= 502 && status <= 504)
        return OUTCOME_GATEWAY_ERROR;
    return status >= 500 ? OUTCOME_5XX : OUTCOME_SUCCESS;
}

/* By what HTTP would say: 4 deadline exceeded, 14 unavailable; 2 unknown, 13 internal, 15 data
 * loss. */
static enum outcome outcome_of_grpc(int status)
{
    switch (status) {
    case 4:
    case 14:
        return OUTCOME_GATEWAY_ERROR;
    case 2:
    case 13:
    case 15:
        return OUTCOME_5XX;
    default:
        return OUTCOME_SUCCESS;
    }
}

void request_report_local_failure(struct request *request)
{
    report(request, OUTCOME_LOCAL_FAILURE);
}

void request_report_head(struct request *request, const struct head *head, bool is_end)
{
    int code;
    if (!request->is_grpc || head->status != 200)
        report(request, outcome_of_status(head->status));
    else if (is_end && request_grpc_status(head, &code))
        report(request, outcome_of_grpc(code));
}

void request_report_trailers(struct request *request, const struct head *trailers)
{
    int code;
    if (request->is_grpc && request_grpc_status(trailers, &code))
        report(request, outcome_of_grpc(code));
}
