#include "common/spiffe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define D "spiffe://mesh.test"

struct bad_id {
    struct slice text;
    const char *complaint; /* part of the message */
};
#define BAD(text, complaint)                                                                       \
    {                                                                                              \
        SLICE_LITERAL(text), complaint                                                             \
    }

static const struct bad_id bad_ids[] = {
    BAD("", "does not begin"),
    BAD("spiffe", "does not begin"),
    BAD("spiffe:", "does not begin"),
    BAD("spiffe:/", "does not begin"),
    BAD("spiffe:/mesh.test/a", "does not begin"),
    BAD("SPIFFE://mesh.test/a", "lower case"),
    BAD("Spiffe://mesh.test/a", "lower case"),
    BAD("https://mesh.test/a", "does not begin"),
    BAD(" spiffe://mesh.test/a", "does not begin"),
    BAD("//mesh.test/a", "does not begin"),
    BAD("spiffe://", "trust domain"),
    BAD("spiffe:///a", "trust domain"),
    BAD("spiffe://Mesh.test/a", "trust domain"),
    BAD("spiffe://mesh.test:443/a", "trust domain"),
    BAD("spiffe://user@mesh.test/a", "trust domain"),
    BAD("spiffe://user:secret@mesh.test/a", "trust domain"),
    BAD("spiffe://mesh%2etest/a", "trust domain"),
    BAD("spiffe://[::1]/a", "trust domain"),
    BAD("spiffe://mesh test/a", "trust domain"),
    BAD("spiffe://mesh.test?a", "trust domain"),
    BAD("spiffe://mesh.test#a", "trust domain"),
    BAD("spiffe://mesh.test\0/a", "trust domain"),
    BAD("spiffe://m\xc3\xa9sh.test/a", "trust domain"),
    BAD(D, "no path"),
    BAD(D "/", "empty segment"),
    BAD(D "//", "empty segment"),
    BAD(D "/a/", "empty segment"),
    BAD(D "//a", "empty segment"),
    BAD(D "/a//b", "empty segment"),
    BAD(D "/.", "'.' segment"),
    BAD(D "/a/./b", "'.' segment"),
    BAD(D "/..", "'..' segment"),
    BAD(D "/a/../b", "'..' segment"),
    BAD(D "/a/..", "'..' segment"),
    BAD(D "/a?b=c", "0x3f in the path"),
    BAD(D "/a#b", "0x23 in the path"),
    BAD(D "/a%20b", "0x25 in the path"),
    BAD(D "/a%2fb", "0x25 in the path"),
    BAD(D "/a:b", "0x3a in the path"),
    BAD(D "/a@b", "0x40 in the path"),
    BAD(D "/a b", "0x20 in the path"),
    BAD(D "/a\nb", "0x0a in the path"),
    BAD(D "/a\0b", "0x00 in the path"),
    BAD(D "/a\0", "0x00 in the path"),
    BAD(D "/a\\b", "0x5c in the path"),
    BAD(D "/\xc3\xa9", "0xc3 in the path"),
    BAD(D "/a,URI:" D "/b", "0x2c in the path"),
    BAD(D "/a*", "0x2a in the path"),
    BAD(D "/a~", "0x7e in the path"),
};

static void test_bad_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++) {
        struct spiffe_id id;
        struct err err = {0};
        if (spiffe_parse(bad_ids[i].text, &id, &err))
            fail_msg("accepted: %.*s", SLICE_ARG(bad_ids[i].text));
        if (!strstr(err.text, bad_ids[i].complaint))
            fail_msg("%.*s: said \"%s\", expected \"%s\"", SLICE_ARG(bad_ids[i].text), err.text,
                     bad_ids[i].complaint);
    }
}

struct good_id {
    const char *text, *trust_domain, *path, *namespace, *service_account;
};

static const struct good_id good_ids[] = {
    {D "/ns/shop/sa/web", "mesh.test", "/ns/shop/sa/web", "shop", "web"},
    {D "/ns/shop/sa/web.v1", "mesh.test", "/ns/shop/sa/web.v1", "shop", "web.v1"},
    {"spiffe://a/b", "a", "/b", "", ""},
    {"spiffe://a_b-c.1/B.c_D-9", "a_b-c.1", "/B.c_D-9", "", ""},
    {D "/ns/shop/sa", "mesh.test", "/ns/shop/sa", "", ""},
    {D "/ns/shop/sa/web/x", "mesh.test", "/ns/shop/sa/web/x", "", ""},
    {D "/NS/shop/sa/web", "mesh.test", "/NS/shop/sa/web", "", ""},
    {D "/sa/shop/ns/web", "mesh.test", "/sa/shop/ns/web", "", ""},
    {D "/...", "mesh.test", "/...", "", ""},
    {D "/.hidden/a..b", "mesh.test", "/.hidden/a..b", "", ""},
};

static void test_good_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good_ids) / sizeof(good_ids[0]); i++) {
        const struct good_id *good = &good_ids[i];
        struct spiffe_id id;
        struct err err = {0};
        if (!spiffe_parse(slice_str(good->text), &id, &err))
            fail_msg("%s: %s", good->text, err.text);
        assert_true(slice_eq_str(id.text, good->text));
        assert_true(slice_eq_str(id.trust_domain, good->trust_domain));
        assert_true(slice_eq_str(id.path, good->path));
        assert_true(slice_eq_str(id.namespace, good->namespace));
        assert_true(slice_eq_str(id.service_account, good->service_account));
    }
}

/* The longest that is allowed, and one byte more. */
static void test_lengths(void **state)
{
    (void)state;
    char text[SPIFFE_ID_MAX_BYTES + 2];
    struct spiffe_id id;
    struct err err;
    memset(text, 'a', sizeof(text));
    memcpy(text, "spiffe://a/", 11);
    assert_true(spiffe_parse(slice_of(text, SPIFFE_ID_MAX_BYTES), &id, &err));
    assert_false(spiffe_parse(slice_of(text, SPIFFE_ID_MAX_BYTES + 1), &id, &err));
    assert_non_null(strstr(err.text, "2049 bytes"));

    memset(text, 'a', sizeof(text));
    memcpy(text, "spiffe://", 9);
    memcpy(text + 9 + SPIFFE_TRUST_DOMAIN_MAX_BYTES, "/b", 2);
    assert_true(spiffe_parse(slice_of(text, 9 + SPIFFE_TRUST_DOMAIN_MAX_BYTES + 2), &id, &err));
    memcpy(text + 9 + SPIFFE_TRUST_DOMAIN_MAX_BYTES, "a/b", 3);
    assert_false(spiffe_parse(slice_of(text, 9 + SPIFFE_TRUST_DOMAIN_MAX_BYTES + 3), &id, &err));
}

static void test_format(void **state)
{
    (void)state;
    char out[64];
    const struct slice domain = SLICE_LITERAL("mesh.test"), shop = SLICE_LITERAL("shop"),
                       web = SLICE_LITERAL("web");
    assert_true(spiffe_format(out, sizeof(out), domain, shop, web));
    assert_string_equal(out, D "/ns/shop/sa/web");
    assert_true(spiffe_format(out, sizeof(D "/ns/shop/sa/web"), domain, shop, web));
    assert_false(spiffe_format(out, sizeof(D "/ns/shop/sa/web") - 1, domain, shop, web));
    assert_false(spiffe_format(out, sizeof(out), SLICE_LITERAL("Mesh"), shop, web));
    assert_false(spiffe_format(out, sizeof(out), domain, SLICE_LITERAL(""), web));
    assert_false(spiffe_format(out, sizeof(out), domain, shop, SLICE_LITERAL("")));
    /* A name that holds a slash would be another identity's. */
    assert_false(spiffe_format(out, sizeof(out), domain, SLICE_LITERAL("shop/sa/admin"), web));
    assert_false(spiffe_format(out, sizeof(out), SLICE_LITERAL("a/ns/x/sa"), shop, web));
    assert_false(spiffe_format(out, sizeof(out), domain, shop, SLICE_LITERAL("web\0x")));
    assert_false(spiffe_format(out, sizeof(out), domain, SLICE_LITERAL(".."), web));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_good_ids),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
