/*
 * Service-account tokens of the controller's own making, for meshes without a Kubernetes API
 * server: JWTs (RFC 7519) with the claims that Kubernetes' bound tokens have, signed with EdDSA
 * (RFC 8037). Read as strictly as RFC 8725 asks: one algorithm, one key, one audience.
 */
#ifndef OUTRIGGER_CONTROLLER_TOKEN_H
#define OUTRIGGER_CONTROLLER_TOKEN_H

#include <openssl/base.h>
#include <stdint.h>

#include "common/dns_name.h"
#include "common/err.h"
#include "common/slice.h"

#define TOKEN_LEEWAY_SEC 60 /* how far clocks may be apart */
#define TOKEN_AUDIENCE   "outrigger"

/* Who a token speaks for. All NUL-terminated. */
struct token_claims {
    char namespace[DNS_LABEL_MAX_BYTES + 1];
    char service_account[DNS_NAME_MAX_BYTES + 1];
    char pod[DNS_NAME_MAX_BYTES + 1]; /* empty: the token is bound to no pod */
    int64_t issued_at;                /* seconds since the epoch */
    int64_t expires_at;
};

struct token_signer;

/* The key is DIR/token.key, made (0600) when there is none. NULL with `err` filled. */
struct token_signer *token_signer_open(const char *state_dir, struct err *err);
/* With a key (Ed25519) that the caller has; a reference of its own is held. */
struct token_signer *token_signer_new(EVP_PKEY *key, struct err *err);
void token_signer_close(struct token_signer *signer); /* wipes the key; NULL is allowed */

/* Fills names of claims; false with `err` when one is not what Kubernetes would take. `pod` may be
 * empty. */
bool token_claims_set(struct token_claims *claims, struct slice namespace,
                      struct slice service_account, struct slice pod, struct err *err) MUST_USE;

/* The token, malloc'd and NUL-terminated, without a newline. NULL with `err` filled. */
char *token_issue(const struct token_signer *signer, const struct token_claims *claims,
                  struct err *err) MUST_USE;

/*
 * True, with `claims` filled, for a token of this signer's key, for our audience, valid at
 * `now_sec`. Otherwise `err` says which part was wrong, never quoting the token's signature.
 */
bool token_verify(const struct token_signer *signer, struct slice token, int64_t now_sec,
                  struct token_claims *claims, struct err *err) MUST_USE;

#endif
