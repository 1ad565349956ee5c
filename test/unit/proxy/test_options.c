#include "proxy/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/options_json.h"

#define MAX_WORDS 8

/* Parses and checks; `words` end with NULL. */
static bool parse(const char *const *words, struct proxy_options *options, struct err *err)
{
    char *argv[MAX_WORDS + 2] = {(char *)"outrigger-proxy"};
    int argc = 1, n_arguments = 0;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    *options = (struct proxy_options){0};
    return options_parse(&proxy_option_table, argc, argv, options, &n_arguments, err) ==
               OPTIONS_OK &&
           proxy_options_check(options, err);
}

static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    static const char *const words[] = {"--pod", "demo/web", NULL};
    struct proxy_options options;
    struct err err;
    assert_true(parse(words, &options, &err));
    assert_string_equal(options.pod, "demo/web");
    assert_string_equal(options.trust_domain, "cluster.local");
    assert_int_equal(options.inbound_port, 15006);
    assert_int_equal(options.outbound_port, 15001);
    assert_int_equal(options.admin_port, 15000);
    assert_int_equal(options.workers, 1);
    assert_int_equal(options.discovery_timeout_ms, 1000);
    assert_int_equal(options.detect_timeout_ms, 50);
    assert_int_equal(options.drain_timeout_ms, 30000);
    assert_int_equal(options.idle_timeout_ms, 3600000);
    assert_int_equal(options.log_level, LOG_INFO);
    assert_int_equal(options.log_format, LOG_TEXT);
    assert_null(options.controller_identity);
    assert_false(options.access_log);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *words[MAX_WORDS];
        const char *expected;
    } cases[] = {
        {{NULL}, "pod"},
        {{"--pod=web"}, "--pod: \"web\" is not NAMESPACE/NAME"},
        {{"--pod=/web"}, "is not NAMESPACE/NAME"},
        {{"--pod=a/"}, "is not NAMESPACE/NAME"},
        {{"--pod=a/b/c"}, "is not NAMESPACE/NAME"},
        {{"--pod=a/B"}, "is not NAMESPACE/NAME"},
        {{"--pod=a\n/b"}, "is not NAMESPACE/NAME"},
        {{"--pod=a.b/c"}, "is not NAMESPACE/NAME"},
        {{"--pod=a/b", "--controller=[]:1"}, "is not HOST:PORT"},
        {{"--pod=a/b", "--controller=host"}, "--controller: \"host\" is not HOST:PORT"},
        {{"--pod=a/b", "--controller=:1"}, "is not HOST:PORT"},
        {{"--pod=a/b", "--controller=host:0"}, "is not HOST:PORT"},
        {{"--pod=a/b", "--controller=fd00::1:15010"}, "brackets"},
        {{"--pod=a/b", "--controller=[fd00::1:15010"}, "brackets"},
        {{"--pod=a/b", "--trust-domain=Cluster"}, "--trust-domain: \"Cluster\""},
        {{"--pod=a/b", "--controller-identity=x"}, "--controller-identity: "},
        {{"--pod=a/b", "--admin-address=localhost"}, "--admin-address: \"localhost\""},
        {{"--pod=a/b", "--inbound-port=15001"}, "the same port"},
        {{"--pod=a/b", "--admin-port=15006"}, "--admin-port"},
        {{"--pod=a/b", "--inbound-port=0"}, "inbound-port"},
        {{"--pod=a/b", "--workers=0"}, "workers"},
        {{"--pod=a/b", "--backoff-min=2s", "--backoff-max=1s"}, "--backoff-min"},
        {{"--pod=a/b", "--drain-timout=1s"}, "drain-timeout"},
        {{"--pod=a/b", "--drain-timeout=1"}, "drain-timeout"},
        {{"--pod=a/b", "--log-level=loud"}, "debug"},
        {{"--pod="}, "--pod: the value is empty; expected NAMESPACE/NAME"},
        {{"--pod=a/b", "--token-file="}, "--token-file: the value is empty; expected FILE"},
        {{"--pod=a/b", "--trust-anchors="}, "--trust-anchors: the value is empty; expected FILE"},
        {{"--pod=a/b", "--controller-identity="}, "--controller-identity: the value is empty"},
        {{"--pod=a/b", "--workers=1", "--workers=2"}, "--workers: given twice; expected once"},
        {{"--pod=a/b", "extra"}, "extra"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct proxy_options options;
        struct err err = {.text = ""};
        if (parse(cases[i].words, &options, &err))
            fail_msg("case %zu was accepted", i);
        if (!strstr(err.text, cases[i].expected))
            fail_msg("case %zu: '%s' does not say '%s'", i, err.text, cases[i].expected);
    }
}

static void admin_address_is_both_families_or_one(void **state)
{
    (void)state;
    static const struct {
        const char *word, *first, *second;
    } cases[] = {
        {"--admin-address=*", "[::]:15000", "0.0.0.0:15000"},
        {"--admin-address=127.0.0.1", "127.0.0.1:15000", "127.0.0.1:15000"},
        {"--admin-address=::1", "[::1]:15000", "[::1]:15000"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const words[] = {"--pod=a/b", cases[i].word, NULL};
        struct proxy_options options;
        struct err err;
        char text[ADDR_TEXT_BYTES];
        struct sockaddr_any fallback;
        assert_true(parse(words, &options, &err));
        struct sockaddr_any first = proxy_options_admin(&options, &fallback);
        assert_string_equal(addr_format(&first, text), cases[i].first);
        assert_string_equal(addr_format(&fallback, text), cases[i].second);
    }
}

static void every_option_is_described(void **state)
{
    (void)state;
    static const char *const words[] = {"--pod=a/b", "--log-format=json", "--workers=4",
                                        "--access-log", NULL};
    struct proxy_options options;
    struct err err;
    assert_true(parse(words, &options, &err));
    json_t *json = options_json(&proxy_option_table, &options, proxy_options_custom_json);
    assert_int_equal(json_object_size(json), proxy_option_table.n_rows);
    assert_string_equal(json_string_value(json_object_get(json, "log-format")), "json");
    assert_string_equal(json_string_value(json_object_get(json, "log-level")), "info");
    assert_string_equal(json_string_value(json_object_get(json, "drain-timeout")), "30s");
    assert_int_equal(json_integer_value(json_object_get(json, "workers")), 4);
    assert_true(json_is_true(json_object_get(json, "access-log")));
    assert_true(json_is_null(json_object_get(json, "controller-identity")));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(admin_address_is_both_families_or_one),
        cmocka_unit_test(every_option_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
