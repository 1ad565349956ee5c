/*
 * TLS 1.3 contexts, both sides authenticated by svid_verify(): X25519 (with X25519MLKEM768 first
 * where the library has it, and P-256 last), Ed25519 and P-256 signatures, no tickets, no early
 * data, no renegotiation.
 */
#ifndef OUTRIGGER_COMMON_SVID_TLS_H
#define OUTRIGGER_COMMON_SVID_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"
#include "common/svid_verify.h"
#include "common/trust_anchors.h"

struct svid;

enum svid_role {
    SVID_CLIENT,
    SVID_SERVER,          /* a client certificate is required */
    SVID_SERVER_OPTIONAL, /* a client may come without one (Certify); if it has one, it counts */
};

/* A context: immutable, counted, holds its svid and anchors. May be used by many threads at once.
 */
struct svid_tls;

/*
 * `svid` NULL: a client without a certificate of its own that trusts `anchors` (first contact).
 * `anchors` NULL: the svid's. `alpn` is in wire format (length byte, name, ...): offered by a
 * client; a server chooses its first that the client offers and refuses the handshake when the
 * client offers ALPN and none fits. NULL with `err` filled.
 */
struct svid_tls *svid_tls_new(enum svid_role role, struct svid *svid, struct trust_anchors *anchors,
                              struct slice trust_domain, struct slice alpn, struct err *err);
struct svid_tls *svid_tls_hold(struct svid_tls *tls);
void svid_tls_drop(struct svid_tls *tls); /* NULL is allowed */

/*
 * What a connection learned. Embed it in the connection; it must live as long as the SSL. Zeroed
 * and with `expected` set it is ready for svid_tls_start(); `expected` is not copied.
 */
struct svid_peer {
    struct slice expected;     /* the identity the peer must have; empty: any of the trust domain */
    enum svid_verdict verdict; /* of the verification; SVID_NO_CERTIFICATE before one */
    struct err err;            /* when the verdict is not SVID_OK */
    char *id;                  /* the peer's, malloc'd, NULL before or without a certificate */
    int64_t not_after;         /* of the peer's leaf, seconds since the epoch; 0 without one */
};
void svid_peer_fini(struct svid_peer *peer);

/*
 * A new SSL, not yet tied to a transport, in connect or accept state by the role. `peer` receives
 * the verdict during the handshake. NULL when memory is short. Free it with SSL_free(); it keeps
 * what it needs of `tls` alive. Partial writes and moving write buffers are enabled.
 */
SSL *svid_tls_start(struct svid_tls *tls, struct svid_peer *peer) MUST_USE;

#endif
