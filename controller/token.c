#include "controller/token.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/base64url.h"
#include "controller/state_dir.h"

#define KEY_NAME          "token.key"
#define ISSUER            "outrigger"
#define SUBJECT_PREFIX    "system:serviceaccount:"
#define ED25519_KEY_BYTES 32
#define ED25519_SIG_BYTES 64
#define KEY_ID_BYTES      16 /* of the public key's SHA-256 */
#define AUDIENCES_MAX     16
#define SUBJECT_MAX_BYTES                                                                          \
    (sizeof(SUBJECT_PREFIX) + TOKEN_LABEL_MAX_BYTES + TOKEN_SUBDOMAIN_MAX_BYTES + 1)

struct token_signer {
    EVP_PKEY *key;
    char key_id[2 * KEY_ID_BYTES + 1];
};

/* ---- names ----------------------------------------------------------------------------------- */

/* RFC 1123: [a-z0-9] and inner hyphens, 63 bytes. */
static bool is_label(struct slice text)
{
    if (text.len == 0 || text.len > TOKEN_LABEL_MAX_BYTES || text.ptr[0] == '-' ||
        text.ptr[text.len - 1] == '-')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

/* Labels with dots between them, 253 bytes. */
static bool is_subdomain(struct slice text)
{
    if (text.len > TOKEN_SUBDOMAIN_MAX_BYTES)
        return false;
    for (;;) {
        const char *dot = text.len ? memchr(text.ptr, '.', text.len) : NULL;
        size_t len = dot ? (size_t)(dot - text.ptr) : text.len;
        if (!is_label(slice_sub(text, 0, len)))
            return false;
        if (!dot)
            return true;
        text = slice_sub(text, len + 1, text.len);
    }
}

static void copy_name(char *out, struct slice name)
{
    if (name.len)
        memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
}

bool token_claims_set(struct token_claims *claims, struct slice namespace,
                      struct slice service_account, struct slice pod, struct err *err)
{
    if (!is_label(namespace))
        return err_set(err, "namespace: not a DNS label (1-63 of [a-z0-9-])");
    if (!is_subdomain(service_account))
        return err_set(err, "service account: not a DNS name (1-253 of [a-z0-9.-])");
    if (pod.len && !is_subdomain(pod))
        return err_set(err, "pod: not a DNS name (1-253 of [a-z0-9.-])");
    copy_name(claims->namespace, namespace);
    copy_name(claims->service_account, service_account);
    copy_name(claims->pod, pod);
    return true;
}

/* ---- the key --------------------------------------------------------------------------------- */

struct token_signer *token_signer_open(const char *state_dir, struct err *err)
{
    uint8_t public_key[ED25519_KEY_BYTES], digest[SHA256_DIGEST_LENGTH];
    size_t len = sizeof(public_key);
    if (!state_dir_make(state_dir, err))
        return NULL;
    EVP_PKEY *key = state_dir_key(state_dir, KEY_NAME, err);
    if (!key)
        return NULL;
    struct token_signer *signer = calloc(1, sizeof(*signer));
    if (!signer || EVP_PKEY_get_raw_public_key(key, public_key, &len) != 1) {
        free(signer);
        EVP_PKEY_free(key);
        err_set(err, "out of memory");
        return NULL;
    }
    signer->key = key;
    SHA256(public_key, len, digest);
    for (size_t i = 0; i < KEY_ID_BYTES; i++)
        snprintf(signer->key_id + 2 * i, 3, "%02x", digest[i]);
    return signer;
}

void token_signer_close(struct token_signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

/* ---- issuing --------------------------------------------------------------------------------- */

static void make_subject(const struct token_claims *claims, char subject[SUBJECT_MAX_BYTES])
{
    snprintf(subject, SUBJECT_MAX_BYTES, SUBJECT_PREFIX "%s:%s", claims->namespace,
             claims->service_account);
}

static json_t *make_header(const struct token_signer *signer)
{
    return json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "kid", signer->key_id, "typ", "JWT");
}

static json_t *make_payload(const struct token_claims *claims)
{
    char subject[SUBJECT_MAX_BYTES];
    make_subject(claims, subject);
    json_t *kubernetes = json_pack("{s:s, s:{s:s}}", "namespace", claims->namespace,
                                   "serviceaccount", "name", claims->service_account);
    if (kubernetes && claims->pod[0] &&
        json_object_set_new(kubernetes, "pod", json_pack("{s:s}", "name", claims->pod)) != 0) {
        json_decref(kubernetes);
        return NULL;
    }
    /* "o" takes the reference, and a NULL makes the whole fail. */
    return json_pack("{s:s, s:s, s:[s], s:I, s:I, s:o}", "iss", ISSUER, "sub", subject, "aud",
                     TOKEN_AUDIENCE, "iat", (json_int_t)claims->issued_at, "exp",
                     (json_int_t)claims->expires_at, "kubernetes.io", kubernetes);
}

static bool append_base64url(struct buf *out, struct slice bytes)
{
    size_t len = base64url_encoded_len(bytes.len);
    char *room = buf_room(out, len);
    if (!room)
        return false;
    base64url_encode(bytes, room);
    buf_added(out, len);
    return true;
}

/* Takes over `json`. */
static bool append_json(struct buf *out, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
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

char *token_issue(const struct token_signer *signer, const struct token_claims *claims,
                  struct err *err)
{
    struct buf out;
    char *token = NULL;
    buf_init(&out, TOKEN_MAX_BYTES);
    if (append_json(&out, make_header(signer)) && buf_append(&out, ".", 1) &&
        append_json(&out, make_payload(claims)) && append_signature(&out, signer->key))
        token = strndup(buf_slice(&out).ptr, buf_len(&out));
    buf_fini(&out);
    if (!token)
        err_set(err, "cannot make a token: out of memory");
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
    uint8_t bytes[TOKEN_MAX_BYTES];
    size_t len;
    json_error_t ignored;
    json_t *json = NULL;
    if (!base64url_decode(part, bytes, &len))
        err_set(err, "token: the %s is not base64url", what);
    else if (!(json = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &ignored)) ||
             !json_is_object(json))
        err_set(err, "token: the %s is not a JSON object", what);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static struct slice string_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return slice_of(json_string_value(value), json_string_length(value));
}

/* RFC 8725 sections 3.1 and 3.2: the algorithm is ours to choose, not the token's. */
static bool check_header(const struct token_signer *signer, struct slice part, struct err *err)
{
    json_t *header = decode_object(part, "header", err);
    bool is_good = false;
    if (!header)
        return false;
    struct slice type = string_of(header, "typ");
    if (!slice_eq_str(string_of(header, "alg"), "EdDSA"))
        err_set(err, "token: alg is not EdDSA");
    else if (!slice_eq_str(string_of(header, "kid"), signer->key_id))
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

static bool check_signature(const struct token_signer *signer, struct slice signed_part,
                            struct slice part, struct err *err)
{
    uint8_t signature[TOKEN_MAX_BYTES];
    size_t len;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = base64url_decode(part, signature, &len) && len == ED25519_SIG_BYTES && context &&
                   EVP_DigestVerifyInit(context, NULL, NULL, NULL, signer->key) == 1 &&
                   EVP_DigestVerify(context, signature, len, (const uint8_t *)signed_part.ptr,
                                    signed_part.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_good || err_set(err, "token: the signature does not verify");
}

/* One string, or a list of them. */
static bool has_our_audience(const json_t *payload)
{
    const json_t *audience = json_object_get(payload, "aud");
    if (json_is_string(audience))
        return slice_eq_str(string_of(payload, "aud"), TOKEN_AUDIENCE);
    for (size_t i = 0; i < json_array_size(audience) && i < AUDIENCES_MAX; i++) {
        const json_t *one = json_array_get(audience, i);
        if (slice_eq_str(slice_of(json_string_value(one), json_string_length(one)), TOKEN_AUDIENCE))
            return true;
    }
    return false;
}

/* Whole seconds, of this side of the year 10000; no fraction and no text. */
static bool read_time(const json_t *payload, const char *claim, int64_t *sec, struct err *err)
{
    const json_t *value = json_object_get(payload, claim);
    *sec = json_integer_value(value);
    if (!json_is_integer(value) || *sec < 0 || *sec > 253402300799)
        return err_set(err, "token: %s is no time in whole seconds", claim);
    return true;
}

static bool check_times(const json_t *payload, int64_t now_sec, struct token_claims *claims,
                        struct err *err)
{
    int64_t not_before = 0;
    if (!read_time(payload, "exp", &claims->expires_at, err) ||
        !read_time(payload, "iat", &claims->issued_at, err) ||
        (json_object_get(payload, "nbf") && !read_time(payload, "nbf", &not_before, err)))
        return false;
    if (now_sec >= claims->expires_at + TOKEN_LEEWAY_SEC)
        return err_set(err, "token: expired %jd s ago", (intmax_t)(now_sec - claims->expires_at));
    if (now_sec < claims->issued_at - TOKEN_LEEWAY_SEC || now_sec < not_before - TOKEN_LEEWAY_SEC)
        return err_set(err, "token: not yet valid (iat, nbf)");
    return true;
}

static bool check_owner(const json_t *payload, struct token_claims *claims, struct err *err)
{
    char subject[SUBJECT_MAX_BYTES];
    const json_t *kubernetes = json_object_get(payload, "kubernetes.io");
    const json_t *pod = json_object_get(kubernetes, "pod");
    if (pod && string_of(pod, "name").len == 0)
        return err_set(err, "token: kubernetes.io.pod has no name");
    if (!token_claims_set(claims, string_of(kubernetes, "namespace"),
                          string_of(json_object_get(kubernetes, "serviceaccount"), "name"),
                          string_of(pod, "name"), err))
        return err_prefix(err, "token: kubernetes.io");
    /* Said twice, so it must be the same: nobody can then trust the other one. */
    make_subject(claims, subject);
    return slice_eq_str(string_of(payload, "sub"), subject) ||
           err_set(err, "token: sub is not %s", subject);
}

static bool check_payload(struct slice part, int64_t now_sec, struct token_claims *claims,
                          struct err *err)
{
    json_t *payload = decode_object(part, "payload", err);
    if (!payload)
        return false;
    bool is_good = false;
    if (!slice_eq_str(string_of(payload, "iss"), ISSUER))
        err_set(err, "token: iss is not " ISSUER);
    else if (!has_our_audience(payload))
        err_set(err, "token: aud does not name " TOKEN_AUDIENCE);
    else
        is_good = check_times(payload, now_sec, claims, err) && check_owner(payload, claims, err);
    json_decref(payload);
    return is_good;
}

bool token_verify(const struct token_signer *signer, struct slice token, int64_t now_sec,
                  struct token_claims *claims, struct err *err)
{
    struct slice parts[3];
    *claims = (struct token_claims){0};
    if (token.len == 0)
        return err_set(err, "token: missing");
    if (token.len > TOKEN_MAX_BYTES)
        return err_set(err, "token: %zu bytes, at most %d are read", token.len, TOKEN_MAX_BYTES);
    if (!split(token, parts))
        return err_set(err, "token: not HEADER.PAYLOAD.SIGNATURE");
    struct slice signed_part = slice_sub(token, 0, parts[0].len + 1 + parts[1].len);
    /* Nothing of the payload is looked at before the signature is known to be ours. */
    return check_header(signer, parts[0], err) &&
           check_signature(signer, signed_part, parts[2], err) &&
           check_payload(parts[1], now_sec, claims, err);
}
