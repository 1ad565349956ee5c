/*
 * A gRPC client over nghttp2 and libevent (PROTOCOL-HTTP2.md): one channel to one peer, which
 * connects when a call is waiting, reconnects with jittered exponential back-off, and carries unary
 * and streaming calls. Everything runs on the thread of the event base; no callback is made from
 * inside a function that the user calls, except where it says so.
 */
#ifndef OUTRIGGER_COMMON_GRPC_CLIENT_H
#define OUTRIGGER_COMMON_GRPC_CLIENT_H

#include <event2/event.h>
#include <stdint.h>

#include "common/err.h"
#include "common/grpc/status.h"
#include "common/slice.h"
#include "common/svid.h"

struct grpc_channel;
struct grpc_call;

struct grpc_channel_options {
    const char *target;    /* "host:port", "1.2.3.4:80", "[::1]:80"; resolved at each connect */
    const char *authority; /* :authority; NULL: the target */
    /*
     * The TLS context for the next connection, held for the caller; asked at each connect, so that
     * a renewed certificate is used from then on. NULL function: plaintext. It may return NULL: the
     * connection attempt then fails with UNAVAILABLE and the reason "no certificate yet".
     */
    struct svid_tls *(*tls)(void *context);
    void *tls_context;
    const char *expected_identity; /* SPIFFE ID of the server; NULL: any of the trust domain */
    uint32_t socket_mark;          /* SO_MARK; 0: none */
    uint64_t connect_timeout_ms;   /* 0: 5000; TCP and TLS together */
    uint64_t backoff_min_ms;       /* 0: 100 */
    uint64_t backoff_max_ms; /* 0: 10000; actual waits are 0.5-1.5 times (full range jitter) */
    uint64_t keepalive_ms;   /* PING when nothing was read for so long; 0: 30000 */
    uint64_t keepalive_timeout_ms; /* 0: 10000 */
    size_t max_message_bytes; /* a larger one ends the call with RESOURCE_EXHAUSTED; 0: 4 MiB */
    size_t max_queued_bytes;  /* unsent, per call; grpc_call_send() fails beyond; 0: 4 MiB */
    /* Told at each change of the connection; `err` says why it was lost or not made. May be NULL.
     */
    void (*on_state)(void *context, bool is_connected, const struct err *err);
    void *state_context;
};

/* Strings are copied. NULL with `err` filled. Opens nothing before the first call. */
struct grpc_channel *grpc_channel_new(struct event_base *base,
                                      const struct grpc_channel_options *options, struct err *err);

/* Ends every call with CANCELLED (their on_end is called from in here), closes, frees. */
void grpc_channel_free(struct grpc_channel *channel);

/* Starts a new connection for what comes next; calls under way finish on the old one. */
void grpc_channel_renew(struct grpc_channel *channel);

struct grpc_call_handlers {
    /* One message, good during the callback. grpc_call_pause() stops after the current one. */
    void (*on_message)(void *context, struct grpc_call *call, struct slice message);
    /* The queue of unsent bytes went below half of max_queued_bytes again. May be NULL. */
    void (*on_writable)(void *context, struct grpc_call *call);
    /* Exactly once, unless grpc_call_cancel() came first; the call is freed after it returns. */
    void (*on_end)(void *context, struct grpc_call *call, const struct grpc_status *status);
};

/*
 * Starts a call of `path` ("/package.Service/Method"). Waits for the connection until the deadline;
 * with `deadline_ms` 0 there is none, but a failed connection attempt then ends it with
 * UNAVAILABLE. NULL when memory is short.
 */
struct grpc_call *grpc_call_start(struct grpc_channel *channel, const char *path,
                                  const struct grpc_call_handlers *handlers, void *context,
                                  uint64_t deadline_ms) MUST_USE;

/* Queues one message (copied). False beyond max_queued_bytes or when memory is short. */
bool grpc_call_send(struct grpc_call *call, struct slice message) MUST_USE;

/* No more messages from here (END_STREAM after what is queued). */
void grpc_call_done_sending(struct grpc_call *call);

/* Gives the call up: RST_STREAM(CANCEL), no more callbacks, freed. */
void grpc_call_cancel(struct grpc_call *call);

/* Back-pressure: while paused no window is given to the peer for this call. */
void grpc_call_pause(struct grpc_call *call);
void grpc_call_resume(struct grpc_call *call);

#endif
