/*
 * One HTTP connection with the protocol that is spoken on it: the four codecs (h1_server.c,
 * h2_server.c, h1_client.c, h2_client.c) behind one table of operations. A codec owns its socket,
 * its TLS layer, its streams; it is made on an open connection whose handshake is over.
 *
 * Reading is one read() a wakeup. Writing is gathered: operations only add to the connection's
 * output and mark it, and codec_shared_flush(), once at the end of each turn of the loop, encrypts
 * what a turn produced in as few records as possible and writes it with one call.
 */
#ifndef OUTRIGGER_PROXY_CODEC_CODEC_H
#define OUTRIGGER_PROXY_CODEC_CODEC_H

#include "proxy/codec/limits.h"
#include "proxy/codec/stream.h"
#include "proxy/conn/conn.h"
#include "proxy/conn/graveyard.h"
#include "proxy/conn/timer_wheel.h"
#include "proxy/telemetry/telemetry.h"

/* What the codecs of one worker share: scratch, free lists, who has something to flush. */
struct codec_shared {
    struct conn_shared *conns;
    struct graveyard *graveyard;
    struct timer_wheel *timers;
    struct telemetry_shard *telemetry;
    const struct codec_limits *limits;
    struct list dirty;   /* connections to be visited at the end of the turn: output.c */
    struct slabs *slabs; /* memory that is used again: streams, buffers */
};
bool codec_shared_init(struct codec_shared *shared, struct conn_shared *conns,
                       struct graveyard *graveyard, struct timer_wheel *timers,
                       struct telemetry_shard *telemetry,
                       const struct codec_limits *limits) MUST_USE;
/* After every codec was freed and the graveyard buried. */
void codec_shared_fini(struct codec_shared *shared);
/*
 * After each turn of the loop, before the graveyard: tells what operations have caused, then writes
 * what the turn produced. It may call any event of any codec.
 */
void codec_shared_flush(struct codec_shared *shared);

struct codec;

/* What a codec tells who made it: proxy/downstream.c for servers, proxy/upstream/pool.c for
 * clients. */
struct codec_events {
    /*
     * Server: a request's head has come (its body may follow). Sets stream->events and
     * stream->owner, or closes the stream. `head` is the stream's.
     */
    void (*on_request)(void *owner, struct stream *stream, struct head *head, bool is_end);
    /* Client: codec_room() has changed, or the last stream has gone. */
    void (*on_room)(void *owner);
    /*
     * The connection has ended; streams were told before. Still to be freed with codec_free().
     * `detail`: one line, or "".
     */
    void (*on_closed)(void *owner, enum reason reason, const char *detail);
};

struct codec_ops {
    const char *protocol; /* "http/1.1", "h2" */
    bool is_server;
    struct stream *(*open)(struct codec *codec, const struct head *head, bool is_end,
                           const struct stream_events *events, void *owner);
    unsigned (*room)(const struct codec *codec);
    size_t (*n_streams)(const struct codec *codec);
    void (*drain)(struct codec *codec);
    void (*close)(struct codec *codec, enum reason reason);
    void (*free)(struct codec *codec);
};

/* The beginning of every codec's struct. */
struct codec {
    const struct codec_ops *ops;
    const struct codec_events *events; /* NULL once on_closed was told */
    void *owner;
    struct codec_shared *shared;
    struct conn conn;
    bool is_leaving;     /* client: the peer has said that it goes (GOAWAY) */
    uint64_t n_requests; /* so far */
    uint64_t active_ns;  /* the last time that anything came or went */
    uint64_t bytes_read, bytes_written;
};

/*
 * Each takes over the open connection `from` (conn_move(): socket, TLS, what was read early), which
 * is then as after conn_init(). NULL when memory is short: `from` is as it was. Reading begins at
 * once; what was read early is given in the next turn.
 */
struct codec *h1_server_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner);
struct codec *h2_server_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner);
struct codec *h1_client_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner);
struct codec *h2_client_new(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner);

/*
 * Client: begins an exchange; only when codec_room() is not 0. `head` and its bytes must live until
 * the stream is closed. NULL: memory is short or the head cannot be written.
 */
static inline struct stream *codec_open(struct codec *codec, const struct head *head, bool is_end,
                                        const struct stream_events *events, void *owner)
{
    return codec->ops->open(codec, head, is_end, events, owner);
}

/* Client: how many streams may be opened now; 0 while it drains. */
static inline unsigned codec_room(const struct codec *codec)
{
    return codec->ops->room(codec);
}

/* Streams that are not closed yet. */
static inline size_t codec_n_streams(const struct codec *codec)
{
    return codec->ops->n_streams(codec);
}

/*
 * Ends gracefully: GOAWAY (first with the highest stream, then, a round trip later, with the last:
 * RFC 9113 6.8). HTTP/1.1, server: Connection: close on the next answer; without a request it ends
 * when the client has been silent for drain_silence_ms, because a request that is on its way when
 * we close is lost. Client: behind the answer, at once when idle. on_closed follows when the last
 * stream has been closed and everything has been written. May be called twice.
 */
static inline void codec_drain(struct codec *codec)
{
    codec->ops->drain(codec);
}

/* Ends now: streams get on_reset(CONNECTION), then on_closed is told, both before it returns. */
static inline void codec_close(struct codec *codec, enum reason reason)
{
    codec->ops->close(codec, reason);
}

/* Parks it. In or after on_closed, or instead of codec_close(): then nobody is told anything. */
static inline void codec_free(struct codec *codec)
{
    codec->ops->free(codec);
}

struct json_t;
/* Protocol, streams, bytes, for /connections; new reference or NULL. */
struct json_t *codec_describe(const struct codec *codec);

#endif
