// fuzz: proxy
/*
 * Trace context from any fields: what is written when we take part is read back as the same trace
 * with our span as the parent, sampled as decided, in every format in which it came.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/telemetry/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int holds)
{
    if (!holds)
        abort();
}

/* A line a field: the first byte says which. */
static void fill(struct head *head, struct slice lines)
{
    static const enum field_name names[] = {
        FIELD_TRACEPARENT, FIELD_TRACESTATE,   FIELD_B3,         FIELD_X_B3_TRACEID,
        FIELD_X_B3_SPANID, FIELD_X_B3_SAMPLED, FIELD_X_B3_FLAGS, FIELD_X_B3_PARENTSPANID,
    };
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
        if (len > 0)
            need(head_add_id(head, names[lines.ptr[0] & 7], slice_sub(lines, 1, len - 1)));
        lines = slice_sub(lines, len + 1, lines.len);
    }
}

static void check_written(const struct trace_context *context, const struct head *head)
{
    struct trace_context again;
    trace_read(head, &again);
    need(trace_is_there(&again));
    need(memcmp(again.trace_id, context->trace_id, TRACE_ID_BYTES) == 0);
    need(memcmp(again.parent_id, context->span_id, SPAN_ID_BYTES) == 0);
    need(trace_is_sampled(&again) == trace_is_sampled(context));
    need(again.formats == (context->formats ? context->formats : TRACE_W3C));
    for (size_t i = 0; i < head->n_fields; i++)
        need(head->fields[i].id != FIELD_TRACESTATE || trace_state_ok(head->fields[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t random[TRACE_RANDOM_BYTES] = {1, 2, 3, [15] = 4, [16] = 5, [23] = 6};
    struct arena arena = {0};
    struct head head;
    struct trace_context context;
    uint64_t ratio;
    struct slice input = slice_of(data, size);
    head_init(&head, &arena);
    fill(&head, input);
    trace_read(&head, &context);
    need(trace_is_there(&context) || context.parent_id[0] == 0);
    trace_start(&context, size & 1 ? TRACE_ALL : 0, random);
    need(context.decision != TRACE_UNDECIDED);
    need(trace_write(&context, &head));
    check_written(&context, &head);
    if (trace_parse_ratio(input, &ratio))
        need(ratio <= TRACE_ALL);
    arena_fini(&arena);
    return 0;
}
