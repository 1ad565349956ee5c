/*
 * Remembers chains that were verified, so that a peer that comes again costs one hash instead of
 * parsing certificates and checking their signatures. Sound because what is remembered depends on
 * nothing but the bytes of the chain, the anchors (one cache belongs to one immutable set) and the
 * time, and the time is looked at again. That the peer has the leaf's key is proved in every
 * handshake, before this is asked. Refusals are not remembered. Safe from any thread.
 */
#ifndef OUTRIGGER_COMMON_SVID_CACHE_H
#define OUTRIGGER_COMMON_SVID_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/svid_verify.h"

#define SVID_CACHE_SLOTS      256
#define SVID_CACHE_HASH_BYTES 32

struct svid_cache;

/* NULL when memory is short. About 2 KiB, and an entry's ID and 56 bytes for each slot in use. */
struct svid_cache *svid_cache_new(void);
void svid_cache_free(struct svid_cache *cache);

/* SHA-256 over lengths and bytes of all certificates. */
void svid_cache_hash(const struct slice *chain_der, size_t n, uint8_t hash[SVID_CACHE_HASH_BYTES]);

/* True, with `claim` filled, when this chain was put and its whole path is valid at `now_sec`. */
bool svid_cache_get(struct svid_cache *cache, const uint8_t hash[SVID_CACHE_HASH_BYTES],
                    int64_t now_sec, struct svid_claim *claim);

/* Remembers an accepted chain in the place of another whose hash falls in the same slot. */
void svid_cache_put(struct svid_cache *cache, const uint8_t hash[SVID_CACHE_HASH_BYTES],
                    const struct svid_claim *claim);

#endif
