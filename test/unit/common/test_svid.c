#include "common/svid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include "common/svid_cache.h"
#include "test/unit/certs.h"

#define WEB "spiffe://mesh.test/ns/shop/sa/web"

static struct slice pem_of(const struct cert *const *certs, size_t n, const char *between)
{
    const uint8_t *bytes;
    size_t len;
    BIO *bio = BIO_new(BIO_s_mem());
    for (size_t i = 0; i < n; i++) {
        assert_true(BIO_puts(bio, between) >= 0);
        assert_int_equal(PEM_write_bio_X509(bio, certs[i]->x509), 1);
    }
    assert_int_equal(BIO_mem_contents(bio, &bytes, &len), 1);
    char *copy = malloc(len);
    memcpy(copy, bytes, len);
    BIO_free(bio);
    return slice_of(copy, len);
}

static void test_anchors_from_pem(void **state)
{
    (void)state;
    struct err err = {0};
    struct cert one = cert_make(&(struct cert_spec){.is_ca = true, .cn = "one"}, NULL);
    struct cert two = cert_make(&(struct cert_spec){.is_ca = true, .cn = "t\xc3\xa9o"}, NULL);
    const struct cert *const certs[] = {&one, &two, &one}, *const turned_certs[] = {&two, &one};
    struct slice pem = pem_of(certs, 3, "# a comment\n");
    struct slice pem_turned = pem_of(turned_certs, 2, "");
    struct slice first = cert_slice(&one);
    struct trust_anchors *anchors = trust_anchors_from_pem(pem, &err);
    struct trust_anchors *turned = trust_anchors_from_pem(pem_turned, &err);
    struct trust_anchors *fewer = trust_anchors_from_der(&first, 1, &err);
    assert_true(anchors && turned && fewer);
    assert_int_equal(trust_anchors_count(anchors), 2);
    assert_string_equal(trust_anchors_name(anchors, 0), "one");
    /* A name that is not ASCII is told by its hash. */
    assert_int_equal(strlen(trust_anchors_name(anchors, 1)), 64);
    assert_in_range(trust_anchors_not_after(anchors, 0) - time(NULL), 86400 - 60, 86400);
    assert_true(slice_eq(trust_anchors_der(anchors, 0), first));
    assert_int_equal(trust_anchors_count(turned), 2);
    assert_true(slice_eq(trust_anchors_der(turned, 0), trust_anchors_der(anchors, 1)));
    assert_int_equal(trust_anchors_count(fewer), 1);
    assert_true(slice_eq(trust_anchors_der(fewer, 0), first));
    assert_null(trust_anchors_hold(NULL));

    assert_null(trust_anchors_from_pem(slice_sub(pem, 0, pem.len - 40), &err));
    assert_non_null(strstr(err.text, "PEM block 3"));
    trust_anchors_drop(anchors);
    trust_anchors_drop(turned);
    trust_anchors_drop(fewer);
    free((void *)pem.ptr);
    free((void *)pem_turned.ptr);
    cert_fini(&one);
    cert_fini(&two);
}

static void test_refused_anchors(void **state)
{
    (void)state;
    struct err err = {0};
    struct cert leaf = cert_make(&(struct cert_spec){.san = "URI:" WEB}, NULL);
    struct cert signs_nothing =
        cert_make(&(struct cert_spec){.is_ca = true, .key_usage = "critical,cRLSign"}, NULL);
    struct slice ders[2] = {cert_slice(&leaf), cert_slice(&signs_nothing)};
    assert_null(trust_anchors_from_der(ders, 1, &err));
    assert_non_null(strstr(err.text, "trust anchor 1: the certificate is no CA"));
    assert_null(trust_anchors_from_der(ders + 1, 1, &err));
    assert_non_null(strstr(err.text, "may not sign"));
    assert_null(trust_anchors_from_der(ders, 0, &err));
    assert_non_null(strstr(err.text, "no trust anchors"));
    ders[0].len--;
    assert_null(trust_anchors_from_der(ders, 1, &err));
    assert_non_null(strstr(err.text, "not a DER certificate"));
    assert_null(trust_anchors_from_pem(SLICE_LITERAL(""), &err));
    assert_non_null(strstr(err.text, "no CERTIFICATE block"));
    assert_null(trust_anchors_from_pem(
        SLICE_LITERAL("-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n"), &err));
    assert_non_null(strstr(err.text, "a PRIVATE KEY block, expected only CERTIFICATE"));
    cert_fini(&leaf);
    cert_fini(&signs_nothing);
}

struct bad_svid {
    const char *complaint;
    struct cert_spec spec;
    bool has_other_key, has_no_chain;
};

static const struct bad_svid bad_svids[] = {
    {.complaint = "the key is not the certificate's",
     .spec = {.san = "URI:" WEB},
     .has_other_key = true},
    {.complaint = "empty", .spec = {.san = "URI:" WEB}, .has_no_chain = true},
    {.complaint = "expired", .spec = {.san = "URI:" WEB, .from_sec = -7200, .to_sec = -3600}},
    {.complaint = "not yet valid", .spec = {.san = "URI:" WEB, .from_sec = 600}},
    {.complaint = "no URI", .spec = {.san = "DNS:web"}},
    {.complaint = "CA", .spec = {.san = "URI:" WEB, .is_ca = true}},
};

static void test_svid(void **state)
{
    (void)state;
    struct err err = {0};
    struct cert root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct slice root_der = cert_slice(&root);
    struct trust_anchors *anchors = trust_anchors_from_der(&root_der, 1, &err);
    struct cert leaf = cert_make(&(struct cert_spec){.san = "URI:" WEB}, &root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, anchors, &err);
    if (!svid)
        fail_msg("%s", err.text);
    svid_drop(svid_hold(svid));
    assert_true(slice_eq_str(svid_id(svid)->text, WEB));
    assert_true(slice_eq_str(svid_id(svid)->service_account, "web"));
    assert_in_range(svid_not_after(svid) - time(NULL), 86400 - 60, 86400);
    assert_in_range(time(NULL) - svid_not_before(svid), 3600, 3660);
    assert_int_equal(strlen(svid_serial(svid)), 32);
    assert_ptr_equal(svid_anchors(svid), anchors);
    svid_drop(svid);

    for (size_t i = 0; i < sizeof(bad_svids) / sizeof(bad_svids[0]); i++) {
        struct cert bad = cert_make(&bad_svids[i].spec, &root);
        der = cert_slice(&bad);
        assert_null(svid_new(&der, bad_svids[i].has_no_chain ? 0 : 1,
                             bad_svids[i].has_other_key ? leaf.key : bad.key, anchors, &err));
        if (!strstr(err.text, bad_svids[i].complaint))
            fail_msg("said \"%s\", expected \"%s\"", err.text, bad_svids[i].complaint);
        cert_fini(&bad);
    }
    trust_anchors_drop(anchors);
    cert_fini(&leaf);
    cert_fini(&root);
}

static void test_cache(void **state)
{
    (void)state;
    struct svid_cache *cache = svid_cache_new();
    struct svid_claim claim = {
        .id = WEB, .not_before = 100, .not_after = 200, .leaf_not_after = 300};
    struct svid_claim found;
    uint8_t hash[SVID_CACHE_HASH_BYTES], other[SVID_CACHE_HASH_BYTES];
    const struct slice ab[] = {SLICE_LITERAL("a"), SLICE_LITERAL("b")};
    const struct slice a_b = SLICE_LITERAL("ab");
    svid_cache_hash(ab, 2, hash);
    svid_cache_hash(&a_b, 1, other);
    assert_memory_not_equal(hash, other, sizeof(hash));
    assert_false(svid_cache_get(cache, hash, 150, &found));
    svid_cache_put(cache, hash, &claim);
    assert_true(svid_cache_get(cache, hash, 150, &found));
    assert_string_equal(found.id, WEB);
    assert_int_equal(found.leaf_not_after, 300);
    assert_true(svid_cache_get(cache, hash, 100, &found));
    assert_false(svid_cache_get(cache, hash, 99, &found));
    assert_true(svid_cache_get(cache, hash, 199, &found));
    assert_false(svid_cache_get(cache, hash, 200, &found));
    /* The same slot, another chain: takes the place of the first. */
    memcpy(other, hash, sizeof(other));
    other[31] ^= 1;
    assert_false(svid_cache_get(cache, other, 150, &found));
    svid_cache_put(cache, other, &claim);
    assert_true(svid_cache_get(cache, other, 150, &found));
    assert_false(svid_cache_get(cache, hash, 150, &found));
    svid_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchors_from_pem),
        cmocka_unit_test(test_refused_anchors),
        cmocka_unit_test(test_svid),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
