/*
 * Writing HTTP/1.1 messages: heads, chunks, trailers, exactly as RFC 9112 has them. Every name and
 * value is checked again before it is written, so that nothing that came by another protocol can
 * make a line of its own (no CR, LF, NUL gets through). What is written, read by h1_parse.h, is the
 * head that was given, or is refused; it is never another.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_WRITE_H
#define OUTRIGGER_COMMON_HTTP_H1_WRITE_H

#include "common/buf.h"
#include "common/http/h1_parse.h"
#include "common/http/status_text.h"

/*
 * What the codec decides and the head does not say. Framing: H1_LENGTH writes the head's
 * content_length; H1_NO_BODY writes it too when it is set (an answer to HEAD, 304), and 0 never
 * by itself. 1xx and 204 never get any, 304 no other framing. H1_TUNNEL: a 101 with the head's
 * upgrade, or 2xx to CONNECT. H1_UNTIL_CLOSE: a response; always says close.
 */
struct h1_write {
    enum h1_framing framing;
    bool close;      /* Connection: close */
    bool keep_alive; /* Connection: keep-alive, which a client of HTTP/1.0 has to be told */
};

/*
 * Each appends to `out`; false: memory is short or its ceiling is reached, or the head cannot be
 * written (then nothing was appended): no token, target or authority, a value with controls, a
 * hop-by-hop field (but `te: trailers`), Host or Content-Length among the fields, a framing that
 * does not go with the message, an upgrade to what may not be forwarded or with a body.
 *
 * A request is written in origin-form (CONNECT: authority-form) with Host: authority, empty when
 * there is none; head->upgrade with Connection: upgrade. A response says HTTP/1.1 and no reason but
 * the usual one.
 */
bool h1_write_request(struct buf *out, const struct head *head,
                      const struct h1_write *how) MUST_USE;
bool h1_write_response(struct buf *out, const struct head *head,
                       const struct h1_write *how) MUST_USE;
bool h1_write_chunk_start(struct buf *out, size_t len) MUST_USE; /* "1a2b CRLF"; len > 0 */
bool h1_write_chunk_end(struct buf *out) MUST_USE;               /* CRLF */
/* The last chunk, and `trailers` when it is not NULL, without those that no trailer may be. */
bool h1_write_last_chunk(struct buf *out, const struct head *trailers) MUST_USE;

#endif
