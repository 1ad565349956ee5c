/*
 * Asks an authorizer about the request (Envoy's envoy.service.auth.v3.Authorization), after the
 * pod's own policies have let it pass. Who cannot be asked refuses, unless the policy says
 * otherwise; what the answer tells the application is what the policy lets it.
 */
#include "proxy/request_parts.h"

#include "common/http/chars.h"
#include "common/http/pattern.h"
#include "common/text.h"
#include "proto/ext_authz.pb-c.h"
#include "proxy/wire.h"

#define METHOD "/envoy.service.auth.v3.Authorization/Check"

typedef Outrigger__Authz__CheckResponse CheckResponse;
typedef Outrigger__Authz__HeaderValueOption HeaderValueOption;

/* ---- what is asked -------------------------------------------------------------------------- */

struct question {
    Outrigger__Authz__CheckRequest check;
    Outrigger__Authz__AttributeContext context;
    Outrigger__Authz__Peer source, destination;
    Outrigger__Authz__Address source_at, destination_at;
    Outrigger__Authz__SocketAddress source_socket, destination_socket;
    Outrigger__Authz__Request request;
    Outrigger__Authz__HttpRequest http;
};

/* A field of type string must be UTF-8; whoever asks with something else is still asked about. */
static char *text_of(struct arena *arena, struct slice text)
{
    char *copy = text.len ? arena_text(arena, text) : (char *)(uintptr_t)protobuf_c_empty_string;
    for (char *c = copy && !text_is_utf8(text) ? copy : NULL; c && *c; c++)
        if (*c & 0x80)
            *c = '?';
    return copy;
}

static char *ip_of(struct arena *arena, const struct sockaddr_any *addr)
{
    char text[IP_TEXT_BYTES];
    struct ip ip = addr_ip(addr);
    return arena_text(arena, slice_str(ip_format(&ip, text)));
}

/* Of several fields with one name the values are put together, as RFC 9110 5.3 has it. */
static bool add_header(struct arena *arena, struct question *question, const struct field *field)
{
    Outrigger__Authz__HttpRequest__HeadersEntry **list = question->http.headers;
    for (size_t i = 0; i < question->http.n_headers; i++)
        if (slice_eq_str(field->name, list[i]->key)) {
            list[i]->value =
                arena_printf(arena, "%s,%.*s", list[i]->value, SLICE_ARG(field->value));
            return list[i]->value;
        }
    Outrigger__Authz__HttpRequest__HeadersEntry *entry = arena_take(arena, sizeof(*entry));
    if (!entry)
        return false;
    outrigger__authz__http_request__headers_entry__init(entry);
    entry->key = text_of(arena, field->name);
    entry->value = text_of(arena, field->value);
    list[question->http.n_headers++] = entry;
    return entry->key && entry->value;
}

static bool fill_http(struct arena *arena, struct question *question, const struct request *request)
{
    static const char *const protocols[] = {"HTTP/1.0", "HTTP/1.1", "HTTP/2"};
    const struct head *head = request->head;
    Outrigger__Authz__HttpRequest *http = &question->http;
    http->headers = arena_take_array(arena, head->n_fields + 1, sizeof(*http->headers));
    bool ok = http->headers;
    for (size_t i = 0; ok && i < head->n_fields; i++)
        ok = add_header(arena, question, &head->fields[i]);
    struct slice query = request->path.query;
    if (query.len)
        query = slice_sub(query, 1, query.len); /* without its '?' */
    http->id = text_of(arena, request->id);
    http->method = text_of(arena, head->method);
    http->path = text_of(arena, request->path.whole);
    http->host = text_of(arena, head->authority);
    http->query = text_of(arena, query);
    http->scheme = (char *)(uintptr_t)(request->downstream->identity[0] ? "https" : "http");
    http->protocol = (char *)(uintptr_t)protocols[request->spoken];
    http->size = request->has_body ? head->content_length : 0;
    return ok && http->id && http->method && http->path && http->host && http->query;
}

static bool fill_question(struct arena *arena, struct question *question,
                          const struct request *request)
{
    const struct downstream *downstream = request->downstream;
    outrigger__authz__check_request__init(&question->check);
    outrigger__authz__attribute_context__init(&question->context);
    outrigger__authz__peer__init(&question->source);
    outrigger__authz__peer__init(&question->destination);
    outrigger__authz__address__init(&question->source_at);
    outrigger__authz__address__init(&question->destination_at);
    outrigger__authz__socket_address__init(&question->source_socket);
    outrigger__authz__socket_address__init(&question->destination_socket);
    outrigger__authz__request__init(&question->request);
    outrigger__authz__http_request__init(&question->http);
    question->check.attributes = &question->context;
    question->context.source = &question->source;
    question->context.destination = &question->destination;
    question->context.request = &question->request;
    question->request.http = &question->http;
    question->source.address = &question->source_at;
    question->source_at.socket_address = &question->source_socket;
    question->destination.address = &question->destination_at;
    question->destination_at.socket_address = &question->destination_socket;
    question->source.principal = downstream->identity;
    question->destination.principal = request->workspace->identity;
    question->source_socket.address = ip_of(arena, &downstream->source);
    question->source_socket.port_value = addr_port(&downstream->source);
    question->destination_socket.address = ip_of(arena, &downstream->destination);
    question->destination_socket.port_value = addr_port(&downstream->destination);
    return question->source_socket.address && question->destination_socket.address &&
           fill_http(arena, question, request);
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
        wire_unpack(&outrigger__authz__check_response__descriptor, message, &err);
    if (!request->external_answer)
        request_set_detail(request, "the answer is no CheckResponse");
}

/* Copies into the head's arena. False: memory is short. */
static bool add_value(struct head *head, const HeaderValueOption *option)
{
    const Outrigger__Authz__HeaderValue *from = option->header;
    struct slice value = from->raw_value.len
                             ? slice_of((const char *)from->raw_value.data, from->raw_value.len)
                             : slice_str(from->value);
    const char *name = arena_text(head->arena, slice_str(from->key));
    const char *copy = arena_text(head->arena, value);
    if (!name || !copy)
        return false;
    if (!http_is_field_value(value))
        return true; /* it would be two fields */
    return head_add(head, slice_str(name), slice_of(copy, value.len));
}

static enum request_step let_pass(struct request *request, const CheckResponse *answer)
{
    const struct external_authorization *rules = &request->workload->authorization;
    struct head *head = request->head;
    external_authorization_strip(rules, head);
    const Outrigger__Authz__OkHttpResponse *ok =
        answer && answer->http_response_case ==
                      OUTRIGGER__AUTHZ__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE
            ? answer->ok_response
            : NULL;
    for (size_t i = 0; ok && i < ok->n_headers; i++) {
        const HeaderValueOption *option = ok->headers[i];
        if (option->header &&
            external_authorization_may_write(rules, slice_str(option->header->key)) &&
            !add_value(head, option))
            return request_answer(request, REQUEST_REASON_NO_MEMORY);
    }
    for (size_t i = 0; ok && i < ok->n_headers_to_remove; i++)
        if (external_authorization_may_write(rules, slice_str(ok->headers_to_remove[i])))
            head_remove_name(head, slice_str(ok->headers_to_remove[i]));
    return REQUEST_LIMIT;
}

/* Its fields, but for what frames the answer. */
static bool add_denied_fields(struct head *head, const Outrigger__Authz__DeniedHttpResponse *denied)
{
    for (size_t i = 0; i < denied->n_headers; i++) {
        const Outrigger__Authz__HeaderValue *from = denied->headers[i]->header;
        struct err err;
        if (!from || !pattern_check(PATTERN_HEADER_NAME, slice_str(from->key), &err) ||
            slice_eq_str(slice_str(from->key), "content-length") ||
            field_name_is_hop_by_hop(field_name_of(slice_str(from->key))))
            continue;
        if (!add_value(head, denied->headers[i]))
            return false;
    }
    return true;
}

static enum request_step refuse(struct request *request, const CheckResponse *answer)
{
    const Outrigger__Authz__DeniedHttpResponse *denied =
        answer->http_response_case ==
                OUTRIGGER__AUTHZ__CHECK_RESPONSE__HTTP_RESPONSE_DENIED_RESPONSE
            ? answer->denied_response
            : NULL;
    int code = denied && denied->status ? denied->status->code : 0;
    struct head *head =
        request_own_head(request, code >= 300 && code <= 599 ? (unsigned)code : 403);
    struct slice body = denied ? slice_str(denied->body) : SLICE_LITERAL("authorizer_denied\n");
    const char *copy = head ? arena_text(head->arena, body) : NULL;
    telemetry_add(request->workspace->telemetry, COUNTER_AUTHORIZER_DENIED, 1);
    if (!copy || (denied && !add_denied_fields(head, denied)))
        return request_answer(request, REQUEST_REASON_NO_MEMORY);
    return request_answer_with(request, REQUEST_REASON_AUTHORIZER_DENIED, head,
                               slice_of(copy, body.len));
}

static enum request_step not_answered(struct request *request)
{
    const struct external_authorization *rules = &request->workload->authorization;
    bool may_pass = rules->is_fail_open && rules->is_understood;
    telemetry_add(request->workspace->telemetry, COUNTER_AUTHORIZER_FAILED, 1);
    return may_pass ? let_pass(request, NULL)
                    : request_answer(request, REQUEST_REASON_AUTHORIZER_FAILED);
}

static void ask(struct request *request)
{
    const struct external_authorization *rules = &request->workload->authorization;
    struct arena *arena = &request->down->arena;
    struct question *question = arena_take(arena, sizeof(*question));
    telemetry_add(request->workspace->telemetry, COUNTER_AUTHORIZER_ASKED, 1);
    if (!rules->is_understood)
        request_set_detail(request, "what the controller says of it is not understood");
    else if (!question || !fill_question(arena, question, request))
        request_set_detail(request, "out of memory");
    else if (!request_side_call_begin(request, &rules->service, METHOD, &question->check.base,
                                      on_answer))
        request_set_detail(request, *rules->service.why ? rules->service.why
                                                        : "its endpoints are not known");
}

enum request_step request_ask_authorizer(struct request *request)
{
    const struct external_service *service = &request->workload->authorization.service;
    if (!request->is_entered) {
        struct access_request asked =
            request_asked(request, request->downstream->identity, &request->downstream->source,
                          addr_port(&request->downstream->destination));
        if (!external_is_asked(service, &asked))
            return REQUEST_LIMIT;
        request->policy = service->policy;
        request->policy_why = "external_authorization";
        ask(request);
    }
    if (request->side_call)
        return REQUEST_WAIT;
    CheckResponse *answer = request->external_answer;
    request->external_answer = NULL;
    if (!answer)
        return not_answered(request);
    bool is_allowed = answer->status && answer->status->code == 0;
    enum request_step next = is_allowed ? let_pass(request, answer) : refuse(request, answer);
    wire_free(answer);
    return next;
}
