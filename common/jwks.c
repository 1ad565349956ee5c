#include "common/jwks.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"

#define RSA_MIN_BITS  2048
#define RSA_MAX_BITS  8192
#define NUMBER_MAX    1024 /* bytes: of 8192 bits */
#define P256_BYTES    32
#define ED25519_BYTES 32

/* A member in base64url. 0: absent, empty, or something else. */
static size_t read_bytes(const json_t *jwk, const char *name, uint8_t *bytes, size_t max)
{
    struct slice text = jws_string(jwk, name);
    size_t len;
    if (text.len == 0 || base64_decoded_len(text.len) > max + 2)
        return 0;
    uint8_t room[NUMBER_MAX + 2];
    if (base64_decoded_len(text.len) > sizeof(room) ||
        !base64_decode(BASE64_URL, text, room, &len) || len > max)
        return 0;
    memcpy(bytes, room, len);
    return len;
}

static BIGNUM *read_number(const json_t *jwk, const char *name)
{
    uint8_t bytes[NUMBER_MAX];
    size_t len = read_bytes(jwk, name, bytes, sizeof(bytes));
    return len ? BN_bin2bn(bytes, len, NULL) : NULL;
}

/* RFC 7518 6.3.1 */
static EVP_PKEY *rsa_key(const json_t *jwk)
{
    RSA *rsa = RSA_new();
    BIGNUM *n = read_number(jwk, "n"), *e = read_number(jwk, "e");
    EVP_PKEY *key = EVP_PKEY_new();
    bool is_sized = n && BN_num_bits(n) >= RSA_MIN_BITS && BN_num_bits(n) <= RSA_MAX_BITS;
    bool is_set = rsa && is_sized && e && RSA_set0_key(rsa, n, e, NULL);
    if (!is_set) {
        BN_free(n);
        BN_free(e);
    }
    bool is_good = is_set && key && RSA_check_key(rsa) && EVP_PKEY_set1_RSA(key, rsa);
    RSA_free(rsa);
    if (is_good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* RFC 7518 6.2.1; a point that is not on the curve is refused by the library. */
static EVP_PKEY *p256_key(const json_t *jwk)
{
    uint8_t x[P256_BYTES], y[P256_BYTES];
    if (!slice_eq_str(jws_string(jwk, "crv"), "P-256") ||
        read_bytes(jwk, "x", x, sizeof(x)) != sizeof(x) ||
        read_bytes(jwk, "y", y, sizeof(y)) != sizeof(y))
        return NULL;
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *bn_x = BN_bin2bn(x, sizeof(x), NULL), *bn_y = BN_bin2bn(y, sizeof(y), NULL);
    EVP_PKEY *key = EVP_PKEY_new();
    bool is_good = ec && bn_x && bn_y && key &&
                   EC_KEY_set_public_key_affine_coordinates(ec, bn_x, bn_y) == 1 &&
                   EVP_PKEY_set1_EC_KEY(key, ec) == 1;
    BN_free(bn_x);
    BN_free(bn_y);
    EC_KEY_free(ec);
    if (is_good)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* RFC 8037 2 */
static EVP_PKEY *ed25519_key(const json_t *jwk)
{
    uint8_t x[ED25519_BYTES];
    if (!slice_eq_str(jws_string(jwk, "crv"), "Ed25519") ||
        read_bytes(jwk, "x", x, sizeof(x)) != sizeof(x))
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}

/* Whether it is a key for signatures of this algorithm, as far as it says. */
static bool is_for(const json_t *jwk, enum jws_alg alg)
{
    struct slice use = jws_string(jwk, "use"), name = jws_string(jwk, "alg");
    enum jws_alg named;
    return (use.len == 0 || slice_eq_str(use, "sig")) &&
           (name.len == 0 || (jws_alg_of(name, &named) && named == alg));
}

static bool read_key(const json_t *jwk, struct jwk *out)
{
    static const struct {
        const char *type;
        enum jws_alg alg;
        EVP_PKEY *(*read)(const json_t *jwk);
    } kinds[] = {
        {"RSA", JWS_RS256, rsa_key}, {"EC", JWS_ES256, p256_key}, {"OKP", JWS_EDDSA, ed25519_key}};
    struct slice id = jws_string(jwk, "kid");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!slice_eq_str(jws_string(jwk, "kty"), kinds[i].type) || !is_for(jwk, kinds[i].alg))
            continue;
        out->alg = kinds[i].alg;
        out->key = kinds[i].read(jwk);
        ERR_clear_error();
    }
    out->id = out->key ? strndup(id.len ? id.ptr : "", id.len) : NULL;
    return out->id != NULL;
}

static bool read_keys(struct jwks *set, const json_t *keys, struct err *err)
{
    size_t n = json_array_size(keys);
    if (!json_is_array(keys))
        return err_set(err, "expected an object with a list `keys`");
    if (n > JWKS_MAX_KEYS)
        return err_set(err, "%zu keys, at most %d are taken", n, JWKS_MAX_KEYS);
    set->list = calloc(n ? n : 1, sizeof(*set->list));
    if (!set->list)
        return err_set(err, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct jwk key = {0};
        if (read_key(json_array_get(keys, i), &key))
            set->list[set->n++] = key;
        else
            EVP_PKEY_free(key.key);
    }
    return set->n > 0 || err_set(err, "no key that can be used: expected RSA of 2048 bits or more, "
                                      "EC P-256 or OKP Ed25519, for signatures");
}

bool jwks_parse(struct jwks *set, struct slice json, struct err *err)
{
    json_error_t what;
    if (json.len > JWKS_MAX_BYTES)
        return err_set(err, "%zu bytes, expected at most %d", json.len, JWKS_MAX_BYTES);
    json_t *object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &what);
    if (!object)
        return err_set(err, "no JSON: %s", what.text);
    bool ok = read_keys(set, json_object_get(object, "keys"), err);
    json_decref(object);
    return ok;
}

void jwks_fini(struct jwks *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->list[i].id);
        EVP_PKEY_free(set->list[i].key);
    }
    free(set->list);
}

bool jwks_verify(const struct jwks *set, const struct jws *jws, struct err *err)
{
    enum jws_alg alg = JWS_EDDSA;
    bool is_known = false;
    json_t *header = jws_object(jws->header, "header", err);
    if (!header)
        return false;
    struct slice id = jws_string(header, "kid");
    bool is_readable = jws_alg_of(jws_string(header, "alg"), &alg) ||
                       err_set(err, "token: alg is none of RS256, ES256, EdDSA");
    if (is_readable && json_object_get(header, "crit"))
        is_readable = err_set(err, "token: crit asks for what is not understood");
    bool is_good = false;
    for (size_t i = 0; is_readable && !is_good && i < set->n; i++) {
        const struct jwk *key = &set->list[i];
        if (key->alg != alg || (id.len > 0 && !slice_eq_str(id, key->id)))
            continue;
        is_known = true;
        is_good = jws_is_signed(jws, key->key, alg);
    }
    json_decref(header);
    if (is_readable && !is_good)
        err_set(err, is_known ? "token: the signature does not verify"
                              : "token: no key for its alg and kid");
    return is_good;
}
