/*
 * The certificates that are trusted to sign identities of one trust domain (a SPIFFE bundle's X.509
 * part). Immutable and reference-counted (atomic).
 */
#ifndef OUTRIGGER_COMMON_TRUST_ANCHORS_H
#define OUTRIGGER_COMMON_TRUST_ANCHORS_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

#define TRUST_ANCHORS_MAX 64 /* certificates in one set */

struct trust_anchors;

/*
 * From PEM (one certificate or more, other blocks are an error; text between blocks is skipped) or
 * from DER certificates. Each must be a CA that may sign certificates; one that is there twice
 * counts once. NULL with `err` naming which certificate. Expired ones are taken: they verify
 * nothing.
 */
struct trust_anchors *trust_anchors_from_pem(struct slice pem, struct err *err);
struct trust_anchors *trust_anchors_from_der(const struct slice *ders, size_t n, struct err *err);
struct trust_anchors *trust_anchors_hold(struct trust_anchors *anchors); /* NULL stays NULL */
void trust_anchors_drop(struct trust_anchors *anchors);                  /* NULL is allowed */

size_t trust_anchors_count(const struct trust_anchors *anchors);
int64_t trust_anchors_not_after(const struct trust_anchors *anchors, size_t i);
/* Subject common name of the i-th, or the SHA-256 of its DER in hex; for people. */
const char *trust_anchors_name(const struct trust_anchors *anchors, size_t i);
/* Lives as long as the anchors. */
struct slice trust_anchors_der(const struct trust_anchors *anchors, size_t i);

/* For svid_verify.c: the i-th as a stack of one, and an empty store; both only to be read. */
STACK_OF(X509) * trust_anchors_stack(const struct trust_anchors *anchors, size_t i);
X509_STORE *trust_anchors_empty_store(const struct trust_anchors *anchors);

#endif
