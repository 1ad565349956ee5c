#include "init/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "test/unit/init/args.h"

static void test_whole_text(void **state)
{
    (void)state;
    struct init_options options;
    struct rules rules;
    struct err err;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(args_parse("--proxy-mark=0x10 --skip-interfaces=e1 --skip-outbound-ports=1-9,"
                                "22 --include-outbound-cidrs=10.1.0.0/16,10.2.0.0/16",
                                &options, &err),
                     OPTIONS_OK);
    assert_true(rules_init(&rules, &options, &err));
    render_apply(&rules, out);
    fclose(out);
    rules_fini(&rules);
#define SET(name, type, flags, elements)                                                           \
    "\tset " name " {\n\t\ttype " type "\n\t\tflags " flags "\n\t\telements = { " elements         \
    " }\n\t}\n\n"
    assert_string_equal(
        text, "table inet outrigger\ndelete table inet outrigger\ntable inet outrigger {\n" /**/
        SET("proxy_uids", "uid", "constant", "1337")                                        /**/
        SET("skip_interfaces", "ifname", "constant", "\"e1\"")                              /**/
        SET("loopback4", "ipv4_addr", "constant, interval", "127.0.0.0-127.255.255.255")
            SET("loopback6", "ipv6_addr", "constant, interval", "::1")
                SET("skip_outbound_ports", "inet_service", "constant, interval", "1-9, 22")
                    SET("include_outbound_cidrs4", "ipv4_addr", "constant, interval",
                        "10.1.0.0-10.2.255.255")
                        SET("skip_inbound_ports", "inet_service", "constant, interval",
                            "15000") "\tchain output {\n"
                                     "\t\ttype nat hook output priority -100; policy accept;\n"
                                     "\t\tmeta mark 0x00000010 return\n"
                                     "\t\tmeta skuid @proxy_uids return\n"
                                     "\t\toifname @skip_interfaces return\n"
                                     "\t\tip daddr @loopback4 return\n"
                                     "\t\tip6 daddr @loopback6 return\n"
                                     "\t\ttcp dport @skip_outbound_ports return\n"
                                     "\t\tip daddr @include_outbound_cidrs4 meta l4proto tcp "
                                     "redirect to :15001\n"
                                     "\t}\n\n"
                                     "\tchain prerouting {\n"
                                     "\t\ttype nat hook prerouting priority -100; policy accept;\n"
                                     "\t\tiifname @skip_interfaces return\n"
                                     "\t\tip daddr @loopback4 return\n"
                                     "\t\tip6 daddr @loopback6 return\n"
                                     "\t\ttcp dport @skip_inbound_ports return\n"
                                     "\t\tmeta l4proto tcp redirect to :15006\n"
                                     "\t}\n}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
