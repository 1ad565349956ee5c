/*
 * Key sets, and tokens before a set that has a key of each kind: an input that begins with '{' is a
 * set, any other a token.
 */
// fuzz: common
#include <stdint.h>
#include <stdlib.h>

#include "common/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char keys[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
    "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void read_set(struct slice input)
{
    struct jwks set = {0};
    struct err err = {0};
    bool ok = jwks_parse(&set, input, &err);
    if (ok ? set.n == 0 : err.text[0] == '\0')
        abort();
    jwks_fini(&set);
}

static void read_token(struct slice input)
{
    struct jwks set = {0};
    struct jws jws;
    struct err err = {0};
    if (!jwks_parse(&set, slice_str(keys), &err))
        abort();
    bool ok = jws_split(input, &jws, &err) && jwks_verify(&set, &jws, &err);
    if (!ok && err.text[0] == '\0')
        abort();
    json_t *payload = ok ? jws_object(jws.payload, "payload", &err) : NULL;
    json_decref(payload);
    jwks_fini(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of((const char *)data, size);
    if (size > 0 && data[0] == '{')
        read_set(input);
    else
        read_token(input);
    return 0;
}
