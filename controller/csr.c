#include "controller/csr.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

static bool is_p256(const EVP_PKEY *key)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    return ec && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1;
}

static bool check_key_kind(const EVP_PKEY *key, struct err *err)
{
    if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
        return true;
    if (EVP_PKEY_id(key) == EVP_PKEY_EC && is_p256(key))
        return true;
    const char *kind = OBJ_nid2sn(EVP_PKEY_id(key));
    return err_set(err, "csr: the key is %s, expected Ed25519 or ECDSA with P-256",
                   EVP_PKEY_id(key) == EVP_PKEY_EC ? "on another curve" : kind);
}

static EVP_PKEY *read_key(X509_REQ *request, struct err *err)
{
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    if (!key) {
        err_set(err, "csr: the public key is of no known kind, expected Ed25519 or P-256");
        return NULL;
    }
    /* The kind first: verifying with a key of 16,384 RSA bits is a gift to whoever sends it. */
    if (check_key_kind(key, err)) {
        if (X509_REQ_verify(request, key) == 1)
            return key;
        err_set(err, "csr: the signature does not verify");
    }
    EVP_PKEY_free(key);
    return NULL;
}

EVP_PKEY *csr_public_key(struct slice der, struct err *err)
{
    if (der.len == 0) {
        err_set(err, "csr: empty");
        return NULL;
    }
    if (der.len > CSR_MAX_BYTES) {
        err_set(err, "csr: %zu bytes, at most %d are read", der.len, CSR_MAX_BYTES);
        return NULL;
    }
    const uint8_t *at = (const uint8_t *)der.ptr;
    EVP_PKEY *key = NULL;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
    if (!request || at != (const uint8_t *)der.ptr + der.len)
        err_set(err, "csr: not a PKCS#10 certificate request in DER");
    else
        key = read_key(request, err);
    X509_REQ_free(request);
    ERR_clear_error();
    return key;
}
