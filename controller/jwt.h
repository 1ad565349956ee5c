/*
 * JSON Web Tokens in compact form (RFC 7515, 7519), of one kind: signed with EdDSA over Ed25519
 * (RFC 8037), by a key that the header names. What the claims mean is the caller's.
 */
#ifndef OUTRIGGER_CONTROLLER_JWT_H
#define OUTRIGGER_CONTROLLER_JWT_H

#include <jansson.h>
#include <openssl/base.h>

#include "common/err.h"
#include "common/slice.h"

/*
 * HEADER.PAYLOAD.SIGNATURE, malloc'd and NUL-terminated. `payload` is signed as it is. NULL when it
 * would be longer than JWS_MAX_BYTES (common/jws.h) or memory is short, with `err` filled.
 */
char *jwt_sign(EVP_PKEY *key, const char *key_id, struct slice payload, struct err *err) MUST_USE;

/*
 * The payload, a JSON object, of a token that this key signed; json_decref() it. Nothing of it is
 * looked at before the signature. NULL with `err` saying which part was wrong, never quoting it.
 */
json_t *jwt_verify(EVP_PKEY *key, const char *key_id, struct slice token, struct err *err) MUST_USE;

#endif
