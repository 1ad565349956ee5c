#include "proxy/limit/buckets.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/map.h"

#define WAYS 8

struct bucket {
    _Atomic uint64_t key; /* a hash; 0: nobody's */
    _Atomic uint64_t arrival;
};

struct buckets {
    _Atomic unsigned refs;
    _Atomic uint64_t n_shared;
    size_t n_sets; /* a power of two; 0: a single bucket */
    struct bucket list[];
};

struct buckets *buckets_new(size_t n_keys)
{
    size_t n_sets = n_keys <= 1 ? 0 : 1;
    while (n_sets && n_sets * WAYS < n_keys)
        n_sets *= 2;
    size_t n = n_sets ? n_sets * WAYS : 1;
    struct buckets *buckets = calloc(1, sizeof(*buckets) + n * sizeof(struct bucket));
    if (!buckets)
        return NULL;
    atomic_init(&buckets->refs, 1);
    buckets->n_sets = n_sets;
    return buckets;
}

struct buckets *buckets_hold(struct buckets *buckets)
{
    atomic_fetch_add_explicit(&buckets->refs, 1, memory_order_relaxed);
    return buckets;
}

void buckets_drop(struct buckets *buckets)
{
    if (buckets && atomic_fetch_sub_explicit(&buckets->refs, 1, memory_order_acq_rel) == 1)
        free(buckets);
}

static struct bucket *find(struct bucket *set, uint64_t key)
{
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&set[i].key, memory_order_relaxed) == key)
            return &set[i];
    return NULL;
}

/*
 * The bucket that has been empty for longest, for the key from now on; or the least full, shared.
 * Whoever loses a race for a bucket shares it with the winner for this once.
 */
static struct bucket *take_over(struct buckets *buckets, struct bucket *set, uint64_t key,
                                uint64_t now_ns)
{
    struct bucket *least = set;
    uint64_t least_arrival = UINT64_MAX;
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t arrival = atomic_load_explicit(&set[i].arrival, memory_order_relaxed);
        if (arrival < least_arrival) {
            least = &set[i];
            least_arrival = arrival;
        }
    }
    uint64_t owner = atomic_load_explicit(&least->key, memory_order_relaxed);
    bool is_free = least_arrival <= now_ns;
    if (!is_free || !atomic_compare_exchange_strong_explicit(
                        &least->key, &owner, key, memory_order_relaxed, memory_order_relaxed))
        atomic_fetch_add_explicit(&buckets->n_shared, 1, memory_order_relaxed);
    return least;
}

/* 0 is a bucket's that nobody has. */
static uint64_t hash_of(struct slice key)
{
    uint64_t hash = map_hash(key);
    return hash ? hash : 1;
}

static struct bucket *set_of(struct buckets *buckets, uint64_t hash)
{
    return &buckets->list[(hash & (buckets->n_sets - 1)) * WAYS];
}

void buckets_give(struct buckets *buckets, struct slice key, struct gcra_rate rate)
{
    uint64_t hash = hash_of(key);
    struct bucket *bucket =
        buckets->n_sets == 0 ? &buckets->list[0] : find(set_of(buckets, hash), hash);
    if (bucket)
        gcra_give(&bucket->arrival, rate);
}

bool buckets_take(struct buckets *buckets, struct slice key, struct gcra_rate rate, uint64_t now_ns,
                  uint64_t *wait_ns)
{
    if (buckets->n_sets == 0)
        return gcra_take(&buckets->list[0].arrival, rate, now_ns, wait_ns);
    uint64_t hash = hash_of(key);
    struct bucket *set = set_of(buckets, hash);
    struct bucket *bucket = find(set, hash);
    if (!bucket)
        bucket = take_over(buckets, set, hash, now_ns);
    return gcra_take(&bucket->arrival, rate, now_ns, wait_ns);
}

size_t buckets_n(const struct buckets *buckets)
{
    return buckets->n_sets ? buckets->n_sets * WAYS : 1;
}

uint64_t buckets_shared(const struct buckets *buckets)
{
    return atomic_load_explicit(&buckets->n_shared, memory_order_relaxed);
}
