/*
 * Tokens. An input that begins with '!' is a token as it came; any other is a payload, which is
 * signed first, so that the fuzzer reaches what the signature protects.
 */
// fuzz: controller
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/jwt.h"
#include "controller/token.h"

#define NOW_SEC 1800000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

static void verify(EVP_PKEY *key, struct slice token)
{
    struct token_claims claims, again;
    struct err err = {0};
    struct token_signer *signer = token_signer_new(key, &err);
    need(signer != NULL);
    if (token_verify(signer, token, NOW_SEC, &claims, &err)) {
        /* What was accepted can be said again, and says the same. */
        need(claims.namespace[0] && claims.service_account[0]);
        char *reissued = token_issue(signer, &claims, &err);
        need(reissued != NULL);
        need(token_verify(signer, slice_str(reissued), NOW_SEC, &again, &err));
        need(memcmp(&claims, &again, sizeof(claims)) == 0);
        free(reissued);
    } else {
        need(err.text[0] != '\0');
    }
    token_signer_close(signer);
}

/* The name that a signer gives this key: half of the public key's SHA-256. */
static void key_id_of(EVP_PKEY *key, char id[33])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t public_key[32], digest[SHA256_DIGEST_LENGTH];
    size_t len = sizeof(public_key);
    need(EVP_PKEY_get_raw_public_key(key, public_key, &len) == 1);
    SHA256(public_key, len, digest);
    for (size_t i = 0; i < 16; i++) {
        id[2 * i] = digits[digest[i] >> 4];
        id[2 * i + 1] = digits[digest[i] & 15];
    }
    id[32] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32] = "a key that is no secret at all.";
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    need(key != NULL);
    if (size > 0 && data[0] == '!') {
        verify(key, slice_of(data + 1, size - 1));
    } else {
        char key_id[33];
        struct err err;
        key_id_of(key, key_id);
        char *token = jwt_sign(key, key_id, slice_of(data, size), &err);
        if (token)
            verify(key, slice_str(token));
        free(token);
    }
    EVP_PKEY_free(key);
    return 0;
}
