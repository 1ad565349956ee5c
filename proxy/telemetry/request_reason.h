/*
 * Why a request was answered by the proxy itself, or was cut: the vocabulary of
 * request_reasons.def.
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_REQUEST_REASON_H
#define OUTRIGGER_PROXY_TELEMETRY_REQUEST_REASON_H

#include "proxy/telemetry/telemetry.h"

enum request_reason {
#define REQUEST_REASON(name, word, status, grpc_status, help) REQUEST_REASON_##name,
#include "proxy/telemetry/request_reasons.def"
#undef REQUEST_REASON
    REQUEST_REASON_COUNT
};

const char *request_reason_word(enum request_reason reason);
const char *request_reason_help(enum request_reason reason);
int request_reason_status(enum request_reason reason);      /* 0: nothing is answered */
int request_reason_grpc_status(enum request_reason reason); /* 0-16 */

/* Is it something that went wrong? A redirect is an answer of ours as well, and is not. */
bool request_reason_is_failure(enum request_reason reason);

/* Of a way to an endpoint that could not be opened. */
enum request_reason request_reason_of(enum reason reason);

#endif
