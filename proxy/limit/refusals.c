#include "proxy/limit/refusals.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(REFUSALS_DIGEST_BYTES == SHA256_DIGEST_LENGTH, "digests are SHA-256's");

void refusals_fini(struct refusals *refusals)
{
    free(refusals->list);
    *refusals = (struct refusals){0};
}

static size_t place_of(struct slice asked, uint8_t digest[REFUSALS_DIGEST_BYTES])
{
    SHA256((const uint8_t *)asked.ptr, asked.len, digest);
    return (digest[0] | (size_t)digest[1] << 8) % REFUSALS_N;
}

uint64_t refusals_find(const struct refusals *refusals, struct slice asked, uint64_t now_ns)
{
    uint8_t digest[REFUSALS_DIGEST_BYTES];
    if (!refusals->list)
        return 0;
    const struct refusal *refusal = &refusals->list[place_of(asked, digest)];
    bool is_it = refusal->until_ns > now_ns && memcmp(refusal->digest, digest, sizeof(digest)) == 0;
    return is_it ? refusal->until_ns : 0;
}

void refusals_add(struct refusals *refusals, struct slice asked, uint64_t until_ns)
{
    uint8_t digest[REFUSALS_DIGEST_BYTES];
    if (!refusals->list)
        refusals->list = calloc(REFUSALS_N, sizeof(*refusals->list));
    if (!refusals->list)
        return;
    struct refusal *refusal = &refusals->list[place_of(asked, digest)];
    refusal->until_ns = until_ns;
    memcpy(refusal->digest, digest, sizeof(digest));
}
