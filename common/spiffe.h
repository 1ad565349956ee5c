/*
 * SPIFFE IDs (SPIFFE-ID specification, sections 2.1-2.3), read strictly. Pure.
 *
 *     spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT
 */
#ifndef OUTRIGGER_COMMON_SPIFFE_H
#define OUTRIGGER_COMMON_SPIFFE_H

#include "common/err.h"
#include "common/slice.h"

#define SPIFFE_ID_MAX_BYTES           2048
#define SPIFFE_TRUST_DOMAIN_MAX_BYTES 255

/* Slices point into the text that was parsed. */
struct spiffe_id {
    struct slice text;
    struct slice trust_domain;
    struct slice path;            /* with its leading '/' */
    struct slice namespace;       /* empty unless the path is /ns/NAMESPACE/sa/ACCOUNT */
    struct slice service_account; /* likewise */
};

/*
 * Accepts only a well-formed ID with a path: scheme `spiffe` and trust domain in lower case, no
 * user, port, query, fragment or percent, no empty, `.` or `..` segment, no trailing slash, no byte
 * outside [A-Za-z0-9._-] in a segment, at most 2048 bytes.
 */
bool spiffe_parse(struct slice text, struct spiffe_id *id, struct err *err) MUST_USE;

/* [a-z0-9._-]{1,255} */
bool spiffe_trust_domain_ok(struct slice name);

/* Writes spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; false when it does not fit or would not parse. */
bool spiffe_format(char *out, size_t size, struct slice trust_domain, struct slice namespace,
                   struct slice service_account) MUST_USE;

#endif
