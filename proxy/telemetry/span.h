/*
 * A request as an OpenTelemetry span (proto/otlp.proto), named and described by the semantic
 * conventions for HTTP and RPC: the proxy of who asks makes a CLIENT span, the proxy of who answers
 * a SERVER span below it. Pure.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_SPAN_H
#define OUTRIGGER_PROXY_TELEMETRY_SPAN_H

#include "common/buf.h"
#include "proxy/telemetry/request_facts.h"

#define SPAN_VALUE_MAX 256 /* bytes of an attribute that the client chose */

/*
 * Appends the serialized Span. Texts become valid UTF-8: what is not ASCII is '?'. False: the
 * buffer has no room.
 */
bool span_encode(const struct request_facts *facts, struct buf *out) MUST_USE;

struct span_resource {
    const char *service, *namespace, *pod, *version; /* never NULL */
};

/* The whole request from serialized spans, each with span_append_field()'s tag before it. */
bool span_encode_request(const struct span_resource *resource, struct slice spans,
                         struct buf *out) MUST_USE;

/* A length-delimited field: its tag, the length, the bytes (protobuf's encoding). */
bool span_append_field(struct buf *out, unsigned number, struct slice bytes) MUST_USE;
#define SPAN_FIELD 2 /* ScopeSpans.spans */

#endif
