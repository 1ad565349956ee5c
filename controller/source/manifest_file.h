/*
 * One file of manifests: its last good objects, which are in the store, and a newer version of them
 * that has been read and waits to be put there. A version takes effect whole or not at all.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_MANIFEST_FILE_H
#define OUTRIGGER_CONTROLLER_SOURCE_MANIFEST_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/map.h"
#include "common/slice.h"
#include "controller/objects/read.h"
#include "controller/objects/store.h"
#include "controller/source/skipped.h"

#define MANIFEST_HASH_BYTES 32
#define MANIFEST_NAME_BYTES 512 /* "TrafficPolicy/" and two names of at most 63 and 253 bytes */

struct manifest_file {
    char *path;                        /* below the folder, as people know it */
    uint8_t hash[MANIFEST_HASH_BYTES]; /* SHA-256 of the text that was read last */
    bool has_hash;                     /* false: read it again even if it has not changed */
    bool is_seen;                      /* by the scan that is going on */
    struct map loaded;                 /* object name -> object in the store */
    bool is_pending;                   /* `fresh` is to take the place of `loaded` */
    struct objects fresh;
    struct map fresh_names;  /* object name -> object in `fresh` */
    struct skipped skipped;  /* what is none of ours in the text that was read last */
    struct map unknown_told; /* kinds that are none of ours and have been logged */
};

/* "KIND/NAMESPACE/NAME", the key of `loaded` and `fresh_names`. */
struct slice manifest_object_name(const struct object *object, char name[MANIFEST_NAME_BYTES]);

/* NULL when memory is short. Freeing it leaves the store alone. */
struct manifest_file *manifest_file_new(const char *path);
void manifest_file_free(struct manifest_file *file);

/*
 * Reads a text into `fresh`, unless it is the one that was read last. False with `err` when the
 * text is wrong; then nothing is pending.
 */
bool manifest_file_read(struct manifest_file *file, struct slice text, struct err *err) MUST_USE;

/* Forgets `fresh`, and reads the text again at the next occasion. */
void manifest_file_give_up(struct manifest_file *file);

/*
 * Puts `fresh` into the store in two steps, so that objects can move between files: first all files
 * remove what they no longer have, then all put what they have now. False with `err` when memory is
 * short: then some of the objects are the new ones and some the old.
 */
void manifest_file_remove_old(struct manifest_file *file, struct store *store);
bool manifest_file_put_new(struct manifest_file *file, struct store *store,
                           struct err *err) MUST_USE;

/* Removes all of its objects from the store. */
void manifest_file_unload(struct manifest_file *file, struct store *store);

#endif
