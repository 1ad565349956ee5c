#include "controller/delta/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

void delta_cache_init(struct delta_cache *cache, struct delta_compiler compiler)
{
    *cache = (struct delta_cache){.compiler = compiler};
}

void delta_cache_fini(struct delta_cache *cache)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++) {
        assert(cache->entries[i].count == 0);
        map_fini(&cache->entries[i], NULL);
    }
}

static size_t delta_resource_bytes(const struct resource *resource)
{
    size_t bytes = 0;
    for (; resource; resource = resource->next)
        bytes += resource->bytes.len;
    return bytes;
}

static struct resource *delta_compile(struct delta_cache *cache, enum resource_type type,
                                      const char *name)
{
    uint64_t start = clock_now_ns();
    struct resource *resource = cache->compiler.compile(cache->compiler.context, type, name);
    cache->stats.compile_ns += clock_now_ns() - start;
    if (resource) {
        cache->stats.compiled++;
        return resource;
    }
    cache->stats.compile_failed++;
    LOG_LIMITED(LOG_ERROR, "compile_failed", LOG_S("type", resource_type_url(type)),
                LOG_S("resource", name), LOG_S("error", "out of memory"));
    return NULL;
}

static void delta_entry_free(struct delta_cache *cache, struct delta_entry *entry)
{
    if (entry->resource) {
        cache->stats.bytes -= delta_resource_bytes(entry->resource);
        resource_free(entry->resource);
    }
    free(entry);
}

struct delta_entry *delta_cache_want(struct delta_cache *cache, enum resource_type type,
                                     const char *name)
{
    struct map *map = &cache->entries[type];
    struct delta_entry *entry = map_get(map, slice_str(name));
    if (entry)
        return entry;
    size_t size = strlen(name) + 1;
    entry = malloc(sizeof(*entry) + size);
    if (!entry)
        return NULL;
    entry->type = type;
    memcpy(entry->name, name, size);
    list_init(&entry->subscribers);
    entry->resource = delta_compile(cache, type, name);
    if (!entry->resource || !map_set(map, slice_str(name), entry, NULL)) {
        if (entry->resource)
            resource_free(entry->resource);
        free(entry);
        return NULL;
    }
    cache->stats.bytes += delta_resource_bytes(entry->resource);
    cache->stats.entries++;
    return entry;
}

void delta_cache_release(struct delta_cache *cache, struct delta_entry *entry)
{
    if (!list_is_empty(&entry->subscribers))
        return;
    map_remove(&cache->entries[entry->type], slice_str(entry->name));
    cache->stats.entries--;
    delta_entry_free(cache, entry);
}

static bool delta_resource_eq(const struct resource *a, const struct resource *b)
{
    /* Who may see a Workload is not among its bytes only: the account may be another pod's. */
    for (; a && b; a = a->next, b = b->next)
        if (a->exists != b->exists || !slice_eq_str(slice_str(a->version), b->version) ||
            !slice_eq_str(slice_str(a->service_account), b->service_account) ||
            !slice_eq_str(slice_str(a->consumer), b->consumer))
            return false;
    return a == b; /* both have ended */
}

/* True when the entry became another. A compilation that failed leaves what there is. */
static bool delta_entry_renew(struct delta_cache *cache, struct delta_entry *entry)
{
    struct resource *resource = delta_compile(cache, entry->type, entry->name);
    if (!resource)
        return false;
    bool is_changed = !delta_resource_eq(entry->resource, resource);
    /* Replaced even if it says the same: it may have looked at other objects to come to it. */
    cache->stats.bytes += delta_resource_bytes(resource) - delta_resource_bytes(entry->resource);
    resource_free(entry->resource);
    entry->resource = resource;
    return is_changed;
}

void delta_cache_change(struct delta_cache *cache, const struct map *changed,
                        void (*on_changed)(void *context, struct delta_entry *entry), void *context)
{
    for (size_t i = 0; i < RESOURCE_TYPES; i++)
        MAP_EACH(item, &cache->entries[i]) {
            struct delta_entry *entry = item->value;
            if (changed && !resource_is_affected(entry->resource, changed))
                continue;
            if (delta_entry_renew(cache, entry))
                on_changed(context, entry);
        }
}
