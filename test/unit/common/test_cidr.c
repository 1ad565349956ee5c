#include "common/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ip ip_must(const char *text)
{
    struct ip ip;
    if (!ip_parse(slice_str(text), &ip))
        fail_msg("%s is not an address", text);
    return ip;
}

static void test_ip(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted; /* NULL: refused */
        bool is_loopback;
    } cases[] = {
        {"10.1.2.3", "10.1.2.3", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.255.0.9", "127.255.0.9", true},
        {"128.0.0.1", "128.0.0.1", false},
        {"::1", "::1", true},
        {"::", "::", false},
        {"7f00::", "7f00::", false},
        {"FD00:0:0::1", "fd00::1", false},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"::ffff:a00:1", "10.0.0.1", false},
        {"", NULL, false},
        {"10.0.0", NULL, false},
        {"10.0.0.256", NULL, false},
        {"10.0.0.01", NULL, false},
        {"10.0.0.1 ", NULL, false},
        {"fe80::1%eth0", NULL, false},
        {"1:2:3:4:5:6:7:8:9", NULL, false},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ip ip;
        char text[IP_TEXT_BYTES];
        bool is_ok = ip_parse(slice_str(cases[i].text), &ip);
        assert_int_equal(is_ok, cases[i].formatted != NULL);
        if (!is_ok)
            continue;
        assert_string_equal(ip_format(&ip, text), cases[i].formatted);
        assert_int_equal(ip_is_loopback(&ip), cases[i].is_loopback);
    }
    struct ip ip;
    assert_false(ip_parse(slice_of("1.2.3.4\0", 8), &ip));
    assert_false(ip_parse(slice_of(NULL, 0), &ip));
}

static void test_ip_is_special(void **state)
{
    (void)state;
    static const char *const special[] = {
        "0.0.0.0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "239.1.2.3",       "::",
        "::1",     "fe80::1",   "febf::1",         "ff02::1",   "::ffff:127.0.0.1"};
    static const char *const usual[] = {"10.0.0.1",    "169.253.0.1", "223.255.255.255",
                                        "240.0.0.1",   "fd00::1",     "fec0::1",
                                        "2001:db8::1", "::2",         "100.64.0.1"};
    struct ip ip;
    for (size_t i = 0; i < COUNT(special); i++)
        assert_true(ip_parse(slice_str(special[i]), &ip) && ip_is_special(&ip));
    for (size_t i = 0; i < COUNT(usual); i++)
        assert_true(ip_parse(slice_str(usual[i]), &ip) && !ip_is_special(&ip));
}

static void test_ip_eq(void **state)
{
    (void)state;
    struct ip a = ip_must("10.0.0.1"), b = ip_must("::ffff:10.0.0.1"), c = ip_must("10.0.0.2");
    struct ip d = ip_must("a00:1::");
    assert_true(ip_eq(&a, &b));
    assert_false(ip_eq(&a, &c));
    assert_false(ip_eq(&a, &d));
}

static void test_cidr(void **state)
{
    (void)state;
    static const struct {
        const char *text, *ip; /* NULL: refused */
        unsigned prefix;
        const char *inside, *outside; /* NULL: not asked */
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", 8, "10.255.255.255", "11.0.0.0"},
        {"10.1.2.3/8", "10.0.0.0", 8, "10.0.0.0", "9.255.255.255"},
        {"10.1.2.3/31", "10.1.2.2", 31, "10.1.2.3", "10.1.2.4"},
        {"10.1.2.3", "10.1.2.3", 32, "10.1.2.3", "10.1.2.2"},
        {"0.0.0.0/0", "0.0.0.0", 0, "255.255.255.255", "::"},
        {"::/0", "::", 0, "ffff::", "0.0.0.0"},
        {"fd00::/9", "fd00::", 9, "fd7f::", "fd80::"},
        {"fd00::1", "fd00::1", 128, "fd00::1", "fd00::2"},
        {"::ffff:10.0.0.0/104", "10.0.0.0", 8, "10.9.9.9", "11.0.0.0"},
        {"::ffff:10.0.0.1", "10.0.0.1", 32, "10.0.0.1", "10.0.0.2"},
        {"::ffff:10.0.0.0/8", NULL, 0, NULL, NULL},
        {"10.0.0.0/33", NULL, 0, NULL, NULL},
        {"10.0.0.0/", NULL, 0, NULL, NULL},
        {"10.0.0.0/08", NULL, 0, NULL, NULL},
        {"10.0.0.0/-1", NULL, 0, NULL, NULL},
        {"10.0.0.0/8/8", NULL, 0, NULL, NULL},
        {"10.0.0.0/255.0.0.0", NULL, 0, NULL, NULL},
        {"::/129", NULL, 0, NULL, NULL},
        {"/8", NULL, 0, NULL, NULL},
        {"", NULL, 0, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cidr cidr;
        struct err err = {.text = ""};
        char text[IP_TEXT_BYTES];
        bool is_ok = cidr_parse(slice_str(cases[i].text), &cidr, &err);
        assert_int_equal(is_ok, cases[i].ip != NULL);
        if (!is_ok) {
            assert_non_null(strstr(err.text, cases[i].text));
            continue;
        }
        assert_string_equal(ip_format(&cidr.ip, text), cases[i].ip);
        assert_int_equal(cidr.prefix, cases[i].prefix);
        struct ip inside = ip_must(cases[i].inside), outside = ip_must(cases[i].outside);
        assert_true(cidr_contains(&cidr, &inside));
        assert_false(cidr_contains(&cidr, &outside));
    }
}

static void test_addr(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted; /* NULL: refused */
        unsigned port;
    } cases[] = {
        {"1.2.3.4:80", "1.2.3.4:80", 80},
        {"[fd00::1]:65535", "[fd00::1]:65535", 65535},
        {"[::ffff:1.2.3.4]:1", "1.2.3.4:1", 1},
        {"1.2.3.4:0", NULL, 0},
        {"1.2.3.4:65536", NULL, 0},
        {"1.2.3.4:080", NULL, 0},
        {"1.2.3.4:", NULL, 0},
        {"1.2.3.4", NULL, 0},
        {":80", NULL, 0},
        {"", NULL, 0},
        {"[1.2.3.4]:80", NULL, 0},
        {"fd00::1:80", NULL, 0},
        {"[fd00::1]", NULL, 0},
        {"[fd00::1]80", NULL, 0},
        {"[]:80", NULL, 0},
        {"[:80", NULL, 0},
        {"localhost:80", NULL, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sockaddr_any addr, again;
        struct err err = {.text = ""};
        char text[ADDR_TEXT_BYTES];
        bool is_ok = addr_parse(slice_str(cases[i].text), &addr, &err);
        assert_int_equal(is_ok, cases[i].formatted != NULL);
        if (!is_ok) {
            assert_non_null(strstr(err.text, "expected"));
            continue;
        }
        assert_string_equal(addr_format(&addr, text), cases[i].formatted);
        assert_int_equal(addr_port(&addr), cases[i].port);
        assert_true(addr_parse(slice_str(text), &again, &err));
        assert_true(addr_eq(&addr, &again));
    }
}

/* What a dual-stack listener's accept() gives for a v4 peer is that v4 peer. */
static void test_addr_of_mapped_socket(void **state)
{
    (void)state;
    struct sockaddr_any mapped = {.len = sizeof(mapped.in6)};
    struct sockaddr_any plain;
    struct err err;
    mapped.in6.sin6_family = AF_INET6;
    mapped.in6.sin6_port = htons(80);
    memcpy(&mapped.in6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
    assert_true(addr_parse(SLICE_LITERAL("10.0.0.1:80"), &plain, &err));
    assert_true(addr_eq(&mapped, &plain));
    struct ip ip = addr_ip(&mapped);
    assert_int_equal(ip.family, AF_INET);
    assert_int_equal(addr_make(&ip, 80).len, sizeof(struct sockaddr_in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip),    cmocka_unit_test(test_ip_is_special),
        cmocka_unit_test(test_ip_eq), cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_addr),  cmocka_unit_test(test_addr_of_mapped_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
