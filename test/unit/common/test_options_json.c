#include "common/options_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct settings {
    bool is_verbose;
    uint64_t port, timeout_ms, age_ms;
    const char *dir, *file;
    int backend;
    uint32_t mark;
};

static bool parse_nothing(void *field, struct slice value, struct err *err)
{
    (void)field, (void)value, (void)err;
    return true;
}

#define FIELD(f) offsetof(struct settings, f)
static const struct option_row rows[] = {
    {"verbose", OPTION_FLAG, FIELD(is_verbose), .help = ""},
    {"port", OPTION_UINT, FIELD(port), 1, 65535, .help = ""},
    {"timeout", OPTION_DURATION, FIELD(timeout_ms), 0, 3600000, .help = ""},
    {"age", OPTION_DURATION, FIELD(age_ms), 0, 3600000, .help = ""},
    {"dir", OPTION_STRING, FIELD(dir), .help = ""},
    {"file", OPTION_STRING, FIELD(file), .help = ""},
    {"backend", OPTION_CHOICE, FIELD(backend), .choices = "auto|nftables|iptables", .help = ""},
    {"mark", OPTION_CUSTOM, FIELD(mark), .parse = parse_nothing, .help = ""},
};
static const struct option_table table = {"test", "Tests.", NULL, rows,
                                          sizeof(rows) / sizeof(rows[0])};
static const struct settings settings = {.is_verbose = true,
                                         .port = 80,
                                         .timeout_ms = 3600000,
                                         .age_ms = 50,
                                         .dir = "/x",
                                         .backend = 2,
                                         .mark = 16};

static json_t *mark_json(const struct option_row *row, const void *field)
{
    assert_string_equal(row->name, "mark");
    return json_sprintf("0x%x", *(const uint32_t *)field);
}

static json_t *no_memory(const struct option_row *row, const void *field)
{
    (void)row, (void)field;
    return NULL;
}

static void each_type_is_shown_as_it_would_be_given(void **state)
{
    (void)state;
    json_t *expected =
        json_pack("{s:b,s:i,s:s,s:s,s:s,s:n,s:s,s:s}", "verbose", 1, "port", 80, "timeout", "1h",
                  "age", "50ms", "dir", "/x", "file", "backend", "iptables", "mark", "0x10");
    json_t *json = options_json(&table, &settings, mark_json);
    if (!json_equal(json, expected))
        fail_msg("%s", json_dumps(json, 0));
    json_decref(json);
    json_decref(expected);
}

static void half_a_table_is_none(void **state)
{
    (void)state;
    assert_null(options_json(&table, &settings, no_memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_is_shown_as_it_would_be_given),
        cmocka_unit_test(half_a_table_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
