/*
 * Certificates for tests, good and bad, made on the spot: a test says in a `struct cert_spec` how
 * its certificate differs from a good SVID. Every function aborts where it fails.
 */
#ifndef OUTRIGGER_TEST_UNIT_CERTS_H
#define OUTRIGGER_TEST_UNIT_CERTS_H

#include <openssl/base.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/slice.h"

#define CERTS_NEED(what)                                                                           \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct cert {
    X509 *x509;
    EVP_PKEY *key;
    uint8_t *der;
    size_t der_len;
};

struct cert_spec {
    const char *cn;
    const char *san;         /* as OpenSSL's configuration writes it: "URI:spiffe://a/b" */
    const char *key_usage;   /* NULL: the usual one; "": no extension */
    const char *ext_usage;   /* likewise */
    const char *constraints; /* likewise; "critical,CA:TRUE,pathlen:0" */
    bool is_ca;
    bool is_p256;       /* else Ed25519 */
    long from_sec;      /* from now; 0: an hour ago */
    long to_sec;        /* from now; 0: in a day */
    bool has_no_key_id; /* neither subject nor authority key identifier */
};

static inline EVP_PKEY *certs_key(bool is_p256)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context;
    if (!is_p256) {
        context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
        CERTS_NEED(context && EVP_PKEY_keygen_init(context) == 1);
        CERTS_NEED(EVP_PKEY_keygen(context, &key) == 1);
        EVP_PKEY_CTX_free(context);
        return key;
    }
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    key = EVP_PKEY_new();
    CERTS_NEED(ec && key && EC_KEY_generate_key(ec) == 1 && EVP_PKEY_assign_EC_KEY(key, ec) == 1);
    return key;
}

static inline void certs_extension(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX context;
    if (!text || !*text)
        return;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, text);
    CERTS_NEED(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static inline const char *certs_or(const char *text, const char *usual)
{
    return text ? text : usual;
}

/* `issuer` NULL: self-signed. Free it with cert_fini(). */
static inline struct cert cert_make(const struct cert_spec *spec, const struct cert *issuer)
{
    struct cert made = {.x509 = X509_new(), .key = certs_key(spec->is_p256)};
    X509 *x = made.x509, *signer = issuer ? issuer->x509 : made.x509;
    BIGNUM *serial = BN_new();
    time_t now = time(NULL);
    CERTS_NEED(serial && BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY));
    CERTS_NEED(X509_set_version(x, X509_VERSION_3) && X509_set_pubkey(x, made.key));
    CERTS_NEED(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)));
    BN_free(serial);
    CERTS_NEED(
        ASN1_TIME_set(X509_getm_notBefore(x), now + (spec->from_sec ? spec->from_sec : -3600)));
    CERTS_NEED(ASN1_TIME_set(X509_getm_notAfter(x), now + (spec->to_sec ? spec->to_sec : 86400)));
    const char *cn = certs_or(spec->cn, spec->is_ca ? "root" : "leaf");
    CERTS_NEED(X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                                          (const uint8_t *)cn, -1, -1, 0));
    CERTS_NEED(X509_set_issuer_name(x, X509_get_subject_name(signer)));
    if (!spec->has_no_key_id) {
        certs_extension(x, signer, NID_subject_key_identifier, "hash");
        certs_extension(x, signer, NID_authority_key_identifier, issuer ? "keyid:always" : NULL);
    }
    certs_extension(
        x, signer, NID_basic_constraints,
        certs_or(spec->constraints, spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE"));
    certs_extension(x, signer, NID_key_usage,
                    certs_or(spec->key_usage, spec->is_ca ? "critical,keyCertSign,cRLSign"
                                                          : "critical,digitalSignature"));
    certs_extension(x, signer, NID_ext_key_usage,
                    certs_or(spec->ext_usage, spec->is_ca ? "" : "serverAuth,clientAuth"));
    certs_extension(x, signer, NID_subject_alt_name, spec->san);
    EVP_PKEY *key = issuer ? issuer->key : made.key;
    const EVP_MD *digest = EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    CERTS_NEED(X509_sign(x, key, digest) > 0);
    int len = i2d_X509(x, &made.der);
    CERTS_NEED(len > 0);
    made.der_len = (size_t)len;
    return made;
}

static inline struct slice cert_slice(const struct cert *cert)
{
    return slice_of(cert->der, cert->der_len);
}

static inline void cert_fini(struct cert *cert)
{
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    OPENSSL_free(cert->der);
    *cert = (struct cert){0};
}

#endif
