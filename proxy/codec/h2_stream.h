/*
 * One HTTP/2 stream, of server or client: what its owner asks of it, what is due to be told to its
 * owner. It has two users, the owner and nghttp2, and is given back when both have let go.
 *
 * Marked "inside": may run in a callback of nghttp2, and takes notes or queues frames only.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_STREAM_H
#define OUTRIGGER_PROXY_CODEC_H2_STREAM_H

#include <nghttp2/nghttp2.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/queue.h"

struct h2_session;

/* Incoming, as nghttp2 has seen it; what was told to the owner is stream.is_received. */
enum h2_in { H2_IN_HEAD, H2_IN_BODY, H2_IN_ENDED };
enum h2_out {
    H2_OUT_HEAD, /* the (final) head is not queued */
    H2_OUT_BODY,
    H2_OUT_ENDING, /* everything is queued */
    H2_OUT_ENDED,  /* END_STREAM has been framed */
};

struct h2_stream {
    struct stream stream; /* first */
    struct h2_session *session;
    struct list node; /* of session->streams */
    struct list due;  /* of session->due, when there is something to tell */
    enum h2_in in;
    enum h2_out out;
    enum stream_cut cut; /* why it ended, when we know better than the error code says */
    uint32_t error;      /* that nghttp2 closed it with */

    bool is_dead;        /* nghttp2 has let go */
    bool is_owned;       /* the owner has not */
    bool is_head_framed; /* our first head has left nghttp2 */
    bool is_deferred;    /* nghttp2 waits for h2_stream_has_output() */
    bool is_high;        /* on_drained is owed */
    bool is_drained_due, is_reset_due;
    bool is_paused;
    bool is_window_grown;      /* from the first to the whole */
    bool is_cut_by_owner;      /* the RST_STREAM is not the peer's fault */
    bool is_early;             /* an answer in front of the end of its request */
    bool is_extended_connect;  /* RFC 8441 */
    struct slice upgrade;      /* a client's: what it asked for by that */
    unsigned n_informational;  /* 1xx heads that came */
    uint64_t moved_ns;         /* when sending last made progress, or began */
    uint64_t received_bytes;   /* of the body */
    int64_t content_length;    /* that the incoming head announced */
    size_t unconsumed;         /* told to the owner, or held; the window is not yet given back */
    struct queue pending;      /* to be sent */
    struct queue held;         /* came while the owner had paused */
    struct head *trailers_due; /* came; the held bytes go first */
    nghttp2_nv *trailers;      /* to be sent behind `pending` */
    size_t n_trailers;
};

/* A stream that nobody owns yet, in session->streams. NULL when memory is short. */
struct h2_stream *h2_stream_take(struct h2_session *session, int32_t id);

/* Whoever made it a stream of nghttp2's, or failed to, says so. May free it, see h2_stream_died. */
void h2_stream_own(struct h2_stream *stream, const struct stream_events *events, void *owner);

/* Inside: nghttp2 knows it no more. Frees it when there is no owner. */
void h2_stream_died(struct h2_stream *stream, uint32_t error);

/* Inside: what the peer sent, or memory, makes the stream useless. */
void h2_stream_fault(struct h2_stream *stream, enum stream_cut cut);

/* Inside: body bytes came; `is_end` with the last. They are told at once unless held. */
void h2_stream_receive(struct h2_stream *stream, struct slice data, bool is_end);
/* Inside: trailers came, the last thing. */
void h2_stream_receive_trailers(struct h2_stream *stream, struct head *trailers);

/* Inside: a frame with END_STREAM was made. */
void h2_stream_end_framed(struct h2_stream *stream);

/* Inside: something is to be told, by h2_stream_tell() at the end of the turn. */
void h2_stream_make_due(struct h2_stream *stream);
/* Tells what is due. The stream may be gone afterwards. */
void h2_stream_tell(struct h2_stream *stream);

/* The session is over: on_reset is told at once. The stream may be gone afterwards. */
void h2_stream_lose(struct h2_stream *stream);

/* Gives it back; both users have let go. */
void h2_stream_free(struct h2_stream *stream);

/* Operations that server and client have in common. */
void h2_stream_pause(struct stream *stream);
void h2_stream_resume(struct stream *stream);
void h2_stream_close(struct stream *stream, enum stream_cut cut);

#endif
