#include "controller/kubernetes/kube_objects.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "controller/objects/read.h"

#define ORIGIN_BYTES 512

const char *kube_text(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text ? text : "";
}

/* "Pod/shop/web-1": by which problems are known, and what stands for the file. */
static const char *origin_of(const struct kube_objects *into, const json_t *metadata,
                             char origin[ORIGIN_BYTES])
{
    const char *namespace = kube_text(metadata, "namespace");
    snprintf(origin, ORIGIN_BYTES, "%s/%s%s%s", object_kind_name(into->kind), namespace,
             *namespace ? "/" : "", kube_text(metadata, "name"));
    return origin;
}

static void complain(const struct kube_objects *into, const char *origin, const char *text)
{
    if (problems_set(into->problems, origin, text))
        LOG(LOG_WARN, "object_refused", LOG_S("error", text));
}

/* What nobody reads, and can be larger than all that is read. */
static void drop_ballast(json_t *metadata)
{
    json_object_del(metadata, "managedFields");
    json_object_del(json_object_get(metadata, "annotations"),
                    "kubectl.kubernetes.io/last-applied-configuration");
}

/* JSON is YAML: the readers are those of manifests. What cannot be read leaves what was there. */
void kube_objects_put(const struct kube_objects *into, json_t *json)
{
    struct objects objects = {0};
    char origin[ORIGIN_BYTES], api_version[OBJECTS_PATH_BYTES];
    json_t *metadata = json_object_get(json, "metadata");
    struct err err = {.text = "out of memory"};
    origin_of(into, metadata, origin);
    drop_ballast(metadata);
    /* Items of a list say neither. */
    objects_api_version(into->kind, into->version, api_version);
    bool is_good = json_object_set_new(json, "kind", json_string(objects_kind(into->kind))) == 0 &&
                   json_object_set_new(json, "apiVersion", json_string(api_version)) == 0;
    char *text = is_good ? json_dumps(json, JSON_COMPACT) : NULL;
    is_good = text && objects_read(slice_str(text), origin, NULL, NULL, &objects, &err);
    for (size_t i = 0; is_good && i < objects.n; i++) {
        is_good = store_put(into->store, objects.list[i]);
        if (is_good)
            objects.list[i] = NULL; /* the store's now */
    }
    if (is_good)
        problems_clear(into->problems, origin);
    else
        complain(into, origin, err.text);
    objects_fini(&objects);
    free(text);
}

void kube_objects_remove(const struct kube_objects *into, const json_t *json)
{
    char origin[ORIGIN_BYTES];
    const json_t *metadata = json_object_get(json, "metadata");
    problems_clear(into->problems, origin_of(into, metadata, origin));
    store_remove(into->store, into->kind, kube_text(metadata, "namespace"),
                 kube_text(metadata, "name"));
}
