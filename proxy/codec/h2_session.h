/*
 * What HTTP/2 server and client share: one connection, the nghttp2 session on it, its turns, times
 * and end. nghttp2 allocates from the worker's slabs, is given what one read brought, and is asked
 * for frames once at the end of a turn.
 *
 * Heads and data are told to the owners of streams from inside nghttp2's callbacks, where it allows
 * everything but reading and writing; ends, room and progress when it has returned.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H2_SESSION_H
#define OUTRIGGER_PROXY_CODEC_H2_SESSION_H

#include "proxy/codec/codec.h"
#include "proxy/codec/h2_frames.h"
#include "proxy/codec/h2_glitch.h"
#include "proxy/codec/h2_head.h"
#include "proxy/codec/h2_past.h"
#include "proxy/codec/h2_stream.h"
#include "proxy/codec/output.h"

enum h2_state {
    H2_OPENING, /* the peer's SETTINGS have not come */
    H2_UP,
    H2_ENDING,    /* a GOAWAY is on its way; nothing is understood any more */
    H2_LINGERING, /* all was sent, also FIN; until the peer's, so that it reads our last words */
    H2_CLOSED,
};

/* GOAWAY in two steps (RFC 9113 6.8). */
enum h2_drain { H2_DRAIN_NONE, H2_DRAIN_ANNOUNCED, H2_DRAIN_LAST };

struct h2_session {
    struct codec codec; /* first */
    struct output output;
    struct grave grave;
    struct timer timer;
    nghttp2_session *h2;
    enum h2_state state;
    enum h2_drain drain;
    bool is_last_stream_due; /* of H2_DRAIN_LAST: its GOAWAY is not framed yet */
    enum reason reason;      /* why it ends, from H2_ENDING on */
    char detail[128];

    struct list streams; /* all that were not given back */
    struct list due;     /* those with something to tell */
    struct list fence;   /* in `due` while it is told */
    size_t n_live;       /* that nghttp2 knows */
    size_t n_open;       /* that their owners have not closed */

    unsigned depth;           /* nghttp2 is on the stack */
    struct h2_stream *told;   /* whose events are being told; NULL when it has gone */
    struct h2_stream *header; /* whose header block is being decoded */
    struct h2_head_reader reader;
    struct h2_stream *body; /* whose DATA frame is being read */
    int32_t body_id;
    size_t body_left; /* of its payload */
    bool body_is_last, body_is_padded;
    bool is_in_head; /* a header block has begun */

    struct h2_frames frames;
    struct h2_past past; /* of a server: its client's streams */
    int32_t reset_id;    /* the stream that we have reset last */
    struct h2_glitch glitch;
    size_t credit;        /* bytes of the connection's window to be given back after the read */
    size_t held;          /* bytes that wait for owners who have paused */
    size_t owed;          /* window that is withheld until they have gone on */
    uint64_t now_ns;      /* of this turn */
    uint64_t head_ns;     /* a header block was incomplete then; 0: none */
    uint64_t idle_ns;     /* when the last stream went, or the session began */
    uint64_t gone;        /* bytes that the socket had taken when the timer looked */
    uint64_t gone_ns;     /* and when that was no longer what it had been */
    uint64_t deadline_ns; /* of OPENING, ENDING, LINGERING, and of the first step of a drain */
    size_t lingered_bytes;
    bool is_room_due;
    bool is_goaway_seen;
    uint8_t received_type; /* of the latest frame */
    bool is_freed;         /* codec_free() was called; owners still have streams */
};

static inline struct h2_session *h2_session_of(struct codec *codec)
{
    return (struct h2_session *)codec;
}

/*
 * Takes over the connection as h2_server_new() says and queues the SETTINGS. `ops` says which side
 * it is.
 */
struct h2_session *h2_session_new(struct codec_shared *shared, struct conn *from,
                                  const struct codec_ops *ops, const struct codec_events *events,
                                  void *owner);

/*
 * Inside: ends the session when the turn is over: GOAWAY with `h2_error`, streams are reset, the
 * rest is sent, on_closed with `reason`. The first call counts.
 */
void h2_session_fail(struct h2_session *session, enum reason reason, uint32_t h2_error,
                     const char *detail);
/* Inside: costs the peer; false: too much, and the session has been failed. */
bool h2_session_spend(struct h2_session *session, uint32_t cost) MUST_USE;

/* Inside a server: a frame begins that only an open stream may have; false: the session has failed.
 */
bool h2_session_judge(struct h2_session *session, uint32_t id) MUST_USE;

/* Inside: something is to be told or sent at the end of the turn. */
static inline void h2_session_mark(struct h2_session *session)
{
    output_mark(&session->output);
}
/* The socket has ended, or nobody waits for what it could still carry: on_closed. Not inside. */
void h2_session_end_at_once(struct h2_session *session);
/* Inside: the PING of a drain was answered. */
void h2_session_drain_seen(struct h2_session *session);
/* Inside: this many held bytes have gone. */
void h2_session_released(struct h2_session *session, size_t bytes);
/* Inside: the last owner has let go of a session that was freed: it waits in the graveyard. */
void h2_session_park(struct h2_session *session);

static inline bool h2_session_is_alive(const struct h2_session *session)
{
    return session->state <= H2_UP;
}

/* Half of what is held before the connection's window is withheld as well. */
static inline bool h2_session_is_burdened(const struct h2_session *session)
{
    return session->held > session->codec.shared->limits->connection_window_bytes / 2;
}

/* Operations that server and client have in common. */
size_t h2_session_n_streams(const struct codec *codec);
void h2_session_drain(struct codec *codec);
void h2_session_close(struct codec *codec, enum reason reason);
void h2_session_free(struct codec *codec);

#endif
