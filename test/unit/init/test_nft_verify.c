/*
 * What is read back from a kernel, in a network namespace of the test's own. Skipped where none can
 * be made.
 */
#include "init/nft_verify.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/nft.h"
#include "test/unit/init/args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool has_namespace;

static int enter_namespace(void **state)
{
    (void)state;
    struct err err;
    has_namespace = (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
                    nft_delete(&err) == NFT_DONE;
    return 0;
}

static void rules_of(const char *line, struct rules *rules)
{
    struct init_options options;
    struct err err;
    if (args_parse(line, &options, &err) != OPTIONS_OK || !rules_init(rules, &options, &err))
        fail_msg("%s: %s", line, err.text);
}

static void write_rules(const char *line)
{
    struct rules rules;
    struct err err;
    rules_of(line, &rules);
    if (nft_apply(&rules, &err) != NFT_DONE)
        fail_msg("%s: %s", line, err.text);
    rules_fini(&rules);
}

static bool verify(const char *line, struct err *err)
{
    struct rules rules;
    rules_of(line, &rules);
    *err = (struct err){0};
    bool is_right = nft_verify(&rules, err);
    rules_fini(&rules);
    return is_right;
}

static void what_was_written_reads_back(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "--proxy-uid=5,1337,256,65536,1",
        "--proxy-gid=7,1337 --proxy-mark=0x10 --skip-uids=300,0,70000",
        "--proxy-uid= --proxy-mark=4294967295",
        "--skip-interfaces=eth1,a,lo --skip-inbound-ports=22,80-90,65535",
        "--include-inbound-ports=1,8080-8090 --skip-outbound-ports=1-9,60000-65535",
        "--skip-outbound-ports=1-65535",
        "--skip-outbound-cidrs=0.0.0.0/1,255.255.255.255,fd00::/8,ff00::/8",
        "--skip-outbound-cidrs=0.0.0.0/0,::/0",
        "--include-outbound-cidrs=10.0.0.0/8,128.0.0.0/1,::/1 --skip-outbound-cidrs=10.1.0.0/16",
    };
    if (!has_namespace)
        skip();
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct err err;
        write_rules(lines[i]);
        if (!verify(lines[i], &err))
            fail_msg("%s: %s", lines[i], err.text);
    }
}

static void what_differs_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *written, *expected, *text;
    } cases[] = {
        {"--inbound-port=15016", "", "of chain prerouting has \"immediate"},
        {"--outbound-port=15011", "", "of chain output has \"immediate"},
        {"--admin-port=15010", "", "set skip_inbound_ports has other elements than were written"},
        {"--proxy-uid=1338", "", "set proxy_uids has other elements"},
        {"--proxy-uid=1337,1338", "", "set proxy_uids has other elements"},
        {"", "--proxy-uid=1337,1338", "set proxy_uids has other elements"},
        {"", "--skip-inbound-ports=22", "set skip_inbound_ports has other elements"},
        {"--skip-inbound-ports=22-23", "--skip-inbound-ports=22-24",
         "set skip_inbound_ports has other elements"},
        {"--skip-inbound-ports=60000-65534", "--skip-inbound-ports=60000-65535",
         "set skip_inbound_ports has other elements"},
        {"--skip-inbound-ports=22,24", "--skip-inbound-ports=22-24",
         "set skip_inbound_ports has other elements"},
        {"", "--skip-interfaces=eth1", "nf_tables: reading skip_interfaces: No such file"},
        {"--skip-interfaces=eth1", "", "of chain output has \"meta"},
        {"--proxy-mark=1", "--proxy-mark=2", "rule 1 of chain output has \"cmp"},
        {"--include-inbound-ports=80", "--include-inbound-ports=81", "has other elements"},
    };
    if (!has_namespace)
        skip();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err;
        write_rules(cases[i].written);
        if (verify(cases[i].expected, &err) || !strstr(err.text, cases[i].text))
            fail_msg("\"%s\" for \"%s\": said \"%s\", expected \"%s\"", cases[i].written,
                     cases[i].expected, err.text, cases[i].text);
    }
}

static void a_table_that_is_gone_is_told(void **state)
{
    (void)state;
    struct err err;
    if (!has_namespace)
        skip();
    write_rules("");
    assert_int_equal(nft_delete(&err), NFT_DONE);
    assert_false(verify("", &err));
    assert_non_null(strstr(err.text, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_reads_back),
        cmocka_unit_test(what_differs_is_named),
        cmocka_unit_test(a_table_that_is_gone_is_told),
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
