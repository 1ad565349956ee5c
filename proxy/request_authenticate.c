/*
 * The token that a request shows, before policies look at what it claims. Refused with 401 and
 * `WWW-Authenticate` (RFC 6750 3); why a token is not good is for the log, not for who shows it.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"

static enum request_step authenticate_refuse(struct request *request, enum request_reason reason)
{
    bool is_missing = reason == REQUEST_REASON_JWT_MISSING;
    struct head *head = request_own_head(request, 401);
    request->policy = request->workload->jwt.policy;
    request->policy_why = is_missing ? "jwt_missing" : "jwt_invalid";
    struct slice challenge =
        is_missing ? SLICE_LITERAL("Bearer") : SLICE_LITERAL("Bearer error=\"invalid_token\"");
    if (!head || !head_add(head, SLICE_LITERAL("www-authenticate"), challenge) ||
        !head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain")))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    if (request->is_grpc)
        request->grpc_status = 16; /* UNAUTHENTICATED */
    return request_answer_with(request, reason, head,
                               is_missing ? SLICE_LITERAL("jwt_missing: a token is required\n")
                                          : SLICE_LITERAL("jwt_invalid: the token is not valid\n"));
}

enum request_step request_authenticate(struct request *request)
{
    const struct workload *workload = request->workload;
    if (!workload || !workload->jwt.policy)
        return REQUEST_AUTHORIZE;
    struct jwt_result result;
    struct err err;
    switch (jwt_check(&workload->jwt, request->head, clock_wall_sec(), &result, &err)) {
    case JWT_MISSING:
        return authenticate_refuse(request, REQUEST_REASON_JWT_MISSING);
    case JWT_INVALID:
        request_set_detail(request, err.text);
        return authenticate_refuse(request, REQUEST_REASON_JWT_INVALID);
    case JWT_ABSENT:
    case JWT_VALID:
        break;
    }
    bool ok = jwt_edit(&workload->jwt, &result, request->head);
    json_decref(result.claims);
    return ok ? REQUEST_AUTHORIZE : request_answer(request, REQUEST_REASON_NO_MEMORY);
}
