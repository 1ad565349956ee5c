#include "controller/source/manifests.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/log.h"
#include "common/map.h"
#include "controller/source/manifest_file.h"
#include "controller/source/walk.h"
#include "controller/source/watch.h"

#define RETRY_MS 1000 /* while the folder itself cannot be read */

/* Origin of what is wrong with the folder; no file is called so. */
#define FOLDER_ORIGIN "/"

struct manifests {
    char *folder;
    struct store *store;
    struct problems *problems;
    struct watch *watch;
    struct map files; /* path -> struct manifest_file */
};

static void file_free(void *value)
{
    manifest_file_free(value);
}

static void tell_problem(struct manifests *manifests, const char *origin, const char *text)
{
    if (problems_set(manifests->problems, origin, text))
        LOG(LOG_ERROR, "manifest_refused", LOG_S("error", text));
}

static void clear_problem(struct manifests *manifests, const char *origin)
{
    if (problems_clear(manifests->problems, origin))
        LOG(LOG_INFO, "manifest_mended", LOG_S("file", origin));
}

static bool is_gone(const struct manifests *manifests, const char *path)
{
    char full[PATH_MAX];
    struct stat stat;
    int len = snprintf(full, sizeof(full), "%s/%s", manifests->folder, path);
    if (len < 0 || (size_t)len >= sizeof(full))
        return false;
    return lstat(full, &stat) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Of what a scan did not meet, only what is surely gone is forgotten: a folder that cannot be read
 * for a while takes no policy away. */
static void forget_gone(struct manifests *manifests)
{
    MAP_EACH(entry, &manifests->files) {
        struct manifest_file *file = entry->value;
        if (file->is_seen || !is_gone(manifests, file->path))
            continue;
        LOG(LOG_INFO, "manifest_removed", LOG_S("file", file->path),
            LOG_I("objects", file->loaded.count));
        manifest_file_unload(file, manifests->store);
        problems_clear(manifests->problems, file->path);
        map_remove(&manifests->files, entry->key);
        manifest_file_free(file);
    }
}

static struct manifest_file *find_file(struct manifests *manifests, const char *path)
{
    struct manifest_file *file = map_get(&manifests->files, slice_str(path));
    if (file)
        return file;
    file = manifest_file_new(path);
    if (file && map_set(&manifests->files, slice_str(path), file, NULL))
        return file;
    manifest_file_free(file);
    return NULL;
}

/* Reads one file, unless it is being written: then its writer's closing it calls for a new scan. */
static void read_file(struct manifests *manifests, const char *path)
{
    char full[PATH_MAX];
    struct err err;
    size_t len = 0;
    struct manifest_file *file = find_file(manifests, path);
    if (!file) {
        tell_problem(manifests, path, "out of memory");
        return;
    }
    file->is_seen = true;
    int full_len = snprintf(full, sizeof(full), "%s/%s", manifests->folder, path);
    if (watch_is_writing(manifests->watch, path) || full_len < 0 ||
        (size_t)full_len >= sizeof(full))
        return;
    char *text = file_read(full, MANIFESTS_FILE_MAX_BYTES, &len, NULL, &err);
    watch_drain(manifests->watch);
    if (watch_is_writing(manifests->watch, path)) {
        free(text);
        return;
    }
    if (!text) {
        const char *why = strncmp(err.text, full, (size_t)full_len) == 0 ? err.text + full_len : "";
        struct err told;
        err_set(&told, "%s%s", path, *why ? why : ": cannot be read");
        tell_problem(manifests, path, told.text);
        file->has_hash = false;
        return;
    }
    if (!manifest_file_read(file, slice_of(text, len), &err))
        tell_problem(manifests, path, err.text);
    free(text);
}

/* The file of the walk, or NULL when nothing of it waits to be put into the store. */
static struct manifest_file *pending_file(const struct manifests *manifests, const char *path)
{
    struct manifest_file *file = map_get(&manifests->files, slice_str(path));
    return file && file->is_pending ? file : NULL;
}

/*
 * Does another file have an object that this one brings? Not if that file is about to give it up.
 * `claims` holds what the files before this one are about to put.
 */
static const struct object *find_conflict(const struct manifests *manifests,
                                          const struct manifest_file *file,
                                          const struct map *claims, const struct object **mine)
{
    /* In the order of the file, so that the same conflict is told each time. */
    for (size_t i = 0; i < file->fresh.n; i++) {
        char name[MANIFEST_NAME_BYTES];
        const struct object *object = file->fresh.list[i];
        struct slice key = manifest_object_name(object, name);
        *mine = object;
        const struct object *claimed = map_get(claims, key);
        if (claimed)
            return claimed;
        const struct object *there =
            store_get(manifests->store, object->kind, object->namespace, object->name);
        if (!there || strcmp(there->file, file->path) == 0)
            continue;
        const struct manifest_file *owner = pending_file(manifests, there->file);
        if (!owner || map_get(&owner->fresh_names, key))
            return there;
    }
    return NULL;
}

static bool add_claims(const struct manifest_file *file, struct map *claims)
{
    MAP_EACH(entry, &file->fresh_names) {
        if (!map_set(claims, entry->key, entry->value, NULL))
            return false;
    }
    return true;
}

/* Refuses the first file that brings what another one has; false when there was none. */
static bool refuse_conflict(struct manifests *manifests, const struct walk *walk)
{
    struct map claims = {0};
    bool was_refused = false;
    for (size_t i = 0; i < walk->n && !was_refused; i++) {
        struct manifest_file *file = pending_file(manifests, walk->list[i]);
        const struct object *mine = NULL;
        if (!file)
            continue;
        const struct object *other = find_conflict(manifests, file, &claims, &mine);
        struct err err;
        if (other)
            err_set(&err, "%s:%u: %s %s/%s is in %s:%u too", file->path, mine->line,
                    object_kind_name(mine->kind), mine->namespace, mine->name, other->file,
                    other->line);
        else if (!add_claims(file, &claims))
            err_set(&err, "%s: out of memory", file->path);
        else
            continue;
        tell_problem(manifests, file->path, err.text);
        manifest_file_give_up(file); /* and try again whenever anything changes */
        was_refused = true;
    }
    map_fini(&claims, NULL);
    return was_refused;
}

static void apply_file(struct manifests *manifests, struct manifest_file *file)
{
    struct err err;
    size_t n = file->fresh.n;
    if (!manifest_file_put_new(file, manifests->store, &err)) {
        tell_problem(manifests, file->path, err.text);
        return;
    }
    clear_problem(manifests, file->path);
    LOG(LOG_INFO, "manifest_loaded", LOG_S("file", file->path), LOG_I("objects", n));
}

static void apply_pending(struct manifests *manifests, const struct walk *walk)
{
    /* A file that is refused keeps its old objects, which others may have counted on. */
    while (refuse_conflict(manifests, walk))
        ;
    for (size_t i = 0; i < walk->n; i++) {
        struct manifest_file *file = pending_file(manifests, walk->list[i]);
        if (file)
            manifest_file_remove_old(file, manifests->store);
    }
    for (size_t i = 0; i < walk->n; i++) {
        struct manifest_file *file = pending_file(manifests, walk->list[i]);
        if (file)
            apply_file(manifests, file);
    }
}

static bool enter_folder(void *context, const char *folder, const char *name, struct err *err)
{
    struct manifests *manifests = context;
    return watch_add(manifests->watch, folder, name, err);
}

/* Looks at everything; what has not changed is told by its hash. */
static bool scan(struct manifests *manifests, struct err *err)
{
    static const struct walk_limits limits = {MANIFESTS_FILES_MAX, MANIFESTS_FOLDERS_MAX,
                                              MANIFESTS_DEPTH_MAX};
    struct walk walk = {0};
    watch_drain(manifests->watch);
    bool is_good = walk_folder(manifests->folder, &limits, enter_folder, manifests, &walk, err);
    if (is_good) {
        MAP_EACH(entry, &manifests->files)
            ((struct manifest_file *)entry->value)->is_seen = false;
        for (size_t i = 0; i < walk.n; i++)
            read_file(manifests, walk.list[i]);
        forget_gone(manifests);
        apply_pending(manifests, &walk);
        store_commit(manifests->store);
        if (walk.warning.text[0])
            tell_problem(manifests, FOLDER_ORIGIN, walk.warning.text);
        else
            clear_problem(manifests, FOLDER_ORIGIN);
    }
    walk_fini(&walk);
    return is_good;
}

static void on_change(void *context)
{
    struct manifests *manifests = context;
    struct err err;
    if (scan(manifests, &err))
        return;
    /* The folder may be gone for good or about to be put back; nothing is forgotten meanwhile. */
    tell_problem(manifests, FOLDER_ORIGIN, err.text);
    watch_again(manifests->watch, RETRY_MS);
}

struct manifests *manifests_start(struct event_base *base, const char *folder, struct store *store,
                                  struct problems *problems, struct err *err)
{
    struct manifests *manifests = calloc(1, sizeof(*manifests));
    if (!manifests) {
        err_set(err, "out of memory");
        return NULL;
    }
    manifests->store = store;
    manifests->problems = problems;
    manifests->folder = strdup(folder);
    manifests->watch = watch_new(base, MANIFESTS_DEBOUNCE_MS, on_change, manifests, err);
    if (!manifests->folder)
        err_set(err, "out of memory");
    if (manifests->folder && manifests->watch && scan(manifests, err))
        return manifests;
    manifests_stop(manifests);
    return NULL;
}

void manifests_stop(struct manifests *manifests)
{
    if (!manifests)
        return;
    watch_free(manifests->watch);
    map_fini(&manifests->files, file_free);
    free(manifests->folder);
    free(manifests);
}

void manifests_reread(struct manifests *manifests)
{
    on_change(manifests);
}

void manifests_skipped(const struct manifests *manifests, struct skipped *skipped)
{
    MAP_EACH(entry, &manifests->files)
        skipped_add_all(skipped, &((const struct manifest_file *)entry->value)->skipped);
}

size_t manifests_files(const struct manifests *manifests)
{
    return manifests->files.count;
}
