/*
 * A gRPC server over nghttp2 and libevent, the other half of client.h: unary and streaming methods,
 * trailers-only errors, message limits, keepalive, GOAWAY and a maximum age for connections, so
 * that clients spread over replicas and come back with new certificates.
 */
#ifndef OUTRIGGER_COMMON_GRPC_SERVER_H
#define OUTRIGGER_COMMON_GRPC_SERVER_H

#include <event2/event.h>
#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/grpc/status.h"
#include "common/slice.h"
#include "common/svid.h"

struct grpc_server;
struct grpc_stream;

struct grpc_stream_handlers {
    void (*on_message)(void *context, struct grpc_stream *stream, struct slice message);
    void (*on_peer_done)(void *context,
                         struct grpc_stream *stream); /* client half-closed; may be NULL */
    void (*on_writable)(void *context,
                        struct grpc_stream *stream); /* as in client.h; may be NULL */
    /* The stream is over, from whatever side, exactly once; it is freed after this returns. */
    void (*on_close)(void *context, struct grpc_stream *stream);
};

struct grpc_method {
    const char *path; /* "/package.Service/Method"; others are answered UNIMPLEMENTED */
    /*
     * A call begins. Sets handlers and context with grpc_stream_accept(), or refuses with
     * grpc_stream_end(). `service` is what the server was given.
     */
    void (*on_call)(void *service, struct grpc_stream *stream);
};

struct grpc_server_options {
    struct sockaddr_any listen; /* port 0: the kernel's choice, see grpc_server_port() */
    struct svid_tls *(*tls)(
        void *context); /* as in client.h: asked at each accept; NULL: plaintext */
    void *tls_context;
    const struct grpc_method *methods;
    size_t n_methods;
    void *service;
    uint32_t max_streams;          /* per connection; 0: 100 */
    uint32_t max_connections;      /* 0: 20000; above it a connection is closed and counted */
    uint64_t handshake_timeout_ms; /* accept to HTTP/2 preface; 0: 10000 */
    uint64_t keepalive_ms;         /* 0: 30000 */
    uint64_t keepalive_timeout_ms; /* 0: 10000 */
    uint64_t max_age_ms;           /* GOAWAY after so long, +-10 %; 0: never */
    uint64_t max_age_grace_ms;     /* then closed; 0: 10000 */
    size_t max_message_bytes;      /* 0: 4 MiB */
    size_t max_queued_bytes;       /* unsent, per stream; 0: 16 MiB */
};

struct grpc_server_stats {
    uint64_t connections, accepted, refused, handshake_failures, streams, calls;
};

struct grpc_server *grpc_server_new(struct event_base *base,
                                    const struct grpc_server_options *options, struct err *err);
uint16_t grpc_server_port(const struct grpc_server *server);
/* Stops accepting, GOAWAY to all; streams go on. */
void grpc_server_drain(struct grpc_server *server);
/* Closes everything; on_close of every open stream is called from in here. */
void grpc_server_free(struct grpc_server *server);
struct grpc_server_stats grpc_server_stats(const struct grpc_server *server);

void grpc_stream_accept(struct grpc_stream *stream, const struct grpc_stream_handlers *handlers,
                        void *context);
bool grpc_stream_send(struct grpc_stream *stream, struct slice message) MUST_USE;

/* Ends the call with trailers after what is queued (trailers-only if nothing was sent). */
void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message);

/* The same, with a serialized google.rpc.Status for grpc-status-details-bin. Everything is copied.
 */
void grpc_stream_end_details(struct grpc_stream *stream, enum grpc_code code, const char *message,
                             struct slice details);

void grpc_stream_pause(struct grpc_stream *stream);
void grpc_stream_resume(struct grpc_stream *stream);

/* The peer's SPIFFE ID, or an empty slice when it came without a certificate. */
struct slice grpc_stream_peer_id(const struct grpc_stream *stream);
/* When the peer's certificate expires, seconds since the epoch; 0 without one. */
int64_t grpc_stream_peer_not_after(const struct grpc_stream *stream);
const struct sockaddr_any *grpc_stream_peer_addr(const struct grpc_stream *stream);

#endif
