#include "init/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/init/args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_defaults(void **state)
{
    (void)state;
    struct init_options o;
    struct err err;
    assert_int_equal(args_parse("", &o, &err), OPTIONS_OK);
    assert_int_equal(o.inbound_port, 15006);
    assert_int_equal(o.outbound_port, 15001);
    assert_int_equal(o.admin_port, 15000);
    assert_int_equal(o.proxy_uids.n, 1);
    assert_int_equal(o.proxy_uids.ids[0], 1337);
    assert_int_equal(o.proxy_gids.n, 0);
    assert_int_equal(o.proxy_mark, 0);
    assert_int_equal(o.backend, INIT_BACKEND_AUTO);
}

static void test_accepted(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--skip-outbound-cidrs=10.1.0.0/16 --include-outbound-cidrs=10.0.0.0/8",
        "--skip-inbound-ports=80-90 --include-inbound-ports=91",
        "--proxy-uid= --proxy-mark=0x10",
        "--proxy-uid= --proxy-gid=7",
        "--skip-inbound-ports=80 --skip-inbound-ports=80", /* twice is no contradiction */
        "--proxy-mark=4294967295",
        "--proxy-mark=0xFFffFFff",
        "--delete --dry-run",
        "--skip-outbound-cidrs=10.0.0.0/8 --include-outbound-cidrs=fd00::/8",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct init_options o;
        struct err err = {.text = ""};
        if (args_parse(lines[i], &o, &err) != OPTIONS_OK)
            fail_msg("%s: %s", lines[i], err.text);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"--inbound-port=15001", "--inbound-port and --outbound-port are both 15001"},
        {"--admin-port=15006", "--admin-port is 15006, which is a redirect port already"},
        {"--admin-port=15001", "--admin-port is 15001, which is a redirect port already"},
        {"--include-inbound-ports=80 --skip-inbound-ports=22,79-81",
         "--include-inbound-ports: 80-80 overlaps with 79-81 of --skip-inbound-ports"},
        {"--include-inbound-ports=14000-15000", "14000-15000 has the proxy's own port 15000"},
        {"--include-inbound-ports=15006", "has the proxy's own port 15006"},
        {"--include-inbound-ports=1-65535", "has the proxy's own port 15006"},
        {"--include-outbound-cidrs=10.0.0.0/8 --skip-outbound-cidrs=10.0.0.0/8",
         "--include-outbound-cidrs: 10.0.0.0/8 lies in 10.0.0.0/8 of --skip-outbound-cidrs"},
        {"--include-outbound-cidrs=fd00:1::/32 --skip-outbound-cidrs=10.0.0.0/8,fd00::/8",
         "fd00:1::/32 lies in fd00::/8"},
        {"--proxy-uid=", "nothing tells the proxy from the application"},
        {"--delete --verify", "--verify: nothing to verify with --delete"},
        {"--dry-run --verify", "--verify: nothing to verify with --dry-run"},
        {"--proxy-mark=0x", "--proxy-mark: \"0x\" is not a number"},
        {"--proxy-mark=0x100000000", "--proxy-mark: \"0x100000000\" is not a mark"},
        {"--proxy-mark=0xfg", "--proxy-mark: \"0xfg\" is not a mark"},
        {"--skip-interfaces=", "--skip-interfaces: the value is empty; expected NAMES"},
        {"--include-outbound-cidrs=", "--include-outbound-cidrs: the value is empty"},
        {"--proxy-mark=", "--proxy-mark: the value is empty; expected MARK"},
        {"--proxy-mark=1 --proxy-mark=1", "--proxy-mark: given twice; expected once"},
        {"--proxy-uid=1337,x", "--proxy-uid: \"x\" is not a number"},
        {"--skip-outbound-cidrs=10.0.0.0/40", "--skip-outbound-cidrs: \"10.0.0.0/40\""},
        {"--skip-interfaces=eth+", "--skip-interfaces: \"eth+\" is not the name"},
        {"--backend=ebpf", "--backend: \"ebpf\" is none of auto|nftables|iptables"},
        {"--skip-uid=1", "unknown option --skip-uid; did you mean --skip-uids?"},
        {"extra", "\"extra\" was not expected"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct init_options o;
        struct err err = {.text = ""};
        assert_int_equal(args_parse(cases[i].line, &o, &err), OPTIONS_BAD);
        if (!strstr(err.text, cases[i].text))
            fail_msg("%s\ngot  %s\nwant %s", cases[i].line, err.text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
