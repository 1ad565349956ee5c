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

#include "common/http/h1_body.h"
#include "common/http/h1_fault.h"
#include "common/http/head.h"

/*
 * Where a head ends. `bytes` is all of the message that came so far; *seen is kept between calls (0
 * at first) so that nothing is looked at twice. The length of the head with its empty line, or 0:
 * more must come, or *fault is set (too large, or a line that no head can have: refused at once,
 * not when the end comes). Up to two empty lines in front of a request are part of its head (RFC
 * 9112 2.2). The verdict does not depend on how the bytes were cut into pieces.
 */
size_t h1_head_end(struct slice bytes, size_t *seen, const struct h1_limits *limits,
                   enum h1_fault *fault) MUST_USE;

/* What a head says beyond the message: for the codec only. */
struct h1_message {
    enum h1_framing framing;
    bool is_persistent; /* the connection may be used again after it */
    bool is_upgrade;    /* head->upgrade is set */
    bool expects_continue;
};

/*
 * Parses a whole head, of the length that h1_head_end() found, into `head`, which head_init() has
 * made. The slices of `head` point into `text`, which may be changed (names are put in lower case)
 * and must live as long as the head.
 *
 * Absolute-form: scheme, authority and path are taken from it and Host is ignored after it was
 * checked. CONNECT: the authority with its port; no body, whatever follows the head is the
 * tunnel's.
 *
 * head->upgrade is set when Connection names Upgrade, the request is HTTP/1.1, has no body, and
 * asks for something else than another HTTP or TLS (h2c is never agreed to: what a proxy forwards
 * after it would be requests that nobody looks at). Otherwise it is a request like any other.
 */
enum h1_fault h1_parse_request(char *text, size_t len, const struct h1_limits *limits,
                               struct head *head, struct h1_message *message) MUST_USE;
/*
 * `method` is that of the request that it answers. 1xx but 101: no body, another head follows. 101,
 * and 2xx to CONNECT: H1_TUNNEL. A 101 has to name what it agrees to; whether that was asked for is
 * for the caller to judge.
 */
enum h1_fault h1_parse_response(char *text, size_t len, const struct h1_limits *limits,
                                struct slice method, struct head *head,
                                struct h1_message *message) MUST_USE;

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
