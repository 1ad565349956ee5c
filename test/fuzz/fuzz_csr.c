/* Certificate requests: what is accepted has a key of the two kinds, and can be certified. */
// fuzz: controller
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>

#include "controller/csr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    EVP_PKEY *key = csr_public_key(slice_of(data, size), &err);
    if (!key && err.text[0] == '\0')
        abort();
    if (key && EVP_PKEY_id(key) != EVP_PKEY_ED25519 && EVP_PKEY_id(key) != EVP_PKEY_EC)
        abort();
    EVP_PKEY_free(key);
    return 0;
}
