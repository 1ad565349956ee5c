/*
 * A hash map from strings to pointers. Keys are copied; values are the caller's. The hash is keyed
 * with a random number of the process, so that nobody outside can choose keys that collide.
 */
#ifndef OUTRIGGER_COMMON_MAP_H
#define OUTRIGGER_COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

struct map_entry {
    struct slice key; /* owned by the map, NUL-terminated */
    void *value;
    uint64_t hash;
    struct map_entry *next;
};

struct map {
    struct map_entry **buckets; /* NULL until the first entry */
    size_t n_buckets;           /* a power of two, or 0 */
    size_t count;
};

/* An empty map; `(struct map){0}` is one as well. */
void map_init(struct map *map);

/* Frees keys and table. `free_value` is called for each value; NULL leaves the values alone. */
void map_fini(struct map *map, void (*free_value)(void *value));

void *map_get(const struct map *map, struct slice key);

/*
 * Sets a value. `*old` (if old is not NULL) receives the value that was replaced, or NULL. False
 * when memory is short; then nothing changed.
 */
bool map_set(struct map *map, struct slice key, void *value, void **old) MUST_USE;

/* Removes a key; returns its value, or NULL when there was none. */
void *map_remove(struct map *map, struct slice key);

/* Walks all entries in no order: start with NULL. The entry returned last may be removed. */
struct map_entry *map_next(const struct map *map, const struct map_entry *after);

#define MAP_EACH(entry, map)                                                                       \
    for (struct map_entry *entry = map_next((map), NULL),                                          \
                          *entry##_next = entry ? map_next((map), entry) : NULL;                   \
         entry; entry = entry##_next, entry##_next = entry ? map_next((map), entry) : NULL)

/* The hash that maps use: keyed by a random seed of the process. */
uint64_t map_hash(struct slice key);

#endif
