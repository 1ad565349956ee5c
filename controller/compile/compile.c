#include "controller/compile/compile.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/compile/context.h"
#include "controller/compile/dialled.h"
#include "controller/compile/endpoints.h"
#include "controller/compile/workload.h"

static ProtobufCMessage *make_message(struct compile *compile, enum resource_type type,
                                      struct slice name, const struct pod **pod)
{
    if (name.len == 0 || name.len > RESOURCE_NAME_MAX)
        return NULL;
    switch (type) {
    case RESOURCE_WORKLOAD:
        return workload_compile(compile, name, pod);
    case RESOURCE_SERVICE:
        return dialled_compile(compile, name);
    default:
        return endpoints_compile(compile, name);
    }
}

/* Hands out the parts of one allocation; the sizes were summed up before. */
struct room {
    char *at;
};

static char *room_text(struct room *room, struct slice text)
{
    char *copy = room->at;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    room->at += text.len + 1;
    return copy;
}

static void set_version(struct resource *resource)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)resource->bytes.ptr, resource->bytes.len, digest);
    for (size_t i = 0; i < (RESOURCE_VERSION_BYTES - 1) / 2; i++)
        snprintf(resource->version + 2 * i, 3, "%02x", digest[i]);
}

static size_t room_needed(const struct compile *compile, struct slice name, size_t n_bytes,
                          const struct pod *pod)
{
    size_t size =
        sizeof(struct resource) + compile->keys.count * sizeof(char *) + name.len + 1 + n_bytes + 3;
    if (compile->consumer)
        size += strlen(compile->consumer);
    if (pod)
        size += strlen(pod->object.namespace) + strlen(pod->service_account);
    MAP_EACH(entry, &compile->keys)
        size += entry->key.len + 1;
    return size;
}

static struct resource *make_resource(const struct compile *compile, enum resource_type type,
                                      struct slice name, const ProtobufCMessage *message,
                                      const struct pod *pod)
{
    size_t n_bytes = message ? protobuf_c_message_get_packed_size(message) : 0;
    pod = message ? pod : NULL;
    struct resource *resource = calloc(1, room_needed(compile, name, n_bytes, pod));
    if (!resource)
        return NULL;
    const char **keys = (const char **)(resource + 1);
    struct room room = {(char *)(keys + compile->keys.count)};
    resource->type = type;
    resource->exists = message != NULL;
    resource->keys = keys;
    MAP_EACH(entry, &compile->keys)
        keys[resource->n_keys++] = room_text(&room, entry->key);
    resource->name = room_text(&room, name);
    resource->namespace = room_text(&room, slice_str(pod ? pod->object.namespace : ""));
    resource->service_account = room_text(&room, slice_str(pod ? pod->service_account : ""));
    resource->consumer = room_text(&room, slice_str(compile->consumer ? compile->consumer : ""));
    resource->bytes = slice_of(room.at, n_bytes);
    if (message) {
        protobuf_c_message_pack(message, (uint8_t *)room.at);
        set_version(resource);
    }
    return resource;
}

/* One of a chain. The namespaces that have routes of their own are noted in `consumers`. */
static struct resource *compile_one(const struct store *store,
                                    const struct compile_settings *settings,
                                    enum resource_type type, const char *name, const char *consumer,
                                    struct map *consumers)
{
    struct compile compile;
    compile_init(&compile, store, settings);
    compile.consumer = consumer;
    const struct pod *pod = NULL;
    ProtobufCMessage *message = make_message(&compile, type, slice_str(name), &pod);
    struct resource *resource = NULL;
    if (!compile.is_short)
        resource = make_resource(&compile, type, slice_str(name), message, pod);
    if (consumers) {
        *consumers = compile.consumers;
        compile.consumers = (struct map){0};
    }
    compile_fini(&compile);
    return resource;
}

struct resource *resource_compile(const struct store *store,
                                  const struct compile_settings *settings, enum resource_type type,
                                  const char *name)
{
    struct map consumers = {0};
    struct resource *first = compile_one(store, settings, type, name, NULL, &consumers);
    MAP_EACH(consumer, &consumers) {
        if (!first)
            break;
        struct resource *resource =
            compile_one(store, settings, type, name, consumer->key.ptr, NULL);
        if (!resource) {
            resource_free(first);
            first = NULL;
            break;
        }
        resource->next = first->next;
        first->next = resource;
    }
    map_fini(&consumers, NULL);
    return first;
}

void resource_free(struct resource *resource)
{
    while (resource) {
        struct resource *next = resource->next;
        free(resource);
        resource = next;
    }
}

const struct resource *resource_for(const struct resource *resource, struct slice namespace)
{
    for (const struct resource *own = resource->next; own; own = own->next)
        if (slice_eq_str(namespace, own->consumer))
            return own;
    return resource;
}

bool resource_is_affected(const struct resource *resource, const struct map *changed)
{
    if (!changed)
        return true;
    for (; resource; resource = resource->next)
        for (size_t i = 0; i < resource->n_keys; i++)
            if (map_get(changed, slice_str(resource->keys[i])))
                return true;
    return false;
}
