/*
 * Certificate requests (PKCS#10, RFC 2986) as proxies send them. Only the public key is taken; what
 * names and extensions a request asks for is never looked at.
 */
#ifndef OUTRIGGER_CONTROLLER_CSR_H
#define OUTRIGGER_CONTROLLER_CSR_H

#include <openssl/base.h>

#include "common/err.h"
#include "common/slice.h"

#define CSR_MAX_BYTES 8192

/*
 * The request's key, after its signature proved that the sender has the other half: Ed25519 or
 * P-256, nothing else. Free with EVP_PKEY_free(); NULL with `err` filled.
 */
EVP_PKEY *csr_public_key(struct slice der, struct err *err) MUST_USE;

#endif
