#include "controller/token.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jws.h"
#include "controller/jwt.h"
#include "controller/state_dir.h"

#define ISSUER            "outrigger"
#define SUBJECT_PREFIX    "system:serviceaccount:"
#define ED25519_KEY_BYTES 32
#define KEY_ID_BYTES      16 /* of the public key's SHA-256 */
#define AUDIENCES_MAX     16
#define SUBJECT_MAX_BYTES (sizeof(SUBJECT_PREFIX) + DNS_LABEL_MAX_BYTES + DNS_NAME_MAX_BYTES + 1)

struct token_signer {
    EVP_PKEY *key;
    char key_id[2 * KEY_ID_BYTES + 1];
};

/* ---- names ----------------------------------------------------------------------------------- */

static void copy_name(char *out, struct slice name)
{
    if (name.len)
        memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
}

bool token_claims_set(struct token_claims *claims, struct slice namespace,
                      struct slice service_account, struct slice pod, struct err *err)
{
    if (!dns_name_is_label(namespace))
        return err_set(err, "namespace: not a DNS label (1-63 of [a-z0-9-])");
    if (!dns_name_ok(service_account))
        return err_set(err, "service account: not a DNS name (1-253 of [a-z0-9.-])");
    if (pod.len && !dns_name_ok(pod))
        return err_set(err, "pod: not a DNS name (1-253 of [a-z0-9.-])");
    copy_name(claims->namespace, namespace);
    copy_name(claims->service_account, service_account);
    copy_name(claims->pod, pod);
    return true;
}

/* ---- the key --------------------------------------------------------------------------------- */

struct token_signer *token_signer_new(EVP_PKEY *key, struct err *err)
{
    uint8_t public_key[ED25519_KEY_BYTES], digest[SHA256_DIGEST_LENGTH];
    size_t len = sizeof(public_key);
    struct token_signer *signer = calloc(1, sizeof(*signer));
    if (!signer || EVP_PKEY_get_raw_public_key(key, public_key, &len) != 1) {
        free(signer);
        err_set(err, "not an Ed25519 key, or out of memory");
        return NULL;
    }
    EVP_PKEY_up_ref(key);
    signer->key = key;
    SHA256(public_key, len, digest);
    for (size_t i = 0; i < KEY_ID_BYTES; i++)
        snprintf(signer->key_id + 2 * i, 3, "%02x", digest[i]);
    return signer;
}

struct token_signer *token_signer_open(const char *state_dir, struct err *err)
{
    EVP_PKEY *key =
        state_dir_make(state_dir, err) ? state_dir_key(state_dir, STATE_DIR_TOKEN_KEY, err) : NULL;
    struct token_signer *signer = key ? token_signer_new(key, err) : NULL;
    EVP_PKEY_free(key);
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

char *token_issue(const struct token_signer *signer, const struct token_claims *claims,
                  struct err *err)
{
    json_t *payload = make_payload(claims);
    char *text = payload ? json_dumps(payload, JSON_COMPACT) : NULL;
    json_decref(payload);
    if (!text) {
        err_set(err, "cannot make a token: out of memory");
        return NULL;
    }
    char *token = jwt_sign(signer->key, signer->key_id, slice_str(text), err);
    free(text);
    return token;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* One string, or a list of them. */
static bool has_our_audience(const json_t *payload)
{
    const json_t *audience = json_object_get(payload, "aud");
    if (json_is_string(audience))
        return slice_eq_str(jws_string(payload, "aud"), TOKEN_AUDIENCE);
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
    if (pod && jws_string(pod, "name").len == 0)
        return err_set(err, "token: kubernetes.io.pod has no name");
    if (!token_claims_set(claims, jws_string(kubernetes, "namespace"),
                          jws_string(json_object_get(kubernetes, "serviceaccount"), "name"),
                          jws_string(pod, "name"), err))
        return err_prefix(err, "token: kubernetes.io");
    /* Said twice, so it must be the same: nobody can then trust the other one. */
    make_subject(claims, subject);
    return slice_eq_str(jws_string(payload, "sub"), subject) ||
           err_set(err, "token: sub is not %s", subject);
}

bool token_verify(const struct token_signer *signer, struct slice token, int64_t now_sec,
                  struct token_claims *claims, struct err *err)
{
    *claims = (struct token_claims){0};
    json_t *payload = jwt_verify(signer->key, signer->key_id, token, err);
    if (!payload)
        return false;
    bool is_good = false;
    if (!slice_eq_str(jws_string(payload, "iss"), ISSUER))
        err_set(err, "token: iss is not " ISSUER);
    else if (!has_our_audience(payload))
        err_set(err, "token: aud does not name " TOKEN_AUDIENCE);
    else
        is_good = check_times(payload, now_sec, claims, err) && check_owner(payload, claims, err);
    json_decref(payload);
    return is_good;
}
