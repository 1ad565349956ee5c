/*
 * Making X.509 certificates (RFC 5280): the root's and the leaves'.
 */
#ifndef OUTRIGGER_CONTROLLER_CERTIFICATE_H
#define OUTRIGGER_CONTROLLER_CERTIFICATE_H

#include <openssl/base.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

struct certificate_spec {
    EVP_PKEY *public_key;
    X509 *issuer;                 /* NULL: self-signed */
    EVP_PKEY *issuer_key;         /* Ed25519 */
    const char *common_name;      /* of the subject; NULL: the subject is empty */
    struct slice uri;             /* the one subject alternative name; empty: none */
    const char *const *dns_names; /* or these */
    size_t n_dns_names;
    bool is_ca;         /* may sign certificates and CRLs, and nothing else */
    int64_t not_before; /* seconds since the epoch */
    int64_t not_after;
};

/* Serial numbers are 127 random bits. Free with X509_free(); NULL with `err` filled. */
X509 *certificate_make(const struct certificate_spec *spec, struct err *err) MUST_USE;

#endif
