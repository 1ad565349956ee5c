/*
 * How often a request may be asked of the pod: refused with 429, and told when to come again.
 * `Retry-After` is RFC 9110 10.2.3; `RateLimit` and `RateLimit-Policy` are those of
 * draft-ietf-httpapi-ratelimit-headers, version 10.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"

#define GRPC_RESOURCE_EXHAUSTED 8

static bool limit_add_fields(struct head *head, const struct rate_limit *limit, uint64_t wait_ns)
{
    unsigned long long wait_sec = (wait_ns + NS_PER_SEC - 1) / NS_PER_SEC;
    char *after = arena_printf(head->arena, "%llu", wait_sec);
    char *state = arena_printf(head->arena, "\"%s\";r=0;t=%llu", limit->name, wait_sec);
    char *policy = arena_printf(head->arena, "\"%s\";q=%u;w=%llu", limit->name, limit->requests,
                                (unsigned long long)(limit->per_ms + 999) / 1000);
    return after && state && policy && head_add_id(head, FIELD_RETRY_AFTER, slice_str(after)) &&
           head_add(head, SLICE_LITERAL("ratelimit"), slice_str(state)) &&
           head_add(head, SLICE_LITERAL("ratelimit-policy"), slice_str(policy)) &&
           head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain"));
}

static enum request_step limit_refuse(struct request *request, const struct rate_limit *limit,
                                      uint64_t wait_ns)
{
    struct head *head = request_own_head(request, 429);
    telemetry_add(request->workspace->telemetry, COUNTER_RATE_LIMITED, 1);
    request->policy = limit->policy;
    request->policy_why = "rate_limit";
    request_set_detail(request, limit->name);
    if (!head || !limit_add_fields(head, limit, wait_ns))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    if (request->is_grpc)
        request->grpc_status = GRPC_RESOURCE_EXHAUSTED;
    return request_answer_with(request, REQUEST_REASON_RATE_LIMITED, head,
                               SLICE_LITERAL("rate_limited: too many requests\n"));
}

enum request_step request_limit(struct request *request)
{
    const struct rate_limit_request asked = {
        .source = slice_str(request->downstream->source_ip),
        .asked = request_asked(request, request->downstream->identity, &request->downstream->source,
                               addr_port(&request->downstream->destination)),
    };
    uint64_t wait_ns;
    const struct rate_limit *limit =
        rate_limits_take(&request->workload->rate_limits, &asked, request->begun_ns, &wait_ns);
    return limit ? limit_refuse(request, limit, wait_ns) : REQUEST_ASK_LIMITER;
}
