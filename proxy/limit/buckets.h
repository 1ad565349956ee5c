/*
 * The buckets of one limit, one for each key (an identity, an address, a header's value), shared by
 * all workers without a lock. Their number is fixed, so that no client can make it grow: a key has
 * a place in one set of eight, where it takes over the bucket that has been empty for longest.
 * Where none of the eight is empty it shares one (counted); with more keys at once than there are
 * buckets limits become stricter, never looser.
 *
 * A key is known by its hash of 64 bits, whose seed is random: two keys that a client could choose
 * share a bucket once in 2^64.
 */
#ifndef OUTRIGGER_PROXY_LIMIT_BUCKETS_H
#define OUTRIGGER_PROXY_LIMIT_BUCKETS_H

#include "common/slice.h"
#include "proxy/limit/gcra.h"

struct buckets;

/* `n_keys` is rounded up; 1: a single bucket for all. One reference; NULL when memory is short. */
struct buckets *buckets_new(size_t n_keys);
struct buckets *buckets_hold(struct buckets *buckets);
void buckets_drop(struct buckets *buckets); /* NULL is allowed */

/* gcra_take() of the key's bucket. */
bool buckets_take(struct buckets *buckets, struct slice key, struct gcra_rate rate, uint64_t now_ns,
                  uint64_t *wait_ns) MUST_USE;

/* gcra_give() to the key's bucket. Nothing where it has been taken over meanwhile. */
void buckets_give(struct buckets *buckets, struct slice key, struct gcra_rate rate);

size_t buckets_n(const struct buckets *buckets);
/* How often a key had to share. */
uint64_t buckets_shared(const struct buckets *buckets);

#endif
