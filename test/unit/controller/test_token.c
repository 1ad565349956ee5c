#include "common/jws.h"
#include "controller/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "common/base64.h"
#include "common/ed25519.h"
#include "controller/jwt.h"
#include "test/unit/scratch_dir.h"

#define NOW 1800000000

struct world {
    struct scratch_dir dir;
    struct token_signer *signer;
    EVP_PKEY *key; /* of a signer of its own, whose payloads the tests write */
    struct token_signer *forger;
    char *key_id;
};

static char *issue(const struct token_signer *signer, const char *pod)
{
    struct token_claims claims = {.issued_at = NOW, .expires_at = NOW + 3600};
    struct err err;
    if (!token_claims_set(&claims, SLICE_LITERAL("shop"), SLICE_LITERAL("web"), slice_str(pod),
                          &err))
        fail_msg("%s", err.text);
    char *token = token_issue(signer, &claims, &err);
    if (!token)
        fail_msg("%s", err.text);
    return token;
}

/* The kid of a signer's tokens, read from one of them. */
static char *key_id_of(const struct token_signer *signer)
{
    char *token = issue(signer, "");
    uint8_t header[256];
    size_t len;
    json_error_t error;
    assert_true(base64_decode(BASE64_URL, slice_of(token, (size_t)(strchr(token, '.') - token)),
                              header, &len));
    json_t *json = json_loadb((char *)header, len, 0, &error);
    char *key_id = strdup(json_string_value(json_object_get(json, "kid")));
    json_decref(json);
    free(token);
    return key_id;
}

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct err err;
    scratch_dir_init(&world->dir);
    world->signer = token_signer_open(world->dir.path, &err);
    if (!world->signer)
        fail_msg("%s", err.text);
    world->key = ed25519_generate();
    world->forger = token_signer_new(world->key, &err);
    world->key_id = key_id_of(world->forger);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    token_signer_close(world->signer);
    token_signer_close(world->forger);
    EVP_PKEY_free(world->key);
    free(world->key_id);
    scratch_dir_fini(&world->dir);
    free(world);
    return 0;
}

static void accepts(const struct token_signer *signer, const char *token, int64_t now_sec)
{
    struct token_claims claims;
    struct err err;
    if (!token_verify(signer, slice_str(token), now_sec, &claims, &err))
        fail_msg("%s", err.text);
    assert_string_equal(claims.namespace, "shop");
    assert_string_equal(claims.service_account, "web");
}

static void refuses(const struct token_signer *signer, struct slice token, int64_t now_sec,
                    const char *complaint)
{
    struct token_claims claims;
    struct err err = {0};
    if (token_verify(signer, token, now_sec, &claims, &err))
        fail_msg("accepted, expected \"%s\"", complaint);
    if (!strstr(err.text, complaint))
        fail_msg("said \"%s\", expected \"%s\"", err.text, complaint);
}

static void test_round_trip(void **state)
{
    struct world *world = *state;
    struct token_claims claims;
    struct err err;
    char *token = issue(world->signer, "web-1");
    assert_true(token_verify(world->signer, slice_str(token), NOW, &claims, &err));
    assert_string_equal(claims.pod, "web-1");
    assert_int_equal(claims.issued_at, NOW);
    assert_int_equal(claims.expires_at, NOW + 3600);
    free(token);
    token = issue(world->signer, "");
    assert_true(token_verify(world->signer, slice_str(token), NOW, &claims, &err));
    assert_string_equal(claims.pod, "");
    free(token);
}

static void test_times(void **state)
{
    struct world *world = *state;
    char *token = issue(world->signer, "");
    accepts(world->signer, token, NOW - TOKEN_LEEWAY_SEC);
    refuses(world->signer, slice_str(token), NOW - TOKEN_LEEWAY_SEC - 1, "not yet valid");
    accepts(world->signer, token, NOW + 3600 + TOKEN_LEEWAY_SEC - 1);
    refuses(world->signer, slice_str(token), NOW + 3600 + TOKEN_LEEWAY_SEC, "expired 60 s ago");
    free(token);
}

/* The key persists: a second process verifies what the first one issued. */
static void test_key_persists(void **state)
{
    struct world *world = *state;
    struct err err;
    char *token = issue(world->signer, "");
    struct token_signer *again = token_signer_open(world->dir.path, &err);
    assert_non_null(again);
    accepts(again, token, NOW);
    refuses(world->forger, slice_str(token), NOW, "another key");
    token_signer_close(again);
    free(token);
}

/* Every single changed character is noticed, and every shorter token. */
static void test_damage(void **state)
{
    struct world *world = *state;
    char *token = issue(world->signer, "web-1");
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        refuses(world->signer, slice_of(token, len), NOW, "token: ");
        token[i] = was;
        refuses(world->signer, slice_of(token, i), NOW, "token: ");
    }
    accepts(world->signer, token, NOW);
    free(token);
}

static void test_shapes(void **state)
{
    struct world *world = *state;
    static char big[JWS_MAX_BYTES + 1];
    memset(big, 'A', sizeof(big));
    refuses(world->signer, SLICE_LITERAL(""), NOW, "0 bytes");
    refuses(world->signer, slice_of(big, sizeof(big)), NOW, "8193 bytes");
    refuses(world->signer, slice_of(big, sizeof(big) - 1), NOW, "HEADER.PAYLOAD.SIGNATURE");
    refuses(world->signer, SLICE_LITERAL("a.b"), NOW, "HEADER.PAYLOAD.SIGNATURE");
    refuses(world->signer, SLICE_LITERAL("a.b.c.d"), NOW, "HEADER.PAYLOAD.SIGNATURE");
    refuses(world->signer, SLICE_LITERAL(".."), NOW, "header is not a JSON object");
    refuses(world->signer, SLICE_LITERAL("e30=.e30.AA"), NOW, "not base64url");
    refuses(world->signer, SLICE_LITERAL("W10.e30.AA"), NOW, "header is not a JSON object");
}

struct header_case {
    const char *header; /* %s is the right kid */
    const char *complaint;
};

static const struct header_case header_cases[] = {
    {"{\"alg\":\"none\",\"kid\":\"%s\"}", "alg is not EdDSA"},
    {"{\"alg\":\"HS256\",\"kid\":\"%s\"}", "alg is not EdDSA"},
    {"{\"alg\":\"eddsa\",\"kid\":\"%s\"}", "alg is not EdDSA"},
    {"{\"alg\":[\"EdDSA\"],\"kid\":\"%s\"}", "alg is not EdDSA"},
    {"{\"kid\":\"%s\"}", "alg is not EdDSA"},
    {"{\"alg\":\"EdDSA\"}", "kid"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"x%s\"}", "kid"},
    {"{\"alg\":\"EdDSA\",\"kid\":7}", "kid"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"at+jwt\"}", "typ is not JWT"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":null}", "typ is not JWT"},
    {"{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"crit\":[\"b64\"]}", "crit"},
    {"{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"%s\"}", "header is not a JSON object"},
};

/* With a good signature, so that it is the header alone that is wrong. */
static char *token_of(EVP_PKEY *key, const char *header, const char *payload)
{
    char *token = calloc(1, JWS_MAX_BYTES);
    base64_encode(BASE64_URL, slice_str(header), token);
    memcpy(token + strlen(token), ".", 2);
    base64_encode(BASE64_URL, slice_str(payload), token + strlen(token));
    uint8_t signature[64];
    size_t len = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &len, (const uint8_t *)token, strlen(token)), 1);
    EVP_MD_CTX_free(context);
    memcpy(token + strlen(token), ".", 2);
    base64_encode(BASE64_URL, slice_of(signature, len), token + strlen(token));
    return token;
}

static const char good_payload[] =
    "{\"iss\":\"outrigger\",\"sub\":\"system:serviceaccount:shop:web\",\"aud\":[\"outrigger\"],"
    "\"iat\":1800000000,\"exp\":1800003600,\"kubernetes.io\":{\"namespace\":\"shop\","
    "\"serviceaccount\":{\"name\":\"web\"}}}";

static void test_headers(void **state)
{
    struct world *world = *state;
    char header[256];
    for (size_t i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++) {
        const char *format = header_cases[i].header, *hole = strstr(format, "%s");
        if (hole)
            snprintf(header, sizeof(header), "%.*s%s%s", (int)(hole - format), format,
                     world->key_id, hole + 2);
        else
            snprintf(header, sizeof(header), "%s", format);
        char *token = token_of(world->key, header, good_payload);
        refuses(world->forger, slice_str(token), NOW, header_cases[i].complaint);
        free(token);
    }
    snprintf(header, sizeof(header), "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", world->key_id);
    char *token = token_of(world->key, header, good_payload);
    accepts(world->forger, token, NOW);
    free(token);
}

struct payload_case {
    const char *find, *replace; /* in the good payload */
    const char *complaint;      /* NULL: still good */
};

static const struct payload_case payload_cases[] = {
    {"", "", NULL},
    {"[\"outrigger\"]", "\"outrigger\"", NULL},
    {"[\"outrigger\"]", "[\"api\",\"outrigger\"]", NULL},
    {"\"iat\"", "\"nbf\":1800000060,\"iat\"", NULL},
    {"\"iat\"", "\"jti\":\"x\",\"iat\"", NULL},
    {"\"namespace\"", "\"pod\":{\"name\":\"web-1\"},\"namespace\"", NULL},
    {"[\"outrigger\"]", "[\"api\"]", "aud"},
    {"[\"outrigger\"]", "[]", "aud"},
    {"[\"outrigger\"]", "{\"outrigger\":1}", "aud"},
    {"[\"outrigger\"]", "\"outrigger2\"", "aud"},
    {"\"aud\"", "\"aude\"", "aud"},
    {"\"outrigger\",\"sub\"", "\"kubernetes\",\"sub\"", "iss"},
    {"\"iss\"", "\"is\"", "iss"},
    {"1800003600", "1700000000", "expired"},
    {"1800003600", "1.8e9", "exp is no time"},
    {"1800003600", "\"1800003600\"", "exp is no time"},
    {"1800003600", "-1", "exp is no time"},
    {"1800003600", "9223372036854775807", "exp is no time"},
    {"1800003600", "99999999999999999999", "payload is not a JSON object"},
    {"\"exp\"", "\"expires\"", "exp is no time"},
    {"\"iat\"", "\"at\"", "iat is no time"},
    {"1800000000", "1800000061", "not yet valid"},
    {"\"iat\"", "\"nbf\":1800000061,\"iat\"", "not yet valid"},
    {"\"iat\"", "\"nbf\":null,\"iat\"", "nbf is no time"},
    {"shop:web", "shop:api", "sub is not system:serviceaccount:shop:web"},
    {"shop:web", "shop:web:x", "sub is not"},
    {"\"sub\"", "\"subject\"", "sub is not"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"other\"", "sub is not"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"Shop\"", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"sh/op\"", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"shop.a\"", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"-a\"", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"\"", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":7", "namespace: not a DNS label"},
    {"\"namespace\":\"shop\"", "\"namespace\":\"shop\\u0000\"", "not a JSON object"},
    {"\"name\":\"web\"", "\"name\":\"../web\"", "service account: not a DNS name"},
    {"\"name\":\"web\"", "\"name\":\"web.\"", "service account: not a DNS name"},
    {"\"name\":\"web\"", "\"nom\":\"web\"", "service account: not a DNS name"},
    {"{\"name\":\"web\"}", "\"web\"", "service account: not a DNS name"},
    {"\"kubernetes.io\"", "\"kubernetes\"", "namespace: not a DNS label"},
    {"\"namespace\"", "\"pod\":{\"name\":\"Web\"},\"namespace\"", "pod: not a DNS name"},
    {"\"namespace\"", "\"pod\":{},\"namespace\"", "pod has no name"},
    {"\"namespace\"", "\"pod\":null,\"namespace\"", "pod has no name"},
    {"\"iat\"", "\"iss\":\"outrigger\",\"iat\"", "payload is not a JSON object"},
    {"}}}", "}}", "payload is not a JSON object"},
    {"}}}", "}}}{}", "payload is not a JSON object"},
};

static void test_payloads(void **state)
{
    struct world *world = *state;
    char payload[1024];
    for (size_t i = 0; i < sizeof(payload_cases) / sizeof(payload_cases[0]); i++) {
        const struct payload_case *c = &payload_cases[i];
        struct err err;
        const char *at = strstr(good_payload, c->find);
        assert_non_null(at);
        snprintf(payload, sizeof(payload), "%.*s%s%s", (int)(at - good_payload), good_payload,
                 c->replace, at + strlen(c->find));
        char *token = jwt_sign(world->key, world->key_id, slice_str(payload), &err);
        assert_non_null(token);
        if (c->complaint)
            refuses(world->forger, slice_str(token), NOW, c->complaint);
        else
            accepts(world->forger, token, NOW);
        free(token);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip), TEST(test_times),   TEST(test_key_persists), TEST(test_damage),
        TEST(test_shapes),     TEST(test_headers), TEST(test_payloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
