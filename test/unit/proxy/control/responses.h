/*
 * What a controller would send, piece by piece: `response_begin`, then resources, then
 * `response_free`. Everything is malloc'd as protobuf-c would have done it.
 */
#ifndef OUTRIGGER_TEST_PROXY_RESPONSES_H
#define OUTRIGGER_TEST_PROXY_RESPONSES_H

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/discovery.pb-c.h"
#include "proto/resources.pb-c.h"
#include "proxy/control/resources.h"
#include "test/unit/proxy/pack.h"

static inline void *responses_grow(void *list, size_t n)
{
    void *grown = realloc(list, (n + 1) * sizeof(void *));
    assert(grown);
    return grown;
}

static inline DeltaDiscoveryResponse *response_begin(const char *type_url, const char *nonce)
{
    DeltaDiscoveryResponse *response = malloc(sizeof(*response));
    assert(response);
    *response =
        (DeltaDiscoveryResponse)ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_RESPONSE__INIT;
    response->type_url = strdup(type_url);
    response->nonce = strdup(nonce);
    return response;
}

static inline void response_free(DeltaDiscoveryResponse *response)
{
    envoy__service__discovery__v3__delta_discovery_response__free_unpacked(response, NULL);
}

/* `message` NULL: garbage. */
static inline void response_add(DeltaDiscoveryResponse *response, const char *name,
                                const char *version, const void *message)
{
    Envoy__Service__Discovery__V3__Resource *resource = malloc(sizeof(*resource));
    Google__Protobuf__Any *any = malloc(sizeof(*any));
    assert(resource && any);
    *resource =
        (Envoy__Service__Discovery__V3__Resource)ENVOY__SERVICE__DISCOVERY__V3__RESOURCE__INIT;
    *any = (Google__Protobuf__Any)GOOGLE__PROTOBUF__ANY__INIT;
    resource->name = strdup(name);
    resource->version = strdup(version);
    resource->resource = any;
    any->type_url = strdup(response->type_url);
    struct slice bytes = message ? pack(message) : slice_of(strdup("\xff\xff"), 2);
    any->value.data = (uint8_t *)(uintptr_t)bytes.ptr;
    any->value.len = bytes.len;
    response->resources = responses_grow(response->resources, response->n_resources);
    response->resources[response->n_resources++] = resource;
}

static inline void response_remove(DeltaDiscoveryResponse *response, const char *name)
{
    response->removed_resources =
        responses_grow(response->removed_resources, response->n_removed_resources);
    response->removed_resources[response->n_removed_resources++] = strdup(name);
}

static inline void response_add_workload(DeltaDiscoveryResponse *response, const char *name,
                                         const char *version, const char *trust_domain)
{
    Outrigger__V1__Workload workload = OUTRIGGER__V1__WORKLOAD__INIT;
    Outrigger__V1__MeshSettings mesh = OUTRIGGER__V1__MESH_SETTINGS__INIT;
    workload.name = strdup(name);
    workload.mesh = &mesh;
    mesh.trust_domain = strdup(trust_domain);
    response_add(response, name, version, &workload);
    free(workload.name);
    free(mesh.trust_domain);
}

/* `backends` separated by spaces; a weight of 0 makes it a bad one. */
static inline void response_add_service(DeltaDiscoveryResponse *response, const char *resource,
                                        const char *version, const char *backends, unsigned weight)
{
    Outrigger__V1__Service service = OUTRIGGER__V1__SERVICE__INIT;
    Outrigger__V1__Backend list[8], *pointers[8];
    char name[] = "shop/api", *copy = strdup(backends), *rest = copy;
    for (char *word; (word = strsep(&rest, " "));) {
        size_t i = service.n_backends++;
        assert(i < 8);
        list[i] = (Outrigger__V1__Backend)OUTRIGGER__V1__BACKEND__INIT;
        list[i].endpoints = word;
        list[i].weight = weight;
        pointers[i] = &list[i];
    }
    service.name = name;
    service.port = 80;
    service.backends = pointers;
    response_add(response, resource, version, &service);
    free(copy);
}

/* One endpoint at `address`, or none when it is NULL. */
static inline void response_add_endpoints(DeltaDiscoveryResponse *response, const char *name,
                                          const char *version, const char *address)
{
    Outrigger__V1__Endpoints endpoints = OUTRIGGER__V1__ENDPOINTS__INIT;
    Outrigger__V1__Endpoint one = OUTRIGGER__V1__ENDPOINT__INIT, *list[] = {&one};
    endpoints.name = strdup(name);
    endpoints.endpoints = list;
    endpoints.n_endpoints = address != NULL;
    one.address = strdup(address ? address : "");
    one.port = 8080;
    response_add(response, name, version, &endpoints);
    free(endpoints.name);
    free(one.address);
}

#endif
