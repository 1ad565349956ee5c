/*
 * Handshakes between the mesh's proxies: which ALPN name says what will be spoken, and why one
 * failed. A client offers exactly the one that it wants; a server accepts all, and whoever accepted
 * the connection looks which it was.
 */
#ifndef OUTRIGGER_PROXY_TLS_MESH_HANDSHAKE_H
#define OUTRIGGER_PROXY_TLS_MESH_HANDSHAKE_H

#include "proxy/telemetry/telemetry.h"
#include "proxy/tls/tls_layer.h"

/* All names begin with it: an application's TLS has none of them. */
#define MESH_ALPN_PREFIX SLICE_LITERAL("outrigger-")

enum mesh_alpn {
    MESH_ALPN_NONE,     /* none of these */
    MESH_ALPN_H2,       /* "outrigger-h2": HTTP/2, whatever the application spoke */
    MESH_ALPN_HTTP_1_1, /* "outrigger-http/1.1": upgrades */
    MESH_ALPN_TCP,      /* "outrigger-tcp": opaque */
};
const char *mesh_alpn_name(enum mesh_alpn alpn); /* "none" for MESH_ALPN_NONE */

/* All of them, best first, for svid_tls_new() of a server. */
struct slice mesh_alpn_accepted(void);
/* One of them, for svid_tls_new() of a client; MESH_ALPN_NONE: empty. */
struct slice mesh_alpn_offer(enum mesh_alpn alpn);

/* Before a client's handshake: offers this one and no other. False when memory is short. */
bool mesh_handshake_offer(struct tls_layer *layer, enum mesh_alpn alpn) MUST_USE;
/* After a handshake: what was agreed on. */
enum mesh_alpn mesh_handshake_alpn(const struct tls_layer *layer);

/* Counts a handshake that has succeeded. */
void mesh_handshake_done(struct telemetry_shard *telemetry);
/*
 * Counts one that has failed, and fills `text` with one line on why. PEER_REJECTED when it was the
 * peer's certificate, else TLS_FAILED.
 */
enum reason mesh_handshake_failed(struct telemetry_shard *telemetry, const struct tls_layer *layer,
                                  char *text, size_t size);
/* The same for one in which the peer agreed to another ALPN than `wanted`, or to none. */
enum reason mesh_handshake_mismatch(struct telemetry_shard *telemetry, enum mesh_alpn wanted,
                                    char *text, size_t size);

#endif
