/*
 * One discovery stream: a proxy on the other end of a gRPC call, who it has proven to be, and the
 * state of what it has been told.
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_STREAM_H
#define OUTRIGGER_CONTROLLER_DELTA_STREAM_H

#include <event2/event.h>

#include "common/grpc/server.h"
#include "common/list.h"
#include "controller/delta/state.h"

/* What all streams share; the server embeds it. */
struct delta_streams {
    struct event_base *base;
    struct delta_cache cache;
    struct delta_counters counters;
    const char *trust_domain;
    struct list open;    /* of delta_stream.open_node */
    struct list due;     /* of delta_stream.due_node: have something to tell */
    struct event *flush; /* a timer of 0, started when `due` gets its first */
    uint64_t n_open;
    uint64_t n_accepted, n_unauthenticated, n_expired, n_bad_requests, n_overflows;
    uint64_t n_hidden, n_unknown_types, n_too_large;
};

struct delta_stream {
    struct list open_node;
    struct list due_node;
    struct delta_streams *streams;
    struct grpc_stream *grpc;
    struct delta_state state;
    struct event *expiry; /* of the peer's certificate */
    int64_t not_after;    /* of it, seconds since the epoch; 0: it has none */
    int64_t since;        /* seconds since the epoch */
    char address[ADDR_TEXT_BYTES];
    char *identity;  /* SPIFFE ID */
    char *node;      /* namespace/pod as the peer names itself; NULL before it did. For people */
    char *last_nack; /* NULL: none */
    bool is_over;    /* ended from here; what still arrives is not looked at */
    bool has_unknown_type;
    unsigned n_hidden_logged;
};

/*
 * Takes a call: ends it with UNAUTHENTICATED when the peer has no certificate or an expired one,
 * with PERMISSION_DENIED when its identity is not a workload's of our trust domain; else the stream
 * lives in `streams->open` until the call is over.
 */
void delta_stream_accept(struct delta_streams *streams, struct grpc_stream *grpc);

/* Ends the call from here; nothing more is read or sent. May be called twice. */
void delta_stream_end(struct delta_stream *stream, enum grpc_code code, const char *message);

/* Sends what is due, as far as the peer keeps up; leaves `streams->due`. */
void delta_stream_push(struct delta_stream *stream);

#endif
