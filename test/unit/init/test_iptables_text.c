#include "init/iptables_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "test/unit/init/args.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The caller frees. */
static char *apply_text(const char *line, int family, const struct iptables_state *present)
{
    struct init_options options;
    struct rules rules;
    struct err err = {.text = ""};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (args_parse(line, &options, &err) != OPTIONS_OK || !rules_init(&rules, &options, &err))
        fail_msg("%s: %s", line, err.text);
    iptables_text_apply(&rules, family, present, out);
    fclose(out);
    rules_fini(&rules);
    return text;
}

static void test_whole_text(void **state)
{
    (void)state;
    static const struct iptables_state none;
    char *text = apply_text("--proxy-uid=5,6 --proxy-gid=7 --proxy-mark=16 --skip-interfaces=e1 "
                            "--skip-outbound-ports=1-9,22 --include-outbound-cidrs=10.0.0.0/8,::/0",
                            AF_INET, &none);
    assert_string_equal(text, "*nat\n"
                              ":OUTRIGGER_OUTPUT - [0:0]\n"
                              ":OUTRIGGER_PREROUTING - [0:0]\n"
                              "-A OUTRIGGER_OUTPUT -m mark --mark 0x10 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -m owner --uid-owner 5 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -m owner --uid-owner 6 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -m owner --gid-owner 7 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -o e1 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -d 127.0.0.0/8 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -p tcp -m tcp --dport 1:9 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -p tcp -m tcp --dport 22 -j RETURN\n"
                              "-A OUTRIGGER_OUTPUT -d 10.0.0.0/8 -p tcp -j REDIRECT --to-ports "
                              "15001\n"
                              "-A OUTRIGGER_PREROUTING -i e1 -j RETURN\n"
                              "-A OUTRIGGER_PREROUTING -d 127.0.0.0/8 -j RETURN\n"
                              "-A OUTRIGGER_PREROUTING -p tcp -m tcp --dport 15000 -j RETURN\n"
                              "-A OUTRIGGER_PREROUTING -p tcp -j REDIRECT --to-ports 15006\n"
                              "-A OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n"
                              "-A PREROUTING -p tcp -j OUTRIGGER_PREROUTING\n"
                              "COMMIT\n");
    free(text);
}

static void test_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int family;
        const char *rules; /* the lines with -d, after the loopback's, in one string */
    } cases[] = {
        {"--skip-outbound-cidrs=10.1.0.0/16,10.2.0.0/16", AF_INET, "10.1.0.0/16 10.2.0.0/16 "},
        {"--skip-outbound-cidrs=10.0.0.0/9,10.128.0.0/9", AF_INET, "10.0.0.0/8 "},
        {"--skip-outbound-cidrs=0.0.0.0/0", AF_INET, ""}, /* no address says the same */
        {"--skip-outbound-cidrs=255.255.255.255,255.255.255.254", AF_INET, "255.255.255.254/31 "},
        {"--skip-outbound-cidrs=1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4", AF_INET,
         "1.0.0.1/32 1.0.0.2/31 1.0.0.4/32 "},
        {"--skip-outbound-cidrs=ff00::/8,fd00::/8", AF_INET6, "fd00::/8 ff00::/8 "},
        {"--skip-outbound-cidrs=fd00::/8", AF_INET, ""},
        {"--skip-outbound-cidrs=10.0.0.0/8", AF_INET6, ""},
    };
    static const struct iptables_state none;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char found[256] = "";
        char *text = apply_text(cases[i].line, cases[i].family, &none), *rest = text, *line;
        while ((line = strsep(&rest, "\n"))) {
            const char *block = strstr(line, "OUTRIGGER_OUTPUT -d ");
            if (!block || strstr(line, "127.0.0.0/8") || strstr(line, "::1/128"))
                continue;
            block += strlen("OUTRIGGER_OUTPUT -d ");
            snprintf(found + strlen(found), sizeof(found) - strlen(found), "%.*s ",
                     (int)strcspn(block, " "), block);
        }
        assert_string_equal(found, cases[i].rules);
        free(text);
    }
}

static void test_state(void **state)
{
    (void)state;
    static const char saved[] = "*nat\n:OUTPUT ACCEPT [0:0]\n:OUTRIGGER_OUTPUT - [0:0]\n"
                                "-A OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n"
                                "-A OUTPUT -p tcp -j OUTRIGGER_OUTPUTX\n"
                                "-A OUTPUT -p tcp -j OUTRIGGER_OUTPUT\nCOMMIT";
    struct iptables_state found = iptables_text_state(slice_str(saved));
    assert_true(found.has_chain[RULE_OUTPUT]);
    assert_false(found.has_chain[RULE_PREROUTING]);
    assert_int_equal(found.jumps[RULE_OUTPUT], 2);
    assert_int_equal(found.jumps[RULE_PREROUTING], 0);
    found = iptables_text_state(slice_of(NULL, 0));
    assert_false(found.has_chain[RULE_OUTPUT]);
}

/* However many jumps there are, there is one afterwards, and none after a removal. */
static void test_jumps(void **state)
{
    (void)state;
    static const struct {
        size_t present;
        const char *line;
        bool is_in_text;
    } cases[] = {
        {0, "\n-A OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n", true},
        {0, "\n-D OUTPUT", false},
        {1, "\n-A OUTPUT", false},
        {1, "\n-D OUTPUT", false},
        {2, "\n-A OUTPUT", false},
        {2, "\n-D OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iptables_state present = {.jumps = {cases[i].present, 1}};
        char *text = apply_text("", AF_INET, &present);
        assert_int_equal(strstr(text, cases[i].line) != NULL, cases[i].is_in_text);
        free(text);
    }
    struct iptables_state present = {.has_chain = {true, true}, .jumps = {2, 0}};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    iptables_text_delete(&present, out);
    fclose(out);
    assert_string_equal(text, "*nat\n:OUTRIGGER_OUTPUT - [0:0]\n:OUTRIGGER_PREROUTING - [0:0]\n"
                              "-D OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n"
                              "-D OUTPUT -p tcp -j OUTRIGGER_OUTPUT\n"
                              "-X OUTRIGGER_OUTPUT\n-X OUTRIGGER_PREROUTING\nCOMMIT\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_text),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
