#include "controller/source/manifest_file.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

_Static_assert(MANIFEST_HASH_BYTES == SHA256_DIGEST_LENGTH, "the hash is a SHA-256");

struct manifest_file *manifest_file_new(const char *path)
{
    struct manifest_file *file = calloc(1, sizeof(*file));
    char *copy = strdup(path);
    if (!file || !copy) {
        free(file);
        free(copy);
        return NULL;
    }
    file->path = copy;
    return file;
}

void manifest_file_give_up(struct manifest_file *file)
{
    file->is_pending = false;
    file->has_hash = false;
    objects_fini(&file->fresh);
    map_fini(&file->fresh_names, NULL);
}

void manifest_file_free(struct manifest_file *file)
{
    if (!file)
        return;
    manifest_file_give_up(file);
    map_fini(&file->loaded, NULL);
    skipped_fini(&file->skipped);
    map_fini(&file->unknown_told, NULL);
    free(file->path);
    free(file);
}

struct slice manifest_object_name(const struct object *object, char name[MANIFEST_NAME_BYTES])
{
    snprintf(name, MANIFEST_NAME_BYTES, "%s/%s/%s", object_kind_name(object->kind),
             object->namespace, object->name);
    return slice_str(name);
}

static void on_unknown(void *context, const char *kind, unsigned line)
{
    struct manifest_file *file = context;
    void *told = NULL;
    skipped_add(&file->skipped, kind, file->path, line);
    /* Once a kind and file, however often the file is read. */
    if (map_set(&file->unknown_told, slice_str(kind), file, &told) && !told)
        LOG(LOG_INFO, "manifest_kind_ignored", LOG_S("file", file->path), LOG_S("kind", kind),
            LOG_I("line", line));
}

bool manifest_file_read(struct manifest_file *file, struct slice text, struct err *err)
{
    uint8_t hash[MANIFEST_HASH_BYTES];
    SHA256((const unsigned char *)text.ptr, text.len, hash);
    if (file->has_hash && memcmp(hash, file->hash, sizeof(hash)) == 0)
        return true;
    manifest_file_give_up(file);
    skipped_fini(&file->skipped);
    if (!objects_read(text, file->path, on_unknown, file, &file->fresh, err))
        return false;
    char name[MANIFEST_NAME_BYTES];
    for (size_t i = 0; i < file->fresh.n; i++) {
        struct object *object = file->fresh.list[i];
        if (!map_set(&file->fresh_names, manifest_object_name(object, name), object, NULL)) {
            manifest_file_give_up(file);
            return err_set(err, "%s: out of memory", file->path);
        }
    }
    memcpy(file->hash, hash, sizeof(hash));
    file->has_hash = true;
    file->is_pending = true;
    return true;
}

static void remove_loaded(struct manifest_file *file, struct store *store, bool wants_all)
{
    MAP_EACH(entry, &file->loaded) {
        const struct object *object = entry->value;
        if (!wants_all && map_get(&file->fresh_names, entry->key))
            continue;
        store_remove(store, object->kind, object->namespace, object->name);
        map_remove(&file->loaded, entry->key);
    }
}

void manifest_file_remove_old(struct manifest_file *file, struct store *store)
{
    remove_loaded(file, store, false);
}

void manifest_file_unload(struct manifest_file *file, struct store *store)
{
    remove_loaded(file, store, true);
}

bool manifest_file_put_new(struct manifest_file *file, struct store *store, struct err *err)
{
    char name[MANIFEST_NAME_BYTES];
    for (size_t i = 0; i < file->fresh.n; i++) {
        struct object *object = file->fresh.list[i];
        struct slice key = manifest_object_name(object, name);
        void *old = NULL;
        if (map_set(&file->loaded, key, object, &old) && store_put(store, object))
            continue;
        /* Back to what is in the store; setting a key that is there needs no memory. */
        if (!old || !map_set(&file->loaded, key, old, NULL))
            map_remove(&file->loaded, key);
        memmove(file->fresh.list, file->fresh.list + i,
                (file->fresh.n - i) * sizeof(struct object *));
        file->fresh.n -= i;
        manifest_file_give_up(file);
        return err_set(err, "%s: out of memory", file->path);
    }
    file->fresh.n = 0; /* they are the store's now */
    objects_fini(&file->fresh);
    map_fini(&file->fresh_names, NULL);
    file->is_pending = false;
    return true;
}
