/* proxy/telemetry/trace_export.c against a receiver on loopback that does as the test says. */
#include "proxy/telemetry/trace_export.h"

#include "proto/otlp.pb-c.h"
#include "test/unit/common/grpc_loop.h"
#include "test/unit/proxy/telemetry/facts.h"

/* partial_success = 1 {rejected_spans = 1: 2, error_message = 2: "full"} */
#define TWO_REFUSED                                                                                \
    SLICE_LITERAL("\x0a\x08\x08\x02\x12\x04"                                                       \
                  "full")

/* A receiver, and what it got. */
struct rig {
    struct loop loop;
    struct mailbox *box;
    struct trace_export *export;
    enum grpc_code answer;
    struct slice message; /* with GRPC_OK */
    bool is_silent;       /* it never answers */
    unsigned n_calls, n_done;
    size_t n_spans; /* of calls that it answered with GRPC_OK */
    char service[64], pod[64];
};

static void on_request(void *context, struct grpc_stream *stream, struct slice bytes)
{
    struct rig *rig = context;
    Outrigger__Otlp__ExportTraceServiceRequest *request =
        outrigger__otlp__export_trace_service_request__unpack(NULL, bytes.len,
                                                              (const uint8_t *)bytes.ptr);
    assert_non_null(request);
    const Outrigger__Otlp__ResourceSpans *of = request->resource_spans[0];
    rig->n_calls++;
    snprintf(rig->service, sizeof(rig->service), "%s",
             of->resource->attributes[0]->value->string_value);
    snprintf(rig->pod, sizeof(rig->pod), "%s", of->resource->attributes[2]->value->string_value);
    if (rig->answer == GRPC_OK && !rig->is_silent) {
        rig->n_spans += of->scope_spans[0]->n_spans;
        assert_true(grpc_stream_send(stream, rig->message));
    }
    outrigger__otlp__export_trace_service_request__free_unpacked(request, NULL);
}

static void on_request_done(void *context, struct grpc_stream *stream)
{
    struct rig *rig = context;
    if (!rig->is_silent)
        grpc_stream_end(stream, rig->answer, "so it is");
}

static void on_request_close(void *context, struct grpc_stream *stream)
{
    (void)context;
    (void)stream;
}

static void on_export(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {
        .on_message = on_request, .on_peer_done = on_request_done, .on_close = on_request_close};
    grpc_stream_accept(stream, &handlers, service);
}

static const struct grpc_method method = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export", on_export};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err;
    rig->loop.base = event_base_new();
    struct grpc_server_options server = loop_server_options(&rig->loop);
    server.methods = &method;
    server.n_methods = 1;
    server.service = rig;
    loop_start_server(&rig->loop, &server);
    rig->box = mailbox_new(rig->loop.base, rig, &err);
    rig->export = trace_export_new(
        rig->loop.base, rig->box,
        &(struct trace_export_options){.endpoint = rig->loop.target, .pod = "shop/web-1"}, &err);
    assert_non_null(rig->box);
    assert_non_null(rig->export);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    mailbox_free(rig->box);
    trace_export_free(rig->export);
    grpc_server_free(rig->loop.server);
    event_base_free(rig->loop.base);
    free(rig);
    return 0;
}

static void record(struct rig *rig, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        trace_export_record(rig->export, &some_facts);
}

static struct trace_export_counts counts(const struct rig *rig)
{
    return trace_export_counts(rig->export);
}

static void test_a_full_batch_goes_at_once_in_one_call(void **state)
{
    struct rig *rig = *state;
    trace_export_set_service(rig->export, "web");
    record(rig, TRACE_BATCH_SPANS);
    assert_int_equal(counts(rig).n_waiting, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, counts(rig).n_sent == TRACE_BATCH_SPANS);
    assert_int_equal(rig->n_calls, 1);
    assert_int_equal(rig->n_spans, TRACE_BATCH_SPANS);
    assert_string_equal(rig->service, "web");
    assert_string_equal(rig->pod, "web-1");
    assert_int_equal(counts(rig).n_waiting, 0);
}

static void test_one_span_goes_too_and_until_its_owner_is_known_by_the_pods_name(void **state)
{
    struct rig *rig = *state;
    record(rig, 1);
    LOOP_UNTIL(&rig->loop, counts(rig).n_sent == 1);
    assert_string_equal(rig->service, "web-1");
}

static void test_what_is_beyond_the_queue_is_dropped(void **state)
{
    struct rig *rig = *state;
    rig->is_silent = true;
    record(rig, TRACE_QUEUE_SPANS + 7);
    assert_int_equal(counts(rig).n_dropped, 7);
    assert_int_equal(counts(rig).n_waiting, TRACE_QUEUE_SPANS);
}

/* A receiver that takes a call and never answers: what comes meanwhile is bounded by its bytes. */
static void test_what_is_beyond_the_next_call_is_dropped(void **state)
{
    struct rig *rig = *state;
    unsigned n_recorded = 0;
    rig->is_silent = true;
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, rig->n_calls == 1);
    for (; counts(rig).n_dropped == 0 && n_recorded <= TRACE_QUEUE_SPANS; n_recorded++) {
        record(rig, 1);
        event_base_loop(rig->loop.base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(counts(rig).n_dropped, 1);
    assert_int_equal(counts(rig).n_waiting, TRACE_BATCH_SPANS + n_recorded - 1);
    assert_int_equal(rig->n_calls, 1);
}

static void test_each_span_is_counted_once(void **state)
{
    struct rig *rig = *state;
    rig->message = TWO_REFUSED;
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, counts(rig).n_waiting == 0);
    assert_int_equal(counts(rig).n_rejected, 2);
    assert_int_equal(counts(rig).n_sent, TRACE_BATCH_SPANS - 2);
    rig->message = SLICE_LITERAL("");
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, counts(rig).n_waiting == 0);
    assert_int_equal(counts(rig).n_rejected, 2);
    assert_int_equal(counts(rig).n_sent, 2 * TRACE_BATCH_SPANS - 2);
}

static void test_a_status_that_says_never_is_believed(void **state)
{
    struct rig *rig = *state;
    rig->answer = GRPC_INVALID_ARGUMENT;
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, counts(rig).n_failed == TRACE_BATCH_SPANS);
    assert_int_equal(rig->n_calls, 1);
    rig->answer = GRPC_OK;
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, counts(rig).n_sent == TRACE_BATCH_SPANS);
    assert_int_equal(counts(rig).n_dropped, 0);
}

static void test_a_status_that_says_later_is_asked_again(void **state)
{
    struct rig *rig = *state;
    rig->answer = GRPC_UNAVAILABLE;
    record(rig, TRACE_BATCH_SPANS);
    LOOP_UNTIL(&rig->loop, rig->n_calls == 1);
    rig->answer = GRPC_OK;
    LOOP_UNTIL(&rig->loop, counts(rig).n_sent == TRACE_BATCH_SPANS);
    assert_int_equal(rig->n_calls, 2);
    assert_int_equal(counts(rig).n_failed, 0);
}

static void on_done(void *context)
{
    ((struct rig *)context)->n_done++;
}

static void test_the_end_waits_for_the_last_answer(void **state)
{
    struct rig *rig = *state;
    record(rig, 3);
    loop_settle(&rig->loop); /* delivered, and too few to be sent at once */
    trace_export_finish(rig->export, LOOP_WAIT_MS, on_done, rig);
    assert_int_equal(rig->n_done, 0);
    LOOP_UNTIL(&rig->loop, rig->n_done == 1);
    assert_int_equal(counts(rig).n_sent, 3);
    record(rig, 1);
    LOOP_UNTIL(&rig->loop, counts(rig).n_dropped == 1);
}

static void test_the_end_waits_no_longer_than_it_is_told(void **state)
{
    struct rig *rig = *state;
    rig->is_silent = true;
    record(rig, 3);
    loop_settle(&rig->loop);
    trace_export_finish(rig->export, 50, on_done, rig);
    LOOP_UNTIL(&rig->loop, rig->n_done == 1);
    assert_int_equal(counts(rig).n_failed, 3);
    assert_int_equal(counts(rig).n_waiting, 0);
}

static void test_with_nothing_to_send_the_end_is_at_once(void **state)
{
    struct rig *rig = *state;
    trace_export_finish(rig->export, LOOP_WAIT_MS, on_done, rig);
    assert_int_equal(rig->n_done, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_full_batch_goes_at_once_in_one_call),
        TEST(test_one_span_goes_too_and_until_its_owner_is_known_by_the_pods_name),
        TEST(test_what_is_beyond_the_queue_is_dropped),
        TEST(test_what_is_beyond_the_next_call_is_dropped),
        TEST(test_each_span_is_counted_once),
        TEST(test_a_status_that_says_never_is_believed),
        TEST(test_a_status_that_says_later_is_asked_again),
        TEST(test_the_end_waits_for_the_last_answer),
        TEST(test_the_end_waits_no_longer_than_it_is_told),
        TEST(test_with_nothing_to_send_the_end_is_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
