/*
 * The HTTP connections of one worker to endpoints and to the application, by what must be equal for
 * two requests to share one: where it goes, who must be there, on whose behalf, what is spoken.
 * Nothing is opened ahead of need; nothing is shared between keys.
 *
 * HTTP/1.1: a connection carries one exchange at a time, the warmest idle one is taken first.
 * HTTP/2: requests go on one connection as long as it has room; another is opened when it has none
 * and those that are being opened will not have enough for all who wait. Who waits is served in the
 * order of coming.
 *
 * What is idle for longer than `idle_timeout_ms` is closed; so is, when it has become idle, what is
 * older than `max_age_ms`, belongs to an endpoint that has gone or was made with a certificate that
 * was replaced (it drains: it takes no more streams, and counts no longer against the cap).
 *
 * Connections and tickets only; which endpoint, and what the balancer learns, is the request's
 * business.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_POOL_H
#define OUTRIGGER_PROXY_UPSTREAM_POOL_H

#include "proxy/codec/codec.h"
#include "proxy/workspace.h"

enum pool_protocol { POOL_HTTP_1_1, POOL_HTTP_2 };

struct pool_key {
    struct sockaddr_any address;
    const char *identity; /* SPIFFE ID that is verified, over mTLS; "": plaintext */
    const char
        *on_behalf; /* inbound: the client's identity, so that none shares with another; "" */
    enum pool_protocol protocol;
};

/* Who speaks the two protocols: h1_client_new() and h2_client_new(), or a test's. */
struct pool_clients {
    struct codec *(*http_1_1)(struct codec_shared *shared, struct conn *from,
                              const struct codec_events *events, void *owner);
    struct codec *(*http_2)(struct codec_shared *shared, struct conn *from,
                            const struct codec_events *events, void *owner);
};

struct pools;
/* `workspace`, whose `codecs` are used, must outlive it; `clients` is copied. NULL when memory is
 * short. */
struct pools *pools_new(struct workspace *workspace, const struct pool_clients *clients);
/* Closes everything; tickets that wait, or come meanwhile, are told REASON_DRAINED. Not from inside
 * a ticket's or a stream's callback. NULL is allowed. */
void pools_free(struct pools *pools);

/* Who waits for a connection with room. Embed it in the request; all zero before the first use. */
struct pool_ticket {
    struct list node;
    struct pool *pool;    /* NULL while it does not wait */
    uint64_t deadline_ns; /* set by pool_take(): connect and handshake together */
    uint64_t taken_ns;    /* set by pool_take() */
    /*
     * Room for one stream on `codec`: codec_open() is called before this returns, or never.
     * `is_new`: no exchange has been on the connection before. `connect_ns`: what connecting took,
     * 0 when it was there already.
     */
    void (*on_ready)(struct pool_ticket *ticket, struct codec *codec, bool is_new,
                     uint64_t connect_ns);
    /*
     * CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, TLS_TIMEOUT, PEER_REJECTED, NO_CERTIFICATE,
     * LIMIT_CONNECTIONS (the cap was reached until the deadline), LIMIT_PENDING, NO_DESCRIPTORS,
     * NO_MEMORY, DRAINED. `detail`: one line, or "", good during the call.
     */
    void (*on_failed)(struct pool_ticket *ticket, enum reason reason, const char *detail);
};

/* Of a key: those of its last ticket hold. */
struct pool_limits {
    uint64_t connect_timeout_ms; /* connect and handshake, and waiting for them; at least 1 */
    uint64_t idle_timeout_ms;
    uint32_t max_connections; /* of this key, that take requests; 0: no cap */
    uint32_t max_pending;     /* tickets that wait for this key; 0: 1024. Beyond: LIMIT_PENDING */
    uint32_t max_idle;        /* connections without a stream; 0: 1024. The coldest is closed */
    uint64_t max_age_ms;      /* of a connection, give or take 10 %; then it drains; 0: none */
};

/*
 * Asks for room. Either callback may come before it returns, or later, once; each may take again,
 * also with the same ticket. `must_be_new`: no connection that was used before (the second try
 * after the keep-alive race): in HTTP/2 one that is made from now on.
 */
void pool_take(struct pools *pools, const struct pool_key *key, const struct pool_limits *limits,
               bool must_be_new, struct pool_ticket *ticket);
/* Does not want it any more. May be called when it does not wait. */
void pool_leave(struct pool_ticket *ticket);

/* The endpoint at `address` is gone: its connections take no more streams and close when idle.
 * Begins in a moment, and calls nobody before it returns. */
void pools_drain_address(struct pools *pools, const struct sockaddr_any *address);
/* The certificate was replaced: mTLS connections take no more streams, close when idle; spread over
 * `spread_ms` so that there is no stampede of handshakes. Calls nobody before it returns. */
void pools_renew(struct pools *pools, uint64_t spread_ms);
/* The process is ending: closes what is idle, and from now on everything as soon as it is idle.
 * Requests go on as before. */
void pools_drain(struct pools *pools);
size_t pools_n_connections(const struct pools *pools); /* those being opened too */

struct json_t;
struct json_t *pools_describe(const struct pools *pools); /* for /connections; or NULL */

#endif
