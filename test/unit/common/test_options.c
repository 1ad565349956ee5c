#include "common/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MAX_WORDS 8

struct settings {
    bool is_verbose;
    uint64_t port;
    uint64_t timeout_ms;
    const char *dir;
    int backend;
    size_t n_items;
    char items[64];
};

static bool add_item(void *field, struct slice value, struct err *err)
{
    struct settings *settings =
        (struct settings *)((char *)field - offsetof(struct settings, n_items));
    if (slice_eq_str(value, "bad"))
        return err_set(err, "\"bad\" is no item");
    size_t used = strlen(settings->items);
    snprintf(settings->items + used, sizeof(settings->items) - used, "%.*s;", SLICE_ARG(value));
    settings->n_items++;
    return true;
}

#define FIELD(f) offsetof(struct settings, f)
static const struct option_row rows[] = {
    {"verbose", OPTION_FLAG, FIELD(is_verbose), .help = "say more"},
    {"port", OPTION_UINT, FIELD(port), 1, 65535, "15001", .value_name = "PORT", .help = "where"},
    {"timeout", OPTION_DURATION, FIELD(timeout_ms), 10, 3600000, "5s", .help = "how long"},
    {"dir", OPTION_STRING, FIELD(dir), .value_name = "DIR", .help = "the folder"},
    {"backend", OPTION_CHOICE, FIELD(backend), .default_text = "auto",
     .choices = "auto|nftables|iptables", .help = "how"},
    {"item", OPTION_CUSTOM, FIELD(n_items), .default_text = "one", .help = "many",
     .parse = add_item, .may_repeat = true, .empty_means = "one without a name"},
    {"thing", OPTION_CUSTOM, FIELD(n_items), .value_name = "NAME", .help = "another",
     .parse = add_item},
};
static const struct option_table table = {"test", "Tests.", NULL, rows, COUNT(rows)};

static int fill(char *argv[MAX_WORDS + 2], const char *const words[MAX_WORDS])
{
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "test";
    for (size_t i = 0; i < MAX_WORDS && words[i]; i++)
        argv[argc++] = (char *)(uintptr_t)words[i];
    argv[argc] = NULL;
    return argc;
}

static enum options_result parse(const struct option_table *t, const char *const words[MAX_WORDS],
                                 struct settings *settings, struct err *err)
{
    char *argv[MAX_WORDS + 2];
    int argc = fill(argv, words);
    memset(settings, 0, sizeof(*settings));
    err_set(err, "nothing");
    return options_parse(t, argc, argv, settings, NULL, err);
}

static void test_defaults(void **state)
{
    (void)state;
    struct settings s;
    struct err err;
    assert_int_equal(parse(&table, (const char *[MAX_WORDS]){NULL}, &s, &err), OPTIONS_OK);
    assert_false(s.is_verbose);
    assert_int_equal(s.port, 15001);
    assert_int_equal(s.timeout_ms, 5000);
    assert_null(s.dir);
    assert_int_equal(s.backend, 0);
    assert_string_equal(s.items, "one;");
}

static void test_values(void **state)
{
    (void)state;
    struct settings s;
    struct err err;
    assert_int_equal(parse(&table,
                           (const char *[MAX_WORDS]){"--verbose", "--port=80", "--timeout", "1m",
                                                     "--dir=--x", "--backend", "iptables"},
                           &s, &err),
                     OPTIONS_OK);
    assert_true(s.is_verbose);
    assert_int_equal(s.port, 80);
    assert_int_equal(s.timeout_ms, 60000);
    assert_string_equal(s.dir, "--x");
    assert_int_equal(s.backend, 2);

    /* A list that is given replaces its default. */
    assert_int_equal(parse(&table,
                           (const char *[MAX_WORDS]){"--verbose=false", "--item", "a", "--item="},
                           &s, &err),
                     OPTIONS_OK);
    assert_false(s.is_verbose);
    assert_string_equal(s.items, "a;;");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words[MAX_WORDS];
        const char *text;
    } cases[] = {
        {{"--port=0"}, "--port: \"0\" is not a number between 1 and 65535"},
        {{"--port=65536"}, "--port: \"65536\" is not a number between 1 and 65535"},
        {{"--port=99999999999999999999999"}, "--port: \"99999999999999999999999\" is not a number"},
        {{"--port="}, "--port: \"\" is not a number"},
        {{"--port=+1"}, "--port: \"+1\" is not a number"},
        {{"--port=1 "}, "--port: \"1 \" is not a number"},
        {{"--port"}, "--port: a value was expected: PORT"},
        {{"--port", "--verbose"}, "--port: a value was expected: PORT"},
        {{"--timeout=5"}, "--timeout: \"5\" is not a duration"},
        {{"--timeout=5 s"}, "--timeout: \"5 s\" is not a duration"},
        {{"--timeout=9ms"}, "--timeout: 9ms is not between 10ms and 1h"},
        {{"--timeout=61m"}, "--timeout: 61m is not between 10ms and 1h"},
        {{"--timeout=99999999999999999d"}, "--timeout: \"99999999999999999d\" is not a duration"},
        {{"--verbose=yes"}, "--verbose: \"yes\" is neither true nor false"},
        {{"--backend=nft"}, "--backend: \"nft\" is none of auto|nftables|iptables"},
        {{"--backend"}, "--backend: a value was expected: auto|nftables|iptables"},
        {{"--item=bad"}, "--item: \"bad\" is no item"},
        {{"--dir="}, "--dir: the value is empty; expected DIR"},
        {{"--dir", ""}, "--dir: the value is empty; expected DIR"},
        {{"--thing="}, "--thing: the value is empty; expected NAME"},
        {{"--timeout="}, "--timeout: \"\" is not a duration"},
        {{"--verbose="}, "--verbose: \"\" is neither true nor false"},
        {{"--backend="}, "--backend: \"\" is none of auto|nftables|iptables"},
        {{"--dir=a", "--port=1", "--dir=b"}, "--dir: given twice; expected once"},
        {{"--port=1", "--port=1"}, "--port: given twice; expected once"},
        {{"--thing=a", "--thing=b"}, "--thing: given twice; expected once"},
        {{"--verbose", "--verbose=false"}, "--verbose: given twice; expected once"},
        {{"--prot=1"}, "unknown option --prot; did you mean --port?"},
        {{"--versoin"}, "unknown option --versoin; did you mean --version?"},
        {{"--something-else"}, "unknown option --something-else; --help lists them"},
        {{"--help=html"}, "--help: \"html\" was not expected"},
        {{"word"}, "\"word\" was not expected; options begin with --"},
        {{"-v"}, "\"-v\" was not expected"},
        {{"--", "x"}, "\"x\" was not expected"},
        {{"--port=1\n2"}, "--port: \"1?2\" is not a number"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct settings s;
        struct err err;
        assert_int_equal(parse(&table, cases[i].words, &s, &err), OPTIONS_BAD);
        if (strncmp(err.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("got  %s\nwant %s", err.text, cases[i].text);
    }
}

static void test_required(void **state)
{
    (void)state;
    static const struct option_row required[] = {
        {"dir", OPTION_STRING, FIELD(dir), .help = "the folder", .is_required = true}};
    static const struct option_table t = {"test", "Tests.", NULL, required, 1};
    struct settings s;
    struct err err;
    assert_int_equal(parse(&t, (const char *[MAX_WORDS]){NULL}, &s, &err), OPTIONS_BAD);
    assert_string_equal(err.text, "--dir is required: the folder");
    assert_int_equal(parse(&t, (const char *[MAX_WORDS]){"--dir", "x"}, &s, &err), OPTIONS_OK);
}

static void test_words(void **state)
{
    (void)state;
    static const struct option_table t = {"test", "Tests.", "NAME...", rows, COUNT(rows)};
    static const char *const words[MAX_WORDS] = {"a", "--port", "1", "b", "--", "--port", "-h"};
    char *argv[MAX_WORDS + 2];
    int n, argc = fill(argv, words);
    struct settings s = {0};
    struct err err;
    assert_int_equal(options_parse(&t, argc, argv, &s, &n, &err), OPTIONS_OK);
    assert_int_equal(n, 4);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "b");
    assert_string_equal(argv[3], "--port");
    assert_string_equal(argv[4], "-h");
    assert_int_equal(s.port, 1);
}

static void test_help(void **state)
{
    (void)state;
    struct settings s;
    struct err err;
    static const char *const asks[] = {"--help", "-h", "--help=markdown"};
    for (size_t i = 0; i < COUNT(asks); i++)
        assert_int_equal(parse(&table, (const char *[MAX_WORDS]){asks[i], "--nonsense"}, &s, &err),
                         OPTIONS_HELP);
    assert_int_equal(parse(&table, (const char *[MAX_WORDS]){"--version"}, &s, &err),
                     OPTIONS_VERSION);

    static const char *const shown[2][4] = {
        {"--port PORT", "where (default: 15001)", "--backend auto|nftables|iptables",
         "many; empty: one without a name; may be given again (default: one)"},
        {"| `--port PORT` | `15001` | where |", "| `--verbose` |  | say more |",
         "| `--item VALUE` | `one` | many; empty: one without a name; may be given again |",
         "| `--backend auto\\|nftables\\|iptables` | `auto` | how |"},
    };
    for (int as_markdown = 0; as_markdown < 2; as_markdown++) {
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        options_print(&table, as_markdown, out);
        fclose(out);
        for (size_t i = 0; i < COUNT(shown[0]); i++)
            if (!strstr(text, shown[as_markdown][i]))
                fail_msg("\"%s\" is not in\n%s", shown[as_markdown][i], text);
        free(text);
    }
    char *argv[MAX_WORDS + 2];
    assert_true(options_wants_markdown(
        fill(argv, (const char *[MAX_WORDS]){"--verbose", "--help=markdown"}), argv));
    assert_false(options_wants_markdown(fill(argv, (const char *[MAX_WORDS]){"--help"}), argv));
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {{"0", 0},       {"0s", 0},         {"250ms", 250},   {"10s", 10000},
                 {"5m", 300000}, {"24h", 86400000}, {"7d", 604800000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t ms = 1;
        struct err err;
        assert_true(option_parse_duration(slice_str(cases[i].text), 0, UINT64_MAX, &ms, &err));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_durations_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "0s"},        {50, "50ms"},      {1500, "1500ms"},
                 {5000, "5s"},     {90000, "90s"},    {3600000, "1h"},
                 {86400000, "1d"}, {90000000, "25h"}, {UINT64_MAX, "18446744073709551615ms"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[OPTION_DURATION_BYTES];
        uint64_t ms;
        struct err err;
        assert_string_equal(option_format_duration(cases[i].ms, text), cases[i].text);
        assert_true(option_parse_duration(slice_str(text), 0, UINT64_MAX, &ms, &err));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"inbound-port", "outbound-port", "delete"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"inbond-port", "inbound-port"},
        {"outbuond-port", "outbound-port"},
        {"delete", "delete"},
        {"delte", "delete"},
        {"remove", NULL},
        {"x", NULL},
        {"", NULL},
        {"a-word-that-is-far-longer-than-what-is-worth-a-comparison", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *nearest = option_nearest(slice_str(cases[i].word), names, COUNT(names));
        if (cases[i].nearest)
            assert_string_equal(nearest, cases[i].nearest);
        else
            assert_null(nearest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_durations_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
