/* One request, for the tests of those who are told of it. */
#ifndef OUTRIGGER_TEST_PROXY_TELEMETRY_FACTS_H
#define OUTRIGGER_TEST_PROXY_TELEMETRY_FACTS_H

#include "proxy/telemetry/request_facts.h"

static const struct trace_context some_trace = {
    .trace_id = {1, 2, 3}, .span_id = {4, 5}, .parent_id = {6, 7}, .decision = TRACE_SAMPLED};

static const struct request_facts some_facts = {
    .direction = DIRECTION_OUTBOUND,
    .method = {"GET", 3},
    .path = {"/api/users", 10},
    .authority = {"api", 3},
    .request_id = {"id-1", 4},
    .status = 503,
    .grpc_status = -1,
    .reason = "no_endpoints",
    .error = "",
    .begun_wall_ns = 1000000000,
    .duration_us = 1500,
    .head_us = 1200,
    .source = "10.0.0.1:1234",
    .source_identity = "spiffe://d/ns/shop/sa/web",
    .destination = "10.96.0.1:80",
    .service = "shop/api",
    .endpoint = "",
    .destination_identity = "",
    .protocol = "http/1.1",
    .upstream_protocol = "",
    .policy = "",
    .why = "",
    .trace_id = "0102",
    .trace = &some_trace,
};

#endif
