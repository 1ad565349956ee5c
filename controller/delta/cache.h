/*
 * The compiled resources that somebody subscribes to, each once however many proxies share it. A
 * name enters with its first subscriber and leaves with its last, so that memory follows what is
 * used and not what the cluster holds.
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_CACHE_H
#define OUTRIGGER_CONTROLLER_DELTA_CACHE_H

#include <stdint.h>

#include "common/list.h"
#include "common/map.h"
#include "controller/compile/compile.h"

/* Where resources come from: resource_compile() in the controller, a table in the tests. */
struct delta_compiler {
    /* A resource that resource_free() frees (`exists` false for what nothing has); NULL when memory
     * is short. */
    struct resource *(*compile)(void *context, enum resource_type type, const char *name);
    void *context;
};

/* One name that has subscribers. */
struct delta_entry {
    enum resource_type type;
    /* As it is now; never NULL. `exists` is false where nothing has the name. */
    struct resource *resource;
    struct list subscribers; /* of delta_subscription.entry_node */
    char name[];
};

struct delta_cache_stats {
    size_t entries;
    uint64_t compiled, compile_failed; /* since the start */
    uint64_t compile_ns;               /* their sum */
    uint64_t bytes;                    /* of the resources that are held */
};

struct delta_cache {
    struct delta_compiler compiler;
    struct map entries[RESOURCE_TYPES];
    struct delta_cache_stats stats;
};

void delta_cache_init(struct delta_cache *cache, struct delta_compiler compiler);

/* When nobody subscribes to anything any more. */
void delta_cache_fini(struct delta_cache *cache);

/*
 * The entry of a name, compiled now if it is new. It stays while it has subscribers: put one into
 * its list, or call delta_cache_release(). NULL when memory is short.
 */
struct delta_entry *delta_cache_want(struct delta_cache *cache, enum resource_type type,
                                     const char *name) MUST_USE;

/* Frees the entry if it has no subscriber. */
void delta_cache_release(struct delta_cache *cache, struct delta_entry *entry);

/*
 * Compiles again what the changed keys affect (store_on_change), and calls `on_changed` for each
 * entry that became another; it must not release entries. NULL for `changed` means everything.
 */
void delta_cache_change(struct delta_cache *cache, const struct map *changed,
                        void (*on_changed)(void *context, struct delta_entry *entry),
                        void *context);

#endif
