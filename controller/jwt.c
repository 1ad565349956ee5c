#include "controller/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"

#define ED25519_SIG_BYTES 64

struct slice jwt_string(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return slice_of(json_string_value(value), json_string_length(value));
}

/* ---- signing --------------------------------------------------------------------------------- */

static bool append_base64url(struct buf *out, struct slice bytes)
{
    size_t len = base64_encoded_len(bytes.len);
    char *room = buf_room(out, len);
    if (!room)
        return false;
    base64_encode(BASE64_URL, bytes, room);
    buf_added(out, len);
    return true;
}

static bool append_header(struct buf *out, const char *key_id)
{
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "kid", key_id, "typ", "JWT");
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    bool is_appended = text && append_base64url(out, slice_str(text));
    free(text);
    return is_appended;
}

static bool append_signature(struct buf *out, EVP_PKEY *key)
{
    uint8_t signature[ED25519_SIG_BYTES];
    size_t len = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_signed = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                     EVP_DigestSign(context, signature, &len, (const uint8_t *)buf_slice(out).ptr,
                                    buf_len(out)) == 1;
    EVP_MD_CTX_free(context);
    return is_signed && buf_append(out, ".", 1) && append_base64url(out, slice_of(signature, len));
}

char *jwt_sign(EVP_PKEY *key, const char *key_id, struct slice payload, struct err *err)
{
    struct buf out;
    char *token = NULL;
    buf_init(&out, JWT_MAX_BYTES);
    if (append_header(&out, key_id) && buf_append(&out, ".", 1) &&
        append_base64url(&out, payload) && append_signature(&out, key))
        token = strndup(buf_slice(&out).ptr, buf_len(&out));
    buf_fini(&out);
    if (!token)
        err_set(err, "cannot make a token: more than %d bytes, or out of memory", JWT_MAX_BYTES);
    return token;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* HEADER.PAYLOAD.SIGNATURE, exactly three parts. */
static bool split(struct slice token, struct slice parts[3])
{
    for (size_t i = 0; i < 3; i++) {
        const char *dot = token.len ? memchr(token.ptr, '.', token.len) : NULL;
        if ((dot == NULL) != (i == 2))
            return false;
        size_t len = dot ? (size_t)(dot - token.ptr) : token.len;
        parts[i] = slice_sub(token, 0, len);
        token = slice_sub(token, len + 1, token.len);
    }
    return true;
}

static json_t *decode_object(struct slice part, const char *what, struct err *err)
{
    uint8_t bytes[JWT_MAX_BYTES];
    size_t len;
    json_error_t ignored;
    json_t *json = NULL;
    if (!base64_decode(BASE64_URL, part, bytes, &len))
        err_set(err, "token: the %s is not base64url", what);
    else if (!(json = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &ignored)) ||
             !json_is_object(json))
        err_set(err, "token: the %s is not a JSON object", what);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

/* RFC 8725 sections 3.1 and 3.2: the algorithm is ours to choose, not the token's. */
static bool check_header(const char *key_id, struct slice part, struct err *err)
{
    json_t *header = decode_object(part, "header", err);
    bool is_good = false;
    if (!header)
        return false;
    struct slice type = jwt_string(header, "typ");
    if (!slice_eq_str(jwt_string(header, "alg"), "EdDSA"))
        err_set(err, "token: alg is not EdDSA");
    else if (!slice_eq_str(jwt_string(header, "kid"), key_id))
        err_set(err, "token: signed with another key (kid) than this controller's");
    else if (json_object_get(header, "crit"))
        err_set(err, "token: crit asks for what is not understood");
    else if (json_object_get(header, "typ") && !slice_eq_str(type, "JWT"))
        err_set(err, "token: typ is not JWT");
    else
        is_good = true;
    json_decref(header);
    return is_good;
}

static bool check_signature(EVP_PKEY *key, struct slice signed_part, struct slice part,
                            struct err *err)
{
    uint8_t signature[JWT_MAX_BYTES];
    size_t len;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = base64_decode(BASE64_URL, part, signature, &len) && len == ED25519_SIG_BYTES &&
                   context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestVerify(context, signature, len, (const uint8_t *)signed_part.ptr,
                                    signed_part.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_good || err_set(err, "token: the signature does not verify");
}

json_t *jwt_verify(EVP_PKEY *key, const char *key_id, struct slice token, struct err *err)
{
    struct slice parts[3];
    if (token.len == 0 || token.len > JWT_MAX_BYTES) {
        err_set(err, "token: %zu bytes, expected 1-%d", token.len, JWT_MAX_BYTES);
        return NULL;
    }
    if (!split(token, parts)) {
        err_set(err, "token: not HEADER.PAYLOAD.SIGNATURE");
        return NULL;
    }
    struct slice signed_part = slice_sub(token, 0, parts[0].len + 1 + parts[1].len);
    if (!check_header(key_id, parts[0], err) || !check_signature(key, signed_part, parts[2], err))
        return NULL;
    return decode_object(parts[1], "payload", err);
}
