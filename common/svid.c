#include "common/svid.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/x509_time.h"

struct svid {
    atomic_size_t references;
    struct spiffe_id id; /* points into id_text */
    char *id_text;
    char *serial;
    int64_t not_before;
    int64_t not_after;
    EVP_PKEY *key; /* BoringSSL wipes every block that it frees, keys above all */
    struct trust_anchors *anchors;
    size_t n_chain;
    CRYPTO_BUFFER *chain[SVID_CHAIN_MAX];
};

struct svid *svid_hold(struct svid *svid)
{
    atomic_fetch_add_explicit(&svid->references, 1, memory_order_relaxed);
    return svid;
}

void svid_drop(struct svid *svid)
{
    if (!svid || atomic_fetch_sub_explicit(&svid->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < svid->n_chain; i++)
        CRYPTO_BUFFER_free(svid->chain[i]);
    EVP_PKEY_free(svid->key);
    trust_anchors_drop(svid->anchors);
    OPENSSL_free(svid->serial);
    free(svid->id_text);
    free(svid);
}

/* BN_bn2hex() writes pairs of lower-case digits, and a minus that no serial should have. */
static char *serial_text(const X509 *leaf)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
    char *text = number ? BN_bn2hex(number) : NULL;
    BN_free(number);
    return text;
}

static bool read_leaf(struct svid *svid, X509 *leaf, struct err *err)
{
    EVP_PKEY *certified = X509_get_pubkey(leaf);
    bool is_ours = certified && EVP_PKEY_cmp(certified, svid->key) == 1;
    EVP_PKEY_free(certified);
    if (!is_ours)
        return err_set(err, "the key is not the certificate's");
    if (!x509_time_sec(X509_get0_notBefore(leaf), &svid->not_before) ||
        !x509_time_sec(X509_get0_notAfter(leaf), &svid->not_after))
        return err_set(err, "the certificate's validity is no valid time");
    svid->serial = serial_text(leaf);
    return svid->serial || err_set(err, "out of memory");
}

static bool keep_chain(struct svid *svid, const struct slice *chain_der, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        svid->chain[i] =
            CRYPTO_BUFFER_new((const uint8_t *)chain_der[i].ptr, chain_der[i].len, NULL);
        if (!svid->chain[i])
            return err_set(err, "out of memory");
        svid->n_chain++;
    }
    return true;
}

/* As a peer would judge it, so that a certificate nobody accepts is found where it is made. */
static bool verify_own(struct svid *svid, const struct slice *chain_der, size_t n, struct err *err)
{
    struct spiffe_id id;
    svid->id_text = malloc(SPIFFE_ID_MAX_BYTES + 1);
    if (!svid->id_text)
        return err_set(err, "out of memory");
    if (n == 0)
        return err_set(err, "the chain is empty");
    if (svid_verify_profile(chain_der[0], svid->id_text, err) != SVID_OK ||
        !spiffe_parse(slice_str(svid->id_text), &id, err))
        return false;
    if (svid_verify(chain_der, n, svid->anchors, id.trust_domain, id.text, clock_wall_sec(),
                    svid->id_text, err) != SVID_OK)
        return false;
    char *exact = realloc(svid->id_text, id.text.len + 1);
    if (exact)
        svid->id_text = exact;
    return spiffe_parse(slice_str(svid->id_text), &svid->id, err);
}

static bool fill(struct svid *svid, const struct slice *chain_der, size_t n, struct err *err)
{
    if (!verify_own(svid, chain_der, n, err))
        return false;
    const uint8_t *at = (const uint8_t *)chain_der[0].ptr;
    X509 *leaf = d2i_X509(NULL, &at, (long)chain_der[0].len);
    bool is_filled = leaf ? read_leaf(svid, leaf, err) : err_set(err, "out of memory");
    X509_free(leaf);
    return is_filled && keep_chain(svid, chain_der, n, err);
}

struct svid *svid_new(const struct slice *chain_der, size_t n, EVP_PKEY *key,
                      struct trust_anchors *anchors, struct err *err)
{
    struct svid *svid = calloc(1, sizeof(*svid));
    if (!svid) {
        err_set(err, "out of memory");
        return NULL;
    }
    atomic_init(&svid->references, 1);
    EVP_PKEY_up_ref(key);
    svid->key = key;
    svid->anchors = trust_anchors_hold(anchors);
    bool is_filled = fill(svid, chain_der, n, err);
    ERR_clear_error();
    if (is_filled)
        return svid;
    svid_drop(svid);
    return NULL;
}

const struct spiffe_id *svid_id(const struct svid *svid)
{
    return &svid->id;
}

int64_t svid_not_before(const struct svid *svid)
{
    return svid->not_before;
}

int64_t svid_not_after(const struct svid *svid)
{
    return svid->not_after;
}

const char *svid_serial(const struct svid *svid)
{
    return svid->serial;
}

struct trust_anchors *svid_anchors(const struct svid *svid)
{
    return svid->anchors;
}

bool svid_use(const struct svid *svid, SSL_CTX *context)
{
    return SSL_CTX_set_chain_and_key(context, svid->chain, svid->n_chain, svid->key, NULL) == 1;
}
