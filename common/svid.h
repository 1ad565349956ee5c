/*
 * An X.509-SVID with its key and trust anchors. Used by proxy and controller. What a peer's must be
 * is in svid_verify.h, how it is used for TLS in svid_tls.h.
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
#include "common/svid_tls.h"
#include "common/svid_verify.h"
#include "common/trust_anchors.h"

struct svid;

/*
 * Takes the chain in DER (leaf first), the leaf's key (a reference of its own is held) and anchors
 * (likewise). Fails when the key is not the leaf's, or when the leaf would not be accepted now by
 * svid_verify() for its own trust domain. NULL with `err` filled.
 */
struct svid *svid_new(const struct slice *chain_der, size_t n, EVP_PKEY *key,
                      struct trust_anchors *anchors, struct err *err);
struct svid *svid_hold(struct svid *svid);
void svid_drop(struct svid *svid); /* NULL is allowed */

const struct spiffe_id *svid_id(const struct svid *svid);
int64_t svid_not_before(const struct svid *svid); /* of the leaf; seconds since the epoch */
int64_t svid_not_after(const struct svid *svid);
const char *svid_serial(const struct svid *svid);            /* hex, lower case */
struct trust_anchors *svid_anchors(const struct svid *svid); /* not held for the caller */

/* Sets chain and key on a context, which holds them from then on. False when memory is short. */
bool svid_use(const struct svid *svid, SSL_CTX *context) MUST_USE;

#endif
