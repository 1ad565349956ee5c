#include "common/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAP_FIRST_BUCKETS 16

static uint64_t map_seed;

static void map_seed_once(void)
{
    if (getrandom(&map_seed, sizeof(map_seed), 0) != sizeof(map_seed))
        map_seed =
            (uint64_t)(uintptr_t)&map_seed; /* only without /dev/urandom: the ASLR's choice */
}

/*
 * A seeded multiply-and-fold hash over 8 bytes at a time (the shape of wyhash). Both factors depend
 * on the seed: a word that is known to make one of them zero would wipe out all before it, and with
 * it give any number of keys one hash.
 */
uint64_t map_hash(struct slice key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, map_seed_once);
    uint64_t hash = map_seed ^ key.len;
    for (size_t i = 0; i < key.len; i += 8) {
        uint64_t word = 0;
        size_t n = key.len - i < 8 ? key.len - i : 8;
        memcpy(&word, key.ptr + i, n);
        unsigned __int128 product =
            (unsigned __int128)(word ^ map_seed) * (hash ^ 0xe7037ed1a0b428dbull);
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return hash;
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_fini(struct map *map, void (*free_value)(void *value))
{
    for (size_t i = 0; i < map->n_buckets; i++) {
        struct map_entry *next;
        for (struct map_entry *entry = map->buckets[i]; entry; entry = next) {
            next = entry->next;
            if (free_value)
                free_value(entry->value);
            free(entry);
        }
    }
    free(map->buckets);
    map_init(map);
}

static struct map_entry **map_find(const struct map *map, struct slice key, uint64_t hash)
{
    struct map_entry **link = &map->buckets[hash & (map->n_buckets - 1)];
    while (*link && ((*link)->hash != hash || !slice_eq((*link)->key, key)))
        link = &(*link)->next;
    return link;
}

void *map_get(const struct map *map, struct slice key)
{
    if (map->count == 0)
        return NULL;
    struct map_entry *entry = *map_find(map, key, map_hash(key));
    return entry ? entry->value : NULL;
}

static bool map_grow(struct map *map)
{
    size_t n = map->n_buckets ? map->n_buckets * 2 : MAP_FIRST_BUCKETS;
    struct map_entry **buckets = calloc(n, sizeof(struct map_entry *));
    if (!buckets)
        return false;
    for (size_t i = 0; i < map->n_buckets; i++) {
        struct map_entry *next;
        for (struct map_entry *entry = map->buckets[i]; entry; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (n - 1)];
            buckets[entry->hash & (n - 1)] = entry;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->n_buckets = n;
    return true;
}

bool map_set(struct map *map, struct slice key, void *value, void **old)
{
    if (old)
        *old = NULL;
    uint64_t hash = map_hash(key);
    if (map->n_buckets > 0) {
        struct map_entry *entry = *map_find(map, key, hash);
        if (entry) {
            if (old)
                *old = entry->value;
            entry->value = value;
            return true;
        }
    }
    if (map->count >= map->n_buckets && !map_grow(map))
        return false;
    struct map_entry *entry = malloc(sizeof(*entry) + key.len + 1);
    if (!entry)
        return false;
    char *copy = (char *)(entry + 1);
    if (key.len)
        memcpy(copy, key.ptr, key.len);
    copy[key.len] = '\0';
    struct map_entry **bucket = &map->buckets[hash & (map->n_buckets - 1)];
    *entry = (struct map_entry){slice_of(copy, key.len), value, hash, *bucket};
    *bucket = entry;
    map->count++;
    return true;
}

void *map_remove(struct map *map, struct slice key)
{
    if (map->count == 0)
        return NULL;
    struct map_entry **link = map_find(map, key, map_hash(key));
    struct map_entry *entry = *link;
    if (!entry)
        return NULL;
    void *value = entry->value;
    *link = entry->next;
    free(entry);
    map->count--;
    return value;
}

struct map_entry *map_next(const struct map *map, const struct map_entry *after)
{
    if (after && after->next)
        return after->next;
    size_t i = after ? (after->hash & (map->n_buckets - 1)) + 1 : 0;
    for (; i < map->n_buckets; i++)
        if (map->buckets[i])
            return map->buckets[i];
    return NULL;
}
