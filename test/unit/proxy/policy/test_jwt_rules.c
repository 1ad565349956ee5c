/* What tokens are taken, and what the application is told of them. Signatures: test_jwks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <openssl/curve25519.h>
#include <cmocka.h>

#include "common/base64.h"
#include "proxy/policy/jwt_rules.h"

#define NOW 1800000000

static uint8_t public_key[32], private_key[64];

static const char *encode(struct slice bytes, char *room)
{
    room[base64_encode(BASE64_URL, bytes, room)] = 0;
    return room;
}

/* "Bearer TOKEN" of these claims, in static memory. */
static const char *bearer(const char *claims)
{
    static char text[4096];
    char payload[2048], encoded[128];
    uint8_t signature[64];
    snprintf(text, sizeof(text), "Bearer eyJhbGciOiJFZERTQSJ9.%s",
             encode(slice_str(claims), payload));
    ED25519_sign(signature, (const uint8_t *)text + 7, strlen(text) - 7, private_key);
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, ".%s",
             encode(slice_of((const char *)signature, sizeof(signature)), encoded));
    return text;
}

static bool build(struct jwt_rules *rules, bool is_required, bool is_removed)
{
    static char issuer[] = "https://a", name[] = "a", policy[] = "demo/jwt", us[] = "us";
    static char *audiences[] = {us};
    char jwks[256], x[64];
    struct err err;
    snprintf(jwks, sizeof(jwks), "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}]}",
             encode(slice_of((const char *)public_key, sizeof(public_key)), x));
    Outrigger__V1__ClaimHeader headers[] = {
        OUTRIGGER__V1__CLAIM_HEADER__INIT, OUTRIGGER__V1__CLAIM_HEADER__INIT,
        OUTRIGGER__V1__CLAIM_HEADER__INIT, OUTRIGGER__V1__CLAIM_HEADER__INIT};
    static char sub[] = "sub", x_sub[] = "x-sub", groups[] = "groups", x_group[] = "x-group",
                nested[] = "realm.roles", x_role[] = "x-role", url[] = "https://x.y/z",
                x_url[] = "x-url";
    headers[0].claim = sub, headers[0].header = x_sub;
    headers[1].claim = groups, headers[1].header = x_group;
    headers[2].claim = nested, headers[2].header = x_role;
    headers[3].claim = url, headers[3].header = x_url;
    Outrigger__V1__ClaimHeader *list[] = {&headers[0], &headers[1], &headers[2], &headers[3]};
    Outrigger__V1__JwtProvider provider = OUTRIGGER__V1__JWT_PROVIDER__INIT, *one = &provider;
    provider.name = name;
    provider.issuer = issuer;
    provider.audiences = audiences;
    provider.n_audiences = 1;
    provider.jwks = jwks;
    provider.leeway_sec = 30;
    provider.claim_headers = list;
    provider.n_claim_headers = 4;
    provider.remove_token = is_removed;
    Outrigger__V1__JwtRules message = OUTRIGGER__V1__JWT_RULES__INIT;
    message.policy = policy;
    message.required = is_required;
    message.providers = &one;
    message.n_providers = 1;
    *rules = (struct jwt_rules){0};
    return jwt_rules_build(rules, &message, &err);
}

static enum jwt_verdict check(const struct jwt_rules *rules, const char *authorization,
                              const char **complaint)
{
    static struct err err;
    struct arena arena;
    struct head head;
    struct jwt_result result;
    arena_init(&arena);
    head_init(&head, &arena);
    if (authorization)
        assert_true(head_add_id(&head, FIELD_AUTHORIZATION, slice_str(authorization)));
    err.text[0] = 0;
    enum jwt_verdict verdict = jwt_check(rules, &head, NOW, &result, &err);
    assert_int_equal(verdict == JWT_VALID, result.claims != NULL);
    json_decref(result.claims);
    arena_fini(&arena);
    *complaint = err.text;
    return verdict;
}

static void what_is_shown(void **state)
{
    static const struct {
        const char *claims, *complaint; /* "": valid */
    } rows[] = {
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001}", ""},
        {"{\"iss\":\"https://a\",\"aud\":[\"x\",\"us\"],\"exp\":1.8e9}", ""}, /* by the leeway */
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1799999971}", ""},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1799999970}", "token: has expired"},
        {"{\"iss\":\"https://a\",\"aud\":\"us\"}", "token: exp is missing or no number"},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":\"1800000001\"}",
         "token: exp is missing or no number"},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"nbf\":1800000030}", ""},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"nbf\":1800000031}",
         "token: nbf or iat is in the future"},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"iat\":1800000031}",
         "token: nbf or iat is in the future"},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"nbf\":null}",
         "token: nbf or iat is no number"},
        {"{\"iss\":\"https://a\",\"aud\":\"them\",\"exp\":1800000001}",
         "token: aud is none of the audiences"},
        {"{\"iss\":\"https://a\",\"aud\":[],\"exp\":1800000001}",
         "token: aud is none of the audiences"},
        {"{\"iss\":\"https://a\",\"exp\":1800000001}", "token: aud is none of the audiences"},
        {"{\"iss\":\"https://b\",\"aud\":\"us\",\"exp\":1800000001}",
         "token: iss is no provider's issuer"},
        {"{\"aud\":\"us\",\"exp\":1800000001}", "token: iss is no provider's issuer"},
        {"{\"iss\":[\"https://a\"],\"aud\":\"us\",\"exp\":1800000001}",
         "token: iss is no provider's issuer"},
        {"[]", "token: the payload is not a JSON object"},
    };
    (void)state;
    struct jwt_rules rules;
    assert_true(build(&rules, false, false));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *complaint;
        enum jwt_verdict verdict = check(&rules, bearer(rows[i].claims), &complaint);
        assert_string_equal(complaint, rows[i].complaint);
        assert_int_equal(verdict, rows[i].complaint[0] ? JWT_INVALID : JWT_VALID);
    }
    jwt_rules_fini(&rules);
}

static void how_it_is_shown(void **state)
{
    static const char good[] = "{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001}";
    const char *complaint;
    char text[4096];
    (void)state;
    for (int is_required = 0; is_required < 2; is_required++) {
        enum jwt_verdict absent = is_required ? JWT_MISSING : JWT_ABSENT;
        struct jwt_rules rules;
        assert_true(build(&rules, is_required, false));
        assert_int_equal(check(&rules, NULL, &complaint), absent);
        assert_int_equal(check(&rules, "Basic YTpi", &complaint), absent);
        assert_int_equal(check(&rules, "Bearer", &complaint), absent);
        assert_int_equal(check(&rules, "Bearer x", &complaint), JWT_INVALID);
        snprintf(text, sizeof(text), "bEARER  %s", bearer(good) + 7);
        assert_int_equal(check(&rules, text, &complaint), JWT_VALID);
        jwt_rules_fini(&rules);
    }
}

/* The fields of the head as "name=value\n". */
static const char *fields(const struct head *head)
{
    static char text[1024];
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        n += (size_t)snprintf(
            text + n, sizeof(text) - n, "%.*s=%.*s\n", (int)head->fields[i].name.len,
            head->fields[i].name.ptr,
            head->fields[i].id == FIELD_AUTHORIZATION ? 1 : (int)head->fields[i].value.len,
            head->fields[i].value.ptr);
    return text;
}

static void two_tokens_are_none(void **state)
{
    struct jwt_rules rules;
    struct arena arena;
    struct head head;
    struct jwt_result result;
    struct err err;
    (void)state;
    assert_true(build(&rules, false, false));
    arena_init(&arena);
    head_init(&head, &arena);
    assert_true(head_add_id(&head, FIELD_AUTHORIZATION, SLICE_LITERAL("Basic a")));
    assert_true(head_add_id(&head, FIELD_AUTHORIZATION, SLICE_LITERAL("Bearer a")));
    assert_int_equal(jwt_check(&rules, &head, NOW, &result, &err), JWT_INVALID);
    assert_string_equal(err.text, "token: several Authorization fields");
    arena_fini(&arena);
    jwt_rules_fini(&rules);
}

/* Claims become fields; what the client wrote there goes, token or not. */
static void claims_are_told(void **state)
{
    static const struct {
        const char *claims, *fields;
        bool is_removed;
    } rows[] = {
        {NULL, "x-other=1\n", false},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"sub\":\"ann\","
         "\"groups\":[\"dev\",7,true,\"a,b\",[\"c\"],\"\",\"op\\u0007s\"],"
         "\"realm\":{\"roles\":[\"admin\"]},\"https://x.y/z\":\"u\"}",
         "x-other=1\nauthorization=B\nx-sub=ann\nx-group=dev\nx-group=7\nx-group=true\n"
         "x-role=admin\nx-url=u\n",
         false},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"sub\":\"a\\r\\nb: c\"}",
         "x-other=1\n", true},
        {"{\"iss\":\"https://a\",\"aud\":\"us\",\"exp\":1800000001,\"sub\":{},\"realm\":1}",
         "x-other=1\n", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct jwt_rules rules;
        struct arena arena;
        struct head head;
        struct jwt_result result;
        struct err err;
        assert_true(build(&rules, false, rows[i].is_removed));
        arena_init(&arena);
        head_init(&head, &arena);
        assert_true(head_add(&head, SLICE_LITERAL("x-sub"), SLICE_LITERAL("root")));
        assert_true(head_add(&head, SLICE_LITERAL("x-other"), SLICE_LITERAL("1")));
        assert_true(head_add(&head, SLICE_LITERAL("x_sub"), SLICE_LITERAL("root")));
        assert_true(head_add(&head, SLICE_LITERAL("x-role"), SLICE_LITERAL("root")));
        assert_true(head_add(&head, SLICE_LITERAL("x-sub"), SLICE_LITERAL("root")));
        if (rows[i].claims)
            assert_true(head_add_id(&head, FIELD_AUTHORIZATION, slice_str(bearer(rows[i].claims))));
        assert_int_equal(jwt_check(&rules, &head, NOW, &result, &err),
                         rows[i].claims ? JWT_VALID : JWT_ABSENT);
        assert_true(jwt_edit(&rules, &result, &head));
        json_decref(result.claims);
        assert_string_equal(fields(&head), rows[i].fields);
        arena_fini(&arena);
        jwt_rules_fini(&rules);
    }
}

/* A newer controller's rule that is not known here: nobody has a token that is good enough. */
static void what_is_not_understood_refuses(void **state)
{
    uint8_t bytes[] = {0xf8, 0x01, 0x01}; /* field 31 */
    struct jwt_rules rules = {0};
    const char *complaint;
    struct err err;
    (void)state;
    Outrigger__V1__JwtRules *message = outrigger__v1__jwt_rules__unpack(NULL, sizeof(bytes), bytes);
    assert_non_null(message);
    free(message->policy == protobuf_c_empty_string ? NULL : message->policy);
    message->policy = strdup("demo/jwt");
    assert_true(jwt_rules_build(&rules, message, &err));
    assert_int_equal(check(&rules, NULL, &complaint), JWT_MISSING);
    assert_int_equal(
        check(&rules, bearer("{\"iss\":\"https://a\",\"exp\":1800000001}"), &complaint),
        JWT_INVALID);
    outrigger__v1__jwt_rules__free_unpacked(message, NULL);
    jwt_rules_fini(&rules);
}

static int make_key(void **state)
{
    (void)state;
    ED25519_keypair(public_key, private_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(how_it_is_shown),
        cmocka_unit_test(two_tokens_are_none),
        cmocka_unit_test(claims_are_told),
        cmocka_unit_test(what_is_not_understood_refuses),
    };
    return cmocka_run_group_tests(tests, make_key, NULL);
}
