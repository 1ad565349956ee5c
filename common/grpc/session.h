/*
 * What client and server share: one HTTP/2 connection for gRPC. It drives the TLS handshake,
 * nghttp2 and the keepalive, and carries the bytes of pipes.
 *
 * nghttp2's callbacks only mark work. It is done, and the owner is called, when nghttp2 has
 * returned; and the socket is written once, after that. The operations marked "deferred" may do
 * anything, also close the session and call the user; those marked "inside" may only take notes.
 */
#ifndef OUTRIGGER_COMMON_GRPC_SESSION_H
#define OUTRIGGER_COMMON_GRPC_SESSION_H

#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/grpc/glitch.h"
#include "common/grpc/pipe.h"
#include "common/grpc/transport.h"
#include "common/grpc/turn.h"
#include "common/list.h"

#define GRPC_SESSION_STREAM_WINDOW     262144
#define GRPC_SESSION_CONNECTION_WINDOW 1048576

struct grpc_session_ops {
    /* Inside; server only: a request begins. Returns its pipe, or NULL to refuse it. */
    struct grpc_pipe *(*on_begin)(void *owner, int32_t stream_id);
    /* Inside: a header field, of the head or the trailers. False resets the stream. */
    bool (*on_header)(void *owner, struct grpc_pipe *pipe, struct slice name, struct slice value);
    /* Inside: a block of header fields is complete. */
    void (*on_head)(void *owner, struct grpc_pipe *pipe, bool is_end);
    /* Inside; server only: all is sent that was queued, submit the trailers. */
    void (*on_sent)(void *owner, struct grpc_pipe *pipe);
    /* Deferred: there is something new about a pipe. */
    void (*on_ready)(void *owner, struct grpc_pipe *pipe);
    /* Deferred: handshake done and the peer's SETTINGS seen. */
    void (*on_up)(void *owner);
    /* Deferred: the peer takes no new streams. `err` says why. May be NULL. */
    void (*on_goaway)(void *owner, const struct err *err);
    /* Deferred, once, last: the connection is of no use any more. The owner closes the session. */
    void (*on_lost)(void *owner, const struct err *err);
};

struct grpc_session_settings {
    bool is_server;
    uint32_t max_streams; /* that the peer may open */
    uint32_t max_head_bytes;
    uint64_t setup_timeout_ms; /* until on_up */
    uint64_t keepalive_ms;
    uint64_t keepalive_timeout_ms;
};

enum grpc_session_state {
    GRPC_SESSION_HANDSHAKE, /* TLS */
    GRPC_SESSION_OPENING,   /* waiting for the peer's SETTINGS */
    GRPC_SESSION_UP,
    GRPC_SESSION_FAILED, /* on_lost is due; `err` says why */
    GRPC_SESSION_CLOSED, /* by its owner */
};

struct grpc_session {
    struct grpc_turn *turn;
    const struct grpc_session_ops *ops;
    void *owner;
    struct grpc_session_settings settings;
    enum grpc_session_state state;
    struct err err;

    nghttp2_session *h2; /* NULL before the handshake is done */
    struct grpc_transport transport;
    struct buf out;      /* frames on their way to the socket */
    struct event *work;  /* runs the session soon */
    struct event *timer; /* set-up, then keepalive */
    bool is_running;     /* grpc_session_run() is on the stack */

    struct list pipes; /* all */
    struct list ready; /* those with something to look at */

    uint64_t read_ns; /* when something was read last */
    uint64_t ping_ns; /* when the keepalive's PING was sent; 0: none is out */
    struct grpc_glitch glitch;

    bool is_up_due;     /* on_up */
    bool is_goaway_due; /* on_goaway; goaway_err says why */
    bool is_goaway_seen;
    struct err goaway_err;
    struct err breach_err; /* what of the peer made nghttp2 end the connection; empty: nothing */
    bool is_draining;      /* GOAWAY with the last stream ID to come when the PING is answered */
    bool is_drained;       /* that was sent */
    bool is_ending;        /* to be closed when no pipe is left */
    bool is_terminating;   /* nghttp2 is about to say goodbye */
};

/*
 * Begins on a connected socket, which it takes over, also when it fails. The rest is as for
 * grpc_transport_open(). Failed or not, grpc_session_fini() is due afterwards.
 */
bool grpc_session_open(struct grpc_session *session, struct grpc_turn *turn,
                       struct event_base *base, int fd, struct svid_tls *tls, struct slice expected,
                       const struct grpc_session_settings *settings,
                       const struct grpc_session_ops *ops, void *owner, struct err *err) MUST_USE;

/* Says GOAWAY if the socket takes it, and closes. No operation is called from here or later. */
void grpc_session_close(struct grpc_session *session);

/* Frees what is left; never inside a turn in which the session was used: bury its owner. */
void grpc_session_fini(struct grpc_session *session);

/* Delivers what is marked, then writes. Inside a turn; calls deferred operations. */
void grpc_session_run(struct grpc_session *session);

/* Runs it from the event loop, soon. */
void grpc_session_run_soon(struct grpc_session *session);

/* Ends the session with `err`; on_lost follows in the next run. The first reason wins. */
void grpc_session_fail(struct grpc_session *session, const struct err *err);

/* Ties a pipe to a stream of the session. A client's that has been silent is asked for life. */
void grpc_session_attach(struct grpc_session *session, struct grpc_pipe *pipe, int32_t stream_id);

/* Unties it; a stream that is still open is reset with `h2_error`. Not on one is allowed. */
void grpc_session_detach(struct grpc_pipe *pipe, uint32_t h2_error);

/* GOAWAY in two steps (RFC 9113 section 6.8), and the end when no stream is left. */
void grpc_session_drain(struct grpc_session *session);

/* The end when no pipe is left. For clients. */
void grpc_session_end(struct grpc_session *session);

/* What a data source for this session is. */
nghttp2_data_provider grpc_session_source(void);

/* For pipe.c. All allow a pipe on no session. */
void grpc_session_has_output(struct grpc_pipe *pipe);
void grpc_session_mark_ready(struct grpc_pipe *pipe);
void grpc_session_credit(struct grpc_pipe *pipe, size_t bytes);

#endif
