/*
 * An exchange on an HTTP/1.1 connection: what both ends share of it. The incoming direction is
 * told by h1_understand(), the outgoing one is written by the operations.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H1_STREAM_H
#define OUTRIGGER_PROXY_CODEC_H1_STREAM_H

#include "common/http/h1_write.h"
#include "proxy/codec/h1_conn.h"

struct h1_stream {
    struct stream stream;
    struct grave grave;
    struct h1 *h1; /* NULL: the connection has ended */
    struct codec_shared *shared;
    const struct head *request;
    enum h1_framing sending; /* of the outgoing message */
    uint64_t left_bytes;     /* to send, H1_LENGTH */
    struct buf early;        /* client: given before the tunnel was agreed to */
    bool is_early_end;       /* and that was the last of it */
    bool is_paused;
    bool is_head_sent;     /* server: the final head */
    bool is_head_received; /* client: any head, 1xx too */
    bool wants_tunnel;     /* client: Upgrade or CONNECT, not answered yet */
    bool is_continued;     /* server: some 1xx was sent */
};

static inline struct h1_stream *h1_stream_of(struct stream *stream)
{
    return LIST_ENTRY(stream, struct h1_stream, stream);
}

/* In memory of the slabs, with the first part of its arena; becomes h1->stream. NULL: no memory. */
struct h1_stream *h1_stream_new(struct h1 *h1, const struct stream_ops *ops);
/* The owner has let go (or never had it): parks it; h1->stream is NULL if it was that. */
void h1_stream_park(struct h1_stream *stream);

/* Of stream_ops, for both ends. */
bool h1_stream_send_data(struct stream *stream, struct slice data, bool is_end);
bool h1_stream_send_trailers(struct stream *stream, const struct head *trailers);
void h1_stream_pause(struct stream *stream);
void h1_stream_resume(struct stream *stream);

/* Client: the tunnel was agreed to; sends what was given early. */
void h1_stream_open_tunnel(struct h1_stream *stream);

/*
 * Composes a head (`is_request` or a response's) with `how` into the output. False: it cannot be
 * written, or memory is short; then nothing of it was sent.
 */
bool h1_send_head(struct h1 *h1, bool is_request, const struct head *head,
                  const struct h1_write *how) MUST_USE;

/* Moves *input past what can be understood and given on now, and tells it. */
void h1_understand(struct h1 *h1, struct slice *input);
/* The incoming message has no body, or has ended: then `data` is the last piece of it. */
void h1_tell_data(struct h1 *h1, struct slice data, bool is_end);
/* After a head: which state its body is read in. True: there is none, the message has ended. */
bool h1_begin_body(struct h1 *h1, const struct head *head);

#endif
