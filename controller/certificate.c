#include "controller/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* RFC 5280 section 4.1.2.2: positive, at most 20 octets, never used twice. */
static bool set_serial(X509 *cert)
{
    uint8_t bytes[16];
    RAND_bytes(bytes, sizeof(bytes));
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and always of the same length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return is_set;
}

static bool set_names(X509 *cert, const struct certificate_spec *spec)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    if (spec->common_name &&
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                   (const uint8_t *)spec->common_name, -1, -1, 0) != 1)
        return false;
    return X509_set_issuer_name(cert,
                                spec->issuer ? X509_get_subject_name(spec->issuer) : subject) == 1;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, text);
    bool is_added = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

/* Built from objects and not from text, so that no name can say more than one name. */
static bool push_name(GENERAL_NAMES *names, int type, struct slice value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    if (!name || !text || ASN1_STRING_set(text, value.ptr, (int)value.len) != 1) {
        ASN1_IA5STRING_free(text);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, text);
    if (sk_GENERAL_NAME_push(names, name))
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_names(X509 *cert, const struct certificate_spec *spec)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool is_added = names && (spec->uri.len == 0 || push_name(names, GEN_URI, spec->uri));
    for (size_t i = 0; is_added && i < spec->n_dns_names; i++)
        is_added = push_name(names, GEN_DNS, slice_str(spec->dns_names[i]));
    bool is_critical = !spec->common_name;
    is_added =
        is_added && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, is_critical, 0) == 1;
    GENERAL_NAMES_free(names);
    return is_added;
}

/*
 * The key identifiers tell apart two roots of the same name while one follows the other. A subject
 * alternative name beside an empty subject must be critical (RFC 5280 section 4.2.1.6).
 */
static bool add_extensions(X509 *cert, const struct certificate_spec *spec)
{
    X509 *issuer = spec->issuer ? spec->issuer : cert;
    if (!add_extension(cert, issuer, NID_subject_key_identifier, "hash") ||
        !add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always"))
        return false;
    if ((spec->uri.len || spec->n_dns_names) && !add_names(cert, spec))
        return false;
    if (spec->is_ca)
        return add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
               add_extension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    return add_extension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
}

X509 *certificate_make(const struct certificate_spec *spec, struct err *err)
{
    X509 *cert = X509_new();
    bool is_made = cert && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
                   X509_set_pubkey(cert, spec->public_key) == 1 && set_names(cert, spec) &&
                   ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)spec->not_before) != NULL &&
                   ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)spec->not_after) != NULL &&
                   add_extensions(cert, spec) &&
                   X509_sign(cert, spec->issuer_key, NULL) > 0; /* Ed25519 hashes by itself */
    if (is_made)
        return cert;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    err_set(err, "cannot make a certificate: %s", reason ? reason : "out of memory");
    ERR_clear_error();
    X509_free(cert);
    return NULL;
}
