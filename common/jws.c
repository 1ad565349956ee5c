#include "common/jws.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "common/base64.h"

#define P256_BYTES        32
#define ED25519_SIG_BYTES 64

static bool split(struct slice token, struct slice *parts[3])
{
    for (size_t i = 0; i < 3; i++) {
        const char *dot = token.len ? memchr(token.ptr, '.', token.len) : NULL;
        if ((dot == NULL) != (i == 2))
            return false;
        size_t len = dot ? (size_t)(dot - token.ptr) : token.len;
        *parts[i] = slice_sub(token, 0, len);
        token = slice_sub(token, len + 1, token.len);
    }
    return true;
}

bool jws_split(struct slice token, struct jws *jws, struct err *err)
{
    struct slice *parts[3] = {&jws->header, &jws->payload, &jws->signature};
    if (token.len == 0 || token.len > JWS_MAX_BYTES)
        return err_set(err, "token: %zu bytes, expected 1-%d", token.len, JWS_MAX_BYTES);
    if (!split(token, parts))
        return err_set(err, "token: not HEADER.PAYLOAD.SIGNATURE");
    jws->signed_part = slice_sub(token, 0, jws->header.len + 1 + jws->payload.len);
    return true;
}

json_t *jws_object(struct slice part, const char *what, struct err *err)
{
    uint8_t bytes[JWS_MAX_BYTES];
    size_t len;
    json_error_t ignored;
    json_t *json = NULL;
    if (part.len > JWS_MAX_BYTES || !base64_decode(BASE64_URL, part, bytes, &len))
        err_set(err, "token: the %s is not base64url", what);
    else if (!(json = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &ignored)) ||
             !json_is_object(json))
        err_set(err, "token: the %s is not a JSON object", what);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

struct slice jws_string(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return slice_of(json_string_value(value), json_string_length(value));
}

bool jws_alg_of(struct slice name, enum jws_alg *alg)
{
    static const char *const names[] = {
        [JWS_RS256] = "RS256", [JWS_ES256] = "ES256", [JWS_EDDSA] = "EdDSA"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_eq_str(name, names[i])) {
            *alg = (enum jws_alg)i;
            return true;
        }
    return false;
}

/* RFC 7518 3.4: the two numbers one after the other, each as wide as the curve. */
static bool es256_is_signed(const struct jws *jws, EVP_PKEY *key, const uint8_t *signature,
                            size_t len)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    if (!ec || len != 2 * P256_BYTES)
        return false;
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
    bool is_set = numbers && r && s && ECDSA_SIG_set0(numbers, r, s);
    if (!is_set) {
        BN_free(r);
        BN_free(s);
    }
    SHA256((const uint8_t *)jws->signed_part.ptr, jws->signed_part.len, digest);
    bool is_good = is_set && ECDSA_do_verify(digest, sizeof(digest), numbers, ec) == 1;
    ECDSA_SIG_free(numbers);
    return is_good;
}

static bool evp_is_signed(const struct jws *jws, EVP_PKEY *key, const EVP_MD *digest,
                          const uint8_t *signature, size_t len)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                   EVP_DigestVerify(context, signature, len, (const uint8_t *)jws->signed_part.ptr,
                                    jws->signed_part.len) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

bool jws_is_signed(const struct jws *jws, EVP_PKEY *key, enum jws_alg alg)
{
    static const int kinds[] = {
        [JWS_RS256] = EVP_PKEY_RSA, [JWS_ES256] = EVP_PKEY_EC, [JWS_EDDSA] = EVP_PKEY_ED25519};
    uint8_t signature[JWS_MAX_BYTES];
    size_t len;
    bool is_good = false;
    if (EVP_PKEY_id(key) != kinds[alg] || jws->signature.len > JWS_MAX_BYTES ||
        !base64_decode(BASE64_URL, jws->signature, signature, &len))
        return false;
    switch (alg) {
    case JWS_RS256:
        is_good = evp_is_signed(jws, key, EVP_sha256(), signature, len);
        break;
    case JWS_ES256:
        is_good = es256_is_signed(jws, key, signature, len);
        break;
    case JWS_EDDSA:
        is_good = len == ED25519_SIG_BYTES && evp_is_signed(jws, key, NULL, signature, len);
        break;
    }
    ERR_clear_error();
    return is_good;
}
