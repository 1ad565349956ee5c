/*
 * JSON Web Key Sets (RFC 7517): the public keys by which tokens are checked. RSA of 2048 to 8192
 * bits for RS256, P-256 for ES256, Ed25519 (RFC 8037) for EdDSA; keys for something else are
 * passed over, as RFC 7517 section 5 asks. Immutable.
 */
#ifndef OUTRIGGER_COMMON_JWKS_H
#define OUTRIGGER_COMMON_JWKS_H

#include <stddef.h>

#include "common/jws.h"

#define JWKS_MAX_BYTES 65536
#define JWKS_MAX_KEYS  64

struct jwk {
    char *id; /* "": it has none */
    enum jws_alg alg;
    EVP_PKEY *key;
};

struct jwks {
    struct jwk *list;
    size_t n;
};

/* Fills an empty set with one key or more. False with `err`; jwks_fini() in any case. */
bool jwks_parse(struct jwks *set, struct slice json, struct err *err) MUST_USE;
void jwks_fini(struct jwks *set);

/*
 * Whether a key of the set signed the token: one with the algorithm that the token's header names
 * and, where the header names one, with its id. `err` says what is wrong with the token.
 */
bool jwks_verify(const struct jwks *set, const struct jws *jws, struct err *err) MUST_USE;

#endif
