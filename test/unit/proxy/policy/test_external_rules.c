/* What an authorizer may write, and what a limiter is asked by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/policy/external_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool build(struct external_authorization *rules, Outrigger__V1__ExternalService *service,
                  struct err *err)
{
    static char first[] = "x-user", second[] = "x-auth-*";
    static char *headers[] = {first, second};
    Outrigger__V1__ExternalAuthorization message = OUTRIGGER__V1__EXTERNAL_AUTHORIZATION__INIT;
    message.service = service;
    message.headers = headers;
    message.n_headers = COUNT(headers);
    *rules = (struct external_authorization){0};
    return external_authorization_build(rules, &message, err);
}

static Outrigger__V1__ExternalService good_service(void)
{
    static char policy[] = "shop/asked", name[] = "shop/judge:9000",
                endpoints[] = "shop/judge/grpc";
    Outrigger__V1__ExternalService service = OUTRIGGER__V1__EXTERNAL_SERVICE__INIT;
    service.policy = policy;
    service.service = name;
    service.endpoints = endpoints;
    service.timeout_ms = 100;
    return service;
}

static void test_what_may_be_written(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool may;
    } rows[] = {{"x-user", true},           {"x-user-2", false},      {"x-auth-", true},
                {"x-auth-team", true},      {"x-admin", false},       {"X-User", false},
                {"x-auth-a b", false},      {"x-auth-a\r\nb", false}, {"", false},
                {"x-forwarded-for", false}, {"authorization", false}};
    struct external_authorization rules;
    Outrigger__V1__ExternalService service = good_service();
    struct err err;
    assert_true(build(&rules, &service, &err));
    assert_true(rules.is_understood);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (external_authorization_may_write(&rules, slice_str(rows[i].name)) != rows[i].may)
            fail_msg("%s", rows[i].name);
    external_authorization_fini(&rules);
}

static void test_the_meshs_own_fields_are_never_written(void **state)
{
    (void)state;
    static char some[] = "x*";
    static char *all[] = {some};
    static const char *const own[] = {
        "x-forwarded-for", "outrigger-proto", "host", "connection", "te", "content-length"};
    Outrigger__V1__ExternalService service = good_service();
    Outrigger__V1__ExternalAuthorization message = OUTRIGGER__V1__EXTERNAL_AUTHORIZATION__INIT;
    struct external_authorization rules = {0};
    struct err err;
    message.service = &service;
    message.headers = all;
    message.n_headers = 1;
    assert_true(external_authorization_build(&rules, &message, &err));
    for (size_t i = 0; i < COUNT(own); i++)
        assert_false(external_authorization_may_write(&rules, slice_str(own[i])));
    external_authorization_fini(&rules);
}

static void test_a_clients_own_are_removed(void **state)
{
    (void)state;
    static const char *const fields[] = {"x-user", "x_user", "x-auth_team", "x-keep", "x_auth-a"};
    struct external_authorization rules;
    Outrigger__V1__ExternalService service = good_service();
    struct arena arena = {0};
    struct head head;
    struct err err;
    assert_true(build(&rules, &service, &err));
    head_init(&head, &arena);
    for (size_t i = 0; i < COUNT(fields); i++)
        assert_true(head_add(&head, slice_str(fields[i]), SLICE_LITERAL("v")));
    external_authorization_strip(&rules, &head);
    assert_int_equal(head.n_fields, 1);
    assert_true(slice_eq_str(head.fields[0].name, "x-keep"));
    arena_fini(&arena);
    external_authorization_fini(&rules);
}

static void test_wrong_messages(void **state)
{
    (void)state;
    struct external_authorization rules;
    struct err err;
    Outrigger__V1__ExternalService service = good_service();
    service.timeout_ms = 0;
    assert_false(build(&rules, &service, &err));
    assert_string_equal(err.text,
                        "external_authorization.service.timeout_ms: 0 is not within 1-60000");
    external_authorization_fini(&rules);
    assert_false(build(&rules, NULL, &err));
    assert_string_equal(err.text, "external_authorization.service: missing");
    external_authorization_fini(&rules);
}

static void test_what_is_not_understood_is_told(void **state)
{
    (void)state;
    struct external_authorization rules;
    struct err err;
    Outrigger__V1__ExternalService service = good_service();
    service.base.n_unknown_fields = 1;
    assert_true(build(&rules, &service, &err));
    assert_false(rules.is_understood);
    external_authorization_fini(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_be_written),
        cmocka_unit_test(test_the_meshs_own_fields_are_never_written),
        cmocka_unit_test(test_a_clients_own_are_removed),
        cmocka_unit_test(test_wrong_messages),
        cmocka_unit_test(test_what_is_not_understood_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
