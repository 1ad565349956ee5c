/*
 * What a rate limit service has refused a moment ago, so that it is not asked again before it could
 * answer otherwise. A small table of digests: a newer refusal may take the place of an older one,
 * which then is asked about again. One worker's.
 */
#ifndef OUTRIGGER_PROXY_LIMIT_REFUSALS_H
#define OUTRIGGER_PROXY_LIMIT_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

#define REFUSALS_N            1024
#define REFUSALS_DIGEST_BYTES 32

struct refusal {
    uint64_t until_ns; /* 0: none */
    uint8_t digest[REFUSALS_DIGEST_BYTES];
};

struct refusals {
    struct refusal *list; /* REFUSALS_N, made when the first comes; NULL */
};

void refusals_fini(struct refusals *refusals);

/* Until when what was asked is refused; 0: not that we know. */
uint64_t refusals_find(const struct refusals *refusals, struct slice asked, uint64_t now_ns);
/* Short of memory it is not remembered. */
void refusals_add(struct refusals *refusals, struct slice asked, uint64_t until_ns);

#endif
