/*
 * An X.509-SVID with its key and trust anchors, and the verification of a peer's, as
 * X509-SVID sections 4 and 5 and the project's hardening list say. Used by proxy and controller.
 *
 * A `struct svid` is immutable and reference-counted (atomic): a renewal makes a new one,
 * handshakes under way keep the old one. Private keys are wiped with the last reference.
 */
#ifndef OUTRIGGER_COMMON_SVID_H
#define OUTRIGGER_COMMON_SVID_H

#include <openssl/base.h>
#include <openssl/ssl.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"
#include "common/spiffe.h"

/* Certificates that are trusted to sign identities of one trust domain. Immutable, counted. */
struct trust_anchors;

/* From PEM (one certificate or more, other blocks are an error) or from DER certificates. */
struct trust_anchors *trust_anchors_from_pem(struct slice pem, struct err *err);
struct trust_anchors *trust_anchors_from_der(const struct slice *ders, size_t n, struct err *err);
struct trust_anchors *trust_anchors_hold(struct trust_anchors *anchors); /* NULL stays NULL */
void trust_anchors_drop(struct trust_anchors *anchors);
size_t trust_anchors_count(const struct trust_anchors *anchors);
int64_t trust_anchors_not_after(const struct trust_anchors *anchors, size_t i);
/* Subject common name or hash of the i-th, for people. */
const char *trust_anchors_name(const struct trust_anchors *anchors, size_t i);
bool trust_anchors_eq(const struct trust_anchors *a, const struct trust_anchors *b);

struct svid;

/*
 * Takes the chain in DER (leaf first), the leaf's key (a reference of its own is held) and anchors
 * (likewise). Fails when the key is not the leaf's, or when the leaf would not be accepted by
 * svid_verify_peer() for its own trust domain.
 */
struct svid *svid_new(const struct slice *chain_der, size_t n, EVP_PKEY *key,
                      struct trust_anchors *anchors, struct err *err);
struct svid *svid_hold(struct svid *svid);
void svid_drop(struct svid *svid);

const struct spiffe_id *svid_id(const struct svid *svid);
int64_t svid_not_before(const struct svid *svid); /* seconds since the epoch */
int64_t svid_not_after(const struct svid *svid);
const char *svid_serial(const struct svid *svid);            /* hex */
struct trust_anchors *svid_anchors(const struct svid *svid); /* not held for the caller */

/* Why a peer was not accepted; the text is in svid_verdict_name(). One word each, for metrics. */
#define SVID_VERDICTS(X)                                                                           \
    X(SVID_OK, "ok")                                                                               \
    X(SVID_NO_CERTIFICATE, "no_certificate")                                                       \
    X(SVID_MALFORMED, "malformed")                                                                 \
    X(SVID_EXPIRED, "expired")                                                                     \
    X(SVID_NOT_YET_VALID, "not_yet_valid")                                                         \
    X(SVID_UNKNOWN_SIGNER, "unknown_signer")                                                       \
    X(SVID_BAD_PATH, "bad_path")                                                                   \
    X(SVID_CA_AS_LEAF, "ca_as_leaf")                                                               \
    X(SVID_BAD_KEY_USAGE, "bad_key_usage")                                                         \
    X(SVID_NO_URI, "no_uri_san")                                                                   \
    X(SVID_MANY_URIS, "many_uri_sans")                                                             \
    X(SVID_BAD_ID, "bad_spiffe_id")                                                                \
    X(SVID_FOREIGN_DOMAIN, "foreign_trust_domain")                                                 \
    X(SVID_WRONG_IDENTITY, "wrong_identity")

enum svid_verdict {
#define X(name, text) name,
    SVID_VERDICTS(X)
#undef X
};
const char *svid_verdict_name(enum svid_verdict verdict);

/*
 * Judges a peer's chain (DER, leaf first) at wall-clock time `now_sec` against the anchors of
 * `trust_domain`. With a non-empty `expected` the ID must equal it. On SVID_OK the ID is copied to
 * `id_out` (SPIFFE_ID_MAX_BYTES + 1 bytes, NUL-terminated); otherwise `err` says what was found.
 */
enum svid_verdict svid_verify(const struct slice *chain_der, size_t n,
                              const struct trust_anchors *anchors, struct slice trust_domain,
                              struct slice expected, int64_t now_sec, char *id_out,
                              struct err *err) MUST_USE;

/*
 * TLS 1.3 contexts, both sides authenticated by svid_verify(): X25519 (with X25519MLKEM768 first
 * where the library has it), Ed25519 and P-256 signatures, no tickets, no early data, no
 * renegotiation.
 */
enum svid_role {
    SVID_CLIENT,
    SVID_SERVER,          /* a client certificate is required */
    SVID_SERVER_OPTIONAL, /* a client may come without one (Certify); if it has one, it counts */
};
struct svid_tls; /* a context: immutable, counted, holds its svid */

/*
 * `svid` NULL: a client without a certificate of its own that trusts `anchors` (first contact).
 * `anchors` NULL: the svid's. `alpn` is in wire format (length byte, name, ...): offered by a
 * client; a server chooses its first that the client offers and refuses the handshake when the
 * client offers ALPN and none fits.
 */
struct svid_tls *svid_tls_new(enum svid_role role, struct svid *svid, struct trust_anchors *anchors,
                              struct slice trust_domain, struct slice alpn, struct err *err);
struct svid_tls *svid_tls_hold(struct svid_tls *tls);
void svid_tls_drop(struct svid_tls *tls);

/* What a connection learned. Embed it in the connection; it must live as long as the SSL. */
struct svid_peer {
    struct slice expected;     /* the identity the peer must have; empty: any of the trust domain */
    enum svid_verdict verdict; /* of the last verification */
    struct err err;            /* when the verdict is not SVID_OK */
    char *id;                  /* the peer's, malloc'd, NULL before or without a certificate */
};
void svid_peer_fini(struct svid_peer *peer);

/*
 * A new SSL, not yet tied to a transport, in connect or accept state by the role. `peer` receives
 * the verdict during the handshake. NULL when memory is short. Free it with SSL_free().
 */
SSL *svid_tls_start(struct svid_tls *tls, struct svid_peer *peer) MUST_USE;

#endif
