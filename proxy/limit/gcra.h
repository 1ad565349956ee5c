/*
 * The generic cell rate algorithm (ITU-T I.371, the leaky bucket as a meter): one number per
 * bucket, the time at which it will be empty (the theoretical arrival time). A request is allowed
 * when that is no further away than the burst; it then moves by one interval. Times are
 * clock_now_ns(), passed in; any number of threads may ask one bucket at once.
 */
#ifndef OUTRIGGER_PROXY_LIMIT_GCRA_H
#define OUTRIGGER_PROXY_LIMIT_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct gcra_rate {
    uint64_t interval_ns; /* between requests at the rate */
    uint64_t burst_ns;    /* how far the bucket may be filled: requests at once, times interval */
};

/* `requests` in `per_ns` on average, `burst` (1 or more) at once. */
struct gcra_rate gcra_rate_of(uint64_t requests, uint64_t per_ns, uint64_t burst);

/* Takes one. False: none is left, and *wait_ns is how long until there is one. */
bool gcra_take(_Atomic uint64_t *bucket, struct gcra_rate rate, uint64_t now_ns,
               uint64_t *wait_ns) MUST_USE;
/* Takes back what a gcra_take() took that was allowed. */
void gcra_give(_Atomic uint64_t *bucket, struct gcra_rate rate);

#endif
