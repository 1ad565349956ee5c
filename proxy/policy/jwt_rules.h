/*
 * JSON Web Tokens that clients of a workload show (RFC 7519, sent as RFC 6750 has it: one
 * `Authorization: Bearer`), which the proxy checks so that policies and the application can rely on
 * what they claim. Pure: rules, a head and the time in, a verdict out, and the head changed.
 *
 * A token is for the provider that has its `iss`. It must be signed by one of that provider's keys,
 * have an `exp` that is not past, an `nbf` and `iat`, if any, that are not to come, and, where the
 * provider names audiences, one of them in `aud`. Who shows a token that is not so is refused, also
 * where none is required.
 */
#ifndef OUTRIGGER_PROXY_POLICY_JWT_RULES_H
#define OUTRIGGER_PROXY_POLICY_JWT_RULES_H

#include <jansson.h>

#include "common/arena.h"
#include "common/http/head.h"
#include "common/jwks.h"
#include "proto/resources.pb-c.h"

#define JWT_PROVIDERS_MAX 32

/* A claim that is told to the application, and looked at by policies, as a header. */
struct jwt_claim_header {
    const char *claim; /* a member's name, or names with '.' between for a member of a member */
    struct slice header;
};

struct jwt_provider {
    const char *name, *issuer;
    const char **audiences;
    size_t n_audiences;
    struct jwks keys;
    int64_t leeway_sec; /* by which clocks may differ */
    struct jwt_claim_header *headers;
    size_t n_headers;
    bool is_token_removed; /* the application does not get it */
};

struct jwt_rules {
    struct arena arena; /* of all texts and lists */
    const char *policy; /* namespace/name; NULL: nothing is asked for */
    bool is_required;
    struct jwt_provider *providers;
    size_t n;
};

/* Fills empty rules; `message` NULL: none. What is not understood requires a token and has nobody
 * who could have made it. False with `err` naming the field; jwt_rules_fini() in any case. */
bool jwt_rules_build(struct jwt_rules *rules, const Outrigger__V1__JwtRules *message,
                     struct err *err) MUST_USE;
void jwt_rules_fini(struct jwt_rules *rules);

enum jwt_verdict {
    JWT_ABSENT,  /* and none is required */
    JWT_VALID,   /* of the provider, with the claims */
    JWT_MISSING, /* and one is required */
    JWT_INVALID, /* `err` says why; nothing of the token is in it */
};

struct jwt_result {
    const struct jwt_provider *provider; /* of JWT_VALID */
    json_t *claims;                      /* of JWT_VALID: json_decref() it */
};

enum jwt_verdict jwt_check(const struct jwt_rules *rules, const struct head *head, int64_t now_sec,
                           struct jwt_result *result, struct err *err) MUST_USE;

/*
 * Removes all fields that claims are told in, whoever wrote them, from a head or from trailers;
 * also those that differ in `_` for `-` only, which applications behind CGI and WSGI cannot tell
 * apart (RFC 3875 4.1.18).
 */
void jwt_strip(const struct jwt_rules *rules, struct head *head);

/*
 * jwt_strip(), and after JWT_VALID adds those of the result (of a list one field for each value;
 * what is neither text, whole number nor truth value, or would not be one value of a header, is
 * left out). False: no memory.
 */
bool jwt_edit(const struct jwt_rules *rules, const struct jwt_result *result,
              struct head *head) MUST_USE;

#endif
