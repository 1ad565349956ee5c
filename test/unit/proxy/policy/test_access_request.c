/* Conditions on an HTTP request, one kind after the other; connections that are not HTTP; what can
 * be said of a connection before its first request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "proxy/policy/access.h"
#include "test/unit/proxy/policy/policies.h"

#define WEB  "spiffe://cluster.local/ns/shop/sa/web"
#define JOBS "spiffe://cluster.local/ns/jobs/sa/batch"

static struct access_policies *build(const char *const *texts, enum default_access otherwise,
                                     struct err *err)
{
    Outrigger__V1__AccessPolicy *policies[8];
    size_t n = 0;
    for (; n < 8 && texts[n]; n++)
        policies[n] = policies_parse(texts[n]);
    struct access_policies *access = access_build(policies, n, otherwise, err);
    while (n > 0)
        policies_free(policies[--n]);
    return access;
}

/* "METHOD HOST PATH NAME:VALUE ..."; fields' values have no blanks. */
static void parse_request(const char *text, struct arena *arena, struct head *head,
                          struct access_request *request)
{
    char *rest = arena_text(arena, slice_str(text));
    assert_non_null(rest);
    head_init(head, arena);
    head->method = slice_str(strsep(&rest, " "));
    head->authority = slice_str(strsep(&rest, " "));
    request->path = slice_str(strsep(&rest, " "));
    for (char *field; (field = strsep(&rest, " "));) {
        char *name = strsep(&field, ":");
        assert_true(head_add(head, slice_str(name), slice_str(field)));
    }
    request->head = head;
}

/* Does the Deny match? */
static bool matches(const char *to, const char *request_text)
{
    char policy[512];
    const char *texts[] = {policy, NULL};
    struct arena arena = {0};
    struct head head;
    struct err err = {""};
    snprintf(policy, sizeof(policy), "deny n/d to %s", to);
    struct access_policies *access = build(texts, ACCESS_DEFAULT_ALLOW, &err);
    if (!access)
        fail_msg("%s: %s", policy, err.text);
    struct access_request request = {.port = 80};
    parse_request(request_text, &arena, &head, &request);
    struct access_verdict verdict = access_check(access, &request);
    assert_int_equal(verdict.is_allowed, verdict.why == ACCESS_BY_DEFAULT);
    access_free(access);
    arena_fini(&arena);
    return !verdict.is_allowed;
}

static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *to, *request;
        bool matches;
    } rows[] = {
        {"method=GET", "GET a /", true},
        {"method=GET", "get a /", false},
        {"method=GET", "GETS a /", false},
        {"method=PUT method=GET", "GET a /", true},
        {"not_method=GET", "GET a /", false},
        {"not_method=GET", "HEAD a /", true},
        {"method=GET not_method=GET", "GET a /", false},
        /* Paths: exact. */
        {"path=/a", "GET a /a", true},
        {"path=/a", "GET a /a/", false},
        {"path=/a", "GET a /A", false},
        {"path=/a", "GET a /a/b", false},
        {"path=/a", "GET a /ab", false},
        {"path=/a/", "GET a /a", false},
        {"path=/", "GET a /", true},
        {"path=/", "GET a /a", false},
        /* By segment. */
        {"path=/a/*", "GET a /a", true},
        {"path=/a/*", "GET a /a/", true},
        {"path=/a/*", "GET a /a/b/c", true},
        {"path=/a/*", "GET a /ab", false},
        {"path=/a/*", "GET a /b/a/", false},
        {"path=/a/b/*", "GET a /a/b/c", true},
        {"path=/a/b/*", "GET a /a", false},
        /* By beginning. */
        {"path=/a*", "GET a /ab/c", true},
        {"path=/a*", "GET a /a", true},
        {"path=/a*", "GET a /b", false},
        {"path=/a/b*", "GET a /a/bc", true},
        {"path=/a/b*", "GET a /a/", false},
        {"path=/.*", "GET a /.git/config", true},
        /* All. */
        {"path=/*", "GET a /", true},
        {"path=/*", "GET a /a/b", true},
        {"path=/*", "OPTIONS a *", true},
        {"path=/*", "CONNECT a:80 ", true},
        {"path=/a/*", "OPTIONS a *", false},
        {"path=/a/*", "CONNECT a:80 ", false},
        {"not_path=/*", "CONNECT a:80 ", false},
        {"path=*", "GET a /a", true},
        {"path=*", "OPTIONS a *", true},
        {"path=*", "CONNECT a:80 ", true},
        {"not_path=/healthz", "GET a /healthz", false},
        {"not_path=/healthz", "CONNECT a:80 ", true},
        {"path=/a/* not_path=/a/public/*", "GET a /a/public", false},
        {"path=/a/* not_path=/a/public/*", "GET a /a/private", true},
        /* Hosts. */
        {"host=api.example", "GET api.example /", true},
        {"host=api.example", "GET API.Example:8080 /", true},
        {"host=api.example", "GET api.example. /", true},
        {"host=api.example", "GET api.example.:80 /", true},
        {"host=api.example", "GET xapi.example /", false},
        {"host=api.example", "GET api.example.evil /", false},
        {"host=API.example", "GET api.EXAMPLE /", true},
        {"host=*.example", "GET a.b.example /", true},
        {"host=*.example", "GET example /", false},
        {"host=*.example", "GET .example /", false},
        {"host=*.example", "GET aexample /", false},
        {"host=[::1]", "GET [::1]:80 /", true},
        {"host=[::1]", "GET [::1] /", true},
        {"host=10.0.0.1", "GET 10.0.0.1:80 /", true},
        {"host=api", "GET  /", false},
        {"not_host=api", "GET api:1 /", false},
        {"not_host=api", "GET  /", true},
        /* gRPC methods: the path, whoever says that it is gRPC. */
        {"grpc=shop.Cart/Add", "POST a /shop.Cart/Add content-type:application/grpc", true},
        {"grpc=shop.Cart/Add", "POST a /shop.Cart/Add content-type:application/json", true},
        {"grpc=shop.Cart/Add", "POST a /shop.Cart/AddAll", false},
        {"grpc=shop.Cart/Add", "POST a /Shop.Cart/Add", false},
        {"grpc=shop.Cart/*", "POST a /shop.Cart/Remove", true},
        {"grpc=shop.Cart/*", "POST a /shop.CartAdmin/Remove", false},
        {"grpc=Cart/*", "POST a /shop.Cart/Remove", false},
        {"not_grpc=shop.Cart/*", "POST a /shop.Cart/Remove", false},
        {"not_grpc=shop.Cart/*", "POST a /shop.Orders/List", true},
        /* Headers. */
        {"header=x-a", "GET a / x-a:", true},
        {"header=x-a", "GET a / x-b:1", false},
        {"header=x-a:1", "GET a / x-a:1", true},
        {"header=x-a:1", "GET a / x-a:12", false},
        {"header=x-a:1*", "GET a / x-a:12", true},
        {"header=x-a:*", "GET a / x-a:", true},
        {"header=x-a:", "GET a / x-a:", true},
        {"header=x-a:", "GET a / x-a:1", false},
        {"header=x-a:1|2", "GET a / x-a:2", true},
        {"header=user-agent:curl*", "GET a / user-agent:curl/8", true},
        {"header=user-agent:curl*", "GET a / x-user-agent:curl/8", false},
        /* Any of several fields will do, and none may match a not_. */
        {"header=x-a:1", "GET a / x-a:0 x-b:1 x-a:1", true},
        {"header=x-a:1", "GET a / x-a:0,1", false},
        {"not_header=x-a:1", "GET a / x-a:0 x-a:1", false},
        {"not_header=x-a:1", "GET a / x-a:0 x-a:2", true},
        {"not_header=x-a", "GET a / x-b:0", true},
        {"not_header=x-a", "GET a / x-b:0 x-a:", false},
        /* All of several conditions. */
        {"header=x-a header=x-b", "GET a / x-a:1 x-b:1", true},
        {"header=x-a header=x-b", "GET a / x-a:1", false},
        {"not_header=x-a not_header=x-b", "GET a / x-b:1", false},
        {"port=80 method=GET path=/a host=h header=x", "GET h /a x:1", true},
        {"port=80 method=GET path=/a host=h header=x", "GET g /a x:1", false},
        {"port=81 method=GET", "GET a /", false},
        {"not_port=80 method=GET", "GET a /", false},
        {"path=/a grpc=s.S/M", "GET a /a", false},
        /* One of several targets. */
        {"path=/a to method=PUT", "PUT a /b", true},
        {"path=/a to method=PUT", "GET a /b", false},
        /* Found by a header: by the one with whole values, by its name, by either target. */
        {"header=x-a header=x-b:1", "GET a / x-b:1 x-a:", true},
        {"header=x-a header=x-b:1", "GET a / x-b:1", false},
        {"header=x-a:1* to header=x-a:22", "GET a / x-a:0 x-a:22", true},
        {"header=x-a:1* to header=x-a:22", "GET a / x-a:22 x-a:22", true},
        {"header=x-a:1* to header=x-a:22", "GET a / x-a:2 x-a:222222222", false},
        {"header=x-a:1 to header=x-b", "GET a / x-a:0 x-a:0 x-b:a-value-longer-than-any-key", true},
        {"header=x-a:1 to path=/p", "GET a /p x-a:0", true},
        {"header=x-a:1|1*", "GET a / x-a:12", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (matches(rows[i].to, rows[i].request) != rows[i].matches)
            fail_msg("row %zu: \"%s\" and \"%s\"", i, rows[i].to, rows[i].request);
}

static void what_is_not_http_fails_closed(void **state)
{
    (void)state;
    static const struct {
        const char *policies[4];
        enum access_why why;
        const char *audit;
    } rows[] = {
        {{"deny n/d to path=/admin/*"}, ACCESS_DENIED_BY_POLICY, NULL},
        {{"deny n/d to not_path=/admin/*"}, ACCESS_DENIED_BY_POLICY, NULL},
        {{"deny n/d to header=x"}, ACCESS_DENIED_BY_POLICY, NULL},
        {{"deny n/d to not_method=GET"}, ACCESS_DENIED_BY_POLICY, NULL},
        {{"deny n/d to port=81 path=/admin/*"}, ACCESS_BY_DEFAULT, NULL},
        {{"deny n/d from id=" JOBS " to path=/admin/*"}, ACCESS_BY_DEFAULT, NULL},
        {{"audit n/u to path=/admin/*"}, ACCESS_BY_DEFAULT, "n/u"},
        {{"allow n/a to path=/*"}, ACCESS_NOT_ALLOWED, NULL},
        {{"allow n/a to path=*"}, ACCESS_NOT_ALLOWED, NULL},
        {{"allow n/a to not_path=/admin"}, ACCESS_NOT_ALLOWED, NULL},
        {{"allow n/a to port=80 to port=80 path=/a"}, ACCESS_BY_ALLOW, NULL},
        {{"allow n/a to port=81 path=/a"}, ACCESS_BY_DEFAULT, NULL},
        {{"allow n/a to path=/a", "allow n/b to port=80"}, ACCESS_BY_ALLOW, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        struct access_request request = {.identity = SLICE_LITERAL(WEB), .port = 80};
        struct access_policies *access = build(rows[i].policies, ACCESS_DEFAULT_ALLOW, &err);
        assert_non_null(access);
        struct access_verdict verdict = access_check(access, &request);
        if (verdict.why != rows[i].why)
            fail_msg("row %zu: %s", i, access_why_name(verdict.why));
        assert_string_equal(verdict.audit_policy ? verdict.audit_policy : "-",
                            rows[i].audit ? rows[i].audit : "-");
        access_free(access);
    }
}

static void connections(void **state)
{
    (void)state;
    static const struct {
        const char *policies[4];
        enum default_access otherwise;
        enum access_outlook outlook;
        enum access_why why; /* unless it depends */
    } rows[] = {
        {{NULL}, ACCESS_DEFAULT_ALLOW, ACCESS_ALWAYS, ACCESS_BY_DEFAULT},
        {{NULL}, ACCESS_DEFAULT_DENY, ACCESS_NEVER, ACCESS_DENIED_BY_DEFAULT},
        {{"deny n/d to path=/a"}, 0, ACCESS_DEPENDS, 0},
        {{"deny n/d to port=81 path=/a"}, 0, ACCESS_ALWAYS, ACCESS_BY_DEFAULT},
        {{"deny n/d from id=" JOBS " to path=/a"}, 0, ACCESS_ALWAYS, ACCESS_BY_DEFAULT},
        {{"deny n/d to path=/a to port=80"}, 0, ACCESS_NEVER, ACCESS_DENIED_BY_POLICY},
        {{"deny n/d to path=/a", "deny n/e rule"}, 0, ACCESS_NEVER, ACCESS_DENIED_BY_POLICY},
        {{"deny n/d to path=/a"}, ACCESS_DEFAULT_DENY, ACCESS_NEVER, ACCESS_DENIED_BY_DEFAULT},
        {{"allow n/a to path=/a"}, 0, ACCESS_DEPENDS, 0},
        {{"allow n/a to path=/a"}, ACCESS_DEFAULT_DENY, ACCESS_DEPENDS, 0},
        {{"allow n/a from id=" JOBS " to path=/a"}, 0, ACCESS_NEVER, ACCESS_NOT_ALLOWED},
        {{"allow n/a to port=81 path=/a"}, 0, ACCESS_ALWAYS, ACCESS_BY_DEFAULT},
        {{"allow n/a to path=/a", "allow n/b to port=80"}, 0, ACCESS_ALWAYS, ACCESS_BY_ALLOW},
        {{"allow n/a rule", "deny n/d to path=/a"}, 0, ACCESS_DEPENDS, 0},
        {{"audit n/u to path=/a"}, 0, ACCESS_DEPENDS, 0},
        {{"audit n/u to path=/a", "audit n/v rule"}, 0, ACCESS_ALWAYS, ACCESS_BY_DEFAULT},
        {{"audit n/u to path=/a"}, ACCESS_DEFAULT_DENY, ACCESS_NEVER, ACCESS_DENIED_BY_DEFAULT},
        {{"deny n/d to path=/a", "newer n/x"}, 0, ACCESS_NEVER, ACCESS_NOT_UNDERSTOOD},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        struct access_request request = {.identity = SLICE_LITERAL(WEB), .port = 80};
        struct access_verdict verdict;
        struct access_policies *access = build(rows[i].policies, rows[i].otherwise, &err);
        assert_non_null(access);
        enum access_outlook outlook = access_check_connection(access, &request, &verdict);
        if (outlook != rows[i].outlook)
            fail_msg("row %zu: %d", i, (int)outlook);
        if (outlook != ACCESS_DEPENDS)
            assert_int_equal(verdict.why, rows[i].why);
        access_free(access);
    }
}

static void wrong_ones_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *to, *message;
    } rows[] = {
        {"method=G(T", "methods[0]: \"G(T\" is not a method"},
        {"method=", "methods[0]: \"\" is not a method"},
        {"path=admin", "paths[0]: \"admin\" is not a path in normal form"},
        {"path=", "paths[0]: \"\" is not a path"},
        {"path=/a path=/a/../b", "paths[1]: \"/a/../b\" is not a path in normal form"},
        {"path=/a/./*", "paths[0]: "},
        {"path=/a?b", "paths[0]: "},
        {"path=/%61", "paths[0]: "},
        {"path=/%2f", "paths[0]: "},
        {"path=/%2*", "paths[0]: "},
        {"path=/a*b", "paths[0]: \"/a*b\" has a `*` that is not at its end"},
        {"path=**", "paths[0]: "},
        {"not_path=/a/..", "not_paths[0]: "},
        {"host=", "hosts[0]: \"\" is neither a host name"},
        {"host=a:80", "hosts[0]: \"a:80\" is neither a host name without a port nor *.NAME"},
        {"host=a.*", "hosts[0]: "},
        {"host=*", "hosts[0]: "},
        {"host=[::1]:80", "hosts[0]: "},
        {"not_host=a/b", "not_hosts[0]: "},
        {"grpc=Cart", "grpc_methods[0]: \"Cart\" is neither package.Service/Method nor"},
        {"grpc=/Cart/Add", "grpc_methods[0]: \"/Cart/Add\" is neither"},
        {"grpc=Cart/", "grpc_methods[0]: "},
        {"grpc=Cart/A/B", "grpc_methods[0]: "},
        {"grpc=Cart/A*", "grpc_methods[0]: \"Cart/A*\" is neither"},
        {"grpc=*/Add", "grpc_methods[0]: "},
        {"not_grpc=../x", "not_grpc_methods[0]: "},
        {"header=X-A", "headers[0].name: \"X-A\" is not a header field's name in lower case"},
        {"header=", "headers[0].name: \"\" is not"},
        {"header=x header=:path", "headers[1].name: \"\" is not"},
        {"header=host:a", "headers[0].name: \"host\" is asked for with hosts"},
        {"header=connection", "headers[0].name: \"connection\" is about the connection"},
        {"not_header=content-length:0", "not_headers[0].name: \"content-length\" is about"},
        {"header=x:a|b*c", "headers[0].values[1]: \"b*c\" has a `*`"},
        {"header=x:\x01", "headers[0].values[0]: \"?\" cannot be the value"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err = {""};
        char policy[128], message[256];
        const char *texts[] = {policy, NULL};
        snprintf(policy, sizeof(policy), "deny n/d to %s", rows[i].to);
        snprintf(message, sizeof(message), "access_policies[0].rules[0].to[0].%s", rows[i].message);
        struct access_policies *access = build(texts, ACCESS_DEFAULT_ALLOW, &err);
        access_free(access);
        if (access || !slice_starts_with(slice_str(err.text), slice_str(message)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

/* A field of a later version: field 15, varint 1. */
static void a_header_condition_of_a_later_version_denies(void **state)
{
    (void)state;
    uint8_t one[] = {1};
    struct err err;
    ProtobufCMessageUnknownField later = {15, PROTOBUF_C_WIRE_TYPE_VARINT, 1, one};
    for (int is_not = 0; is_not < 2; is_not++) {
        Outrigger__V1__AccessPolicy *policy =
            policies_parse(is_not ? "allow n/a to not_header=x" : "allow n/a to header=x");
        Outrigger__V1__AccessTarget *to = policy->rules[0]->to[0];
        ProtobufCMessage *base = is_not ? &to->not_headers[0]->base : &to->headers[0]->base;
        base->n_unknown_fields = 1;
        base->unknown_fields = &later;
        struct access_policies *access = access_build(&policy, 1, ACCESS_DEFAULT_ALLOW, &err);
        base->n_unknown_fields = 0;
        base->unknown_fields = NULL;
        policies_free(policy);
        struct access_request request = {.port = 80};
        assert_int_equal(access_check(access, &request).why, ACCESS_NOT_UNDERSTOOD);
        access_free(access);
    }
}

static void they_can_be_told(void **state)
{
    (void)state;
    struct err err;
    const char *texts[] = {"deny n/a to method=GET not_path=/a/* host=*.b grpc=s.S/M "
                           "not_grpc=s.T/* header=x:1|2 not_header=y",
                           NULL};
    struct access_policies *access = build(texts, ACCESS_DEFAULT_ALLOW, &err);
    assert_non_null(access);
    json_t *json = access_describe(access);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "{\"default\":\"allow\",\"policies\":[{\"action\":\"deny\",\"name\":\"n/a\","
              "\"rules\":[{\"to\":[{\"grpc_methods\":[\"s.S/M\"],\"headers\":[{\"name\":"
              "\"x\",\"values\":[\"1\",\"2\"]}],\"hosts\":[\"*.b\"],\"methods\":[\"GET\"],"
              "\"not_grpc_methods\":[\"s.T/*\"],\"not_headers\":[{\"name\":\"y\"}],"
              "\"not_paths\":[\"/a/*\"]}]}]}]}");
    free(text);
    json_decref(json);
    access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(what_is_not_http_fails_closed),
        cmocka_unit_test(connections),
        cmocka_unit_test(wrong_ones_are_named),
        cmocka_unit_test(a_header_condition_of_a_later_version_denies),
        cmocka_unit_test(they_can_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
