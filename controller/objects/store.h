/*
 * All objects, found by keys. Each object has several keys: its own name, its namespace, an
 * address, a label... The same keys tell what changed: whoever looked something up by a key (and
 * found it or not) has to look again exactly when that key is among the changed ones.
 *
 *     KIND/                     all of a kind                          "pod/"
 *     KIND/NAMESPACE/           all of a kind in a namespace           "pod/shop/"
 *     KIND/NAMESPACE/NAME       one; a Namespace has namespace ""      "pod/shop/web-1"
 *     ip/ADDRESS                pods that have the address             "ip/10.0.0.7"
 *     vip/ADDRESS:PORT          services that are dialled so           "vip/[fd00::1]:80"
 *     label/NAMESPACE/KEY=VALUE pods that have the label               "label/shop/app=web"
 *     routes/NAMESPACE/SERVICE  routes and splits of the Service       "routes/shop/web"
 *     slices/NAMESPACE/SERVICE  EndpointSlices of a Service            "slices/shop/web"
 *
 * One thread only: the store and what was found in it may be used between two changes.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_STORE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_STORE_H

#include "common/err.h"
#include "common/map.h"
#include "controller/objects/object.h"

#define STORE_LISTENERS_MAX 4
#define STORE_KEY_BYTES     1024 /* of the longest key, its NUL included */

struct store;

/* What was found: sorted by namespace and name. Good until the next store_put or store_remove. */
struct found {
    const struct object *const *list;
    size_t n;
};

/* NULL when memory is short. Freeing it frees the objects. */
struct store *store_new(void);
void store_free(struct store *store);

/* Never NULL with n > 0; n is 0 when nothing has the key. */
struct found store_find(const struct store *store, const char *key);

/* The object of that name, or NULL. `namespace` is "" for a Namespace. */
const struct object *store_get(const struct store *store, enum object_kind kind,
                               const char *namespace, const char *name);

/*
 * Puts an object in the place of the one of its kind, namespace and name, if there is one. The
 * store owns `object` from here on, and frees the one that was replaced. False when memory is
 * short: then the store is as before and `object` is still the caller's.
 */
bool store_put(struct store *store, struct object *object) MUST_USE;

/* Removes and frees the object of that name; nothing happens when there is none. */
void store_remove(struct store *store, enum object_kind kind, const char *namespace,
                  const char *name);

/*
 * Called from store_commit() with the keys (the map's; its values mean nothing) under which
 * something changed; NULL when memory was too short to note them: anything may have changed. It may
 * read the store and must not change it.
 */
typedef void (*store_on_change)(void *context, const struct map *changed);
void store_listen(struct store *store, store_on_change on_change, void *context);

/*
 * Tells the listeners what was put and removed since the last commit, so that many changes that
 * belong together are seen as one. Does nothing when there was no change.
 */
void store_commit(struct store *store);

#endif
