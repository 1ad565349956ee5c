/*
 * Which trace a request belongs to. Where no spans are recorded, and in a trace that others have
 * decided not to record, the context goes on as it came: a span that nobody will see must not come
 * between those that somebody may.
 */
#include "proxy/request_parts.h"

#include "common/jitter.h"

bool request_trace(struct request *request)
{
    const struct tracing *tracing = request->workspace->settings->tracing;
    struct trace_context *trace = &request->trace;
    uint8_t random[TRACE_RANDOM_BYTES];
    trace_read(request->head, trace);
    if (!tracing || (trace_is_there(trace) && trace->decision == TRACE_UNSAMPLED))
        return true;
    jitter_bytes(random, sizeof(random));
    trace_start(trace, tracing->ratio, random);
    return trace_write(trace, request->head);
}
