/*
 * Reading HTTP/1.0 and HTTP/1.1 messages, strictly (RFC 9112). Pure: bytes in, heads and pieces of
 * bodies out; it keeps counters, no bytes. What two readers could understand differently is
 * refused: see the list in the tests.
 *
 * A head is parsed at once when all of it is there: h1_head_end() finds out, in time linear in what
 * came, whether it is. Bodies are parsed piece by piece as they come.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_PARSE_H
#define OUTRIGGER_COMMON_HTTP_H1_PARSE_H

#include "common/http/head.h"

struct h1_limits {
    size_t line_bytes; /* request line or status line; default 8 KiB: 414 */
    size_t head_bytes; /* all of the head; default 64 KiB: 431 */
    size_t n_fields;   /* default 128: 431 */
};
#define H1_DEFAULT_LIMITS            ((struct h1_limits){8 * 1024, 64 * 1024, 128})
#define H1_CHUNK_EXTENSION_MAX_BYTES 256

/* Why a message was refused: suffix, the status that a client gets, one line for logs. */
#define H1_FAULTS(X)                                                                               \
    X(NONE, 0, "")                                                                                 \
    X(LINE, 400, "malformed request or status line")                                               \
    X(LINE_TOO_LONG, 414, "request line too long")                                                 \
    X(METHOD, 400, "the method is no token")                                                       \
    X(TARGET, 400, "malformed request target")                                                     \
    X(VERSION, 505, "unknown HTTP version")                                                        \
    X(LINE_END, 400, "bare CR or LF")                                                              \
    X(NUL, 400, "control character in the head")                                                   \
    X(FIELD_NAME, 400, "malformed field name")                                                     \
    X(FIELD_VALUE, 400, "malformed field value")                                                   \
    X(FOLDED, 400, "folded line")                                                                  \
    X(HEAD_TOO_LARGE, 431, "head too large")                                                       \
    X(TOO_MANY_FIELDS, 431, "too many fields")                                                     \
    X(HOST, 400, "Host missing, repeated or malformed")                                            \
    X(CONTENT_LENGTH, 400, "malformed or repeated Content-Length")                                 \
    X(TRANSFER_ENCODING, 400, "malformed Transfer-Encoding")                                       \
    X(TRANSFER_CODING, 501, "unknown transfer coding")                                             \
    X(TWO_FRAMINGS, 400, "both Content-Length and Transfer-Encoding")                              \
    X(CONNECTION, 400, "malformed Connection or Upgrade")                                          \
    X(CHUNK, 400, "malformed chunk")                                                               \
    X(TRAILER, 400, "malformed trailer section")                                                   \
    X(STATUS, 400, "malformed status")                                                             \
    X(NO_MEMORY, 503, "memory was short")

enum h1_fault {
#define X(suffix, status, text) H1_FAULT_##suffix,
    H1_FAULTS(X)
#undef X
};
int h1_fault_status(enum h1_fault fault);
const char *h1_fault_text(enum h1_fault fault);

/*
 * Where a head ends. `bytes` is all of the message that came so far; *seen is kept between calls (0
 * at first) so that nothing is looked at twice. The length of the head with its empty line, or 0:
 * more must come, or *fault is set (too large, or a line that no head can have: refused at once,
 * not when the end comes). Up to two empty lines in front of a request are part of its head (RFC
 * 9112 2.2).
 */
size_t h1_head_end(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                   enum h1_fault *fault) MUST_USE;

/* How the body is told from what follows it (RFC 9112 6.3). */
enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE, H1_TUNNEL };

/* What a head says beyond the message: for the codec only. */
struct h1_message {
    enum h1_framing framing;
    bool is_persistent; /* the connection may be used again after it */
    bool is_upgrade;    /* head->upgrade is set and Connection names it */
    bool expects_continue;
};

/*
 * Parses a whole head. The slices of `head` point into `text`, which may be changed (names are put
 * in lower case) and must live as long as the head. Absolute-form: scheme, authority and path are
 * taken from it and Host is ignored after it was checked.
 */
enum h1_fault h1_parse_request(char *text, size_t len, const struct h1_limits *limits,
                               struct head *head, struct h1_message *message) MUST_USE;
/*
 * `method` is that of the request that it answers. 1xx but 101: no body, another head follows. 101,
 * and 2xx to CONNECT: H1_TUNNEL.
 */
enum h1_fault h1_parse_response(char *text, size_t len, const struct h1_limits *limits,
                                struct slice method, struct head *head,
                                struct h1_message *message) MUST_USE;

/* Reading a body. */
struct h1_body {
    enum h1_framing framing;
    uint8_t state;
    uint64_t left; /* of the length, or of the chunk */
    uint32_t line_bytes;
    uint8_t digits;
};
void h1_body_init(struct h1_body *body, const struct h1_message *message, const struct head *head);

enum h1_body_result {
    H1_BODY_MORE,     /* the input is used up and the body has not ended */
    H1_BODY_DATA,     /* *data is a piece of it; call again with the rest of the input */
    H1_BODY_TRAILERS, /* the last chunk: what follows is parsed by h1_parse_trailers() */
    H1_BODY_END,      /* the body has ended; what is left of the input is the next message's */
    H1_BODY_BAD,
};
/* Moves *input past what was understood. H1_UNTIL_CLOSE and H1_TUNNEL never end here. */
enum h1_body_result h1_body_next(struct h1_body *body, struct slice *input,
                                 struct slice *data) MUST_USE;

/*
 * The trailer section with its empty line, found by h1_trailers_end() as h1_head_end() finds a head
 * (an empty section is 2 bytes). Fields that would be framing, routing or authorization are refused
 * (RFC 9110 6.5.1), hop-by-hop ones removed.
 */
size_t h1_trailers_end(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                       enum h1_fault *fault) MUST_USE;
enum h1_fault h1_parse_trailers(char *text, size_t len, const struct h1_limits *limits,
                                struct head *head) MUST_USE;

#endif
