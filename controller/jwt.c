#include "controller/jwt.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/buf.h"
#include "common/jws.h"

#define ED25519_SIG_BYTES 64

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
    buf_init(&out, JWS_MAX_BYTES);
    if (append_header(&out, key_id) && buf_append(&out, ".", 1) &&
        append_base64url(&out, payload) && append_signature(&out, key))
        token = strndup(buf_slice(&out).ptr, buf_len(&out));
    buf_fini(&out);
    if (!token)
        err_set(err, "cannot make a token: more than %d bytes, or out of memory", JWS_MAX_BYTES);
    return token;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* RFC 8725 sections 3.1 and 3.2: the algorithm is ours to choose, not the token's. */
static bool check_header(const char *key_id, struct slice part, struct err *err)
{
    json_t *header = jws_object(part, "header", err);
    bool is_good = false;
    if (!header)
        return false;
    struct slice type = jws_string(header, "typ");
    if (!slice_eq_str(jws_string(header, "alg"), "EdDSA"))
        err_set(err, "token: alg is not EdDSA");
    else if (!slice_eq_str(jws_string(header, "kid"), key_id))
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

json_t *jwt_verify(EVP_PKEY *key, const char *key_id, struct slice token, struct err *err)
{
    struct jws jws;
    if (!jws_split(token, &jws, err) || !check_header(key_id, jws.header, err))
        return NULL;
    if (!jws_is_signed(&jws, key, JWS_EDDSA)) {
        err_set(err, "token: the signature does not verify");
        return NULL;
    }
    return jws_object(jws.payload, "payload", err);
}
