#include "controller/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "common/ed25519.h"
#include "common/file.h"
#include "common/log.h"
#include "common/svid.h"
#include "common/x509_time.h"
#include "test/unit/certs.h"
#include "test/unit/scratch_dir.h"

#define DAY 86400u
#define WEB "spiffe://mesh.test/ns/shop/sa/web"

struct world {
    struct scratch_dir dir;
    struct ca_options options;
    char key_path[PATH_MAX], cert_path[PATH_MAX];
};

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    scratch_dir_init(&world->dir);
    world->options = (struct ca_options){.state_dir = world->dir.path,
                                         .trust_domain = "mesh.test",
                                         .root_ttl_sec = 3650 * DAY,
                                         .leaf_ttl_sec = DAY};
    scratch_dir_file(&world->dir, "root.key", world->key_path);
    scratch_dir_file(&world->dir, "root.pem", world->cert_path);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    scratch_dir_fini(&world->dir);
    free(world);
    return 0;
}

static struct ca *open_ca(const struct world *world)
{
    struct err err;
    struct ca *ca = ca_open(&world->options, &err);
    if (!ca)
        fail_msg("%s", err.text);
    return ca;
}

/* Opening must fail and say this. */
static void refuses(const struct world *world, const char *complaint)
{
    struct err err = {0};
    assert_null(ca_open(&world->options, &err));
    if (!strstr(err.text, complaint))
        fail_msg("said \"%s\", expected \"%s\"", err.text, complaint);
}

static unsigned mode_of(const char *path)
{
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    return found.st_mode & 07777;
}

static void test_made_once_and_kept(void **state)
{
    struct world *world = *state;
    umask(0);
    struct ca *first = open_ca(world);
    assert_int_equal(mode_of(world->key_path), 0600);
    assert_int_equal(mode_of(world->cert_path), 0600);
    assert_string_equal(trust_anchors_name(ca_anchors(first), 0), "Outrigger root mesh.test");
    int64_t life_sec = ca_root_not_after(first) - time(NULL);
    assert_in_range(life_sec, 3650 * DAY - 60, 3650 * DAY);
    struct ca *second = open_ca(world);
    assert_true(slice_eq(trust_anchors_der(ca_anchors(first), 0),
                         trust_anchors_der(ca_anchors(second), 0)));
    ca_close(first);
    ca_close(second);
}

/* The key survived, the certificate was lost: the same key gets a new one. */
static void test_certificate_lost(void **state)
{
    struct world *world = *state;
    ca_close(open_ca(world));
    assert_int_equal(unlink(world->cert_path), 0);
    ca_close(open_ca(world));
    assert_int_equal(unlink(world->key_path), 0);
    refuses(world, "root.pem is there but");
}

static void test_refused_files(void **state)
{
    struct world *world = *state;
    ca_close(open_ca(world));

    static const mode_t bad_modes[] = {0640, 0604, 0644, 0660, 0610, 0602};
    for (size_t i = 0; i < sizeof(bad_modes) / sizeof(bad_modes[0]); i++) {
        assert_int_equal(chmod(world->key_path, bad_modes[i]), 0);
        refuses(world, "expected 0600");
    }
    assert_int_equal(chmod(world->key_path, 0400), 0);
    ca_close(open_ca(world));

    world->options.trust_domain = "other.test";
    refuses(world, "not the root of the trust domain other.test");
    world->options.trust_domain = "Mesh.test";
    refuses(world, "[a-z0-9._-]");
    world->options.trust_domain = "mesh.test";

    scratch_file_write(world->key_path, SLICE_LITERAL("no key\n"), 0600);
    refuses(world, "no private key");
    assert_int_equal(unlink(world->key_path), 0);
    scratch_file_write(world->cert_path, SLICE_LITERAL("no certificate\n"), 0600);
    refuses(world, "is not");
    assert_int_equal(unlink(world->cert_path), 0);
    ca_close(open_ca(world));
    scratch_file_write(world->cert_path, SLICE_LITERAL("no certificate\n"), 0600);
    refuses(world, "root.pem: no CERTIFICATE block");
}

static void write_pem(const char *path, const struct cert *cert, bool is_key)
{
    const uint8_t *pem;
    size_t len;
    BIO *bio = BIO_new(BIO_s_mem());
    if (is_key)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_X509(bio, cert->x509), 1);
    assert_int_equal(BIO_mem_contents(bio, &pem, &len), 1);
    scratch_file_write(path, slice_of(pem, len), 0600);
    BIO_free(bio);
}

static void test_refused_roots(void **state)
{
    struct world *world = *state;
    struct cert good =
        cert_make(&(struct cert_spec){.is_ca = true, .san = "URI:spiffe://mesh.test"}, NULL);
    struct cert other =
        cert_make(&(struct cert_spec){.is_ca = true, .san = "URI:spiffe://mesh.test"}, NULL);
    struct cert p256 = cert_make(&(struct cert_spec){.is_ca = true, .is_p256 = true}, NULL);
    struct cert expired = cert_make(
        &(struct cert_spec){
            .is_ca = true, .san = "URI:spiffe://mesh.test", .from_sec = -2 * 86400L, .to_sec = -60},
        NULL);
    struct cert leaf = cert_make(&(struct cert_spec){.san = "URI:spiffe://mesh.test"}, NULL);
    write_pem(world->key_path, &good, true);
    write_pem(world->cert_path, &good, false);
    ca_close(open_ca(world));
    write_pem(world->cert_path, &other, false);
    refuses(world, "not that of the key");
    write_pem(world->cert_path, &leaf, false);
    refuses(world, "no CA");
    write_pem(world->key_path, &expired, true);
    write_pem(world->cert_path, &expired, false);
    refuses(world, "has expired");
    write_pem(world->key_path, &p256, true);
    refuses(world, "not an Ed25519 key");
    cert_fini(&good);
    cert_fini(&other);
    cert_fini(&p256);
    cert_fini(&expired);
    cert_fini(&leaf);
}

static X509 *issue(struct ca *ca, EVP_PKEY *key, struct ca_leaf *leaf)
{
    struct err err;
    if (!ca_issue(ca, key, SLICE_LITERAL(WEB), leaf, &err))
        fail_msg("%s", err.text);
    const uint8_t *at = leaf->der;
    X509 *cert = d2i_X509(NULL, &at, (long)leaf->der_len);
    assert_non_null(cert);
    return cert;
}

static void test_leaf(void **state)
{
    struct world *world = *state;
    struct err err;
    struct ca *ca = open_ca(world);
    for (int is_p256 = 0; is_p256 < 2; is_p256++) {
        EVP_PKEY *key = certs_key(is_p256);
        struct ca_leaf leaf;
        X509 *cert = issue(ca, key, &leaf);
        int64_t from, to, now_sec = time(NULL);
        assert_true(x509_time_sec(X509_get0_notBefore(cert), &from));
        assert_true(x509_time_sec(X509_get0_notAfter(cert), &to));
        assert_int_equal(from, leaf.not_before);
        assert_int_equal(to, leaf.not_after);
        assert_in_range(now_sec - from, CA_CLOCK_SKEW_SEC, CA_CLOCK_SKEW_SEC + 60);
        assert_in_range(to - now_sec, DAY - 60, DAY);
        assert_false(X509_get_extension_flags(cert) & EXFLAG_CA);
        assert_true(X509_get_extension_flags(cert) & EXFLAG_BCONS);
        assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
        assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
        assert_true(ASN1_STRING_length(X509_get0_serialNumber(cert)) == 16);
        struct slice der = slice_of(leaf.der, leaf.der_len);
        struct svid *svid = svid_new(&der, 1, key, ca_anchors(ca), &err);
        if (!svid)
            fail_msg("%s", err.text);
        assert_true(slice_eq_str(svid_id(svid)->text, WEB));
        assert_int_equal(strlen(svid_serial(svid)), 32);
        svid_drop(svid);
        X509_free(cert);
        ca_leaf_fini(&leaf);
        EVP_PKEY_free(key);
    }
    ca_close(ca);
}

/* Who is known by DNS names alone is nobody in the mesh. */
static void test_leaf_of_a_server(void **state)
{
    static const char *const names[] = {"a.b.svc", "a.b"};
    struct world *world = *state;
    struct err err;
    struct ca *ca = open_ca(world);
    EVP_PKEY *key = certs_key(false);
    struct ca_leaf leaf;
    assert_true(ca_issue_dns(ca, key, names, 2, &leaf, &err));
    const uint8_t *bytes = leaf.der;
    X509 *cert = d2i_X509(NULL, &bytes, (long)leaf.der_len);
    assert_int_equal(X509_check_host(cert, "a.b.svc", 7, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "a.b", 3, 0, NULL), 1);
    assert_int_equal(X509_check_host(cert, "b.svc", 5, 0, NULL), 0);
    struct slice der = slice_of(leaf.der, leaf.der_len);
    assert_null(svid_new(&der, 1, key, ca_anchors(ca), &err));
    X509_free(cert);
    ca_leaf_fini(&leaf);
    EVP_PKEY_free(key);
    ca_close(ca);
}

static void test_no_leaf_outlives_the_root(void **state)
{
    struct world *world = *state;
    world->options.root_ttl_sec = DAY / 2;
    struct ca *ca = open_ca(world);
    EVP_PKEY *key = ed25519_generate();
    struct ca_leaf leaf;
    X509_free(issue(ca, key, &leaf));
    assert_int_equal(leaf.not_after, ca_root_not_after(ca));
    ca_leaf_fini(&leaf);
    EVP_PKEY_free(key);
    ca_close(ca);
}

static void test_serials_differ(void **state)
{
    struct ca *ca = open_ca(*state);
    EVP_PKEY *key = ed25519_generate();
    struct ca_leaf one, two;
    X509 *first = issue(ca, key, &one), *second = issue(ca, key, &two);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
    X509_free(first);
    X509_free(second);
    ca_leaf_fini(&one);
    ca_leaf_fini(&two);
    EVP_PKEY_free(key);
    ca_close(ca);
}

static void test_foreign_names(void **state)
{
    struct ca *ca = open_ca(*state);
    EVP_PKEY *key = ed25519_generate();
    struct ca_leaf leaf;
    struct err err;
    static const char *const bad[] = {"spiffe://other.test/ns/a/sa/b", "spiffe://mesh.test",
                                      "spiffe://mesh.test/a,URI:spiffe://mesh.test/b",
                                      "https://mesh.test/a", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (ca_issue(ca, key, slice_str(bad[i]), &leaf, &err))
            fail_msg("signed %s", bad[i]);
        assert_null(leaf.der);
    }
    EVP_PKEY_free(key);
    ca_close(ca);
}

static void test_folder_that_cannot_be(void **state)
{
    struct world *world = *state;
    world->options.state_dir = "/proc/nowhere/state";
    refuses(world, "/proc/nowhere/state");
    scratch_file_write(world->cert_path, SLICE_LITERAL("x"), 0600);
    world->options.state_dir = world->cert_path;
    refuses(world, "not a directory");
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT);
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_made_once_and_kept),
        TEST(test_certificate_lost),
        TEST(test_refused_files),
        TEST(test_refused_roots),
        TEST(test_leaf),
        TEST(test_leaf_of_a_server),
        TEST(test_no_leaf_outlives_the_root),
        TEST(test_serials_differ),
        TEST(test_foreign_names),
        TEST(test_folder_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
