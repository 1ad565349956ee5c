#include "proxy/telemetry/access_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test/unit/proxy/telemetry/facts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_filters(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool passes;
    } cases[] = {
        {"", true},
        {"direction=outbound", true},
        {"direction=inbound", false},
        {"status=503", true},
        {"status=5xx", true},
        {"status=500", false},
        {"status=4xx", false},
        {"method=GET", true},
        {"method=get", false},
        {"path=/api/users", true},
        {"path=/api*", true},
        {"path=/api", false},
        {"path=*", true},
        {"reason=no_endpoints", true},
        {"reason=any", true},
        {"reason=none", false},
        {"identity=spiffe://d/ns/shop/sa/web", true},
        {"identity=spiffe://d/ns/shop/*", true},
        {"identity=spiffe://d/ns/other/*", false},
        {"service=shop/api", true},
        {"service=shop/apis", false},
        {"min-duration=1ms", true},
        {"min-duration=2ms", false},
        {"status=5xx&path=/api*&min-duration=1ms", true},
        {"status=5xx&path=/x*", false},
        {"sample=1", true},
        {"sample=0", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {0};
        struct request_filter filter;
        struct err err = {0};
        if (!request_filter_parse(&filter, slice_str(cases[i].query), &arena, &err))
            fail_msg("%s: %s", cases[i].query, err.text);
        if (request_filter_passes(&filter, &some_facts, TRACE_ALL / 2) != cases[i].passes)
            fail_msg("%s", cases[i].query);
        arena_fini(&arena);
    }
}

static void test_a_share_is_a_share(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct request_filter filter;
    struct err err;
    assert_true(request_filter_parse(&filter, slice_str("sample=0.25"), &arena, &err));
    assert_true(request_filter_passes(&filter, &some_facts, TRACE_ALL / 4 - 1));
    assert_false(request_filter_passes(&filter, &some_facts, TRACE_ALL / 4));
    arena_fini(&arena);
}

static void test_filters_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *query, *complaint;
    } cases[] = {
        {"stats=5xx", "\"stats\" is no condition; did you mean \"status\"?"},
        {"zzzzzzzz=1", "\"zzzzzzzz\" is no condition: expected direction, method"},
        {"direction=in", "direction: \"in\" is neither inbound nor outbound"},
        {"status=600", "status: \"600\" is neither a status (503) nor a class (5xx)"},
        {"status=5x", "status: \"5x\""},
        {"status=5xxx", "status: \"5xxx\""},
        {"status=", "status: \"\""},
        {"path=", "path: empty"},
        {"min-duration=fast", "min-duration: "},
        {"sample=2", "sample: \"2\" is no share (0-1)"},
        {"status=5xx&status=4xx", "status: is there twice"},
        {"path=%zz", "is not written as the query of a URL"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {0};
        struct request_filter filter;
        struct err err = {0};
        assert_false(request_filter_parse(&filter, slice_str(cases[i].query), &arena, &err));
        if (!strstr(err.text, cases[i].complaint))
            fail_msg("%s: %s", cases[i].query, err.text);
        arena_fini(&arena);
    }
}

static void assert_line(const char *format, const struct request_facts *facts, const char *expected)
{
    struct err err = {0};
    struct buf line;
    struct access_log *log = access_log_new(format, NULL, &err);
    if (!log)
        fail_msg("%s: %s", format, err.text);
    buf_init(&line, 4000);
    assert_true(access_log_line(log, facts, "NOW", &line));
    assert_true(buf_append(&line, "", 1));
    assert_string_equal(buf_slice(&line).ptr, expected);
    buf_fini(&line);
    access_log_free(log);
}

static void test_formats(void **state)
{
    (void)state;
    struct request_facts strange = some_facts;
    strange.path = SLICE_LITERAL("/a\n\"b\\\xff");
    assert_line("{method} {path} {status} {duration_us}us", &some_facts,
                "GET /api/users 503 1500us");
    assert_line("[{time}] \"{endpoint}\" {{x}", &some_facts, "[NOW] \"-\" {x}");
    assert_line("plain", &some_facts, "plain");
    assert_line("{path}", &strange, "/a\\x0a\\x22b\\x5c\\xff");
    assert_line("{grpc_status}{reason}", &some_facts, "-1no_endpoints");
}

/* Who asks must not be able to push the rest of the line out. */
static void test_long_values_are_cut(void **state)
{
    (void)state;
    struct request_facts facts = some_facts;
    static char path[8192];
    char expected[600];
    memset(path, 'a', sizeof(path));
    facts.path = slice_of(path, sizeof(path));
    memset(expected, 'a', 512);
    memcpy(expected + 512, " 503", 5);
    assert_line("{path} {status}", &facts, expected);
}

static void test_formats_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *format, *complaint;
    } cases[] = {
        {"{metod}", "byte 1: there is no field \"metod\""},
        {"a {method", "byte 3: `{` without `}`"},
        {"{", "byte 1: `{` without `}`"},
        {"{}", "byte 1: there is no field \"\""},
        {"a\nb", "byte 2: a control byte would break the line"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = {0};
        assert_null(access_log_new(cases[i].format, NULL, &err));
        if (!strstr(err.text, cases[i].complaint))
            fail_msg("%s: %s", cases[i].format, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_a_share_is_a_share),
        cmocka_unit_test(test_filters_that_are_refused),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_long_values_are_cut),
        cmocka_unit_test(test_formats_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
