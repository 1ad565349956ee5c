/*
 * One exchange with the controller's outrigger.v1.Identity/Certify: what is asked, and what an
 * answer must be to become the proxy's certificate. No sockets here.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_CERTIFY_H
#define OUTRIGGER_PROXY_CONTROL_CERTIFY_H

#include "common/buf.h"
#include "common/err.h"
#include "common/resource_type.h"
#include "common/svid.h"

#define CERTIFY_MAX_TOKEN_BYTES 65536
#define CERTIFY_MAX_CHAIN       8
#define CERTIFY_MAX_ANCHORS     64

/*
 * Appends a serialized CertifyRequest: the token and a PKCS#10 request (RFC 2986) that is signed
 * with `key` and asks for no name, since only its public key counts. The token may have white space
 * around it, as files do.
 */
bool certify_request(struct buf *out, struct slice token, EVP_PKEY *key, struct err *err) MUST_USE;

/*
 * Reads a serialized CertifyResponse. The chain must be for `key`, verify against the anchors that
 * came with it, and name an identity of `trust_domain`. NULL with `err` filled.
 */
struct svid *certify_response(struct slice bytes, EVP_PKEY *key, struct slice trust_domain,
                              struct err *err) MUST_USE;

#endif
