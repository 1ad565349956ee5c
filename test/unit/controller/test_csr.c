#include "controller/csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/rsa.h>

#include "test/unit/certs.h"

struct request {
    uint8_t *der;
    size_t len;
};

static struct request request_of(EVP_PKEY *key, EVP_PKEY *signing_key)
{
    struct request made;
    X509_REQ *request = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *wishes = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *wish = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name,
                                                "URI:spiffe://mesh.test/ns/kube-system/sa/admin");
    assert_true(request && wishes && wish && sk_X509_EXTENSION_push(wishes, wish));
    assert_int_equal(X509_REQ_set_version(request, 0), 1);
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_int_equal(X509_REQ_add_extensions(request, wishes), 1);
    assert_true(X509_REQ_sign(request, signing_key,
                              EVP_PKEY_id(signing_key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) >
                0);
    made.der = NULL;
    int len = i2d_X509_REQ(request, &made.der);
    assert_true(len > 0);
    made.len = (size_t)len;
    sk_X509_EXTENSION_pop_free(wishes, X509_EXTENSION_free);
    X509_REQ_free(request);
    return made;
}

static void refuses(struct slice der, const char *complaint)
{
    struct err err = {0};
    EVP_PKEY *key = csr_public_key(der, &err);
    assert_null(key);
    if (!strstr(err.text, complaint))
        fail_msg("said \"%s\", expected \"%s\"", err.text, complaint);
}

static void test_accepted_kinds(void **state)
{
    (void)state;
    for (int is_p256 = 0; is_p256 < 2; is_p256++) {
        struct err err;
        EVP_PKEY *key = certs_key(is_p256);
        struct request request = request_of(key, key);
        EVP_PKEY *found = csr_public_key(slice_of(request.der, request.len), &err);
        if (!found)
            fail_msg("%s", err.text);
        assert_int_equal(EVP_PKEY_cmp(found, key), 1);
        EVP_PKEY_free(found);
        OPENSSL_free(request.der);
        EVP_PKEY_free(key);
    }
}

static EVP_PKEY *p384_key(void)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_secp384r1);
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static EVP_PKEY *rsa_key(void)
{
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();
    assert_true(rsa && e && key && BN_set_word(e, RSA_F4));
    assert_true(RSA_generate_key_ex(rsa, 2048, e, NULL) && EVP_PKEY_assign_RSA(key, rsa));
    BN_free(e);
    return key;
}

static void test_refused_kinds(void **state)
{
    (void)state;
    EVP_PKEY *p384 = p384_key(), *rsa = rsa_key();
    struct request on_p384 = request_of(p384, p384), with_rsa = request_of(rsa, rsa);
    refuses(slice_of(on_p384.der, on_p384.len), "another curve, expected Ed25519");
    refuses(slice_of(with_rsa.der, with_rsa.len), "rsaEncryption, expected Ed25519");
    OPENSSL_free(on_p384.der);
    OPENSSL_free(with_rsa.der);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(rsa);
}

static void test_refused_bytes(void **state)
{
    (void)state;
    static uint8_t big[CSR_MAX_BYTES + 1];
    EVP_PKEY *key = certs_key(false), *other = certs_key(false);
    struct request good = request_of(key, key), stolen = request_of(key, other);
    refuses(SLICE_LITERAL(""), "empty");
    refuses(SLICE_LITERAL("-----BEGIN CERTIFICATE REQUEST-----"), "PKCS#10");
    refuses(slice_of(big, sizeof(big)), "8193 bytes");
    /* Somebody else's public key, without its other half. */
    refuses(slice_of(stolen.der, stolen.len), "signature does not verify");
    for (size_t cut = 1; cut < good.len; cut++)
        refuses(slice_of(good.der, cut), "PKCS#10");
    good.der[good.len - 1] ^= 1;
    refuses(slice_of(good.der, good.len), "signature does not verify");
    OPENSSL_free(good.der);
    OPENSSL_free(stolen.der);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_kinds),
        cmocka_unit_test(test_refused_kinds),
        cmocka_unit_test(test_refused_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
