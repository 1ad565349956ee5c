#include "init/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/init/args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void make(const char *line, struct rules *rules)
{
    struct init_options options;
    struct err err = {.text = ""};
    if (args_parse(line, &options, &err) != OPTIONS_OK || !rules_init(rules, &options, &err))
        fail_msg("%s: %s", line, err.text);
}

struct packet_case {
    const char *line;
    enum rule_chain chain;
    uint32_t uid, gid, mark;
    const char *interface, *destination;
    uint16_t port; /* expected; 0: left alone */
};

static void check(const struct packet_case *c)
{
    struct rules rules;
    struct err err;
    struct rule_packet packet = {c->uid, c->gid, c->mark, c->interface, {.len = 0}};
    make(c->line, &rules);
    if (!addr_parse(slice_str(c->destination), &packet.destination, &err))
        fail_msg("%s", err.text);
    uint16_t port = rules_decide(&rules, c->chain, &packet);
    if (port != c->port)
        fail_msg("%s: to %s as uid %u: port %u, expected %u", c->line, c->destination, c->uid, port,
                 c->port);
    rules_fini(&rules);
}

static void test_output(void **state)
{
    (void)state;
    static const struct packet_case cases[] = {
        {"", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 0, "eth0", "[fd00::9]:80", 15001},
        {"--outbound-port=5", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:80", 5},
        /* The proxy: by each of its users, groups and marks, on every port, in both families. */
        {"", RULE_OUTPUT, 1337, 0, 0, "eth0", "10.0.0.9:80", 0},
        {"", RULE_OUTPUT, 1337, 0, 0, "eth0", "[fd00::9]:80", 0},
        {"", RULE_OUTPUT, 1337, 0, 0, "lo", "10.0.0.1:80", 0},
        {"--proxy-uid=5,6,7", RULE_OUTPUT, 5, 0, 0, "eth0", "10.0.0.9:80", 0},
        {"--proxy-uid=5,6,7", RULE_OUTPUT, 6, 0, 0, "eth0", "10.0.0.9:80", 0},
        {"--proxy-uid=5,6,7", RULE_OUTPUT, 7, 0, 0, "eth0", "10.0.0.9:80", 0},
        {"--proxy-uid=5,6,7", RULE_OUTPUT, 1337, 0, 0, "eth0", "10.0.0.9:80", 15001},
        {"--proxy-gid=9,8", RULE_OUTPUT, 0, 8, 0, "eth0", "10.0.0.9:1", 0},
        {"--proxy-gid=9,8", RULE_OUTPUT, 0, 9, 0, "eth0", "10.0.0.9:65535", 0},
        {"--proxy-gid=9,8", RULE_OUTPUT, 8, 0, 0, "eth0", "10.0.0.9:80", 15001},
        {"--proxy-mark=7", RULE_OUTPUT, 0, 0, 7, "eth0", "10.0.0.9:80", 0},
        {"--proxy-mark=7", RULE_OUTPUT, 0, 0, 3, "eth0", "10.0.0.9:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 7, "eth0", "10.0.0.9:80", 15001},
        {"--skip-uids=300,44", RULE_OUTPUT, 44, 0, 0, "eth0", "10.0.0.9:80", 0},
        /* Ids are compared whole, not byte by byte: 44 is the low byte of 300. */
        {"--skip-uids=300", RULE_OUTPUT, 44, 0, 0, "eth0", "10.0.0.9:80", 15001},
        {"--skip-interfaces=eth1,eth2", RULE_OUTPUT, 0, 0, 0, "eth2", "10.0.0.9:80", 0},
        {"--skip-interfaces=eth1", RULE_OUTPUT, 0, 0, 0, "eth10", "10.0.0.9:80", 15001},
        /* Loopback is the address, not the interface: the pod's own address is redirected. */
        {"", RULE_OUTPUT, 0, 0, 0, "lo", "127.0.0.1:80", 0},
        {"", RULE_OUTPUT, 0, 0, 0, "lo", "127.255.255.255:80", 0},
        {"", RULE_OUTPUT, 0, 0, 0, "lo", "[::1]:80", 0},
        {"", RULE_OUTPUT, 0, 0, 0, "lo", "10.0.0.1:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 0, "lo", "[fd00::1]:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 0, "eth0", "128.0.0.1:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 0, "eth0", "126.255.255.255:80", 15001},
        {"", RULE_OUTPUT, 0, 0, 0, "eth0", "[::2]:80", 15001},
        {"--skip-outbound-ports=80-90,443", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:79", 15001},
        {"--skip-outbound-ports=80-90,443", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:80", 0},
        {"--skip-outbound-ports=80-90,443", RULE_OUTPUT, 0, 0, 0, "eth0", "[fd00::9]:90", 0},
        {"--skip-outbound-ports=80-90,443", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:91", 15001},
        {"--skip-outbound-ports=80-90,443", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:443", 0},
        {"--skip-outbound-cidrs=10.1.0.0/16", RULE_OUTPUT, 0, 0, 0, "eth0", "10.1.255.255:1", 0},
        {"--skip-outbound-cidrs=10.1.0.0/16", RULE_OUTPUT, 0, 0, 0, "eth0", "10.2.0.0:1", 15001},
        {"--skip-outbound-cidrs=fd00::/8", RULE_OUTPUT, 0, 0, 0, "eth0", "[fdff::1]:1", 0},
        {"--skip-outbound-cidrs=::/0", RULE_OUTPUT, 0, 0, 0, "eth0", "10.0.0.9:1", 15001},
        {"--include-outbound-cidrs=10.0.0.0/8", RULE_OUTPUT, 0, 0, 0, "eth0", "10.9.9.9:1", 15001},
        {"--include-outbound-cidrs=10.0.0.0/8", RULE_OUTPUT, 0, 0, 0, "eth0", "11.0.0.0:1", 0},
        {"--include-outbound-cidrs=10.0.0.0/8", RULE_OUTPUT, 0, 0, 0, "eth0", "[fd00::9]:1", 0},
        {"--include-outbound-cidrs=10.0.0.0/8 --skip-outbound-cidrs=10.1.0.0/16", RULE_OUTPUT, 0, 0,
         0, "eth0", "10.1.0.1:1", 0},
        /* Even when included: a call to 127.0.0.1 never enters the mesh. */
        {"--include-outbound-cidrs=127.0.0.0/8", RULE_OUTPUT, 0, 0, 0, "lo", "127.0.0.1:1", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(&cases[i]);
}

static void test_prerouting(void **state)
{
    (void)state;
    static const struct packet_case cases[] = {
        {"", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:80", 15006},
        {"", RULE_PREROUTING, 0, 0, 0, "eth0", "[fd00::1]:80", 15006},
        {"--inbound-port=5", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:80", 5},
        {"", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:15000", 0},
        {"--admin-port=9", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:9", 0},
        {"--admin-port=9", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:15000", 15006},
        /* Straight to a redirect port from outside: the proxy sees it as the loop it is. */
        {"", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:15001", 15006},
        {"", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:15006", 15006},
        {"--skip-inbound-ports=22,80-90", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:90", 0},
        {"--skip-inbound-ports=22,80-90", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:91", 15006},
        {"--skip-inbound-ports=22,80-90", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:15000", 0},
        {"--include-inbound-ports=80", RULE_PREROUTING, 0, 0, 0, "eth0", "[fd00::1]:80", 15006},
        {"--include-inbound-ports=80", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:81", 0},
        {"--skip-interfaces=eth1", RULE_PREROUTING, 0, 0, 0, "eth1", "10.0.0.1:80", 0},
        {"--skip-interfaces=eth1", RULE_PREROUTING, 0, 0, 0, "eth0", "10.0.0.1:80", 15006},
        {"", RULE_PREROUTING, 0, 0, 0, "lo", "127.0.0.1:80", 0},
        {"", RULE_PREROUTING, 0, 0, 0, "lo", "[::1]:80", 0},
        {"--skip-outbound-ports=80 --skip-outbound-cidrs=10.0.0.0/8", RULE_PREROUTING, 0, 0, 0,
         "eth0", "10.0.0.1:80", 15006},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(&cases[i]);
}

static const struct rule_set *find_set(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_sets; i++)
        if (strcmp(rules->sets[i].name, name) == 0)
            return &rules->sets[i];
    fail_msg("no set %s", name);
    return NULL;
}

/* nft and the kernel refuse sets whose ranges overlap, and show joined what touches. */
static void test_sets_are_joined(void **state)
{
    (void)state;
    static const struct {
        const char *line, *set;
        size_t n;
    } cases[] = {
        {"--skip-outbound-ports=80,80,81,79-85,90", "skip_outbound_ports", 2},
        {"--skip-outbound-ports=1-65535,65535", "skip_outbound_ports", 1},
        {"--skip-outbound-ports=65535,1", "skip_outbound_ports", 2},
        {"--skip-inbound-ports=14999,15001", "skip_inbound_ports", 1}, /* with the admin port */
        {"--skip-outbound-cidrs=10.0.0.0/9,10.128.0.0/9,10.1.0.0/16", "skip_outbound_cidrs4", 1},
        {"--skip-outbound-cidrs=10.0.0.0/16,10.2.0.0/16", "skip_outbound_cidrs4", 2},
        {"--skip-outbound-cidrs=0.0.0.0/0,255.255.255.255", "skip_outbound_cidrs4", 1},
        {"--skip-outbound-cidrs=::/0,ffff::/16", "skip_outbound_cidrs6", 1},
        {"--proxy-uid=5,5,6", "proxy_uids", 2},
        {"--proxy-uid=257,1", "proxy_uids", 2},
        {"--skip-interfaces=eth0,eth1,eth0", "skip_interfaces", 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rules rules;
        make(cases[i].line, &rules);
        if (find_set(&rules, cases[i].set)->n != cases[i].n)
            fail_msg("%s: %zu elements", cases[i].line, find_set(&rules, cases[i].set)->n);
        rules_fini(&rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_prerouting),
        cmocka_unit_test(test_sets_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
