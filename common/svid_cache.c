#include "common/svid_cache.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    uint8_t hash[SVID_CACHE_HASH_BYTES];
    int64_t not_before;
    int64_t not_after;
    int64_t leaf_not_after;
    char id[];
};

struct svid_cache {
    pthread_mutex_t lock;
    struct entry *slots[SVID_CACHE_SLOTS];
};

struct svid_cache *svid_cache_new(void)
{
    struct svid_cache *cache = calloc(1, sizeof(*cache));
    if (cache && pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache);
        cache = NULL;
    }
    return cache;
}

void svid_cache_free(struct svid_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SVID_CACHE_SLOTS; i++)
        free(cache->slots[i]);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void svid_cache_hash(const struct slice *chain_der, size_t n, uint8_t hash[SVID_CACHE_HASH_BYTES])
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    for (size_t i = 0; i < n; i++) {
        /* The length first, so that no two chains are the same bytes. */
        uint64_t len = chain_der[i].len;
        SHA256_Update(&sha, &len, sizeof(len));
        SHA256_Update(&sha, chain_der[i].ptr, chain_der[i].len);
    }
    SHA256_Final(hash, &sha);
}

static size_t slot_of(const uint8_t hash[SVID_CACHE_HASH_BYTES])
{
    return hash[0] % SVID_CACHE_SLOTS;
}

bool svid_cache_get(struct svid_cache *cache, const uint8_t hash[SVID_CACHE_HASH_BYTES],
                    int64_t now_sec, struct svid_claim *claim)
{
    pthread_mutex_lock(&cache->lock);
    const struct entry *entry = cache->slots[slot_of(hash)];
    /* Out of its time it is left to the full verification, which says what is wrong. */
    bool is_hit = entry && memcmp(entry->hash, hash, sizeof(entry->hash)) == 0 &&
                  entry->not_before <= now_sec && now_sec < entry->not_after;
    if (is_hit) {
        memcpy(claim->id, entry->id, strlen(entry->id) + 1);
        claim->not_before = entry->not_before;
        claim->not_after = entry->not_after;
        claim->leaf_not_after = entry->leaf_not_after;
    }
    pthread_mutex_unlock(&cache->lock);
    return is_hit;
}

void svid_cache_put(struct svid_cache *cache, const uint8_t hash[SVID_CACHE_HASH_BYTES],
                    const struct svid_claim *claim)
{
    size_t id_size = strlen(claim->id) + 1;
    struct entry *entry = malloc(sizeof(*entry) + id_size);
    if (!entry)
        return;
    memcpy(entry->hash, hash, sizeof(entry->hash));
    entry->not_before = claim->not_before;
    entry->not_after = claim->not_after;
    entry->leaf_not_after = claim->leaf_not_after;
    memcpy(entry->id, claim->id, id_size);

    pthread_mutex_lock(&cache->lock);
    struct entry *old = cache->slots[slot_of(hash)];
    cache->slots[slot_of(hash)] = entry;
    pthread_mutex_unlock(&cache->lock);
    free(old);
}
