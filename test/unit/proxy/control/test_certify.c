#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/ed25519.h"
#include "proto/identity.pb-c.h"
#include "proxy/control/certify.h"
#include "test/unit/certs.h"
#include "test/unit/proxy/pack.h"

static void a_request_proves_its_key_and_asks_for_no_name(void **state)
{
    (void)state;
    struct buf buf;
    struct err err;
    EVP_PKEY *key = ed25519_generate();
    buf_init(&buf, 65536);
    assert_true(certify_request(&buf, slice_str("  a.token.here \n"), key, &err));
    struct slice bytes = buf_slice(&buf);
    Outrigger__V1__CertifyRequest *request =
        outrigger__v1__certify_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    assert_non_null(request);
    assert_string_equal(request->token, "a.token.here");
    const uint8_t *der = request->csr.data;
    X509_REQ *csr = d2i_X509_REQ(NULL, &der, (long)request->csr.len);
    assert_non_null(csr);
    EVP_PKEY *asked = X509_REQ_get_pubkey(csr);
    assert_int_equal(EVP_PKEY_cmp(asked, key), 1);
    assert_int_equal(X509_REQ_verify(csr, key), 1);
    assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(csr)), 0);
    EVP_PKEY_free(asked);
    X509_REQ_free(csr);
    outrigger__v1__certify_request__free_unpacked(request, NULL);
    buf_consume(&buf, bytes.len);

    assert_false(certify_request(&buf, slice_str(" \n"), key, &err));
    assert_string_equal(err.text, "the token is empty");
    buf_fini(&buf);
    EVP_PKEY_free(key);
}

enum flaw {
    GOOD,
    NO_CHAIN,
    LONG_CHAIN,
    NO_ANCHORS,
    MANY_ANCHORS,
    GARBAGE_LEAF,
    GARBAGE_ANCHOR,
    OTHER_SIGNER,
    OTHER_KEY,
    FOREIGN_DOMAIN,
    EXPIRED,
    GARBAGE,
};

static struct svid *answer(enum flaw flaw, struct err *err)
{
    struct cert root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct cert other = cert_make(&(struct cert_spec){.is_ca = true, .cn = "other"}, NULL);
    struct cert_spec spec = {.san = flaw == FOREIGN_DOMAIN ? "URI:spiffe://other/ns/a/sa/b"
                                                           : "URI:spiffe://cluster.local/ns/a/sa/b",
                             .from_sec = flaw == EXPIRED ? -7200 : 0,
                             .to_sec = flaw == EXPIRED ? -3600 : 0};
    struct cert leaf = cert_make(&spec, flaw == OTHER_SIGNER ? &other : &root);
    Outrigger__V1__CertifyResponse response = OUTRIGGER__V1__CERTIFY_RESPONSE__INIT;
    ProtobufCBinaryData chain[CERTIFY_MAX_CHAIN + 1], anchors[CERTIFY_MAX_ANCHORS + 1];
    uint8_t garbage[] = "garbage";
    for (size_t i = 0; i <= CERTIFY_MAX_CHAIN; i++)
        chain[i] = (ProtobufCBinaryData){leaf.der_len, leaf.der};
    for (size_t i = 0; i <= CERTIFY_MAX_ANCHORS; i++)
        anchors[i] = (ProtobufCBinaryData){root.der_len, root.der};
    if (flaw == GARBAGE_LEAF)
        chain[0] = (ProtobufCBinaryData){7, garbage};
    if (flaw == GARBAGE_ANCHOR)
        anchors[0] = (ProtobufCBinaryData){7, garbage};
    response.chain = chain;
    response.n_chain = flaw == NO_CHAIN ? 0 : flaw == LONG_CHAIN ? CERTIFY_MAX_CHAIN + 1 : 1;
    response.trust_anchors = anchors;
    response.n_trust_anchors = flaw == NO_ANCHORS     ? 0
                               : flaw == MANY_ANCHORS ? CERTIFY_MAX_ANCHORS + 1
                                                      : 1;
    struct slice bytes = pack(&response);
    struct svid *svid = certify_response(
        flaw == GARBAGE ? slice_sub(bytes, 0, bytes.len - 1) : bytes,
        flaw == OTHER_KEY ? other.key : leaf.key, SLICE_LITERAL("cluster.local"), err);
    free((char *)bytes.ptr);
    cert_fini(&leaf);
    cert_fini(&other);
    cert_fini(&root);
    return svid;
}

static void only_a_good_answer_is_taken(void **state)
{
    (void)state;
    static const struct {
        enum flaw flaw;
        const char *message; /* how the error begins */
    } rows[] = {
        {NO_CHAIN, "chain: 0 certificates, expected 1-8"},
        {LONG_CHAIN, "chain: 9 certificates, expected 1-8"},
        {NO_ANCHORS, "trust_anchors: 0 certificates, expected 1-64"},
        {MANY_ANCHORS, "trust_anchors: 65 certificates, expected 1-64"},
        {GARBAGE_LEAF, "chain: "},
        {GARBAGE_ANCHOR, "trust_anchors: "},
        {OTHER_SIGNER, "chain: "},
        {OTHER_KEY, "chain: "},
        {FOREIGN_DOMAIN, "chain: spiffe://other/ns/a/sa/b is not of trust domain cluster.local"},
        {EXPIRED, "chain: "},
        {GARBAGE, ""},
    };
    struct err err;
    struct svid *svid = answer(GOOD, &err);
    assert_non_null(svid);
    assert_true(slice_eq_str(svid_id(svid)->text, "spiffe://cluster.local/ns/a/sa/b"));
    assert_int_equal(trust_anchors_count(svid_anchors(svid)), 1);
    svid_drop(svid);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_null(answer(rows[i].flaw, &err));
        if (!slice_starts_with(slice_str(err.text), slice_str(rows[i].message)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_proves_its_key_and_asks_for_no_name),
        cmocka_unit_test(only_a_good_answer_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
