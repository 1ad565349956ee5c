/*
 * Whether a peer's certificate chain is an X.509-SVID that is to be believed (X509-SVID sections 4
 * and 5, SPIFFE-ID section 2; what is checked stands in svid_verify()).
 */
#ifndef OUTRIGGER_COMMON_SVID_VERIFY_H
#define OUTRIGGER_COMMON_SVID_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"
#include "common/spiffe.h"
#include "common/trust_anchors.h"

#define SVID_CHAIN_MAX 8 /* certificates in one chain, the leaf included */

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
 * `trust_domain`. Accepted only if: the leaf is no CA and may sign neither certificates nor CRLs;
 * it has keyUsage digitalSignature; both EKUs if it has any; exactly one URI SAN, a well-formed
 * SPIFFE ID with a path, of `trust_domain`; and a path of certificates valid at `now_sec`, signed
 * with SHA-2 or Ed25519, leads to one of the anchors. With a non-empty `expected` the ID must equal
 * it.
 *
 * On SVID_OK the ID is copied to `id_out` (SPIFFE_ID_MAX_BYTES + 1 bytes, NUL-terminated);
 * otherwise `err` says what was found.
 */
enum svid_verdict svid_verify(const struct slice *chain_der, size_t n,
                              const struct trust_anchors *anchors, struct slice trust_domain,
                              struct slice expected, int64_t now_sec, char *id_out,
                              struct err *err) MUST_USE;

/*
 * What the leaf alone must satisfy: usage, one URI, a well-formed ID, of whatever trust domain.
 * Says nothing about who signed it. On SVID_OK the ID is copied to `id_out`, sized as above.
 */
enum svid_verdict svid_verify_profile(struct slice leaf_der, char *id_out,
                                      struct err *err) MUST_USE;

/* What a good chain says, and when it stops to be good. */
struct svid_claim {
    char id[SPIFFE_ID_MAX_BYTES + 1];
    int64_t not_before; /* the latest of the whole path, anchor included; seconds since the epoch */
    int64_t not_after;  /* the earliest of the whole path */
    int64_t leaf_not_after;
};

/* As svid_verify() without an expected identity, for callers that keep the result. */
enum svid_verdict svid_verify_claim(const struct slice *chain_der, size_t n,
                                    const struct trust_anchors *anchors, struct slice trust_domain,
                                    int64_t now_sec, struct svid_claim *claim,
                                    struct err *err) MUST_USE;

/* SVID_OK, or SVID_WRONG_IDENTITY with `err` filled. An empty `expected` is everybody. */
enum svid_verdict svid_verify_expected(const char *id, struct slice expected,
                                       struct err *err) MUST_USE;

#endif
