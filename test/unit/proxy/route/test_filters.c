#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/route/filters.h"
#include "proxy/route/routes.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_path_edits(void **state)
{
    (void)state;
    static const struct {
        enum path_edit edit;
        const char *path, *query, *prefix, *replacement, *expected;
    } cases[] = {
        {PATH_EDIT_NONE, "/a/b", "?q", "/a", "", "/a/b?q"},
        {PATH_EDIT_WHOLE, "/a/b", "?q", "/a", "/x", "/x?q"},
        /* The table of the Gateway API's HTTPPathModifier. */
        {PATH_EDIT_PREFIX, "/foo/bar", "", "/foo", "/xyz", "/xyz/bar"},
        {PATH_EDIT_PREFIX, "/foo/bar", "", "/foo", "/xyz/", "/xyz/bar"},
        {PATH_EDIT_PREFIX, "/foo", "", "/foo", "/xyz", "/xyz"},
        {PATH_EDIT_PREFIX, "/foo/", "", "/foo", "/xyz", "/xyz/"},
        {PATH_EDIT_PREFIX, "/foo/bar", "", "/foo", "", "/bar"},
        {PATH_EDIT_PREFIX, "/foo/", "", "/foo", "", "/"},
        {PATH_EDIT_PREFIX, "/foo", "", "/foo", "", "/"},
        {PATH_EDIT_PREFIX, "/foo/", "", "/foo", "/", "/"},
        {PATH_EDIT_PREFIX, "/foo", "", "/foo", "/", "/"},
        {PATH_EDIT_PREFIX, "/foo", "?a=b", "", "/x", "/x/foo?a=b"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice got =
            path_edit_apply(cases[i].edit, slice_str(cases[i].path), slice_str(cases[i].query),
                            slice_str(cases[i].prefix), slice_str(cases[i].replacement), &arena);
        assert_string_equal(got.ptr, cases[i].expected);
        assert_int_equal(got.len, strlen(cases[i].expected));
    }
    arena_fini(&arena);
}

static void test_locations(void **state)
{
    (void)state;
    static const struct {
        const char *scheme, *host;
        uint16_t port;
        const char *authority, *expected;
    } cases[] = {
        {"", "", 0, "shop", "http://shop/a?q"},
        {"", "", 0, "shop:8080", "http://shop:8080/a?q"},
        {"", "new", 0, "shop:8080", "http://new:8080/a?q"},
        {"https", "", 0, "shop:8080", "https://shop/a?q"},
        {"https", "", 8443, "shop", "https://shop:8443/a?q"},
        {"https", "", 443, "shop:80", "https://shop/a?q"},
        {"", "", 80, "shop:8080", "http://shop/a?q"},
        {"", "", 8083, "[fd00::1]:80", "http://[fd00::1]:8083/a?q"},
        {"", "", 0, "[fd00::1]", "http://[fd00::1]/a?q"},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redirect redirect = {.scheme = slice_str(cases[i].scheme),
                                    .host = slice_str(cases[i].host),
                                    .port = cases[i].port,
                                    .status = 302};
        struct slice got =
            redirect_location(&redirect, slice_str(cases[i].authority), slice_str("/a"),
                              slice_str("?q"), slice_str(""), &arena);
        assert_string_equal(got.ptr, cases[i].expected);
    }
    arena_fini(&arena);
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *origin;
        bool may;
    } cases[] = {
        {"*", "https://a.example", true},
        {"https://a.example", "https://a.example", true},
        {"https://a.example", "https://A.example", true}, /* hosts have no case */
        {"https://a.example", "http://a.example", false},
        {"https://a.example", "https://a.example.evil", false},
        {"https://a.example", "https://a.example:8443", false},
        {"https://*.example", "https://a.b.example", true},
        {"https://*.example", "https://example", false},
        {"https://*.example", "https://.example", false},
        {"https://*.example", "https://a.example.evil", false},
        {"", "", false},
        {"https://a.example", "null", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice pattern = slice_str(cases[i].pattern);
        struct cors cors = {.origins = &pattern, .n_origins = 1};
        if (cors_allows(&cors, slice_str(cases[i].origin)) != cases[i].may)
            fail_msg("%s and %s", cases[i].pattern, cases[i].origin);
    }
}

static void test_header_edits(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct head head;
    const struct field set[] = {{.name = SLICE_LITERAL("x-set"), .value = SLICE_LITERAL("new")}};
    const struct field add[] = {{.name = SLICE_LITERAL("x-add"), .value = SLICE_LITERAL("2")}};
    const struct slice remove[] = {SLICE_LITERAL("x-gone"), SLICE_LITERAL("user-agent")};
    const struct header_edit edit = {set, add, remove, 1, 1, 2};
    head_init(&head, &arena);
    assert_true(head_add(&head, slice_str("x-set"), slice_str("1")));
    assert_true(head_add(&head, slice_str("x-set"), slice_str("2")));
    assert_true(head_add(&head, slice_str("x-add"), slice_str("1")));
    assert_true(head_add(&head, slice_str("x-gone"), slice_str("1")));
    assert_true(head_add(&head, slice_str("user-agent"), slice_str("1")));
    assert_true(header_edit_apply(&edit, &head));
    assert_int_equal(head.n_fields, 3);
    assert_true(slice_eq_str(head_find_name(&head, slice_str("x-set"))->value, "new"));
    assert_true(slice_eq_str(head.fields[0].name, "x-add"));
    assert_true(slice_eq_str(head.fields[2].value, "2"));
    assert_null(head_find_name(&head, slice_str("x-gone")));
    arena_fini(&arena);
}

/* Evenly spread numbers fall on the backends by weight, and on none of weight 0. */
static void test_weights(void **state)
{
    (void)state;
    const struct route_backend backends[] = {
        {.weight_end = 90}, {.weight_end = 90}, {.weight_end = 100}};
    const struct route_rule rule = {.backends = backends, .n_backends = 3};
    const struct route_backend nothing[] = {{.weight_end = 0}};
    size_t counts[3] = {0};
    for (uint64_t random = 0; random < 1000; random++)
        counts[route_backend_choose(&rule, random) - backends]++;
    assert_int_equal(counts[0], 900);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 100);
    assert_null(
        route_backend_choose(&(struct route_rule){.backends = nothing, .n_backends = 1}, 5));
    assert_null(route_backend_choose(&(struct route_rule){0}, 5));
}

static bool build(Outrigger__V1__RouteFilter *filter, struct filters *filters, struct arena *arena,
                  struct err *err)
{
    return filters_build(filters, &filter, 1, arena, err);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static char name[] = "x", upper[] = "X", lines[] = "a\r\nb", relative[] = "a", empty[] = "";
    struct arena arena = {0};
    struct filters filters;
    struct err err = {0};
    Outrigger__V1__RouteFilter filter = OUTRIGGER__V1__ROUTE_FILTER__INIT;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_string_equal(err.text, "filters[0].kind: not known to this version");

    Outrigger__V1__HeaderField field = OUTRIGGER__V1__HEADER_FIELD__INIT, *fields[] = {&field};
    Outrigger__V1__HeaderEdit edit = OUTRIGGER__V1__HEADER_EDIT__INIT;
    filter.kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_REQUEST_HEADERS;
    filter.request_headers = &edit;
    edit.set = fields;
    edit.n_set = 1;
    field.name = upper;
    field.value = empty;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "filters[0].request_headers.set[0].name: "));
    field.name = name;
    field.value = lines;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "set[0].value: byte 0x0d cannot stand in a header"));

    Outrigger__V1__Redirect redirect = OUTRIGGER__V1__REDIRECT__INIT;
    filter.kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_REDIRECT;
    filter.redirect = &redirect;
    redirect.status = 305;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "redirect.status: 305 is none of 301, 302, 303, 307, 308"));
    redirect.status = 302;
    redirect.path_edit = OUTRIGGER__V1__PATH_EDIT__PATH_EDIT_WHOLE;
    redirect.path = relative;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "redirect.path: \"a\" does not begin with '/'"));

    Outrigger__V1__Fault fault = OUTRIGGER__V1__FAULT__INIT;
    filter.kind_case = OUTRIGGER__V1__ROUTE_FILTER__KIND_FAULT;
    filter.fault = &fault;
    fault.abort_status = 100;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "fault.abort_status: 100 is no final status"));
    fault.abort_status = 503;
    fault.abort_millionths = 1000001;
    assert_false(build(&filter, &filters, &arena, &err));
    assert_non_null(strstr(err.text, "fault.abort_millionths: 1000001 is more than 1000000"));
    fault.abort_millionths = 1000000;
    assert_true(build(&filter, &filters, &arena, &err));
    assert_int_equal(filters.list[0].fault.abort_status, 503);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_edits), cmocka_unit_test(test_locations),
        cmocka_unit_test(test_origins),    cmocka_unit_test(test_header_edits),
        cmocka_unit_test(test_weights),    cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
