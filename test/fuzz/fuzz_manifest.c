/*
 * A file of manifests, from its bytes to every resource that its objects can give. What was
 * compiled must be readable, and the same when it is compiled again.
 */
// fuzz: controller
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/compile/compile.h"
#include "controller/compile/route_status.h"
#include "controller/objects/pod.h"
#include "controller/objects/read.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

#define NAME_BYTES 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static const ProtobufCMessageDescriptor *descriptor_of(enum resource_type type)
{
    switch (type) {
    case RESOURCE_WORKLOAD:
        return &outrigger__v1__workload__descriptor;
    case RESOURCE_SERVICE:
        return &outrigger__v1__service__descriptor;
    default:
        return &outrigger__v1__endpoints__descriptor;
    }
}

static void compile(const struct store *store, enum resource_type type, const char *name,
                    int must_exist)
{
    static const struct compile_settings settings = {"cluster.test", COMPILE_ROOT_NAMESPACE};
    struct resource *resource = resource_compile(store, &settings, type, name);
    struct resource *again = resource_compile(store, &settings, type, name);
    must(resource && again && strcmp(resource->version, again->version) == 0);
    must(resource->exists || !must_exist);
    if (resource->exists) {
        ProtobufCMessage *message = protobuf_c_message_unpack(
            descriptor_of(type), NULL, resource->bytes.len, (const uint8_t *)resource->bytes.ptr);
        must(message != NULL);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    resource_free(resource);
    resource_free(again);
}

static void compile_address(const struct store *store, const struct ip *ip, uint16_t port,
                            int must_exist)
{
    char text[ADDR_TEXT_BYTES];
    struct sockaddr_any addr = addr_make(ip, port);
    compile(store, RESOURCE_SERVICE, addr_format(&addr, text), must_exist);
}

static void compile_pod(const struct store *store, const struct pod *pod)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s/%s", pod->object.namespace, pod->object.name);
    compile(store, RESOURCE_WORKLOAD, name, 1);
    for (size_t i = 0; i < pod->ips.n; i++)
        compile_address(store, &pod->ips.list[i], pod->n_ports ? pod->ports[0].port : 80, 0);
}

static void compile_service(const struct store *store, const struct service *service)
{
    static const char *const subsets[] = {"", "/ipv4", "/ipv6", "/other"};
    char name[NAME_BYTES];
    for (size_t i = 0; i < service->n_ports; i++) {
        const struct service_port *port = &service->ports[i];
        for (size_t j = 0; j < 4; j++) {
            char key[16];
            snprintf(key, sizeof(key), "%u", port->port);
            snprintf(name, sizeof(name), "%s/%s/%s%s", service->object.namespace,
                     service->object.name, *port->name ? port->name : key, subsets[j]);
            compile(store, RESOURCE_ENDPOINTS, name, j < 3);
        }
        for (size_t j = 0; j < service->addresses.n; j++)
            compile_address(store, &service->addresses.list[j], port->port, 1);
    }
}

static void tell_status(const struct store *store, const char *key)
{
    struct found routes = store_find(store, key);
    for (size_t i = 0; i < routes.n; i++) {
        const struct route *route = (const struct route *)routes.list[i];
        for (size_t j = 0; j < route->n_parents; j++) {
            struct compile context;
            compile_init(&context, store, NULL);
            if (route->parents[j].is_service) {
                struct route_status status = route_status_of(&context, route, &route->parents[j]);
                must(status.conditions[ROUTE_ACCEPTED].is_there);
                must(status.conditions[ROUTE_RESOLVED_REFS].message != NULL);
            }
            compile_fini(&context);
        }
    }
}

static void compile_all(const struct store *store)
{
    struct found pods = store_find(store, "pod/");
    struct found services = store_find(store, "service/");
    for (size_t i = 0; i < pods.n; i++)
        compile_pod(store, (const struct pod *)pods.list[i]);
    for (size_t i = 0; i < services.n; i++)
        compile_service(store, (const struct service *)services.list[i]);
    tell_status(store, "httproute/");
    tell_status(store, "grpcroute/");
    tell_status(store, "tcproute/");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct objects objects = {0};
    struct err err = {0};
    if (!objects_read(slice_of(data, size), "x.yaml", NULL, NULL, &objects, &err)) {
        must(objects.n == 0 && strncmp(err.text, "x.yaml:", 7) == 0);
        return 0;
    }
    struct store *store = store_new();
    must(store != NULL);
    for (size_t i = 0; i < objects.n; i++)
        must(store_put(store, objects.list[i]));
    compile_all(store);
    /* One by one they go again, so that every key has to be found once more. */
    for (size_t i = 0; i < objects.n; i++)
        if (i % 2)
            store_remove(store, objects.list[i]->kind, objects.list[i]->namespace,
                         objects.list[i]->name);
    compile_all(store);
    store_commit(store);
    objects.n = 0;
    objects_fini(&objects);
    store_free(store);
    return 0;
}
