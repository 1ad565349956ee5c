/*
 * What the filters of a route, and then those of the chosen backend, do to a request and to its
 * answer. A filter that answers ends the request; the others change the head that goes on.
 */
#include "proxy/request_parts.h"

#include "common/jitter.h"

#define MILLIONTHS 1000000

/* ---- answers ---- */

static enum request_step filter_redirect(struct request *request, const struct redirect *redirect)
{
    struct arena *arena = &request->down->arena;
    struct head *head = request_own_head(request, redirect->status);
    struct slice location =
        redirect_location(redirect, request->head->authority, request->path.path,
                          request->path.query, request_matched_prefix(request), arena);
    if (!head || !location.ptr || !head_add_id(head, FIELD_LOCATION, location))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    return request_answer_with(request, REQUEST_REASON_REDIRECTED, head, slice_of(NULL, 0));
}

static enum request_step filter_direct(struct request *request,
                                       const struct direct_response *direct)
{
    struct head *head = request_own_head(request, direct->status);
    if (!head ||
        (direct->content_type.len && !head_add_id(head, FIELD_CONTENT_TYPE, direct->content_type)))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    return request_answer_with(request, REQUEST_REASON_DIRECT_RESPONSE, head, direct->body);
}

/* ---- CORS (the Fetch standard, 3.2) ---- */

#define ALLOW_ORIGIN      SLICE_LITERAL("access-control-allow-origin")
#define ALLOW_CREDENTIALS SLICE_LITERAL("access-control-allow-credentials")
#define ALLOW_METHODS     SLICE_LITERAL("access-control-allow-methods")
#define ALLOW_HEADERS     SLICE_LITERAL("access-control-allow-headers")
#define EXPOSE_HEADERS    SLICE_LITERAL("access-control-expose-headers")
#define MAX_AGE           SLICE_LITERAL("access-control-max-age")
#define REQUEST_METHOD    SLICE_LITERAL("access-control-request-method")
#define REQUEST_HEADERS   SLICE_LITERAL("access-control-request-headers")

/* One field of that name, with the value; none where the value is empty. */
static bool put(struct head *head, struct slice name, struct slice value)
{
    head_remove_name(head, name);
    return value.len == 0 || head_add(head, name, value);
}

static struct slice asked_for(const struct request *request, struct slice name)
{
    const struct field *field = head_find_name(request->head, name);
    return field ? field->value : slice_of(NULL, 0);
}

/* Who may read the answer. With the origin in it an answer is for that origin only. */
static bool cors_put_origin(const struct request *request, struct head *head)
{
    const struct cors *cors = request->cors;
    return put(head, ALLOW_ORIGIN, request->origin) &&
           put(head, ALLOW_CREDENTIALS,
               cors->allow_credentials ? SLICE_LITERAL("true") : slice_of(NULL, 0)) &&
           head_add(head, SLICE_LITERAL("vary"), SLICE_LITERAL("Origin"));
}

/* `*` is no wildcard where credentials are allowed: what was asked for is said instead. */
static bool cors_put_preflight(const struct request *request, struct head *head)
{
    const struct cors *cors = request->cors;
    struct slice methods = cors->any_method && cors->allow_credentials
                               ? asked_for(request, REQUEST_METHOD)
                               : cors->methods;
    struct slice headers = cors->any_header && cors->allow_credentials
                               ? asked_for(request, REQUEST_HEADERS)
                               : cors->headers;
    return cors_put_origin(request, head) && put(head, ALLOW_METHODS, methods) &&
           put(head, ALLOW_HEADERS, headers) && put(head, MAX_AGE, cors->max_age);
}

static enum request_step filter_cors(struct request *request, const struct cors *cors)
{
    struct slice origin = asked_for(request, SLICE_LITERAL("origin"));
    bool is_preflight = origin.len && slice_eq_str(request->method, "OPTIONS") &&
                        asked_for(request, REQUEST_METHOD).len;
    if (origin.len && cors_allows(cors, origin)) {
        request->cors = cors;
        request->origin = origin;
    }
    if (!is_preflight)
        return REQUEST_FILTER;
    struct head *head = request_own_head(request, 204);
    if (!head || (request->cors && !cors_put_preflight(request, head)))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    return request_answer_with(request, REQUEST_REASON_CORS_PREFLIGHT, head, slice_of(NULL, 0));
}

/* ---- faults ---- */

static bool is_drawn(uint32_t millionths)
{
    return millionths && jitter_below(MILLIONTHS) < millionths;
}

static enum request_step filter_fault(struct request *request, const struct fault *fault)
{
    if (!request->is_delayed && fault->delay_ms && is_drawn(fault->delay_millionths)) {
        request->is_delayed = true;
        request->filter_at--; /* then it is this filter's turn again */
        request_pause(request, fault->delay_ms);
        return REQUEST_WAIT;
    }
    request->is_delayed = false;
    if (!is_drawn(fault->abort_millionths) || (!fault->abort_status && !fault->abort_grpc_status))
        return REQUEST_FILTER;
    struct head *head = request_own_head(request, fault->abort_status ? fault->abort_status : 200);
    if (!head)
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    if (fault->abort_grpc_status && request->is_grpc)
        request->grpc_status = fault->abort_grpc_status;
    else if (!fault->abort_status)
        return REQUEST_FILTER; /* a fault of gRPC's, and this is not gRPC */
    return request_answer_with(request, REQUEST_REASON_FAULT_INJECTED, head,
                               SLICE_LITERAL("fault_injected\n"));
}

/* ---- changes ---- */

static enum request_step filter_rewrite(struct request *request, const struct rewrite *rewrite)
{
    struct head *head = request->head;
    if (rewrite->host.len)
        head->authority = rewrite->host;
    if (rewrite->path_edit == PATH_EDIT_NONE || head->path.len == 0)
        return REQUEST_FILTER;
    head->path =
        path_edit_apply(rewrite->path_edit, request->path.path, request->path.query,
                        request_matched_prefix(request), rewrite->path, &request->down->arena);
    return head->path.ptr ? REQUEST_FILTER : request_answer(request, REQUEST_REASON_NO_MEMORY);
}

static enum request_step filter_apply(struct request *request, const struct filter *filter)
{
    switch (filter->kind) {
    case FILTER_REQUEST_HEADERS:
        return header_edit_apply(&filter->headers, request->head)
                   ? REQUEST_FILTER
                   : request_answer(request, REQUEST_REASON_NO_MEMORY);
    case FILTER_REDIRECT:
        return filter_redirect(request, &filter->redirect);
    case FILTER_REWRITE:
        return filter_rewrite(request, &filter->rewrite);
    case FILTER_CORS:
        return filter_cors(request, &filter->cors);
    case FILTER_DIRECT_RESPONSE:
        return filter_direct(request, &filter->direct_response);
    case FILTER_FAULT:
        return filter_fault(request, &filter->fault);
    case FILTER_RESPONSE_HEADERS: /* in request_filter_answer() */
    case FILTER_MIRROR:           /* when all others have been applied */
        break;
    }
    return REQUEST_FILTER;
}

enum request_step request_filter(struct request *request)
{
    if (timer_is_set(&request->pause))
        return REQUEST_WAIT;
    while (request->filter_at < request->filters->n) {
        const struct filter *filter = &request->filters->list[request->filter_at++];
        enum request_step next = filter_apply(request, filter);
        if (next != REQUEST_FILTER)
            return next;
    }
    request_mirror_begin(request, request->filters);
    return request->backend ? REQUEST_BALANCE : REQUEST_CHOOSE_BACKEND;
}

/* ---- the answer ---- */

static bool edit_answer(const struct filters *filters, struct head *head)
{
    for (size_t i = 0; i < filters->n; i++)
        if (filters->list[i].kind == FILTER_RESPONSE_HEADERS &&
            !header_edit_apply(&filters->list[i].headers, head))
            return false;
    return true;
}

bool request_filter_answer(struct request *request, struct head *head)
{
    if (!request->match)
        return true;
    if (!edit_answer(&request->match->rule->filters, head) ||
        (request->backend && !edit_answer(&request->backend->filters, head)))
        return false;
    return !request->cors || (cors_put_origin(request, head) &&
                              put(head, EXPOSE_HEADERS, request->cors->expose_headers));
}
