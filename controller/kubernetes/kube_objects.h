/*
 * Objects of one kind, from the API server's JSON into the store.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_OBJECTS_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_OBJECTS_H

#include <jansson.h>

#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct kube_objects {
    enum object_kind kind;
    size_t version; /* of the kind's API versions, as in objects_path() */
    struct store *store;
    struct problems *problems;
};

/* "" where there is no such text. */
const char *kube_text(const json_t *map, const char *key);

/* One that cannot be read is a problem, and leaves the one before in the store. `json` is changed.
 */
void kube_objects_put(const struct kube_objects *into, json_t *json);
void kube_objects_remove(const struct kube_objects *into, const json_t *json);

#endif
