#include "common/svid_verify.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/x509_time.h"

const char *svid_verdict_name(enum svid_verdict verdict)
{
    static const char *const names[] = {
#define X(name, text) [name] = text,
        SVID_VERDICTS(X)
#undef X
    };
    return names[verdict];
}

/* A verdict other than OK and the reason for it. */
#define REFUSE(verdict, ...) (err_set(err, __VA_ARGS__), (verdict))

static X509 *parse_certificate(struct slice der)
{
    const uint8_t *at = (const uint8_t *)der.ptr;
    if (der.len == 0 || der.len > LONG_MAX)
        return NULL;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    if (cert && at != (const uint8_t *)der.ptr + der.len) {
        X509_free(cert);
        cert = NULL;
    }
    return cert;
}

/* Finds the leaf's one URI; `names` keeps its bytes. */
static enum svid_verdict find_uri(const GENERAL_NAMES *names, struct slice *uri, struct err *err)
{
    size_t n_uris = 0;
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        n_uris++;
        *uri = slice_of(ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
                        (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier));
    }
    if (n_uris == 0)
        return REFUSE(SVID_NO_URI, "the certificate has no URI subject alternative name");
    if (n_uris > 1)
        return REFUSE(SVID_MANY_URIS,
                      "the certificate has %zu URI subject alternative names, "
                      "an SVID has one",
                      n_uris);
    return SVID_OK;
}

/* Copies the ID to `id_out`, and its trust domain, which points there, to `domain`. */
static enum svid_verdict read_id(X509 *leaf, char *id_out, struct slice *domain, struct err *err)
{
    int critical;
    struct slice uri = {0};
    struct spiffe_id id;
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    /* -1: there is none. Anything else without a result is malformed, or there twice. */
    if (!names && critical != -1)
        return REFUSE(SVID_MALFORMED, "the subject alternative name is malformed or repeated");
    enum svid_verdict verdict = find_uri(names, &uri, err);
    if (verdict == SVID_OK && !spiffe_parse(uri, &id, err))
        verdict = SVID_BAD_ID;
    if (verdict == SVID_OK) {
        memcpy(id_out, uri.ptr, uri.len);
        id_out[uri.len] = '\0';
        *domain = slice_of(id_out + (id.trust_domain.ptr - uri.ptr), id.trust_domain.len);
    }
    GENERAL_NAMES_free(names);
    return verdict;
}

/* X509-SVID sections 4.1 to 4.4: what a leaf may do. */
static enum svid_verdict check_leaf_usage(X509 *leaf, struct err *err)
{
    uint32_t flags = X509_get_extension_flags(leaf);
    if (flags & EXFLAG_INVALID)
        return REFUSE(SVID_MALFORMED, "an extension of the certificate is malformed");
    if (flags & EXFLAG_CA)
        return REFUSE(SVID_CA_AS_LEAF, "the leaf is a CA certificate");
    /* Without the extension all bits are set, which would pass for every right. */
    uint32_t usage = X509_get_key_usage(leaf);
    if (!(flags & EXFLAG_KUSAGE) || !(usage & KU_DIGITAL_SIGNATURE))
        return REFUSE(SVID_BAD_KEY_USAGE, "the leaf lacks keyUsage digitalSignature");
    if (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN))
        return REFUSE(SVID_BAD_KEY_USAGE, "the leaf may sign certificates or CRLs (keyUsage)");
    uint32_t extended = X509_get_extended_key_usage(leaf);
    if ((flags & EXFLAG_XKUSAGE) &&
        (extended & (XKU_SSL_SERVER | XKU_SSL_CLIENT)) != (XKU_SSL_SERVER | XKU_SSL_CLIENT))
        return REFUSE(SVID_BAD_KEY_USAGE,
                      "the leaf's extendedKeyUsage lacks serverAuth or clientAuth");
    return SVID_OK;
}

static enum svid_verdict check_profile(X509 *leaf, char *id_out, struct slice *domain,
                                       struct err *err)
{
    enum svid_verdict verdict = check_leaf_usage(leaf, err);
    return verdict == SVID_OK ? read_id(leaf, id_out, domain, err) : verdict;
}

enum svid_verdict svid_verify_profile(struct slice leaf_der, char *id_out, struct err *err)
{
    struct slice domain;
    X509 *leaf = parse_certificate(leaf_der);
    enum svid_verdict verdict = leaf ? check_profile(leaf, id_out, &domain, err)
                                     : REFUSE(SVID_MALFORMED, "the leaf is not a DER certificate");
    X509_free(leaf);
    ERR_clear_error();
    return verdict;
}

/* SHA-1 and MD5 can be collided; a certificate signed over them proves nothing. */
static bool has_strong_signature(const X509 *cert)
{
    switch (X509_get_signature_nid(cert)) {
    case NID_ED25519:
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_rsassaPss:
        return true;
    default:
        return false;
    }
}

static enum svid_verdict verdict_of(int x509_error)
{
    switch (x509_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return SVID_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return SVID_NOT_YET_VALID;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_UNTRUSTED:
    /* A root of the same name with another key. */
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return SVID_UNKNOWN_SIGNER;
    default:
        return SVID_BAD_PATH;
    }
}

/* Narrows the claim to what holds for the whole path. */
static enum svid_verdict read_path(const STACK_OF(X509) * path, struct svid_claim *claim,
                                   struct err *err)
{
    size_t n = sk_X509_num(path);
    claim->not_before = INT64_MIN;
    claim->not_after = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        X509 *cert = sk_X509_value(path, i);
        int64_t from, to;
        if (!x509_time_sec(X509_get0_notBefore(cert), &from) ||
            !x509_time_sec(X509_get0_notAfter(cert), &to))
            return REFUSE(SVID_MALFORMED, "a certificate's validity is no valid time");
        if (i == 0)
            claim->leaf_not_after = to;
        claim->not_before = from > claim->not_before ? from : claim->not_before;
        claim->not_after = to < claim->not_after ? to : claim->not_after;
        /* BoringSSL takes no notice of a self-signed root's pathlen. Ours do, as RFC 5280 section
         * 6.1 allows: who wrote it meant it. */
        long max_signers = i > 0 ? X509_get_pathlen(cert) : -1;
        if (max_signers >= 0 && i - 1 > (size_t)max_signers)
            return REFUSE(SVID_BAD_PATH, "certificate %zu of the path: path length exceeded",
                          i + 1);
        /* The anchor, last, is trusted for what it is and not for its signature. */
        if (i + 1 < n && !has_strong_signature(cert))
            return REFUSE(SVID_BAD_PATH,
                          "certificate %zu of the path has a weak signature "
                          "algorithm",
                          i + 1);
    }
    return SVID_OK;
}

/* Builds and checks a path to one anchor. */
static enum svid_verdict verify_path_to(X509 *leaf, STACK_OF(X509) * others,
                                        const struct trust_anchors *anchors, size_t anchor,
                                        int64_t now_sec, struct svid_claim *claim, struct err *err)
{
    enum svid_verdict verdict;
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (!context ||
        !X509_STORE_CTX_init(context, trust_anchors_empty_store(anchors), leaf, others)) {
        X509_STORE_CTX_free(context);
        return REFUSE(SVID_BAD_PATH, "out of memory");
    }
    X509_STORE_CTX_trusted_stack(context, trust_anchors_stack(anchors, anchor));
    X509_STORE_CTX_set_time(context, 0, (time_t)now_sec);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_depth(param, SVID_CHAIN_MAX);
    /* An anchor may be an intermediate: the bundle says what is trusted, not who signed it. */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_verify_cert(context) == 1) {
        verdict = read_path(X509_STORE_CTX_get0_chain(context), claim, err);
    } else {
        int error = X509_STORE_CTX_get_error(context);
        verdict = REFUSE(verdict_of(error), "certificate %d of the path: %s",
                         X509_STORE_CTX_get_error_depth(context) + 1,
                         X509_verify_cert_error_string(error));
        /* Never an acceptance by a mistake in this file. */
        if (error == X509_V_OK)
            verdict = SVID_BAD_PATH;
    }
    X509_STORE_CTX_free(context);
    return verdict;
}

/*
 * One anchor at a time: during a rotation two roots may have the same name, and a search by name
 * takes the first and stops there. The refusal that tells most is kept: one by the anchor that
 * signed.
 */
static enum svid_verdict verify_path(X509 *leaf, STACK_OF(X509) * others,
                                     const struct trust_anchors *anchors, int64_t now_sec,
                                     struct svid_claim *claim, struct err *err)
{
    enum svid_verdict verdict = SVID_UNKNOWN_SIGNER;
    for (size_t i = 0; i < trust_anchors_count(anchors); i++) {
        struct err found;
        enum svid_verdict with = verify_path_to(leaf, others, anchors, i, now_sec, claim, &found);
        if (with == SVID_OK)
            return SVID_OK;
        if (i == 0 || verdict == SVID_UNKNOWN_SIGNER) {
            verdict = with;
            *err = found;
        }
    }
    return verdict;
}

/* All but the leaf, as a stack; what a peer sends here is helpful and not trusted. */
static STACK_OF(X509) * parse_others(const struct slice *chain_der, size_t n, struct err *err)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    for (size_t i = 1; others && i < n; i++) {
        X509 *cert = parse_certificate(chain_der[i]);
        if (cert && sk_X509_push(others, cert))
            continue;
        X509_free(cert);
        sk_X509_pop_free(others, X509_free);
        others = NULL;
        err_set(err, "certificate %zu of the chain is not a DER certificate", i + 1);
    }
    return others;
}

static enum svid_verdict verify_leaf(X509 *leaf, const struct slice *chain_der, size_t n,
                                     const struct trust_anchors *anchors, struct slice trust_domain,
                                     int64_t now_sec, struct svid_claim *claim, struct err *err)
{
    struct slice domain;
    enum svid_verdict verdict = check_profile(leaf, claim->id, &domain, err);
    if (verdict != SVID_OK)
        return verdict;
    /* Before the path: that somebody comes from another domain says more than "unknown signer". */
    if (!slice_eq(domain, trust_domain))
        return REFUSE(SVID_FOREIGN_DOMAIN, "%s is not of the trust domain %.*s", claim->id,
                      SLICE_ARG(trust_domain));
    STACK_OF(X509) *others = parse_others(chain_der, n, err);
    if (!others)
        return SVID_MALFORMED;
    verdict = verify_path(leaf, others, anchors, now_sec, claim, err);
    if (verdict != SVID_OK)
        err_prefix(err, "%s", claim->id);
    sk_X509_pop_free(others, X509_free);
    return verdict;
}

enum svid_verdict svid_verify_claim(const struct slice *chain_der, size_t n,
                                    const struct trust_anchors *anchors, struct slice trust_domain,
                                    int64_t now_sec, struct svid_claim *claim, struct err *err)
{
    if (n == 0)
        return REFUSE(SVID_NO_CERTIFICATE, "the peer sent no certificate");
    if (n > SVID_CHAIN_MAX)
        return REFUSE(SVID_MALFORMED, "%zu certificates in the chain, at most %d are read", n,
                      SVID_CHAIN_MAX);
    X509 *leaf = parse_certificate(chain_der[0]);
    enum svid_verdict verdict =
        leaf ? verify_leaf(leaf, chain_der, n, anchors, trust_domain, now_sec, claim, err)
             : REFUSE(SVID_MALFORMED, "the leaf is not a DER certificate");
    X509_free(leaf);
    /* What is left in the library's error queue would make SSL_get_error() take it for its own. */
    ERR_clear_error();
    return verdict;
}

enum svid_verdict svid_verify_expected(const char *id, struct slice expected, struct err *err)
{
    if (expected.len == 0 || slice_eq_str(expected, id))
        return SVID_OK;
    return REFUSE(SVID_WRONG_IDENTITY, "the peer is %.300s, expected %.*s", id,
                  (int)(expected.len < 300 ? expected.len : 300), expected.ptr);
}

enum svid_verdict svid_verify(const struct slice *chain_der, size_t n,
                              const struct trust_anchors *anchors, struct slice trust_domain,
                              struct slice expected, int64_t now_sec, char *id_out, struct err *err)
{
    struct svid_claim claim;
    enum svid_verdict verdict =
        svid_verify_claim(chain_der, n, anchors, trust_domain, now_sec, &claim, err);
    if (verdict == SVID_OK)
        verdict = svid_verify_expected(claim.id, expected, err);
    if (verdict == SVID_OK)
        memcpy(id_out, claim.id, strlen(claim.id) + 1);
    return verdict;
}
