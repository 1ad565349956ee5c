/*
 * Where an HTTP/1.x message's body ends, and reading it piece by piece as it comes. Pure: it keeps
 * counters, no bytes.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_BODY_H
#define OUTRIGGER_COMMON_HTTP_H1_BODY_H

#include "common/http/head.h"

#define H1_CHUNK_SIZE_MAX_DIGITS     16
#define H1_CHUNK_EXTENSION_MAX_BYTES 256 /* of one chunk, with its ';' */

/* How the body is told from what follows it (RFC 9112 6.3). H1_LENGTH is never of 0 bytes: that is
 * H1_NO_BODY with the head's content_length 0. */
enum h1_framing { H1_NO_BODY, H1_LENGTH, H1_CHUNKED, H1_UNTIL_CLOSE, H1_TUNNEL };

struct h1_body {
    enum h1_framing framing;
    uint8_t state;
    uint64_t left; /* of the length, or of the chunk */
    uint32_t line_bytes;
    uint8_t digits;
};
struct h1_message;
void h1_body_init(struct h1_body *body, const struct h1_message *message, const struct head *head);

enum h1_body_result {
    H1_BODY_MORE,     /* the input is used up and the body has not ended */
    H1_BODY_DATA,     /* *data is a piece of it; call again with the rest of the input */
    H1_BODY_TRAILERS, /* the last chunk: what follows is parsed by h1_parse_trailers() */
    H1_BODY_END,      /* the body has ended; what is left of the input is the next message's */
    H1_BODY_BAD,      /* H1_FAULT_CHUNK; and so it stays */
};
/*
 * Moves *input past what was understood; *data points into it, never empty. H1_UNTIL_CLOSE and
 * H1_TUNNEL never end here. After H1_BODY_DATA the end may be known without more input: call again
 * even when none is left.
 */
enum h1_body_result h1_body_next(struct h1_body *body, struct slice *input,
                                 struct slice *data) MUST_USE;

#endif
