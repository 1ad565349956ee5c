/*
 * Keys of the kind the mesh uses by default (RFC 8032).
 */
#ifndef OUTRIGGER_COMMON_ED25519_H
#define OUTRIGGER_COMMON_ED25519_H

#include <openssl/base.h>

#include "common/err.h"

/* A new key pair; NULL when memory is short. EVP_PKEY_free() wipes it. */
EVP_PKEY *ed25519_generate(void) MUST_USE;

#endif
