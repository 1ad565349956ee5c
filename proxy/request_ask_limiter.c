/*
 * Asks a service that counts the requests of all pods together (Envoy's
 * envoy.service.ratelimit.v3.RateLimitService). What it refuses is refused here, too, until its
 * count begins anew, without asking again.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "proto/rate_limit.pb-c.h"
#include "proxy/wire.h"

#define METHOD                  "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
#define CODE_OK                 1
#define CODE_OVER_LIMIT         2
#define RESET_MAX_SEC           86400
#define GRPC_RESOURCE_EXHAUSTED 8

typedef Outrigger__Ratelimit__RateLimitRequest RateLimitRequest;
typedef Outrigger__Ratelimit__RateLimitResponse RateLimitResponse;

/* ---- what is asked -------------------------------------------------------------------------- */

/* NULL: the request has no value for one of its entries, or memory is short. */
static Outrigger__Ratelimit__RateLimitDescriptor *
descriptor_make(struct arena *arena, const struct limit_descriptor *from,
                const struct access_request *asked, struct slice source)
{
    Outrigger__Ratelimit__RateLimitDescriptor *made = arena_take(arena, sizeof(*made));
    Outrigger__Ratelimit__Entry *entries = arena_take_array(arena, from->n, sizeof(*entries));
    Outrigger__Ratelimit__Entry **list = arena_take_array(arena, from->n, sizeof(*list));
    if (!made || !entries || !list)
        return NULL;
    outrigger__ratelimit__rate_limit_descriptor__init(made);
    made->entries = list;
    for (size_t i = 0; i < from->n; i++) {
        struct slice value = limit_entry_value(&from->entries[i], asked, source);
        outrigger__ratelimit__entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)from->entries[i].key;
        entries[i].value = value.len ? arena_text(arena, value) : NULL;
        if (!entries[i].value)
            return NULL;
        list[made->n_entries++] = &entries[i];
    }
    return made;
}

static RateLimitRequest *question_make(struct request *request, const struct access_request *asked)
{
    const struct global_limits *limits = &request->workload->global_limits;
    struct arena *arena = &request->down->arena;
    RateLimitRequest *question = arena_take(arena, sizeof(*question));
    if (!question)
        return NULL;
    outrigger__ratelimit__rate_limit_request__init(question);
    question->domain = (char *)(uintptr_t)limits->domain;
    question->hits_addend = 1;
    question->descriptors = arena_take_array(arena, limits->n, sizeof(*question->descriptors));
    for (size_t i = 0; question->descriptors && i < limits->n; i++) {
        Outrigger__Ratelimit__RateLimitDescriptor *made = descriptor_make(
            arena, &limits->descriptors[i], asked, slice_str(request->downstream->source_ip));
        if (made)
            question->descriptors[question->n_descriptors++] = made;
    }
    return question;
}

static struct slice packed(struct arena *arena, const ProtobufCMessage *message)
{
    uint8_t *bytes = arena_take(arena, protobuf_c_message_get_packed_size(message) + 1);
    return bytes ? slice_of((char *)bytes, protobuf_c_message_pack(message, bytes))
                 : slice_of(NULL, 0);
}

/* ---- what is answered ----------------------------------------------------------------------- */

static void on_answer(struct request *request, struct slice message, const char *why)
{
    if (*why) {
        request_set_detail(request, why);
        return;
    }
    struct err err;
    request->external_answer =
        wire_unpack(&outrigger__ratelimit__rate_limit_response__descriptor, message, &err);
    if (!request->external_answer)
        request_set_detail(request, "the answer is no RateLimitResponse");
}

/* The longest wait that any limit which is reached asks for. */
static uint64_t wait_ns(const RateLimitResponse *answer)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < answer->n_statuses; i++) {
        const Outrigger__Ratelimit__DescriptorStatus *status = answer->statuses[i];
        const Outrigger__Ratelimit__Duration *reset = status->duration_until_reset;
        if (status->code != CODE_OVER_LIMIT || !reset || reset->seconds < 0 || reset->nanos < 0)
            continue;
        int64_t seconds = reset->seconds < RESET_MAX_SEC ? reset->seconds : RESET_MAX_SEC;
        uint64_t wait = (uint64_t)seconds * NS_PER_SEC + (uint32_t)reset->nanos;
        longest = wait > longest ? wait : longest;
    }
    return longest;
}

static enum request_step refuse(struct request *request, uint64_t wait)
{
    struct head *head = request_own_head(request, 429);
    unsigned long long wait_sec = (wait + NS_PER_SEC - 1) / NS_PER_SEC;
    const char *after = head ? arena_printf(head->arena, "%llu", wait_sec) : NULL;
    telemetry_add(request->workspace->telemetry, COUNTER_LIMITER_REFUSED, 1);
    if (!after || (wait && !head_add_id(head, FIELD_RETRY_AFTER, slice_str(after))) ||
        !head_add_id(head, FIELD_CONTENT_TYPE, SLICE_LITERAL("text/plain")))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    if (request->is_grpc)
        request->grpc_status = GRPC_RESOURCE_EXHAUSTED;
    return request_answer_with(request, REQUEST_REASON_RATE_LIMITED, head,
                               SLICE_LITERAL("rate_limited: too many requests\n"));
}

static enum request_step not_answered(struct request *request)
{
    telemetry_add(request->workspace->telemetry, COUNTER_LIMITER_FAILED, 1);
    if (request->workload->global_limits.is_fail_closed)
        return request_answer(request, REQUEST_REASON_LIMITER_FAILED);
    return REQUEST_CONNECT;
}

/* REQUEST_WAIT: an answer is to come, or has come already. */
static enum request_step ask(struct request *request, const struct access_request *asked)
{
    const struct global_limits *limits = &request->workload->global_limits;
    const RateLimitRequest *question = question_make(request, asked);
    if (question && question->n_descriptors == 0)
        return REQUEST_CONNECT; /* nothing to count it by */
    if (question)
        request->external_question = packed(&request->down->arena, &question->base);
    uint64_t until_ns = refusals_find(&request->workspace->limiter_refusals,
                                      request->external_question, request->begun_ns);
    request->policy = limits->service.policy;
    request->policy_why = "global_rate_limit";
    if (until_ns)
        return refuse(request, until_ns - request->begun_ns);
    telemetry_add(request->workspace->telemetry, COUNTER_LIMITER_ASKED, 1);
    if (!question ||
        !request_side_call_begin(request, &limits->service, METHOD, &question->base, on_answer))
        request_set_detail(request, *limits->service.why ? limits->service.why
                                                         : "its endpoints are not known");
    return REQUEST_WAIT;
}

enum request_step request_ask_limiter(struct request *request)
{
    const struct external_service *service = &request->workload->global_limits.service;
    if (!request->is_entered) {
        struct access_request asked =
            request_asked(request, request->downstream->identity, &request->downstream->source,
                          addr_port(&request->downstream->destination));
        enum request_step next =
            external_is_asked(service, &asked) ? ask(request, &asked) : REQUEST_CONNECT;
        if (next != REQUEST_WAIT)
            return next;
    }
    if (request->side_call)
        return REQUEST_WAIT;
    RateLimitResponse *answer = request->external_answer;
    request->external_answer = NULL;
    if (!answer || (answer->overall_code != CODE_OK && answer->overall_code != CODE_OVER_LIMIT)) {
        wire_free(answer);
        return not_answered(request);
    }
    bool is_over = answer->overall_code == CODE_OVER_LIMIT;
    uint64_t wait = is_over ? wait_ns(answer) : 0;
    wire_free(answer);
    if (!is_over)
        return REQUEST_CONNECT;
    if (wait)
        refusals_add(&request->workspace->limiter_refusals, request->external_question,
                     clock_now_ns() + wait);
    return refuse(request, wait);
}
