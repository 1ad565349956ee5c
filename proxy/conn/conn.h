/*
 * One socket, with or without TLS on it: its descriptor, events, state, what is still to be
 * written, half-close and end. Not copied; moved by conn_move() only.
 *
 * Reads are one system call a wakeup: a short read tells as much as EAGAIN would, the events are
 * level-triggered and stay registered. Writes go out at once; what the socket does not take waits
 * in `out`, and the owner stops reading the other side until it has gone.
 */
#ifndef OUTRIGGER_PROXY_CONN_CONN_H
#define OUTRIGGER_PROXY_CONN_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>

#include "common/buf.h"
#include "proxy/tls/tls_layer.h"

/*
 * A read starts small and doubles while the socket fills it and the other side takes it all. When
 * more than CONN_WAITING_MAX_BYTES wait to be written in all connections of a worker together,
 * every read is small: a thousand slow readers do not hold a thousand large buffers.
 */
#define CONN_READ_MIN_BYTES    (16 * 1024)
#define CONN_READ_MAX_BYTES    (512 * 1024)
#define CONN_WAITING_MAX_BYTES (8 * 1024 * 1024)
/* What may be read ahead of the relay: a ClientHello, or data behind the last handshake message. */
#define CONN_EARLY_MAX_BYTES (32 * 1024)

/* What the connections of one worker share. */
struct conn_shared {
    struct event_base *base;
    char *plain; /* what read() brought, decrypted */
    char *in;    /* CONN_READ_MAX_BYTES in the same memory: what read() brought */
    struct tls_output output;
    BIO_METHOD *bio_methods;
    size_t waiting_bytes; /* in `out` of all connections */
};
bool conn_shared_init(struct conn_shared *shared, struct event_base *base) MUST_USE;
void conn_shared_fini(struct conn_shared *shared);

#define CONN_STATES(X)                                                                             \
    X(CONN_NEW, "new") /* no descriptor yet */                                                     \
    X(CONN_CONNECTING, "connecting")                                                               \
    X(CONN_OPEN, "open")                                                                           \
    X(CONN_HANDSHAKE, "handshake")     /* TLS */                                                   \
    X(CONN_READ_ENDED, "read_ended")   /* the peer has finished sending */                         \
    X(CONN_WRITE_ENDED, "write_ended") /* we have */                                               \
    X(CONN_ENDED, "ended")             /* both */                                                  \
    X(CONN_CLOSED, "closed")

enum conn_state {
#define X(name, text) name,
    CONN_STATES(X)
#undef X
};
const char *conn_state_name(enum conn_state state);

struct conn {
    struct conn_shared *shared;
    int fd;
    enum conn_state state;
    uint32_t read_bytes; /* asked for by the next read */
    bool is_broken; /* writing failed: the peer is gone; there may still be something to read */
    int broken_by;  /* and the errno of that */
    struct tls_layer *tls;
    struct buf early; /* read before the relay began, not yet given to it (as it came) */
    struct buf out;   /* not yet taken by the socket (as it goes) */
    struct event readable, writable;
    /* EV_READ or EV_WRITE. May close and even park `conn`. */
    void (*on_event)(struct conn *conn, short what);
};

/* A connection without a descriptor; conn_open() or conn_connecting() gives it one. */
void conn_init(struct conn *conn, struct conn_shared *shared,
               void (*on_event)(struct conn *conn, short what));
/* Takes over `fd`, non-blocking, connected. */
void conn_open(struct conn *conn, int fd);
/*
 * Moves an open connection whose handshake is over: descriptor, TLS layer, early bytes, what is
 * still to be written. `to` is as after conn_init() with the same `shared`; `from` is so
 * afterwards. Neither is read until conn_resume(to).
 */
void conn_move(struct conn *from, struct conn *to);
/* Takes over `fd`, whose connect() is under way: on_event(EV_WRITE) tells that it has ended. */
void conn_connecting(struct conn *conn, int fd);
/* After that: true when it is open, else the errno in *error (and the connection is still to
 * close). */
bool conn_connected(struct conn *conn, int *error) MUST_USE;

/* Reading pauses and resumes; both may be called in any state, and twice. */
void conn_resume(struct conn *conn);
void conn_pause(struct conn *conn);

/*
 * A connection that is not read reports nothing: has it been reset meanwhile? One system call.
 */
bool conn_is_reset(const struct conn *conn) MUST_USE;

/*
 * Of a plaintext connection that has ended: is it certain that nobody has acted on what was written
 * after the first `n_bytes`? It is when the peer had closed in good order before any of that came:
 * its FIN acknowledges what it had received, and to what followed its kernel answered with RST
 * because the socket was gone. (RST alone is no proof: what it throws away may have been read. Who
 * ended its own side only and then reads on could have, but it cannot answer any more, and RFC 9112
 * 9.6 forbids it to act.)
 */
bool conn_was_too_late(const struct conn *conn, uint64_t n_bytes) MUST_USE;

enum conn_end {
    CONN_GOES_ON,
    CONN_EOF,       /* FIN, or close_notify where there is TLS */
    CONN_RESET,     /* RST, or another error of the socket */
    CONN_TRUNCATED, /* TLS: FIN without close_notify */
    CONN_TLS_FAILED,
    CONN_NO_MEMORY,
};

struct conn_input {
    struct slice
        data; /* in a buffer that the worker's connections share: good until the next read */
    enum conn_end end; /* after the data */
};
/* One read(). Nothing at all may have come. */
struct conn_input conn_read(struct conn *conn) MUST_USE;
/* One read() whose bytes are kept in `early`. CONN_NO_MEMORY also when the bound is reached. */
enum conn_end conn_read_early(struct conn *conn) MUST_USE;

enum conn_output {
    CONN_SENT,    /* everything, to the socket */
    CONN_BLOCKED, /* a rest waits in `out`: on_event(EV_WRITE), then conn_flush() */
    CONN_BROKEN,  /* the peer is gone */
    CONN_SHED,    /* memory is short */
};
enum conn_output conn_write(struct conn *conn, struct slice data) MUST_USE;
/*
 * Several pieces with one system call. Each piece begins a TLS record: all but the last should be
 * multiples of TLS_RECORD_PLAIN_BYTES. At most CONN_PIECES_MAX of them and CONN_READ_MAX_BYTES.
 */
#define CONN_PIECES_MAX 4
enum conn_output conn_writev(struct conn *conn, const struct slice *pieces, size_t n) MUST_USE;
enum conn_output conn_flush(struct conn *conn) MUST_USE;

/* Nothing more will be written: close_notify where there is TLS, and FIN. Only with an empty `out`.
 */
enum conn_output conn_finish(struct conn *conn) MUST_USE;

/* The handshake: puts the TLS layer on an open connection, which conn then owns. */
void conn_start_tls(struct conn *conn, struct tls_layer *layer);
enum conn_handshake { CONN_SECURED, CONN_WAITS, CONN_FAILED };
/* Goes on with what is in `early`, or one read() when that is empty and `is_readable`. */
enum conn_handshake conn_handshake(struct conn *conn, bool is_readable) MUST_USE;

/*
 * Closes the descriptor and stops the events at once; may be called twice. `abort`: with RST, what
 * was not sent is thrown away. The memory of conn stays with its owner, who parks it.
 */
void conn_close(struct conn *conn, bool abort);

/* Bytes that this connection holds beyond its struct, without what BoringSSL holds. */
size_t conn_buffered(const struct conn *conn);

static inline bool conn_read_ended(const struct conn *conn)
{
    return conn->state == CONN_READ_ENDED || conn->state == CONN_ENDED;
}

static inline bool conn_write_ended(const struct conn *conn)
{
    return conn->state == CONN_WRITE_ENDED || conn->state == CONN_ENDED;
}

#endif
