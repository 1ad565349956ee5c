/*
 * What is told of one request when it has ended: by the access log, on /tap, in its span.
 * Everything belongs to the request and lives during the call that gets it; texts are "" and never
 * NULL where something is not known.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_REQUEST_FACTS_H
#define OUTRIGGER_PROXY_TELEMETRY_REQUEST_FACTS_H

#include <stdint.h>

#include "common/slice.h"
#include "proxy/telemetry/telemetry.h"
#include "proxy/telemetry/trace_context.h"

struct request_facts {
    enum direction direction;
    struct slice method, path, authority, request_id;
    unsigned status;
    int grpc_status;
    bool is_grpc;
    const char *reason, *error;
    uint64_t begun_wall_ns; /* since the epoch */
    uint64_t duration_us, head_us, connect_us, bytes_sent, bytes_received;
    unsigned retries;
    const char *source, *source_identity, *destination, *service, *route, *backend, *endpoint;
    const char *destination_identity, *protocol, *upstream_protocol, *policy, *why;
    const char *trace_id;              /* in hexadecimal, or "" */
    const struct trace_context *trace; /* never NULL */
};

enum request_fact {
#define FACT_TEXT(name, expression, help)   FACT_##name,
#define FACT_NUMBER(name, expression, help) FACT_##name,
#include "proxy/telemetry/request_fields.def"
#undef FACT_TEXT
#undef FACT_NUMBER
    FACT_COUNT
};

struct fact {
    bool is_number;
    struct slice text;
    int64_t number;
};
/* The value of one of them. */
struct fact request_fact(const struct request_facts *facts, enum request_fact which);
const char *request_fact_name(enum request_fact which);
/* FACT_COUNT: there is none of that name. */
enum request_fact request_fact_find(struct slice name);

#endif
