/*
 * Sends spans to an OpenTelemetry receiver: opentelemetry.proto.collector.trace.v1.TraceService
 * over gRPC. Workers serialize their spans and post them to the main thread, which sends what a
 * second, or TRACE_BATCH_SPANS, brought together, one call at a time; what comes meanwhile goes
 * with the next. Everything is bounded: spans beyond TRACE_QUEUE_SPANS, or beyond TRACE_BATCH_BYTES
 * in one call, are dropped and counted, and so is a batch that the receiver did not take after some
 * attempts. No request ever waits for it.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_TRACE_EXPORT_H
#define OUTRIGGER_PROXY_TELEMETRY_TRACE_EXPORT_H

#include <event2/event.h>

#include "common/mailbox.h"
#include "proxy/telemetry/request_facts.h"

#define TRACE_QUEUE_SPANS 4096       /* between a request's end and the receiver's answer */
#define TRACE_BATCH_SPANS 512        /* are not kept any longer, unless a call is under way */
#define TRACE_BATCH_BYTES (2u << 20) /* half of what receivers take (gRPC's default: 4 MiB) */

struct trace_export;

struct trace_export_options {
    const char *endpoint; /* host:port, plaintext */
    const char *pod;      /* namespace/name */
    uint32_t socket_mark;
};

/* Strings are copied. `box` is the main thread's, whose loop is `base`. NULL with `err` filled. */
struct trace_export *trace_export_new(struct event_base *base, struct mailbox *box,
                                      const struct trace_export_options *options, struct err *err);
/* When no worker runs any more and the mailbox has delivered. NULL is let be. */
void trace_export_free(struct trace_export *export);

/* Main thread: what owns the pod, as soon as it is known; until then its name is sent. */
void trace_export_set_service(struct trace_export *export, const char *service);

/* Any thread: a sampled request has ended. */
void trace_export_record(struct trace_export *export, const struct request_facts *facts);

/*
 * Main thread, at the end: sends what is there, and calls `done` when the receiver has answered or
 * `timeout_ms` have passed; maybe before it returns. Spans that come later are dropped.
 */
void trace_export_finish(struct trace_export *export, uint64_t timeout_ms,
                         void (*done)(void *context), void *context);

struct trace_export_counts {
    uint64_t n_sent;     /* taken by the receiver */
    uint64_t n_dropped;  /* beyond the queue, or memory was short */
    uint64_t n_failed;   /* not taken by the receiver */
    uint64_t n_rejected; /* refused by it */
    uint64_t n_waiting;
};
/* Any thread. */
struct trace_export_counts trace_export_counts(const struct trace_export *export);

#endif
