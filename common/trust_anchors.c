#include "common/trust_anchors.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/x509_time.h"

#define NAME_BYTES 128

struct anchor {
    STACK_OF(X509) * stack; /* of one: what X509_verify_cert() is given as trusted */
    int64_t not_after;
    struct slice der; /* owned */
    char name[NAME_BYTES];
};

struct trust_anchors {
    atomic_size_t references;
    X509_STORE *empty_store;
    size_t count;
    struct anchor anchors[TRUST_ANCHORS_MAX];
};

static struct trust_anchors *anchors_new(struct err *err)
{
    struct trust_anchors *anchors = calloc(1, sizeof(*anchors));
    if (anchors)
        anchors->empty_store = X509_STORE_new();
    if (!anchors || !anchors->empty_store) {
        free(anchors);
        err_set(err, "out of memory");
        return NULL;
    }
    atomic_init(&anchors->references, 1);
    return anchors;
}

struct trust_anchors *trust_anchors_hold(struct trust_anchors *anchors)
{
    if (anchors)
        atomic_fetch_add_explicit(&anchors->references, 1, memory_order_relaxed);
    return anchors;
}

void trust_anchors_drop(struct trust_anchors *anchors)
{
    if (!anchors || atomic_fetch_sub_explicit(&anchors->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < anchors->count; i++) {
        sk_X509_pop_free(anchors->anchors[i].stack, X509_free);
        free((void *)anchors->anchors[i].der.ptr);
    }
    X509_STORE_free(anchors->empty_store);
    free(anchors);
}

/* The common name where it is printable ASCII, so that it can stand in a log line and a page. */
static void fill_name(X509 *cert, struct slice der, char name[NAME_BYTES])
{
    int n =
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, NAME_BYTES);
    bool is_printable = n > 0 && (size_t)n == strlen(name);
    for (int i = 0; is_printable && i < n; i++)
        is_printable = name[i] >= 0x20 && name[i] < 0x7f;
    if (is_printable)
        return;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256((const uint8_t *)der.ptr, der.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(name + 2 * i, 3, "%02x", digest[i]);
}

static bool check_is_signer(X509 *cert, struct err *err)
{
    uint32_t flags = X509_get_extension_flags(cert);
    if (flags & EXFLAG_INVALID)
        return err_set(err, "an extension of the certificate is malformed");
    if (!(flags & EXFLAG_CA))
        return err_set(err, "the certificate is no CA (basicConstraints)");
    /* Without the extension every usage is allowed: X509_get_key_usage() has all bits set then. */
    if (!(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN))
        return err_set(err, "the certificate may not sign certificates (keyUsage)");
    return true;
}

static bool has_der(const struct trust_anchors *anchors, struct slice der)
{
    for (size_t i = 0; i < anchors->count; i++) {
        if (slice_eq(anchors->anchors[i].der, der))
            return true;
    }
    return false;
}

/* Takes over `cert` when it succeeds. */
static bool fill_anchor(struct anchor *anchor, X509 *cert, struct slice der, struct err *err)
{
    if (!check_is_signer(cert, err))
        return false;
    if (!x509_time_sec(X509_get0_notAfter(cert), &anchor->not_after))
        return err_set(err, "the certificate's notAfter is no valid time");
    char *copy = malloc(der.len);
    STACK_OF(X509) *stack = sk_X509_new_null();
    if (!copy || !stack || !sk_X509_push(stack, cert)) {
        free(copy);
        sk_X509_free(stack);
        return err_set(err, "out of memory");
    }
    memcpy(copy, der.ptr, der.len);
    anchor->der = slice_of(copy, der.len);
    anchor->stack = stack;
    fill_name(cert, der, anchor->name);
    return true;
}

static bool add(struct trust_anchors *anchors, struct slice der, struct err *err)
{
    if (has_der(anchors, der))
        return true;
    if (anchors->count == TRUST_ANCHORS_MAX)
        return err_set(err, "more than %d trust anchors", TRUST_ANCHORS_MAX);
    const uint8_t *at = (const uint8_t *)der.ptr;
    X509 *cert = der.len > 0 && der.len <= LONG_MAX ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    bool is_added = false;
    if (!cert || at != (const uint8_t *)der.ptr + der.len)
        err_set(err, "not a DER certificate");
    else
        is_added = fill_anchor(&anchors->anchors[anchors->count], cert, der, err);
    ERR_clear_error();
    if (is_added)
        anchors->count++;
    else
        X509_free(cert);
    return is_added;
}

struct trust_anchors *trust_anchors_from_der(const struct slice *ders, size_t n, struct err *err)
{
    struct trust_anchors *anchors = anchors_new(err);
    if (!anchors)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!add(anchors, ders[i], err)) {
            err_prefix(err, "trust anchor %zu", i + 1);
            trust_anchors_drop(anchors);
            return NULL;
        }
    }
    if (anchors->count == 0) {
        err_set(err, "no trust anchors");
        trust_anchors_drop(anchors);
        return NULL;
    }
    return anchors;
}

/* Reads one block; `*is_end` is set when there is none. */
static bool add_block(struct trust_anchors *anchors, BIO *bio, bool *is_end, struct err *err)
{
    char *name = NULL, *header = NULL;
    uint8_t *der = NULL;
    long len = 0;
    bool is_added = false;
    *is_end = false;
    if (!PEM_read_bio(bio, &name, &header, &der, &len)) {
        uint32_t reason = ERR_peek_last_error();
        *is_end =
            ERR_GET_LIB(reason) == ERR_LIB_PEM && ERR_GET_REASON(reason) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        return *is_end || err_set(err, "not a PEM block: %s", ERR_reason_error_string(reason));
    }
    if (strcmp(name, PEM_STRING_X509) != 0)
        err_set(err, "a %s block, expected only CERTIFICATE", name);
    else
        is_added = add(anchors, slice_of(der, (size_t)len), err);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return is_added;
}

struct trust_anchors *trust_anchors_from_pem(struct slice pem, struct err *err)
{
    struct trust_anchors *anchors = anchors_new(err);
    BIO *bio = anchors && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    bool is_end = false, is_good = bio != NULL;
    if (!bio)
        err_set(err, "out of memory");
    for (size_t block = 1; is_good && !is_end; block++) {
        is_good = add_block(anchors, bio, &is_end, err);
        if (!is_good)
            err_prefix(err, "PEM block %zu", block);
    }
    if (is_good && anchors->count == 0)
        is_good = err_set(err, "no CERTIFICATE block");
    BIO_free(bio);
    if (is_good)
        return anchors;
    trust_anchors_drop(anchors);
    return NULL;
}

size_t trust_anchors_count(const struct trust_anchors *anchors)
{
    return anchors->count;
}

int64_t trust_anchors_not_after(const struct trust_anchors *anchors, size_t i)
{
    return anchors->anchors[i].not_after;
}

const char *trust_anchors_name(const struct trust_anchors *anchors, size_t i)
{
    return anchors->anchors[i].name;
}

struct slice trust_anchors_der(const struct trust_anchors *anchors, size_t i)
{
    return anchors->anchors[i].der;
}

STACK_OF(X509) * trust_anchors_stack(const struct trust_anchors *anchors, size_t i)
{
    return anchors->anchors[i].stack;
}

X509_STORE *trust_anchors_empty_store(const struct trust_anchors *anchors)
{
    return anchors->empty_store;
}
