/*
 * A connected socket, non-blocking, plain or TLS. It has no buffers of its own; who owns it reads
 * and writes when it is told to, until it is told GRPC_TRANSPORT_AGAIN.
 */
#ifndef OUTRIGGER_COMMON_GRPC_TRANSPORT_H
#define OUTRIGGER_COMMON_GRPC_TRANSPORT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/svid.h"

enum grpc_transport_result {
    GRPC_TRANSPORT_OK,
    GRPC_TRANSPORT_AGAIN,  /* on_ready will be called when it is worth trying again */
    GRPC_TRANSPORT_CLOSED, /* the peer has ended its side in good order */
    GRPC_TRANSPORT_FAILED, /* `err` says why; close it */
};

struct grpc_transport {
    int fd; /* -1: not open */
    SSL *ssl;
    struct svid_peer peer; /* what is known of a TLS peer */
    struct event *readable;
    struct event *writable;
    bool is_write_awaited;
};

/*
 * Takes the socket over, also when it fails. With `tls` (only used during this call) a handshake is
 * begun, as client or server by its role; `expected` is the identity the peer must have and must
 * outlive the transport. `on_ready` gets the events from now on, with the socket and EV_* flags.
 */
bool grpc_transport_open(struct grpc_transport *transport, struct event_base *base, int fd,
                         struct svid_tls *tls, struct slice expected, event_callback_fn on_ready,
                         void *context, struct err *err) MUST_USE;

/* Best effort close_notify, then closes. May be called twice, and on one that is zero with fd -1.
 */
void grpc_transport_close(struct grpc_transport *transport);

/* Goes on with the TLS handshake; OK at once without TLS. Afterwards the ALPN, if any, is h2. */
enum grpc_transport_result grpc_transport_handshake(struct grpc_transport *transport,
                                                    struct err *err) MUST_USE;

/*
 * Reads what there is, at most `size` bytes. With TLS it forgets that a write was waiting: write
 * again afterwards what is still to be written.
 */
enum grpc_transport_result grpc_transport_read(struct grpc_transport *transport, void *bytes,
                                               size_t size, size_t *n, struct err *err) MUST_USE;

/* Writes some of `size` bytes; never raises SIGPIPE. */
enum grpc_transport_result grpc_transport_write(struct grpc_transport *transport, const void *bytes,
                                                size_t size, size_t *n, struct err *err) MUST_USE;

/* Bytes that were read from the socket but not from us: no event will tell of them. */
bool grpc_transport_has_more(const struct grpc_transport *transport);

#endif
