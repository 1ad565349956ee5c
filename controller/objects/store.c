#include "controller/objects/store.h"

#include <assert.h>
#include <stdlib.h>

#include "controller/objects/keys.h"

/* What has one key, sorted by object_compare(). */
struct bucket {
    const struct object **list;
    size_t n;
    size_t size;
};

struct store {
    struct map buckets; /* key -> bucket; none is kept empty after a commit */
    struct map changed; /* keys since the last commit; values are not NULL */
    bool has_lost_changes;
    struct {
        store_on_change on_change;
        void *context;
    } listeners[STORE_LISTENERS_MAX];
    size_t n_listeners;
};

/* One change to the store, for the callbacks. */
struct change {
    struct store *store;
    const struct object *object;
};

struct store *store_new(void)
{
    return calloc(1, sizeof(struct store));
}

static void bucket_free(void *value)
{
    struct bucket *bucket = value;
    free(bucket->list);
    free(bucket);
}

void store_free(struct store *store)
{
    if (!store)
        return;
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        char key[STORE_KEY_BYTES];
        struct found all = store_find(store, key_of_kind(key, (enum object_kind)kind));
        for (size_t i = 0; i < all.n; i++)
            object_free((struct object *)(uintptr_t)all.list[i]); /* they are the store's own */
    }
    map_fini(&store->buckets, bucket_free);
    map_fini(&store->changed, NULL);
    free(store);
}

struct found store_find(const struct store *store, const char *key)
{
    const struct bucket *bucket = map_get(&store->buckets, slice_str(key));
    return bucket ? (struct found){bucket->list, bucket->n} : (struct found){0};
}

const struct object *store_get(const struct store *store, enum object_kind kind,
                               const char *namespace, const char *name)
{
    char key[STORE_KEY_BYTES];
    if (!*name)
        return NULL; /* the key would be the one of the whole namespace */
    struct found found = store_find(store, key_of_name(key, kind, namespace, name));
    return found.n ? found.list[0] : NULL;
}

/* The place of the object among those of the bucket, or where it would be. */
static size_t bucket_place(const struct bucket *bucket, const struct object *object)
{
    size_t low = 0, high = bucket->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object_compare(bucket->list[middle], object) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool note_changed(struct store *store, const char *key)
{
    return map_set(&store->changed, slice_str(key), store, NULL);
}

/* Everything that can fail is done before anything is changed: room in the bucket, and the note. */
static bool prepare_key(void *context, const char *key)
{
    struct store *store = ((struct change *)context)->store;
    struct bucket *bucket = map_get(&store->buckets, slice_str(key));
    if (!bucket) {
        bucket = calloc(1, sizeof(*bucket));
        if (!bucket || !map_set(&store->buckets, slice_str(key), bucket, NULL)) {
            free(bucket);
            return false;
        }
    }
    if (bucket->n == bucket->size) {
        size_t size = bucket->size ? bucket->size * 2 : 1;
        const struct object **list =
            reallocarray(bucket->list, size, sizeof(const struct object *));
        if (!list)
            return false;
        bucket->list = list;
        bucket->size = size;
    }
    return note_changed(store, key);
}

static bool insert_key(void *context, const char *key)
{
    const struct change *change = context;
    struct bucket *bucket = map_get(&change->store->buckets, slice_str(key));
    size_t place = bucket_place(bucket, change->object);
    /* A key may come twice from one object, as when a label's text is made to look like another. */
    if (place < bucket->n && bucket->list[place] == change->object)
        return true;
    assert(bucket->n < bucket->size);
    memmove(bucket->list + place + 1, bucket->list + place,
            (bucket->n - place) * sizeof(bucket->list[0]));
    bucket->list[place] = change->object;
    bucket->n++;
    return true;
}

static bool remove_key(void *context, const char *key)
{
    const struct change *change = context;
    struct bucket *bucket = map_get(&change->store->buckets, slice_str(key));
    if (!bucket)
        return true;
    size_t place = bucket_place(bucket, change->object);
    if (place >= bucket->n || bucket->list[place] != change->object)
        return true;
    bucket->n--;
    memmove(bucket->list + place, bucket->list + place + 1,
            (bucket->n - place) * sizeof(bucket->list[0]));
    return true;
}

static bool note_key(void *context, const char *key)
{
    return note_changed(((struct change *)context)->store, key);
}

/* Empty buckets would otherwise remember every pod that ever was. */
static bool tidy_key(void *context, const char *key)
{
    struct store *store = ((struct change *)context)->store;
    struct bucket *bucket = map_get(&store->buckets, slice_str(key));
    if (bucket && bucket->n == 0)
        bucket_free(map_remove(&store->buckets, slice_str(key)));
    return true;
}

static void apply(struct store *store, const struct object *object,
                  bool (*step)(void *context, const char *key))
{
    struct change change = {store, object};
    bool is_whole = keys_each(object, step, &change);
    assert(is_whole); /* these steps cannot fail */
    (void)is_whole;
}

bool store_put(struct store *store, struct object *object)
{
    const struct object *old = store_get(store, object->kind, object->namespace, object->name);
    struct change change = {store, object};
    struct change old_change = {store, old};
    if (!keys_each(object, prepare_key, &change) ||
        (old && !keys_each(old, note_key, &old_change))) {
        apply(store, object, tidy_key);
        return false;
    }
    if (old)
        apply(store, old, remove_key);
    apply(store, object, insert_key);
    if (old) {
        apply(store, old, tidy_key);
        object_free((struct object *)(uintptr_t)old);
    }
    return true;
}

void store_remove(struct store *store, enum object_kind kind, const char *namespace,
                  const char *name)
{
    const struct object *old = store_get(store, kind, namespace, name);
    if (!old)
        return;
    struct change change = {store, old};
    if (!keys_each(old, note_key, &change))
        store->has_lost_changes = true;
    apply(store, old, remove_key);
    apply(store, old, tidy_key);
    object_free((struct object *)(uintptr_t)old);
}

void store_listen(struct store *store, store_on_change on_change, void *context)
{
    assert(store->n_listeners < STORE_LISTENERS_MAX);
    store->listeners[store->n_listeners].on_change = on_change;
    store->listeners[store->n_listeners++].context = context;
}

void store_commit(struct store *store)
{
    if (store->changed.count == 0 && !store->has_lost_changes)
        return;
    const struct map *changed = store->has_lost_changes ? NULL : &store->changed;
    for (size_t i = 0; i < store->n_listeners; i++)
        store->listeners[i].on_change(store->listeners[i].context, changed);
    map_fini(&store->changed, NULL);
    store->has_lost_changes = false;
}
