/* Which ExternalService a destination is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/policy/egress.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char object_a[] = "shop/a", object_b[] = "shop/b", exact[] = "api.example",
            below[] = "*.cdn.example", block[] = "10.0.0.0/8";
static char *names[] = {exact, below}, *blocks[] = {block};
static uint32_t ports[] = {443, 80};

/* a: two names on two ports; b: an address block on one. */
static bool build(struct external_hosts *hosts, size_t n_unknown, struct err *err)
{
    Outrigger__V1__ExternalHost a = OUTRIGGER__V1__EXTERNAL_HOST__INIT, b = a;
    Outrigger__V1__ExternalHost *list[] = {&a, &b};
    a.object = object_a;
    a.hosts = names;
    a.n_hosts = COUNT(names);
    a.ports = ports;
    a.n_ports = COUNT(ports);
    a.base.n_unknown_fields = (unsigned)n_unknown;
    b.object = object_b;
    b.addresses = blocks;
    b.n_addresses = 1;
    b.ports = ports;
    b.n_ports = 1;
    *hosts = (struct external_hosts){0};
    return external_hosts_build(hosts, list, COUNT(list), err);
}

static const char *find(const struct external_hosts *hosts, const char *destination,
                        const char *name)
{
    struct sockaddr_any addr;
    struct err err;
    assert_true(addr_parse(slice_str(destination), &addr, &err));
    const struct external_host *host = external_hosts_find(hosts, &addr, slice_str(name));
    return host ? host->object : "none";
}

static void test_destinations(void **state)
{
    (void)state;
    static const struct {
        const char *destination, *name, *object;
    } rows[] = {
        {"1.2.3.4:443", "api.example", object_a},
        {"1.2.3.4:80", "API.Example", object_a},
        {"1.2.3.4:81", "api.example", "none"},
        {"1.2.3.4:443", "", "none"},
        {"1.2.3.4:443", "xapi.example", "none"},
        {"1.2.3.4:443", "a.cdn.example", object_a},
        {"1.2.3.4:443", "a.b.cdn.example", object_a},
        {"1.2.3.4:443", "cdn.example", "none"},
        {"1.2.3.4:443", ".cdn.example", "none"},
        {"10.2.3.4:443", "", object_b},
        {"10.2.3.4:443", "other", object_b},
        {"10.2.3.4:80", "", "none"},
        {"[fd00::1]:443", "", "none"},
    };
    struct external_hosts hosts;
    struct err err;
    assert_true(build(&hosts, 0, &err));
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strcmp(find(&hosts, rows[i].destination, rows[i].name), rows[i].object) != 0)
            fail_msg("%s %s", rows[i].destination, rows[i].name);
    external_hosts_fini(&hosts);
}

static void test_what_is_not_understood_lets_nobody_out(void **state)
{
    (void)state;
    struct external_hosts hosts;
    struct err err;
    assert_true(build(&hosts, 1, &err));
    assert_string_equal(find(&hosts, "1.2.3.4:443", "api.example"), "none");
    assert_string_equal(find(&hosts, "10.2.3.4:443", ""), object_b);
    external_hosts_fini(&hosts);
}

static void test_names_in_requests(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *name;
    } rows[] = {{"a.example", "a.example"},
                {"a.example:443", "a.example"},
                {"a.example.", "a.example"},
                {"a.example.:1", "a.example"},
                {"[::1]:80", "[::1]"},
                {"[::1]", "[::1]"},
                {"", ""}};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true(slice_eq_str(external_host_name(slice_str(rows[i].authority)), rows[i].name));
}

static void test_wrong_messages(void **state)
{
    (void)state;
    static char bad_block[] = "10.0.0.0/99", bad_name[] = "a b";
    struct external_hosts hosts;
    struct err err;
    blocks[0] = bad_block;
    assert_false(build(&hosts, 0, &err));
    assert_true(slice_starts_with(slice_str(err.text), SLICE_LITERAL("external_hosts[1].addr")));
    external_hosts_fini(&hosts);
    blocks[0] = block;
    names[1] = bad_name;
    assert_false(build(&hosts, 0, &err));
    assert_true(
        slice_starts_with(slice_str(err.text), SLICE_LITERAL("external_hosts[0].hosts[1]")));
    external_hosts_fini(&hosts);
    names[1] = below;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_what_is_not_understood_lets_nobody_out),
        cmocka_unit_test(test_names_in_requests),
        cmocka_unit_test(test_wrong_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
