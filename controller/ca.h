/*
 * The mesh's certificate authority: one Ed25519 root, kept in the state directory, that signs the
 * leaf certificates (X.509-SVIDs) of one trust domain.
 *
 *     DIR/root.key   PKCS#8, PEM, mode 0600       DIR/root.pem   the self-signed certificate
 */
#ifndef OUTRIGGER_CONTROLLER_CA_H
#define OUTRIGGER_CONTROLLER_CA_H

#include <openssl/base.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"
#include "common/trust_anchors.h"

#define CA_CLOCK_SKEW_SEC                                                                          \
    300 /* certificates begin so long ago, for verifiers whose clock is late */

struct ca_options {
    const char *state_dir;    /* made with mode 0700 when it is not there */
    const char *trust_domain; /* "cluster.local" */
    uint64_t root_ttl_sec;    /* of a root that is made now; one that is there keeps its end */
    uint64_t leaf_ttl_sec;
};

struct ca;

/*
 * Reads the root, or makes one where there is none (safe against another process doing the same).
 * Refuses a key that group or others may read, a root of another trust domain, a root that has
 * expired. NULL with `err` filled.
 */
struct ca *ca_open(const struct ca_options *options, struct err *err);
void ca_close(struct ca *ca); /* wipes the key; NULL is allowed */

const char *ca_trust_domain(const struct ca *ca);
struct trust_anchors *ca_anchors(const struct ca *ca); /* the root; not held for the caller */
int64_t ca_root_not_after(const struct ca *ca);        /* seconds since the epoch */

/* Logs `root_expires_soon` when less than a tenth of the root's life is left. Cheap; call at
 * leisure. */
void ca_warn_expiry(const struct ca *ca);

struct ca_leaf {
    uint8_t *der; /* free with ca_leaf_fini() */
    size_t der_len;
    int64_t not_before; /* seconds since the epoch */
    int64_t not_after;
};

/*
 * Signs a leaf for `public_key` with exactly one name, `spiffe_id`, which must be of the CA's trust
 * domain: no CA, digitalSignature, serverAuth and clientAuth, never outliving the root.
 */
bool ca_issue(struct ca *ca, EVP_PKEY *public_key, struct slice spiffe_id, struct ca_leaf *leaf,
              struct err *err) MUST_USE;

/* As ca_issue(), for a server that is known by DNS names, and is nobody in the mesh: it has no
 * SPIFFE ID. */
bool ca_issue_dns(struct ca *ca, EVP_PKEY *public_key, const char *const *names, size_t n,
                  struct ca_leaf *leaf, struct err *err) MUST_USE;
void ca_leaf_fini(struct ca_leaf *leaf);

#endif
