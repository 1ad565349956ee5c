/*
 * JSON Web Signatures in compact form (RFC 7515), taken apart, and checked with a key and an
 * algorithm that the caller chooses, never the token (RFC 8725 3.1). What the payload means is the
 * caller's.
 */
#ifndef OUTRIGGER_COMMON_JWS_H
#define OUTRIGGER_COMMON_JWS_H

#include <jansson.h>
#include <openssl/base.h>

#include "common/err.h"
#include "common/slice.h"

#define JWS_MAX_BYTES 8192

enum jws_alg { JWS_RS256, JWS_ES256, JWS_EDDSA }; /* RFC 7518 3.3 and 3.4, RFC 8037 */

struct jws {
    struct slice header, payload, signature; /* in base64url; they point into the token */
    struct slice signed_part;
};

/* HEADER.PAYLOAD.SIGNATURE, of 1 to JWS_MAX_BYTES bytes. Nothing is decoded yet. */
bool jws_split(struct slice token, struct jws *jws, struct err *err) MUST_USE;

/* A part that is a JSON object; json_decref() it. NULL with `err` calling the part `what`. */
json_t *jws_object(struct slice part, const char *what, struct err *err) MUST_USE;
/* A member that is a string, or an empty slice; lives as long as the object. NULL is allowed. */
struct slice jws_string(const json_t *object, const char *name);

/* False for every other name, `none` and those of shared secrets among them. */
bool jws_alg_of(struct slice name, enum jws_alg *alg) MUST_USE;
/* The key is of the kind that the algorithm is for. */
bool jws_is_signed(const struct jws *jws, EVP_PKEY *key, enum jws_alg alg) MUST_USE;

#endif
