/*
 * Trace context: which trace a request belongs to, who asked, and whether it is recorded, as W3C
 * Trace Context (traceparent, tracestate) and B3 (one field, or several) tell it. Read strictly:
 * what is malformed is as if it had not come, and never gets any further. Pure.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_TRACE_CONTEXT_H
#define OUTRIGGER_PROXY_TELEMETRY_TRACE_CONTEXT_H

#include <stdint.h>

#include "common/http/head.h"

#define TRACE_ID_BYTES      16
#define TRACE_ID_TEXT_BYTES 33 /* in hexadecimal, with a NUL */
#define SPAN_ID_BYTES       8
#define SPAN_ID_TEXT_BYTES  17

enum trace_format { TRACE_W3C = 1, TRACE_B3 = 2, TRACE_B3_MULTI = 4 };

enum trace_decision {
    TRACE_UNDECIDED, /* B3 may leave it to whoever comes next */
    TRACE_UNSAMPLED,
    TRACE_SAMPLED,
    TRACE_DEBUG, /* B3: sampled, whatever it costs */
};

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES]; /* all zero: there is no trace */
    uint8_t parent_id[SPAN_ID_BYTES]; /* the span of who asked; zero: the trace begins here */
    uint8_t span_id[SPAN_ID_BYTES];   /* ours; zero until trace_start() */
    uint8_t formats;                  /* enum trace_format in which it came, and goes on */
    bool is_short;                    /* it came in B3 with a trace id of 64 bits */
    bool is_random;                   /* W3C level 2: the trace id says that it is */
    enum trace_decision decision;
};

static inline bool trace_is_sampled(const struct trace_context *context)
{
    return context->decision >= TRACE_SAMPLED;
}
bool trace_is_there(const struct trace_context *context);

/*
 * One field each; `context` is filled only when it is well formed. traceparent: version 00 exactly,
 * a later one as far as 00 reaches, ff never. B3: "{trace}-{span}[-{0|1|d}[-{parent}]]", or the
 * decision alone, which leaves the ids zero.
 */
bool trace_parse_traceparent(struct slice value, struct trace_context *context) MUST_USE;
bool trace_parse_b3(struct slice value, struct trace_context *context) MUST_USE;
/* One tracestate field: at most 32 members, keys and values of their alphabets and lengths. */
bool trace_state_ok(struct slice value);

/*
 * From a request's head. What W3C says is taken before what B3 says, and B3's one field before its
 * several. A field that comes twice is malformed, but for tracestate.
 */
void trace_read(const struct head *head, struct trace_context *context);

/* How many of 2^56 traces are sampled: "0.01", "1", ".5": digits and at most one point. */
#define TRACE_ALL (UINT64_C(1) << 56)
bool trace_parse_ratio(struct slice text, uint64_t *ratio) MUST_USE;

/*
 * Takes part in the trace: makes one when there is none, decides where nobody has (by the trace id,
 * so that everybody decides alike), and takes a span id. `random`: 24 bytes.
 */
#define TRACE_RANDOM_BYTES (TRACE_ID_BYTES + SPAN_ID_BYTES)
void trace_start(struct trace_context *context, uint64_t ratio,
                 const uint8_t random[TRACE_RANDOM_BYTES]);

/*
 * Writes the context, with our span as the parent, in every format in which it came, else W3C.
 * Nothing malformed is left. False when memory is short.
 */
bool trace_write(const struct trace_context *context, struct head *head) MUST_USE;

/* In lower-case hexadecimal; each returns `text`. */
const char *trace_id_text(const struct trace_context *context, char text[TRACE_ID_TEXT_BYTES]);
const char *span_id_text(const uint8_t id[SPAN_ID_BYTES], char text[SPAN_ID_TEXT_BYTES]);

#endif
