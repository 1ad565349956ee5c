/*
 * What an HTTP/1.1 connection does whichever end of it we are: reads, holds what cannot be
 * understood or given on yet, tells messages' bodies to the stream, ends. The two ends put their
 * part in as a `struct h1_role`: heads, what an end of input means, what a timeout means.
 *
 * Used by h1_server.c, h1_client.c and their parts only; everybody else sees codec.h.
 */
#ifndef OUTRIGGER_PROXY_CODEC_H1_CONN_H
#define OUTRIGGER_PROXY_CODEC_H1_CONN_H

#include "proxy/codec/output.h"

/* How long a connection that ends listens for what is still coming, and how much it drops. */
#define H1_LINGER_MS        2000
#define H1_LINGER_MAX_BYTES (1024 * 1024)
/* What is left of a request that was answered early is dropped up to this, to keep the connection.
 */
#define H1_DISCARD_MAX_BYTES (64 * 1024)
/* How often a side that is not read is asked whether it was reset. */
#define H1_LISTEN_MS 5000

#define H1_STATES(X)                                                                               \
    X(H1_STATE_IDLE, "idle") /* between two exchanges */                                           \
    X(H1_STATE_HEAD, "head") /* server: a head has begun; client: a response is waited for */      \
    X(H1_STATE_BODY, "body") /* with no stream: it is dropped, within bounds */                    \
    X(H1_STATE_TRAILERS, "trailers") /* also the empty section behind the last chunk */            \
    X(H1_STATE_RECEIVED, "received") /* the message has come; what follows is held */              \
    X(H1_STATE_PENDING, "pending")   /* server: a tunnel was asked for; what follows is held */    \
    X(H1_STATE_TUNNEL, "tunnel")                                                                   \
    X(H1_STATE_LINGER, "linger") /* the last is being sent; what comes is dropped */               \
    X(H1_STATE_CLOSED, "closed")

enum h1_state {
#define X(name, text) name,
    H1_STATES(X)
#undef X
};
const char *h1_state_name(enum h1_state state);

struct h1;

struct h1_role {
    /* H1_STATE_IDLE and H1_STATE_HEAD: moves *input past a head when all of it is there. True: go
     * on. */
    bool (*read_head)(struct h1 *h1, struct slice *input);
    /* The body or trailers are malformed. */
    void (*on_fault)(struct h1 *h1, enum h1_fault fault);
    /* No input follows and everything before it was understood as far as it can be. */
    void (*on_end)(struct h1 *h1, enum conn_end end);
    void (*on_timeout)(struct h1 *h1);
    /* Nothing can be sent any more. */
    void (*on_broken)(struct h1 *h1);
    /* The end of a turn in which the connection was marked, before held input is given on. */
    void (*on_turn)(struct h1 *h1);
    /* When the state must have changed; UINT64_MAX: never. */
    uint64_t (*deadline_ns)(const struct h1 *h1);
};

struct h1_stream;

struct h1 {
    struct codec codec;
    struct output output;
    struct grave grave;
    struct timer timer;
    const struct h1_role *role;
    enum h1_state state;
    struct h1_stream *stream;  /* the exchange; NULL: none, or its owner has let go */
    struct h1_message message; /* that is being read */
    struct h1_body body;
    struct buf held;    /* read and not understood yet */
    size_t seen;        /* of a head or trailers in `held`: h1_head_end() */
    enum conn_end end;  /* what follows `held`; CONN_GOES_ON: more may come */
    enum reason reason; /* why it lingers */
    const char *detail;
    uint64_t since_ns;      /* when the head began, or FIN was sent */
    uint64_t listen_ns;     /* when to ask again whether it was reset, while it is deaf */
    uint64_t dropped_bytes; /* discarding or lingering */
    uint64_t before_bytes;  /* client: written before the request of now */
    uint32_t n_informational;
    bool is_started;
    bool is_deaf; /* not read for now */
    bool is_draining;
    bool is_last;    /* no exchange follows this one */
    bool is_cut;     /* lingering: close without FIN or close_notify in good order */
    bool is_aborted; /* and with RST */
    bool is_spoiled; /* what was sent does not fit what was announced */
    bool has_moved;  /* something was sent since the timer was looked at */
    bool owes_end;   /* the end of a request that became no tunnel is still to tell */
    bool owes_room;  /* codec_room() has changed and that is still to tell */
};

static inline struct h1 *h1_of(struct codec *codec)
{
    return LIST_ENTRY(codec, struct h1, codec);
}

/* NULL when memory is short: `from` is as it was. */
struct h1 *h1_new(struct codec_shared *shared, struct conn *from, const struct codec_ops *ops,
                  const struct h1_role *role, const struct codec_events *events, void *owner);

void h1_set_state(struct h1 *h1, enum h1_state to);
/* May what has been read be given on now? */
bool h1_wants_input(const struct h1 *h1);
/* One read() and everything that follows from it. */
void h1_read(struct h1 *h1);
/* Sees to it that the timer is not later than role->deadline_ns(). */
void h1_arm(struct h1 *h1);

/*
 * Ends now: on_reset to the stream with `cut`, then on_closed. From events of the loop and from
 * codec_close(), never from another operation.
 */
void h1_fail(struct h1 *h1, enum stream_cut cut, bool is_unprocessed, enum reason reason,
             const char *detail);
/* No exchange any more; when everything was sent and the peer has gone, or is too slow: on_closed.
 */
void h1_linger(struct h1 *h1, enum reason reason, const char *detail);

/* H1_STATE_LINGER: a slow reader has time for what is still to be sent, then H1_LINGER_MS. */
uint64_t h1_linger_deadline_ns(const struct h1 *h1);

/* Of codec_ops. */
void h1_close(struct codec *codec, enum reason reason);
void h1_free(struct codec *codec);
size_t h1_n_streams(const struct codec *codec);

#endif
