/*
 * gRPC status codes and the status a call ends with (grpc/doc/statuscodes.md).
 */
#ifndef OUTRIGGER_COMMON_GRPC_STATUS_H
#define OUTRIGGER_COMMON_GRPC_STATUS_H

#include "common/slice.h"

#define GRPC_CODES(X)                                                                              \
    X(GRPC_OK, 0, "OK")                                                                            \
    X(GRPC_CANCELLED, 1, "CANCELLED")                                                              \
    X(GRPC_UNKNOWN, 2, "UNKNOWN")                                                                  \
    X(GRPC_INVALID_ARGUMENT, 3, "INVALID_ARGUMENT")                                                \
    X(GRPC_DEADLINE_EXCEEDED, 4, "DEADLINE_EXCEEDED")                                              \
    X(GRPC_NOT_FOUND, 5, "NOT_FOUND")                                                              \
    X(GRPC_ALREADY_EXISTS, 6, "ALREADY_EXISTS")                                                    \
    X(GRPC_PERMISSION_DENIED, 7, "PERMISSION_DENIED")                                              \
    X(GRPC_RESOURCE_EXHAUSTED, 8, "RESOURCE_EXHAUSTED")                                            \
    X(GRPC_FAILED_PRECONDITION, 9, "FAILED_PRECONDITION")                                          \
    X(GRPC_ABORTED, 10, "ABORTED")                                                                 \
    X(GRPC_OUT_OF_RANGE, 11, "OUT_OF_RANGE")                                                       \
    X(GRPC_UNIMPLEMENTED, 12, "UNIMPLEMENTED")                                                     \
    X(GRPC_INTERNAL, 13, "INTERNAL")                                                               \
    X(GRPC_UNAVAILABLE, 14, "UNAVAILABLE")                                                         \
    X(GRPC_DATA_LOSS, 15, "DATA_LOSS")                                                             \
    X(GRPC_UNAUTHENTICATED, 16, "UNAUTHENTICATED")

enum grpc_code {
#define X(name, number, text) name = number,
    GRPC_CODES(X)
#undef X
};

/* Slices are good only during the callback that hands the status over. */
struct grpc_status {
    enum grpc_code code;  /* a number outside 0-16 from the peer becomes GRPC_UNKNOWN */
    struct slice message; /* percent-decoded */
    struct slice details; /* serialized google.rpc.Status of grpc-status-details-bin, or empty */
};

/* "UNAVAILABLE"; "UNKNOWN" for a number that is none. */
const char *grpc_code_name(enum grpc_code code);

/* The code for an HTTP status that came without a grpc-status (http-grpc-status-mapping.md). */
enum grpc_code grpc_code_of_http(unsigned http_status);

#endif
