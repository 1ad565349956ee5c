/*
 * Heads as HTTP/2 has them (RFC 9113 8.2, 8.3): header fields as they are decoded in, a checked
 * struct head out, and the other way round. nghttp2 enforces most of the rules as well; nothing
 * here relies on it.
 *
 * An upgrade has the same shape in heads whatever its version: a request with method GET and
 * `upgrade` set, an answer with status 101. Extended CONNECT (RFC 8441) is translated here.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_HEAD_H
#define OUTRIGGER_PROXY_CODEC_H2_HEAD_H

#include <nghttp2/nghttp2.h>

#include "common/http/h1_parse.h"

/* What is counted for a field beside its bytes (RFC 9113 6.5.2). */
#define H2_FIELD_OVERHEAD_BYTES 32

enum h2_head_kind { H2_REQUEST, H2_RESPONSE, H2_TRAILERS };

enum h2_head_fault {
    H2_HEAD_OK,
    H2_HEAD_MALFORMED, /* a stream error PROTOCOL_ERROR */
    H2_HEAD_TOO_LARGE, /* 431 */
    H2_HEAD_NO_MEMORY,
};

/* One block of fields that is being decoded. */
struct h2_head_reader {
    struct head *head;
    const struct h1_limits *limits;
    enum h2_head_kind kind;
    enum h2_head_fault fault; /* the first; what follows it is ignored */
    size_t bytes;             /* sum of name, value and H2_FIELD_OVERHEAD_BYTES */
    size_t n_fields;          /* cookie crumbs are not counted */
    size_t n_cookies;
    unsigned seen; /* bits of pseudo-header fields */
    bool has_fields;
    struct slice host, protocol;
};

/* `head` is initialized, with the arena that gets copies of all that is kept. */
void h2_head_begin(struct h2_head_reader *reader, enum h2_head_kind kind, struct head *head,
                   const struct h1_limits *limits);
/* One field. `name` and `value` are good during the call. */
void h2_head_field(struct h2_head_reader *reader, struct slice name, struct slice value,
                   bool is_sensitive);
/*
 * The block is complete: the first fault, or the head is as head.h says. `is_extended_connect`: the
 * stream is a tunnel (a request), or was asked to become one (a response: 2xx becomes 101).
 */
enum h2_head_fault h2_head_end(struct h2_head_reader *reader, bool *is_extended_connect) MUST_USE;

/*
 * Fields for nghttp2. `keep`: the bytes of `head` live until they have been sent; else nghttp2
 * copies those that are not constants. `nva` has room for H2_NVA_ROOM(head) elements; numbers are
 * written into `digits` which must live as long as `head`. The number of fields; 0: it cannot be
 * written.
 */
#define H2_NVA_ROOM(head)  ((head)->n_fields + 6)
#define H2_HEAD_MAX_DIGITS 24 /* of a number; `digits` has room for two */
size_t h2_head_write_request(const struct head *head, bool is_tls, bool keep, char *digits,
                             nghttp2_nv *nva) MUST_USE;
size_t h2_head_write_response(const struct head *head, bool is_extended_connect, char *digits,
                              nghttp2_nv *nva) MUST_USE;
size_t h2_head_write_trailers(const struct head *head, nghttp2_nv *nva) MUST_USE;

#endif
