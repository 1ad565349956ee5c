#include "proxy/control/request.h"

#include <stdlib.h>

#include "common/grpc/status.h"
#include "common/version.h"

typedef Envoy__Service__Discovery__V3__DeltaDiscoveryRequest DeltaDiscoveryRequest;
typedef Envoy__Service__Discovery__V3__DeltaDiscoveryRequest__InitialResourceVersionsEntry
    VersionEntry;

static bool request_pack(struct buf *out, const DeltaDiscoveryRequest *request)
{
    size_t len = protobuf_c_message_get_packed_size(&request->base);
    char *room = buf_room(out, len ? len : 1);
    if (!room)
        return false;
    buf_added(out, protobuf_c_message_pack(&request->base, (uint8_t *)room));
    return true;
}

/* protobuf-c wants texts that may be written to, and never writes to them when it packs. */
static char *request_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

bool request_reply(struct buf *out, const char *type_url, const char *nonce,
                   const struct err *refusal)
{
    DeltaDiscoveryRequest request = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    Google__Rpc__Status detail = GOOGLE__RPC__STATUS__INIT;
    request.type_url = request_text(type_url);
    request.response_nonce = request_text(nonce);
    if (refusal) {
        detail.code = GRPC_INVALID_ARGUMENT;
        detail.message = request_text(refusal->text);
        request.error_detail = &detail;
    }
    return request_pack(out, &request);
}

/* The names of a map as an array, or NULL when memory is short. The map keeps them. */
static char **request_names(const struct map *map)
{
    char **names = calloc(map->count ? map->count : 1, sizeof(char *));
    size_t n = 0;
    if (names)
        MAP_EACH(entry, map)
            names[n++] = request_text(entry->key.ptr);
    return names;
}

struct versions {
    VersionEntry *entries, **pointers;
    size_t n;
};

static bool request_versions(struct versions *versions, const struct resources *resources,
                             enum resource_type type, const struct map *map)
{
    versions->entries = calloc(map->count ? map->count : 1, sizeof(VersionEntry));
    versions->pointers = calloc(map->count ? map->count : 1, sizeof(VersionEntry *));
    versions->n = 0;
    if (!versions->entries || !versions->pointers)
        return false;
    MAP_EACH(entry, map) {
        const char *version = resources_version(resources, type, entry);
        if (!*version)
            continue;
        VersionEntry *out = &versions->entries[versions->n];
        *out = (VersionEntry)
            ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INITIAL_RESOURCE_VERSIONS_ENTRY__INIT;
        out->key = request_text(entry->key.ptr);
        out->value = request_text(version);
        versions->pointers[versions->n++] = out;
    }
    return true;
}

bool request_first(struct buf *out, const struct resources *resources, enum resource_type type,
                   const char *cluster)
{
    DeltaDiscoveryRequest request = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    Envoy__Config__Core__V3__Node node = ENVOY__CONFIG__CORE__V3__NODE__INIT;
    const struct map *map = resources_followed(resources, type);
    struct versions versions = {0};
    bool ok = false;
    if (cluster) {
        node.id = request_text(resources->pod);
        node.cluster = request_text(cluster);
        node.user_agent_name = request_text("outrigger-proxy");
        node.user_agent_version = request_text(OUTRIGGER_VERSION);
        request.node = &node;
    }
    request.type_url = request_text(resource_type_url(type));
    request.resource_names_subscribe = request_names(map);
    if (!request.resource_names_subscribe || !request_versions(&versions, resources, type, map))
        goto out;
    request.n_resource_names_subscribe = map->count;
    request.initial_resource_versions = versions.pointers;
    request.n_initial_resource_versions = versions.n;
    ok = request_pack(out, &request);
out:
    free(request.resource_names_subscribe);
    free(versions.entries);
    free(versions.pointers);
    return ok;
}

bool request_is_due(const struct resources *resources, enum resource_type type)
{
    return resources->subscribe[type].count > 0 || resources->unsubscribe[type].count > 0;
}

bool request_changes(struct buf *out, struct resources *resources, enum resource_type type)
{
    DeltaDiscoveryRequest request = ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_REQUEST__INIT;
    struct map *subscribe = &resources->subscribe[type];
    struct map *unsubscribe = &resources->unsubscribe[type];
    request.type_url = request_text(resource_type_url(type));
    request.resource_names_subscribe = request_names(subscribe);
    request.resource_names_unsubscribe = request_names(unsubscribe);
    request.n_resource_names_subscribe = subscribe->count;
    request.n_resource_names_unsubscribe = unsubscribe->count;
    bool ok = request.resource_names_subscribe && request.resource_names_unsubscribe &&
              request_pack(out, &request);
    free(request.resource_names_subscribe);
    free(request.resource_names_unsubscribe);
    map_fini(subscribe, NULL);
    map_fini(unsubscribe, NULL);
    return ok;
}
