/* The examples of RFC 7515 A.2 and A.3, and of RFC 8037 A.4, and what must not pass for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "common/jwks.h"

#define RSA_N                                                                                      \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define RSA_KEY "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define EC_XY                                                                                      \
    "\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_KEY_ "{\"kty\":\"EC\"," EC_XY "}"
#define OKP_KEY                                                                                    \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define SET(keys) "{\"keys\":[" keys "]}"

#define JOE                                                                                        \
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV" \
    "lfQ."
#define RS256_TOKEN                                                                                \
    "eyJhbGciOiJSUzI1NiJ9" JOE                                                                     \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define ES256_SIGNATURE                                                                            \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define ES256_TOKEN "eyJhbGciOiJFUzI1NiJ9" JOE ES256_SIGNATURE
#define EDDSA_TOKEN                                                                                \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                    \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

/* The complaint, or "" when a key of the set signed the token. */
static const char *verify(const char *keys, const char *token)
{
    static struct err err;
    struct jwks set = {0};
    struct jws jws;
    err.text[0] = 0;
    bool ok = jwks_parse(&set, slice_str(keys), &err) && jws_split(slice_str(token), &jws, &err) &&
              jwks_verify(&set, &jws, &err);
    jwks_fini(&set);
    return ok ? "" : err.text;
}

static void examples_verify(void **state)
{
    static const char all[] = SET(OKP_KEY "," EC_KEY_ "," RSA_KEY);
    (void)state;
    assert_string_equal(verify(SET(RSA_KEY), RS256_TOKEN), "");
    assert_string_equal(verify(SET(EC_KEY_), ES256_TOKEN), "");
    assert_string_equal(verify(SET(OKP_KEY), EDDSA_TOKEN), "");
    assert_string_equal(verify(all, RS256_TOKEN), "");
    assert_string_equal(verify(all, ES256_TOKEN), "");
    assert_string_equal(verify(all, EDDSA_TOKEN), "");
}

static void what_is_wrong_with_a_token(void **state)
{
    static const char all[] = SET(OKP_KEY "," EC_KEY_ "," RSA_KEY);
    static const struct {
        const char *token, *complaint;
    } rows[] = {
        {"", "token: 0 bytes, expected 1-8192"},
        {"a.b", "token: not HEADER.PAYLOAD.SIGNATURE"},
        {"a.b.c.d", "token: not HEADER.PAYLOAD.SIGNATURE"},
        {"!.b.c", "token: the header is not base64url"},
        {"YQ.b.c", "token: the header is not a JSON object"},
        {"eyJhbGciOiJub25lIn0" JOE, "token: alg is none of RS256, ES256, EdDSA"}, /* none */
        {"eyJhbGciOiJIUzI1NiJ9" JOE "AAAA",
         "token: alg is none of RS256, ES256, EdDSA"},                   /* HS256 */
        {"e30" JOE "AAAA", "token: alg is none of RS256, ES256, EdDSA"}, /* {} */
        {"eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdfQ" JOE ES256_SIGNATURE,
         "token: crit asks for what is not understood"},
        {"eyJhbGciOiJFUzI1NiIsImtpZCI6Im90aGVyIn0" JOE ES256_SIGNATURE,
         "token: no key for its alg and kid"},
        /* The algorithm of another key, the payload of another token, bits more and less. */
        {"eyJhbGciOiJSUzI1NiJ9" JOE ES256_SIGNATURE, "token: the signature does not verify"},
        {"eyJhbGciOiJFUzI1NiJ9.e30." ES256_SIGNATURE, "token: the signature does not verify"},
        {"eyJhbGciOiJFUzI1NiJ9" JOE, "token: the signature does not verify"},
        {"eyJhbGciOiJFUzI1NiJ9" JOE
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
         "token: the signature does not verify"}, /* CVE-2022-21449 */
        {"eyJhbGciOiJFUzI1NiJ9" JOE ES256_SIGNATURE "AA", "token: the signature does not verify"},
        {"eyJhbGciOiJFUzI1NiIsImFsZyI6IkVTMjU2In0" JOE ES256_SIGNATURE,
         "token: the header is not a JSON object"}, /* alg twice */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(verify(all, rows[i].token), rows[i].complaint);
}

static void what_is_no_set(void **state)
{
    static const char unusable[] = "no key that can be used: expected RSA of 2048 bits or more, "
                                   "EC P-256 or OKP Ed25519, for signatures";
    static const struct {
        const char *keys, *complaint; /* the beginning of it */
    } rows[] = {
        {"", "no JSON: "},
        {"{", "no JSON: "},
        {"[]", "expected an object with a list `keys`"},
        {"{\"keys\":{}}", "expected an object with a list `keys`"},
        {"{\"keys\":[],\"keys\":[]}", "no JSON: "},
        {SET(""), unusable},
        {SET("1,null,\"a\""), unusable},
        {SET("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), unusable},
        {SET("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"), unusable},
        {SET("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}"), unusable},
        {SET("{\"kty\":\"EC\",\"use\":\"enc\"," EC_XY "}"), unusable},
        {SET("{\"kty\":\"EC\",\"alg\":\"ES384\"," EC_XY "}"), unusable},
        {SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
             "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
             "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"),
         unusable}, /* not on the curve */
        {SET("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_"
             "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
         unusable},
        {SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qY\"}"), unusable},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct jwks set = {0};
        struct err err;
        assert_false(jwks_parse(&set, slice_str(rows[i].keys), &err));
        assert_int_equal(strncmp(err.text, rows[i].complaint, strlen(rows[i].complaint)), 0);
        jwks_fini(&set);
    }
}

static void a_key_is_found_by_its_id(void **state)
{
    static const char named[] = SET("{\"kty\":\"EC\",\"kid\":\"other\"," EC_XY "}");
    (void)state;
    assert_string_equal(verify(named, ES256_TOKEN), ""); /* a token that names none may be any's */
    assert_string_equal(
        verify(named, "eyJhbGciOiJFUzI1NiIsImtpZCI6Im90aGVyIn0" JOE ES256_SIGNATURE),
        "token: the signature does not verify"); /* found, and the header is signed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_verify),
        cmocka_unit_test(what_is_wrong_with_a_token),
        cmocka_unit_test(what_is_no_set),
        cmocka_unit_test(a_key_is_found_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
