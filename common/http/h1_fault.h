/*
 * Why an HTTP/1.x message is refused, and the ceilings that it is held to.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_FAULT_H
#define OUTRIGGER_COMMON_HTTP_H1_FAULT_H

#include <stddef.h>

struct h1_limits {
    size_t line_bytes; /* request line or status line; default 8 KiB: 414; less than head_bytes */
    size_t head_bytes; /* all of the head; default 64 KiB: 431 */
    size_t n_fields;   /* default 128: 431 */
};
#define H1_DEFAULT_LIMITS ((struct h1_limits){8 * 1024, 64 * 1024, 128})

/* Why a message was refused: suffix, the status that a client gets, one line for logs. */
#define H1_FAULTS(X)                                                                               \
    X(NONE, 0, "")                                                                                 \
    X(LINE, 400, "malformed request or status line")                                               \
    X(LINE_TOO_LONG, 414, "request line too long")                                                 \
    X(METHOD, 400, "the method is no token")                                                       \
    X(TARGET, 400, "malformed request target")                                                     \
    X(VERSION, 505, "unknown HTTP version")                                                        \
    X(LINE_END, 400, "bare CR or LF")                                                              \
    X(NUL, 400, "NUL in the head")                                                                 \
    X(FIELD_NAME, 400, "malformed field name")                                                     \
    X(FIELD_VALUE, 400, "control character in a field value")                                      \
    X(FOLDED, 400, "folded line")                                                                  \
    X(HEAD_TOO_LARGE, 431, "head too large")                                                       \
    X(TOO_MANY_FIELDS, 431, "too many fields")                                                     \
    X(HOST, 400, "Host missing, repeated or malformed")                                            \
    X(CONTENT_LENGTH, 400, "malformed, repeated or misplaced Content-Length")                      \
    X(TRANSFER_ENCODING, 400, "malformed or misplaced Transfer-Encoding")                          \
    X(TRANSFER_CODING, 501, "unknown transfer coding")                                             \
    X(TWO_FRAMINGS, 400, "both Content-Length and Transfer-Encoding")                              \
    X(CONNECTION, 400, "malformed Connection or Upgrade")                                          \
    X(CHUNK, 400, "malformed chunk")                                                               \
    X(TRAILER, 400, "a field that no trailer section may have")                                    \
    X(STATUS, 400, "malformed status")                                                             \
    X(NO_MEMORY, 503, "memory was short")

enum h1_fault {
#define X(suffix, status, text) H1_FAULT_##suffix,
    H1_FAULTS(X)
#undef X
};
/* For a client's request; what a server sent is answered with 502. */
int h1_fault_status(enum h1_fault fault);
const char *h1_fault_text(enum h1_fault fault);

#endif
