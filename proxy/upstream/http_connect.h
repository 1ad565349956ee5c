/*
 * One attempt to make a connection that HTTP can be spoken on: TCP, and mutual TLS with exactly the
 * expected identity where there is one, within one deadline. There is no way from TLS back to
 * plaintext.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_HTTP_CONNECT_H
#define OUTRIGGER_PROXY_UPSTREAM_HTTP_CONNECT_H

#include "proxy/tls/mesh_handshake.h"
#include "proxy/workspace.h"

struct http_connect;

struct http_connect_events {
    /*
     * `conn` is open, its handshake over, not read; the last of the handshake may still wait in
     * `out`. A codec takes it over (conn_move()) before this returns, or it is closed with the
     * attempt.
     */
    void (*on_open)(void *owner, struct conn *conn, uint64_t took_ns);
    /*
     * CONNECT_FAILED, CONNECT_TIMEOUT, TLS_FAILED, TLS_TIMEOUT, PEER_REJECTED, NO_CERTIFICATE,
     * NO_DESCRIPTORS, NO_MEMORY. `detail`: one line, good during the call.
     */
    void (*on_failed)(void *owner, enum reason reason, const char *detail);
};

struct http_connect_target {
    struct sockaddr_any address;
    const char *identity; /* must live until the attempt is freed; "": plaintext */
    enum mesh_alpn alpn;  /* with an identity */
    uint64_t timeout_ms;  /* of everything */
};

/* NULL when memory is short. */
struct http_connect *http_connect_new(struct workspace *workspace,
                                      const struct http_connect_target *target,
                                      const struct http_connect_events *events, void *owner);
/* Begins. One of the events follows, once, maybe before this returns. */
void http_connect_start(struct http_connect *attempt);
/* Stops and closes it; also from inside its events. Parks the memory. NULL is allowed. */
void http_connect_free(struct http_connect *attempt);
/* "new", "connecting", "handshake", ... */
const char *http_connect_state(const struct http_connect *attempt);

#endif
