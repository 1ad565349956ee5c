#include "proxy/telemetry/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/otlp.pb-c.h"
#include "test/unit/proxy/telemetry/facts.h"

/* Free it with outrigger__otlp__span__free_unpacked(). */
static Outrigger__Otlp__Span *encode(const struct request_facts *facts)
{
    struct buf bytes;
    buf_init(&bytes, 16384);
    assert_true(span_encode(facts, &bytes));
    Outrigger__Otlp__Span *span = outrigger__otlp__span__unpack(
        NULL, buf_len(&bytes), (const uint8_t *)buf_slice(&bytes).ptr);
    buf_fini(&bytes);
    assert_non_null(span);
    return span;
}

static const Outrigger__Otlp__AnyValue *attribute(const Outrigger__Otlp__Span *span,
                                                  const char *name)
{
    for (size_t i = 0; i < span->n_attributes; i++)
        if (strcmp(span->attributes[i]->key, name) == 0)
            return span->attributes[i]->value;
    return NULL;
}

static const char *text(const Outrigger__Otlp__Span *span, const char *name)
{
    const Outrigger__Otlp__AnyValue *value = attribute(span, name);
    return value ? value->string_value : "";
}

static void test_an_http_request(void **state)
{
    (void)state;
    Outrigger__Otlp__Span *span = encode(&some_facts);
    assert_string_equal(span->name, "GET");
    assert_int_equal(span->kind, OUTRIGGER__OTLP__SPAN_KIND__SPAN_KIND_CLIENT);
    assert_memory_equal(span->trace_id.data, some_trace.trace_id, 16);
    assert_memory_equal(span->span_id.data, some_trace.span_id, 8);
    assert_memory_equal(span->parent_span_id.data, some_trace.parent_id, 8);
    assert_int_equal(span->start_time_unix_nano, 1000000000);
    assert_int_equal(span->end_time_unix_nano, 1001500000);
    assert_string_equal(text(span, "http.request.method"), "GET");
    assert_string_equal(text(span, "url.path"), "/api/users");
    assert_string_equal(text(span, "client.address"), "10.0.0.1");
    assert_int_equal(attribute(span, "client.port")->int_value, 1234);
    assert_string_equal(text(span, "outrigger.reason"), "no_endpoints");
    assert_int_equal(attribute(span, "http.response.status_code")->int_value, 503);
    assert_null(attribute(span, "outrigger.policy"));
    assert_int_equal(span->status->code, OUTRIGGER__OTLP__STATUS_CODE__STATUS_CODE_ERROR);
    assert_string_equal(span->status->message, "no_endpoints");
    outrigger__otlp__span__free_unpacked(span, NULL);
}

static void test_addresses_are_told_without_their_ports(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host;
        int64_t port;
    } cases[] = {
        {"api", "api", 0},           {"api:80", "api", 80}, {"[fd00::1]:8080", "fd00::1", 8080},
        {"[fd00::1]", "fd00::1", 0}, {"api:", "api:", 0},   {"api:99999", "api:99999", 0},
        {"api:x", "api:x", 0},       {":80", "", 80},       {"10.0.0.1:1", "10.0.0.1", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request_facts facts = some_facts;
        facts.authority = slice_str(cases[i].authority);
        Outrigger__Otlp__Span *span = encode(&facts);
        const Outrigger__Otlp__AnyValue *port = attribute(span, "server.port");
        assert_string_equal(text(span, "server.address"), cases[i].host);
        assert_int_equal(port ? port->int_value : 0, cases[i].port);
        outrigger__otlp__span__free_unpacked(span, NULL);
    }
}

static void test_what_failures_are_grouped_by(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *type;
        unsigned status;
        int grpc_status;
    } cases[] = {
        {"no_endpoints", "no_endpoints", 503, -1},
        {"", "500", 500, -1},
        {"", "14", 200, 14},
        {"", "_OTHER", 0, -1},
        {"", "", 200, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request_facts facts = some_facts;
        facts.reason = cases[i].reason;
        facts.status = cases[i].status;
        facts.grpc_status = cases[i].grpc_status;
        Outrigger__Otlp__Span *span = encode(&facts);
        assert_string_equal(text(span, "error.type"), cases[i].type);
        assert_int_equal(span->status != NULL, *cases[i].type != '\0');
        outrigger__otlp__span__free_unpacked(span, NULL);
    }
}

static void test_a_grpc_call(void **state)
{
    (void)state;
    struct request_facts facts = some_facts;
    facts.direction = DIRECTION_INBOUND;
    facts.is_grpc = true;
    facts.path = SLICE_LITERAL("/shop.v1.Cart/Add");
    facts.status = 200;
    facts.grpc_status = 0;
    facts.reason = "";
    Outrigger__Otlp__Span *span = encode(&facts);
    assert_string_equal(span->name, "shop.v1.Cart/Add");
    assert_int_equal(span->kind, OUTRIGGER__OTLP__SPAN_KIND__SPAN_KIND_SERVER);
    assert_string_equal(text(span, "rpc.service"), "shop.v1.Cart");
    assert_string_equal(text(span, "rpc.method"), "Add");
    assert_null(span->status);
    outrigger__otlp__span__free_unpacked(span, NULL);
    facts.grpc_status = 14;
    span = encode(&facts);
    assert_int_equal(attribute(span, "rpc.grpc.status_code")->int_value, 14);
    assert_non_null(span->status);
    outrigger__otlp__span__free_unpacked(span, NULL);
}

/* Receivers refuse what is not UTF-8, and a long path must not become a long span. */
static void test_what_a_client_chose_is_made_harmless(void **state)
{
    (void)state;
    static char path[10000];
    struct request_facts facts = some_facts;
    memset(path, '\xff', sizeof(path));
    facts.path = slice_of(path, sizeof(path));
    facts.method = SLICE_LITERAL("");
    facts.is_grpc = true;
    Outrigger__Otlp__Span *span = encode(&facts);
    assert_int_equal(strlen(text(span, "url.path")), SPAN_VALUE_MAX);
    assert_int_equal(text(span, "url.path")[0], '?');
    outrigger__otlp__span__free_unpacked(span, NULL);
}

static void test_a_whole_request(void **state)
{
    (void)state;
    const struct span_resource resource = {"web", "shop", "web-1", "1"};
    struct buf one, spans, whole;
    buf_init(&one, 16384);
    buf_init(&spans, 65536);
    buf_init(&whole, 65536);
    assert_true(span_encode(&some_facts, &one));
    for (int i = 0; i < 3; i++)
        assert_true(span_append_field(&spans, SPAN_FIELD, buf_slice(&one)));
    assert_true(span_encode_request(&resource, buf_slice(&spans), &whole));
    Outrigger__Otlp__ExportTraceServiceRequest *request =
        outrigger__otlp__export_trace_service_request__unpack(
            NULL, buf_len(&whole), (const uint8_t *)buf_slice(&whole).ptr);
    assert_non_null(request);
    assert_int_equal(request->n_resource_spans, 1);
    const Outrigger__Otlp__ResourceSpans *of = request->resource_spans[0];
    assert_string_equal(of->resource->attributes[0]->value->string_value, "web");
    assert_string_equal(of->scope_spans[0]->scope->name, "outrigger");
    assert_int_equal(of->scope_spans[0]->n_spans, 3);
    outrigger__otlp__export_trace_service_request__free_unpacked(request, NULL);
    buf_fini(&one);
    buf_fini(&spans);
    buf_fini(&whole);
}

static void test_no_room_is_told(void **state)
{
    (void)state;
    struct buf small;
    buf_init(&small, 16);
    assert_false(span_encode(&some_facts, &small));
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_http_request),
        cmocka_unit_test(test_addresses_are_told_without_their_ports),
        cmocka_unit_test(test_what_failures_are_grouped_by),
        cmocka_unit_test(test_a_grpc_call),
        cmocka_unit_test(test_what_a_client_chose_is_made_harmless),
        cmocka_unit_test(test_a_whole_request),
        cmocka_unit_test(test_no_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
