#include "proxy/telemetry/request_reason.h"

static const struct {
    const char *word, *help;
    int status, grpc_status;
} rows[] = {
#define REQUEST_REASON(name, word, status, grpc_status, help)                                      \
    [REQUEST_REASON_##name] = {word, help, status, grpc_status},
#include "proxy/telemetry/request_reasons.def"
#undef REQUEST_REASON
};

const char *request_reason_word(enum request_reason reason)
{
    return rows[reason].word;
}

const char *request_reason_help(enum request_reason reason)
{
    return rows[reason].help;
}

int request_reason_status(enum request_reason reason)
{
    return rows[reason].status;
}

int request_reason_grpc_status(enum request_reason reason)
{
    return rows[reason].grpc_status;
}

enum request_reason request_reason_of(enum reason reason)
{
    switch (reason) {
    case REASON_CONNECT_TIMEOUT:
        return REQUEST_REASON_CONNECT_TIMEOUT;
    case REASON_TLS_FAILED:
    case REASON_TLS_TIMEOUT:
    case REASON_TLS_TRUNCATED:
        return REQUEST_REASON_TLS_FAILED;
    case REASON_PEER_REJECTED:
        return REQUEST_REASON_PEER_REJECTED;
    case REASON_NO_CERTIFICATE:
        return REQUEST_REASON_NO_CERTIFICATE;
    case REASON_NO_ENDPOINTS:
        return REQUEST_REASON_NO_ENDPOINTS;
    case REASON_LOOP:
        return REQUEST_REASON_LOOP;
    case REASON_LIMIT_CONNECTIONS:
        return REQUEST_REASON_LIMIT_CONNECTIONS;
    case REASON_LIMIT_PENDING:
        return REQUEST_REASON_LIMIT_PENDING;
    case REASON_NO_DESCRIPTORS:
        return REQUEST_REASON_NO_DESCRIPTORS;
    case REASON_NO_MEMORY:
        return REQUEST_REASON_NO_MEMORY;
    case REASON_DRAINED:
        return REQUEST_REASON_DRAINED;
    default:
        return REQUEST_REASON_CONNECT_FAILED;
    }
}

bool request_reason_is_failure(enum request_reason reason)
{
    switch (reason) {
    case REQUEST_REASON_NONE:
    case REQUEST_REASON_CLIENT_GONE:
    case REQUEST_REASON_REDIRECTED:
    case REQUEST_REASON_DIRECT_RESPONSE:
    case REQUEST_REASON_CORS_PREFLIGHT:
        return false;
    default:
        return true;
    }
}
