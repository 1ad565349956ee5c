/* Chains, good and bad, each with its verdict. */
#include "common/svid_verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/svid.h"
#include "test/unit/certs.h"

#define DOMAIN "mesh.test"
#define WEB    "spiffe://mesh.test/ns/shop/sa/web"
#define API    "spiffe://mesh.test/ns/shop/sa/api"
#define DAY    86400L

/* Who signs a leaf. */
enum signer { ROOT, OLD_ROOT, FOREIGN, IMPOSTOR, NEAR_END, INTERMEDIATE, NARROW, NO_CA, SELF };

struct world {
    struct cert signers[SELF];
    struct trust_anchors *anchors;
};

static const struct cert_spec signer_specs[SELF] = {
    [ROOT] = {.is_ca = true, .cn = "mesh root"},
    /* The root before this one: the same name, another key, still trusted. */
    [OLD_ROOT] = {.is_ca = true, .cn = "mesh root"},
    [FOREIGN] = {.is_ca = true, .cn = "foreign root"},
    /* As OLD_ROOT, but nobody trusts it. */
    [IMPOSTOR] = {.is_ca = true, .cn = "mesh root", .has_no_key_id = true},
    [NEAR_END] = {.is_ca = true, .cn = "ending root", .from_sec = -10 * DAY, .to_sec = 3600},
    [INTERMEDIATE] = {.is_ca = true, .cn = "intermediate"},
    [NARROW] = {.is_ca = true, .cn = "narrow root", .constraints = "critical,CA:TRUE,pathlen:0"},
    [NO_CA] = {.cn = "a leaf that signs", .key_usage = "critical,keyCertSign"},
};

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct err err;
    for (int i = 0; i < SELF; i++) {
        bool is_under_root = i == INTERMEDIATE || i == NO_CA;
        world->signers[i] =
            cert_make(&signer_specs[i], is_under_root ? &world->signers[ROOT] : NULL);
    }
    const struct slice trusted[] = {
        cert_slice(&world->signers[OLD_ROOT]), cert_slice(&world->signers[ROOT]),
        cert_slice(&world->signers[NEAR_END]), cert_slice(&world->signers[NARROW])};
    world->anchors = trust_anchors_from_der(trusted, 4, &err);
    if (!world->anchors)
        fail_msg("%s", err.text);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    trust_anchors_drop(world->anchors);
    for (int i = 0; i < SELF; i++)
        cert_fini(&world->signers[i]);
    free(world);
    return 0;
}

struct verify_case {
    const char *what;
    struct cert_spec leaf;
    enum signer signer;
    enum svid_verdict verdict;
    const char *complaint; /* part of the message; NULL: none looked for */
    const char *expected;  /* identity */
    long when_sec;         /* from now */
    bool has_signer;       /* the signer's certificate is sent too */
};

#define GOOD .san = "URI:" WEB

static const struct verify_case cases[] = {
    {.what = "good", .leaf = {GOOD}, .signer = ROOT, .verdict = SVID_OK},
    {.what = "good with P-256",
     .leaf = {GOOD, .is_p256 = true},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "good and expected",
     .leaf = {GOOD},
     .signer = ROOT,
     .verdict = SVID_OK,
     .expected = WEB},
    {.what = "good without EKU",
     .leaf = {GOOD, .ext_usage = ""},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "good with a third EKU",
     .leaf = {GOOD, .ext_usage = "serverAuth,clientAuth,codeSigning"},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "good with a DNS name beside the URI",
     .leaf = {.san = "URI:" WEB ",DNS:web.shop"},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "good without basic constraints",
     .leaf = {GOOD, .constraints = ""},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "good with keyAgreement too",
     .leaf = {GOOD, .key_usage = "critical,digitalSignature,keyAgreement"},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "old root of the same name, while both are trusted",
     .leaf = {GOOD},
     .signer = OLD_ROOT,
     .verdict = SVID_OK},
    {.what = "old root of the same name, no key identifier",
     .leaf = {GOOD, .has_no_key_id = true},
     .signer = OLD_ROOT,
     .verdict = SVID_OK},
    {.what = "new root of the same name, no key identifier",
     .leaf = {GOOD, .has_no_key_id = true},
     .signer = ROOT,
     .verdict = SVID_OK},
    {.what = "intermediate sent",
     .leaf = {GOOD},
     .signer = INTERMEDIATE,
     .verdict = SVID_OK,
     .has_signer = true},
    {.what = "root sent too",
     .leaf = {GOOD},
     .signer = ROOT,
     .verdict = SVID_OK,
     .has_signer = true},
    {.what = "intermediate not sent",
     .leaf = {GOOD},
     .signer = INTERMEDIATE,
     .verdict = SVID_UNKNOWN_SIGNER},
    {.what = "wrong identity",
     .leaf = {GOOD},
     .signer = ROOT,
     .verdict = SVID_WRONG_IDENTITY,
     .complaint = "expected " API,
     .expected = API},
    {.what = "wrong identity, a prefix",
     .leaf = {GOOD},
     .signer = ROOT,
     .verdict = SVID_WRONG_IDENTITY,
     .expected = WEB "2"},
    {.what = "expired",
     .leaf = {GOOD, .from_sec = -2 * DAY, .to_sec = -60},
     .signer = ROOT,
     .verdict = SVID_EXPIRED,
     .complaint = "expired"},
    {.what = "not yet valid",
     .leaf = {GOOD, .from_sec = 600},
     .signer = ROOT,
     .verdict = SVID_NOT_YET_VALID,
     .complaint = "not yet valid"},
    {.what = "expired when it is asked",
     .leaf = {GOOD, .to_sec = 60},
     .signer = ROOT,
     .verdict = SVID_EXPIRED,
     .when_sec = 61},
    {.what = "still good when it is asked",
     .leaf = {GOOD, .to_sec = 60},
     .signer = ROOT,
     .verdict = SVID_OK,
     .when_sec = 58},
    {.what = "the root ended before its leaf",
     .leaf = {GOOD, .to_sec = 2 * DAY},
     .signer = NEAR_END,
     .verdict = SVID_EXPIRED,
     .when_sec = 2 * 3600},
    {.what = "foreign domain, foreign root",
     .leaf = {.san = "URI:spiffe://other.test/ns/shop/sa/web"},
     .signer = FOREIGN,
     .verdict = SVID_FOREIGN_DOMAIN,
     .complaint = "not of the trust domain " DOMAIN},
    {.what = "foreign domain, our root",
     .leaf = {.san = "URI:spiffe://other.test/ns/shop/sa/web"},
     .signer = ROOT,
     .verdict = SVID_FOREIGN_DOMAIN},
    {.what = "a domain that ours is the beginning of",
     .leaf = {.san = "URI:spiffe://mesh.test.evil/ns/a/sa/b"},
     .signer = ROOT,
     .verdict = SVID_FOREIGN_DOMAIN},
    {.what = "our name, foreign root",
     .leaf = {GOOD},
     .signer = FOREIGN,
     .verdict = SVID_UNKNOWN_SIGNER,
     .complaint = WEB},
    {.what = "our name, foreign root sent",
     .leaf = {GOOD},
     .signer = FOREIGN,
     .verdict = SVID_UNKNOWN_SIGNER,
     .has_signer = true},
    {.what = "a root of our root's name",
     .leaf = {GOOD, .has_no_key_id = true},
     .signer = IMPOSTOR,
     .verdict = SVID_UNKNOWN_SIGNER},
    {.what = "a root of our root's name, sent",
     .leaf = {GOOD, .has_no_key_id = true},
     .signer = IMPOSTOR,
     .verdict = SVID_UNKNOWN_SIGNER,
     .has_signer = true},
    {.what = "self-signed", .leaf = {GOOD}, .signer = SELF, .verdict = SVID_UNKNOWN_SIGNER},
    {.what = "signed by a leaf",
     .leaf = {GOOD},
     .signer = NO_CA,
     .verdict = SVID_BAD_PATH,
     .has_signer = true},
    {.what = "CA as leaf",
     .leaf = {GOOD, .constraints = "critical,CA:TRUE"},
     .signer = ROOT,
     .verdict = SVID_CA_AS_LEAF,
     .complaint = "CA"},
    {.what = "CA as leaf with all of a CA's usage",
     .leaf = {GOOD, .constraints = "critical,CA:TRUE", .key_usage = "critical,keyCertSign"},
     .signer = ROOT,
     .verdict = SVID_CA_AS_LEAF},
    {.what = "may sign certificates",
     .leaf = {GOOD, .key_usage = "digitalSignature,keyCertSign"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "may sign"},
    {.what = "may sign CRLs",
     .leaf = {GOOD, .key_usage = "digitalSignature,cRLSign"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "may sign"},
    {.what = "no digitalSignature",
     .leaf = {GOOD, .key_usage = "critical,keyAgreement"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "digitalSignature"},
    {.what = "no key usage",
     .leaf = {GOOD, .key_usage = ""},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "digitalSignature"},
    {.what = "serverAuth alone",
     .leaf = {GOOD, .ext_usage = "serverAuth"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "extendedKeyUsage"},
    {.what = "clientAuth alone",
     .leaf = {GOOD, .ext_usage = "clientAuth"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE,
     .complaint = "extendedKeyUsage"},
    {.what = "anyExtendedKeyUsage alone",
     .leaf = {GOOD, .ext_usage = "anyExtendedKeyUsage"},
     .signer = ROOT,
     .verdict = SVID_BAD_KEY_USAGE},
    {.what = "no SAN",
     .leaf = {.san = ""},
     .signer = ROOT,
     .verdict = SVID_NO_URI,
     .complaint = "no URI"},
    {.what = "a DNS name alone",
     .leaf = {.san = "DNS:web.shop"},
     .signer = ROOT,
     .verdict = SVID_NO_URI},
    {.what = "two URIs",
     .leaf = {.san = "URI:" WEB ",URI:" API},
     .signer = ROOT,
     .verdict = SVID_MANY_URIS,
     .complaint = "2 URI"},
    {.what = "the same URI twice",
     .leaf = {.san = "URI:" WEB ",URI:" WEB},
     .signer = ROOT,
     .verdict = SVID_MANY_URIS},
    {.what = "another URI beside the ID",
     .leaf = {.san = "URI:" WEB ",URI:https://a/b"},
     .signer = ROOT,
     .verdict = SVID_MANY_URIS},
    {.what = "no SPIFFE ID",
     .leaf = {.san = "URI:https://mesh.test/ns/shop/sa/web"},
     .signer = ROOT,
     .verdict = SVID_BAD_ID,
     .complaint = "spiffe"},
    {.what = "an ID without a path",
     .leaf = {.san = "URI:spiffe://mesh.test"},
     .signer = ROOT,
     .verdict = SVID_BAD_ID,
     .complaint = "no path"},
    {.what = "an ID in upper case",
     .leaf = {.san = "URI:SPIFFE://mesh.test/a"},
     .signer = ROOT,
     .verdict = SVID_BAD_ID},
    {.what = "an ID with a dot segment",
     .leaf = {.san = "URI:spiffe://mesh.test/a/../b"},
     .signer = ROOT,
     .verdict = SVID_BAD_ID},
};

static void check_case(struct world *world, const struct verify_case *c)
{
    const struct cert *signer = c->signer == SELF ? NULL : &world->signers[c->signer];
    struct cert leaf = cert_make(&c->leaf, signer);
    struct slice chain[2] = {cert_slice(&leaf)};
    char id[SPIFFE_ID_MAX_BYTES + 1] = "untouched";
    struct err err = {0};
    size_t n = 1;
    if (c->has_signer)
        chain[n++] = cert_slice(signer);
    enum svid_verdict verdict =
        svid_verify(chain, n, world->anchors, SLICE_LITERAL(DOMAIN), slice_str(c->expected),
                    time(NULL) + c->when_sec, id, &err);
    if (verdict != c->verdict)
        fail_msg("%s: %s, expected %s: %s", c->what, svid_verdict_name(verdict),
                 svid_verdict_name(c->verdict), err.text);
    if (c->complaint && !strstr(err.text, c->complaint))
        fail_msg("%s: said \"%s\", expected \"%s\"", c->what, err.text, c->complaint);
    assert_string_equal(id, verdict == SVID_OK ? WEB : "untouched");
    assert_true(verdict == SVID_OK || err.text[0]);
    cert_fini(&leaf);
}

static void test_cases(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(*state, &cases[i]);
}

static enum svid_verdict verify(struct world *world, const struct slice *chain, size_t n)
{
    char id[SPIFFE_ID_MAX_BYTES + 1];
    struct err err;
    return svid_verify(chain, n, world->anchors, SLICE_LITERAL(DOMAIN), SLICE_LITERAL(""),
                       time(NULL), id, &err);
}

/* A signature that was touched, bytes that follow, a certificate that ends early, too many of them.
 */
static void test_damage(void **state)
{
    struct world *world = *state;
    struct cert leaf = cert_make(&(struct cert_spec){GOOD}, &world->signers[ROOT]);
    uint8_t *bytes = malloc(leaf.der_len + 1);
    memcpy(bytes, leaf.der, leaf.der_len);
    bytes[leaf.der_len] = 0;
    struct slice chain[SVID_CHAIN_MAX + 1];
    for (size_t i = 0; i <= SVID_CHAIN_MAX; i++)
        chain[i] = slice_of(bytes, leaf.der_len);
    assert_int_equal(verify(world, chain, 1), SVID_OK);
    assert_int_equal(verify(world, chain, SVID_CHAIN_MAX), SVID_OK);
    assert_int_equal(verify(world, chain, SVID_CHAIN_MAX + 1), SVID_MALFORMED);
    assert_int_equal(verify(world, chain, 0), SVID_NO_CERTIFICATE);
    chain[1].len--;
    assert_int_equal(verify(world, chain, 2), SVID_MALFORMED);
    for (size_t cut = 0; cut < leaf.der_len; cut++) {
        chain[0].len = cut;
        assert_int_equal(verify(world, chain, 1), SVID_MALFORMED);
    }
    chain[0].len = leaf.der_len + 1;
    assert_int_equal(verify(world, chain, 1), SVID_MALFORMED);
    chain[0].len = leaf.der_len;
    bytes[leaf.der_len - 1] ^= 1;
    assert_int_equal(verify(world, chain, 1), SVID_UNKNOWN_SIGNER);
    free(bytes);
    cert_fini(&leaf);
}

static struct cert under(struct world *world, const struct cert_spec *spec, enum signer signer)
{
    return cert_make(spec, &world->signers[signer]);
}

/* A root with pathlen:0 signs leaves and no further signers. */
static void test_path_length(void **state)
{
    struct world *world = *state;
    struct cert direct = under(world, &(struct cert_spec){GOOD}, NARROW);
    struct cert middle = under(world, &(struct cert_spec){.is_ca = true, .cn = "m"}, NARROW);
    struct cert below = cert_make(&(struct cert_spec){GOOD}, &middle);
    struct slice chain[] = {cert_slice(&direct)};
    struct slice long_chain[] = {cert_slice(&below), cert_slice(&middle)};
    assert_int_equal(verify(world, chain, 1), SVID_OK);
    assert_int_equal(verify(world, long_chain, 2), SVID_BAD_PATH);
    cert_fini(&direct);
    cert_fini(&middle);
    cert_fini(&below);
}

/* A bundle may hold an intermediate without its root. */
static void test_intermediate_as_anchor(void **state)
{
    struct world *world = *state;
    struct err err;
    char id[SPIFFE_ID_MAX_BYTES + 1];
    struct cert good = under(world, &(struct cert_spec){GOOD}, INTERMEDIATE);
    struct cert sibling = under(world, &(struct cert_spec){GOOD}, ROOT);
    struct slice anchor = cert_slice(&world->signers[INTERMEDIATE]);
    struct slice chain = cert_slice(&good), other = cert_slice(&sibling);
    struct trust_anchors *anchors = trust_anchors_from_der(&anchor, 1, &err);
    assert_non_null(anchors);
    assert_int_equal(svid_verify(&chain, 1, anchors, SLICE_LITERAL(DOMAIN), SLICE_LITERAL(WEB),
                                 time(NULL), id, &err),
                     SVID_OK);
    assert_int_equal(svid_verify(&other, 1, anchors, SLICE_LITERAL(DOMAIN), SLICE_LITERAL(WEB),
                                 time(NULL), id, &err),
                     SVID_UNKNOWN_SIGNER);
    trust_anchors_drop(anchors);
    cert_fini(&good);
    cert_fini(&sibling);
}

/* The claim is good as long as the whole path is. */
static void test_claim_ends_with_path(void **state)
{
    struct world *world = *state;
    struct svid_claim claim;
    struct err err;
    struct cert leaf = under(world, &(struct cert_spec){GOOD}, NEAR_END);
    struct slice chain = cert_slice(&leaf);
    time_t now = time(NULL);
    assert_int_equal(
        svid_verify_claim(&chain, 1, world->anchors, SLICE_LITERAL(DOMAIN), now, &claim, &err),
        SVID_OK);
    assert_true(claim.not_after <= now + 3600);
    assert_true(claim.leaf_not_after > now + 3600);
    assert_true(claim.not_before > now - DAY);
    cert_fini(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cases, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_damage, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_path_length, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_intermediate_as_anchor, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_claim_ends_with_path, world_start, world_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
