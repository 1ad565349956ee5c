#include "controller/ca.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/spiffe.h"
#include "common/x509_time.h"
#include "controller/certificate.h"
#include "controller/state_dir.h"

#define CERT_FILE_MAX_BYTES  16384
#define COMMON_NAME_MAX      64 /* RFC 5280, ub-common-name */
#define ROOT_URI_BYTES       (sizeof("spiffe://") + SPIFFE_TRUST_DOMAIN_MAX_BYTES)
#define EXPIRES_SOON_DIVISOR 10 /* of the root's life */

struct ca {
    char *trust_domain;
    uint64_t leaf_ttl_sec;
    EVP_PKEY *key;
    X509 *root;
    struct trust_anchors *anchors;
    int64_t not_before;
    int64_t not_after;
};

/* Cut where a long trust domain does not fit: the common name is for people. */
static void make_common_name(const char *trust_domain, char name[COMMON_NAME_MAX + 1])
{
    snprintf(name, COMMON_NAME_MAX + 1, "Outrigger root %s", trust_domain);
}

/* X509-SVID section 3.2: a signer's URI is the SPIFFE ID of its trust domain, without a path. */
static void make_root_uri(const char *trust_domain, char uri[ROOT_URI_BYTES])
{
    snprintf(uri, ROOT_URI_BYTES, "spiffe://%s", trust_domain);
}

static X509 *make_root(const struct ca *ca, uint64_t ttl_sec, struct err *err)
{
    char name[COMMON_NAME_MAX + 1], uri[ROOT_URI_BYTES];
    int64_t now_sec = clock_wall_sec();
    make_common_name(ca->trust_domain, name);
    make_root_uri(ca->trust_domain, uri);
    const struct certificate_spec spec = {
        .public_key = ca->key,
        .issuer_key = ca->key,
        .common_name = name,
        .uri = slice_str(uri),
        .is_ca = true,
        .not_before = now_sec - CA_CLOCK_SKEW_SEC,
        .not_after = now_sec + (int64_t)ttl_sec,
    };
    return certificate_make(&spec, err);
}

static bool write_root(const struct ca *ca, const char *path, uint64_t ttl_sec, struct err *err)
{
    const uint8_t *pem;
    size_t len;
    bool existed, is_written = false;
    X509 *root = make_root(ca, ttl_sec, err);
    BIO *bio = root ? BIO_new(BIO_s_mem()) : NULL;
    if (bio && PEM_write_bio_X509(bio, root) == 1 && BIO_mem_contents(bio, &pem, &len) == 1)
        is_written = file_create(path, slice_of(pem, len), 0600, &existed, err);
    else if (root)
        err_set(err, "%s: out of memory", path);
    BIO_free(bio);
    X509_free(root);
    return is_written;
}

/* Whether one of the root's names is the trust domain's URI. */
static bool is_root_of_domain(X509 *root, const char *trust_domain)
{
    char expected[ROOT_URI_BYTES];
    bool is_found = false;
    make_root_uri(trust_domain, expected);
    GENERAL_NAMES *names = X509_get_ext_d2i(root, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names) && !is_found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI)
            continue;
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        is_found = slice_eq_str(
            slice_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)), expected);
    }
    GENERAL_NAMES_free(names);
    return is_found;
}

static bool check_root(const struct ca *ca, struct err *err)
{
    if (!is_root_of_domain(ca->root, ca->trust_domain))
        return err_set(err, "\"%s\" is not the root of the trust domain %s",
                       trust_anchors_name(ca->anchors, 0), ca->trust_domain);
    EVP_PKEY *key = X509_get_pubkey(ca->root);
    bool is_ours = key && EVP_PKEY_cmp(key, ca->key) == 1;
    EVP_PKEY_free(key);
    if (!is_ours)
        return err_set(err, "the certificate is not that of the key in " STATE_DIR_ROOT_KEY);
    if (ca->not_after <= clock_wall_sec())
        return err_set(err, "the root has expired; move it and " STATE_DIR_ROOT_KEY
                            " away for new ones, which every proxy must then be given");
    return true;
}

static bool parse_root(struct ca *ca, struct slice pem, struct err *err)
{
    ca->anchors = trust_anchors_from_pem(pem, err);
    if (!ca->anchors)
        return false;
    if (trust_anchors_count(ca->anchors) != 1)
        return err_set(err, "%zu certificates, expected one", trust_anchors_count(ca->anchors));
    struct slice der = trust_anchors_der(ca->anchors, 0);
    const uint8_t *at = (const uint8_t *)der.ptr;
    ca->root = d2i_X509(NULL, &at, (long)der.len);
    if (!ca->root)
        return err_set(err, "out of memory");
    if (!x509_time_sec(X509_get0_notBefore(ca->root), &ca->not_before) ||
        !x509_time_sec(X509_get0_notAfter(ca->root), &ca->not_after))
        return err_set(err, "the validity is no valid time");
    return check_root(ca, err);
}

static bool read_root(struct ca *ca, const struct ca_options *options, struct err *err)
{
    char path[PATH_MAX];
    size_t len;
    if (!state_dir_path(options->state_dir, STATE_DIR_ROOT_CERT, path, err))
        return false;
    if (access(path, F_OK) != 0 && errno == ENOENT &&
        !write_root(ca, path, options->root_ttl_sec, err))
        return false;
    char *pem = file_read(path, CERT_FILE_MAX_BYTES, &len, NULL, err);
    if (!pem)
        return false;
    bool is_good = parse_root(ca, slice_of(pem, len), err) || err_prefix(err, "%s", path);
    free(pem);
    return is_good;
}

/*
 * A root certificate whose key is gone signs nothing; a new key beside it would hide that the old
 * root is what proxies trust.
 */
static bool check_not_orphaned(const char *dir, struct err *err)
{
    char key[PATH_MAX], cert[PATH_MAX];
    if (!state_dir_path(dir, STATE_DIR_ROOT_KEY, key, err) ||
        !state_dir_path(dir, STATE_DIR_ROOT_CERT, cert, err))
        return false;
    if (access(cert, F_OK) == 0 && access(key, F_OK) != 0 && errno == ENOENT)
        return err_set(err,
                       "%s is there but %s is not: put the key back, or move the certificate "
                       "away for a new root",
                       cert, key);
    return true;
}

static bool fill(struct ca *ca, const struct ca_options *options, struct err *err)
{
    ca->leaf_ttl_sec = options->leaf_ttl_sec;
    ca->trust_domain = strdup(options->trust_domain);
    if (!ca->trust_domain)
        return err_set(err, "out of memory");
    if (!state_dir_make(options->state_dir, err) || !check_not_orphaned(options->state_dir, err))
        return false;
    ca->key = state_dir_key(options->state_dir, STATE_DIR_ROOT_KEY, err);
    return ca->key && read_root(ca, options, err);
}

struct ca *ca_open(const struct ca_options *options, struct err *err)
{
    if (!spiffe_trust_domain_ok(slice_str(options->trust_domain))) {
        err_set(err, "trust domain \"%s\": expected 1-%d of [a-z0-9._-]", options->trust_domain,
                SPIFFE_TRUST_DOMAIN_MAX_BYTES);
        return NULL;
    }
    struct ca *ca = calloc(1, sizeof(*ca));
    if (!ca) {
        err_set(err, "out of memory");
        return NULL;
    }
    bool is_filled = fill(ca, options, err);
    ERR_clear_error();
    if (is_filled) {
        ca_warn_expiry(ca);
        return ca;
    }
    ca_close(ca);
    return NULL;
}

void ca_close(struct ca *ca)
{
    if (!ca)
        return;
    EVP_PKEY_free(ca->key);
    X509_free(ca->root);
    trust_anchors_drop(ca->anchors);
    free(ca->trust_domain);
    free(ca);
}

const char *ca_trust_domain(const struct ca *ca)
{
    return ca->trust_domain;
}

struct trust_anchors *ca_anchors(const struct ca *ca)
{
    return ca->anchors;
}

int64_t ca_root_not_after(const struct ca *ca)
{
    return ca->not_after;
}

void ca_warn_expiry(const struct ca *ca)
{
    int64_t left_sec = ca->not_after - clock_wall_sec();
    if (left_sec < (ca->not_after - ca->not_before) / EXPIRES_SOON_DIVISOR)
        LOG(LOG_WARN, "root_expires_soon", LOG_S("root", trust_anchors_name(ca->anchors, 0)),
            LOG_I("expires_in_sec", left_sec));
}

/* `spec` says whose it is; the rest is the CA's. */
static bool sign(struct ca *ca, struct certificate_spec *spec, struct ca_leaf *leaf,
                 struct err *err)
{
    int64_t now_sec = clock_wall_sec();
    if (ca->not_after <= now_sec)
        return err_set(err, "the root certificate has expired");
    leaf->not_before = now_sec - CA_CLOCK_SKEW_SEC;
    if (leaf->not_before < ca->not_before)
        leaf->not_before = ca->not_before;
    leaf->not_after = now_sec + (int64_t)ca->leaf_ttl_sec;
    if (leaf->not_after > ca->not_after)
        leaf->not_after = ca->not_after;
    spec->issuer = ca->root;
    spec->issuer_key = ca->key;
    spec->not_before = leaf->not_before;
    spec->not_after = leaf->not_after;
    X509 *cert = certificate_make(spec, err);
    if (!cert)
        return false;
    int len = i2d_X509(cert, &leaf->der);
    X509_free(cert);
    if (len <= 0)
        return err_set(err, "cannot write the certificate: out of memory");
    leaf->der_len = (size_t)len;
    return true;
}

bool ca_issue(struct ca *ca, EVP_PKEY *public_key, struct slice spiffe_id, struct ca_leaf *leaf,
              struct err *err)
{
    struct spiffe_id id;
    *leaf = (struct ca_leaf){0};
    if (!spiffe_parse(spiffe_id, &id, err))
        return false;
    if (!slice_eq_str(id.trust_domain, ca->trust_domain))
        return err_set(err, "%.*s is not of the trust domain %s", SLICE_ARG(spiffe_id),
                       ca->trust_domain);
    struct certificate_spec spec = {.public_key = public_key, .uri = spiffe_id};
    return sign(ca, &spec, leaf, err);
}

bool ca_issue_dns(struct ca *ca, EVP_PKEY *public_key, const char *const *names, size_t n,
                  struct ca_leaf *leaf, struct err *err)
{
    struct certificate_spec spec = {.public_key = public_key, .dns_names = names, .n_dns_names = n};
    *leaf = (struct ca_leaf){0};
    return sign(ca, &spec, leaf, err);
}

void ca_leaf_fini(struct ca_leaf *leaf)
{
    OPENSSL_free(leaf->der);
    leaf->der = NULL;
}
