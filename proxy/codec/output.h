/*
 * What one HTTP connection has to send, gathered over a turn of the loop: heads, small pieces,
 * frames are copied one after the other into one buffer and leave with one call (with TLS: as one
 * record) when codec_shared_flush() comes to the connection. Large pieces are not copied: they go
 * out at once, behind what was gathered, in the same call.
 *
 * The buffer is borrowed from the worker's slabs while there is something in it; an idle connection
 * has none. What the socket does not take waits in conn->out.
 *
 * Nothing is told from inside a function that adds: it marks the connection, and on_turn(),
 * on_drained() and on_broken() come from output_turn() (by codec_shared_flush()) and from
 * output_writable(). Each of them may add, close the connection, or do anything else but free the
 * memory at once (the graveyard is for that).
 */
#ifndef OUTRIGGER_PROXY_CODEC_OUTPUT_H
#define OUTRIGGER_PROXY_CODEC_OUTPUT_H

#include "proxy/codec/codec.h"

/* One TLS record's worth. */
#define OUTPUT_GATHERED_BYTES TLS_RECORD_PLAIN_BYTES

struct output;
struct output_events {
    /*
     * The turn ends, the connection was marked: whatever was put off until now (a library's frames,
     * held input, events that an operation caused). Before what was gathered is written.
     */
    void (*on_turn)(struct output *output);
    /* The low mark was reached after output_is_high() had been true. */
    void (*on_drained)(struct output *output);
    /* Everything has left, also conn->out; told once for each time that output_tell_sent() asked.
     */
    void (*on_sent)(struct output *output);
    /* CONN_BROKEN or CONN_SHED; once. Nothing is taken any more. */
    void (*on_broken)(struct output *output, enum conn_output result);
};

struct output {
    struct codec *codec; /* its connection, limits, counters */
    const struct output_events *events;
    struct list node;       /* of shared->dirty */
    struct buf gathered;    /* memory of the slabs; use it only through output_room() */
    enum conn_output state; /* CONN_SENT or CONN_BLOCKED; else it is over */
    bool is_high;           /* output_is_high() has been true */
    bool tells_sent;
    bool is_told_broken;
};

void output_init(struct output *output, struct codec *codec, const struct output_events *events);
/* Gives back the buffer, forgets what was gathered, leaves the list. May be called twice. */
void output_fini(struct output *output);

/* Has the connection visited at the end of the turn, even when nothing was added. */
void output_mark(struct output *output);

/*
 * A copy, or sent at once when it is large. False: it is broken, or memory is short; that is told
 * by on_broken as well.
 */
bool output_add(struct output *output, struct slice data);

/*
 * A buffer with room for `len` bytes (at most OUTPUT_GATHERED_BYTES) behind what was gathered, for
 * those who write in place with buf_append() and buf_room(); its ceiling is that of the memory, it
 * never grows. NULL: broken, or memory is short.
 */
struct buf *output_room(struct output *output, size_t len);

/* What was gathered leaves now: last words before the connection is closed. */
void output_push_now(struct output *output);

/* More waits than limits->output_high_bytes: on_drained will be told. */
bool output_is_high(struct output *output);
/* Bytes not yet taken by the socket. */
size_t output_waiting(const struct output *output);
/* on_sent when all has left; at the end of this turn if there is nothing. */
void output_tell_sent(struct output *output);

/* By codec_shared_flush() only. */
void output_turn(struct output *output);
/* The codec's connection reported EV_WRITE. */
void output_writable(struct output *output);

#endif
