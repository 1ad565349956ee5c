/*
 * The seam between protocols: one exchange (a request and what answers it) as every codec shows it.
 * HTTP/1.1 and HTTP/2 meet here, so that there are two server codecs and two client codecs and not
 * four pairings.
 *
 * A stream belongs to its codec; the *owner* is who drives the exchange (proxy/request.c). The
 * owner closes every stream exactly once, with stream_close(), also after on_reset; until then the
 * stream and the heads that it gave stay good, whatever became of the connection. No event comes
 * after stream_close(), and none comes from inside an operation: what an operation causes is told
 * in the next turn of the loop, with one exception: stream_send_data()'s result.
 *
 * Directions: a server's stream is given the request and sends the response; a client's stream
 * sends the request (its head went with codec_open()) and is given the response.
 *
 *   events:  head, data*, [trailers], end      (a client's: 1xx heads first)
 *   ops:     the same, in the same order
 *
 * `is_end` says that the direction ends with that piece. Data may be empty only with is_end.
 *
 * Back-pressure: stream_pause() stops on_data (bytes that were read already may be held back, at
 * most one read's worth; the socket is not read, or the window is not opened, any further).
 * stream_send_data() answers false when enough waits to be sent: the owner stops giving more until
 * on_drained. It takes what it was given either way.
 */
#ifndef OUTRIGGER_PROXY_CODEC_STREAM_H
#define OUTRIGGER_PROXY_CODEC_STREAM_H

#include "common/arena.h"
#include "common/err.h"
#include "common/http/head.h"

/* How an exchange is cut: suffix, word, HTTP/2 error code (RFC 9113 7). */
#define STREAM_CUTS(X)                                                                             \
    X(NONE, "none", 0x0)                                                                           \
    X(CANCELLED, "cancelled", 0x8)        /* whoever asked does not want it any more */            \
    X(REFUSED, "refused", 0x7)            /* certainly not processed: may be sent again */         \
    X(PROTOCOL, "protocol_error", 0x1)    /* what the peer sent is malformed */                    \
    X(TOO_LARGE, "too_large", 0xb)        /* a head or trailers beyond the limits */               \
    X(INTERNAL, "internal_error", 0x2)    /* memory, or a mistake of ours */                       \
    X(CONNECTION, "connection_lost", 0x2) /* the connection ended before the exchange had */       \
    X(TIMEOUT, "timeout", 0x8)                                                                     \
    X(TRUNCATED, "truncated", 0x2) /* the message ended before its length or last chunk */         \
    X(HTTP_1_1_REQUIRED, "http_1_1_required", 0xd)

enum stream_cut {
#define X(suffix, word, code) STREAM_CUT_##suffix,
    STREAM_CUTS(X)
#undef X
};
const char *stream_cut_word(enum stream_cut cut);
uint32_t stream_cut_h2_code(enum stream_cut cut);

struct stream;

/* What the codec tells the owner. Each may call any operation on this and other streams. */
struct stream_events {
    /* Client: a response's head; final when its status is 200 or more, or 101. */
    void (*on_head)(struct stream *stream, struct head *head, bool is_end);
    /* `data` is good during the call. */
    void (*on_data)(struct stream *stream, struct slice data, bool is_end);
    void (*on_trailers)(struct stream *stream, struct head *trailers); /* ends the direction */
    /*
     * Nothing more comes and nothing more can be sent. `is_unprocessed`: the peer has certainly not
     * begun to act on it (REFUSED_STREAM, above GOAWAY's last stream), or an HTTP/1.1 connection
     * that had been used before closed without a byte of an answer: the keep-alive race. Whether
     * that is certain as well `cut` tells: STREAM_CUT_REFUSED.
     */
    void (*on_reset)(struct stream *stream, enum stream_cut cut, bool is_unprocessed);
    void (*on_drained)(struct stream *stream);
};

struct stream_ops {
    bool (*send_head)(struct stream *stream, const struct head *head, bool is_end);
    bool (*send_data)(struct stream *stream, struct slice data, bool is_end);
    bool (*send_trailers)(struct stream *stream, const struct head *trailers);
    void (*pause)(struct stream *stream);
    void (*resume)(struct stream *stream);
    void (*close)(struct stream *stream, enum stream_cut cut);
};

struct stream {
    const struct stream_ops *ops;       /* the codec's */
    const struct stream_events *events; /* the owner's; NULL once closed */
    void *owner;
    struct arena arena; /* heads that came by it, and whatever lives as long as the exchange */
    uint64_t id;        /* of the connection: 1, 3, 5, ... in HTTP/2; 1, 2, 3, ... in HTTP/1.1 */
    bool is_received;   /* the incoming direction has ended */
    bool is_sent;       /* the outgoing direction has */
};

/*
 * Server's stream only: 1xx as often as wanted, then one final head. `head` and its bytes must live
 * until the stream is closed. Hop-by-hop fields and framing are the codec's business. False: it
 * cannot be sent (memory, or a head that cannot be written); the stream is still to close.
 */
static inline bool stream_send_head(struct stream *stream, const struct head *head, bool is_end)
{
    return stream->ops->send_head(stream, head, is_end);
}

/* Takes a copy, or sends it. False: stop until on_drained. */
static inline bool stream_send_data(struct stream *stream, struct slice data, bool is_end)
{
    return stream->ops->send_data(stream, data, is_end);
}

/* Ends the outgoing direction. Dropped where the peer's protocol cannot carry them. */
static inline bool stream_send_trailers(struct stream *stream, const struct head *trailers)
{
    return stream->ops->send_trailers(stream, trailers);
}

static inline void stream_pause(struct stream *stream)
{
    stream->ops->pause(stream);
}

static inline void stream_resume(struct stream *stream)
{
    stream->ops->resume(stream);
}

/*
 * The owner lets go. When either direction has not ended the exchange is cut: RST_STREAM with the
 * code of `cut`, or in HTTP/1.1 the connection is closed, so that the peer can tell. With
 * STREAM_CUT_NONE both directions should have ended: if the outgoing has and the incoming has not
 * (an early answer), the rest of the incoming is dropped, within bounds.
 */
static inline void stream_close(struct stream *stream, enum stream_cut cut)
{
    stream->ops->close(stream, cut);
}

#endif
