#include "controller/compile/endpoints.h"

#include <stdlib.h>

#include "controller/compile/endpoint.h"
#include "controller/compile/pod_ports.h"
#include "controller/objects/endpoint_slice.h"
#include "controller/objects/keys.h"

#define NAME_PARTS_MAX 4

/* What is being collected: the endpoints of one port of one Service. */
struct collection {
    struct compile *compile;
    const struct service *service;
    const struct service_port *port;
    int family; /* preferred */
    Outrigger__V1__Endpoint **list;
    size_t n;
    size_t size;
};

static int primary_family(const struct service *service)
{
    return service->addresses.n ? service->addresses.list[0].family : AF_INET;
}

char *endpoints_name(struct compile *compile, const struct service *service,
                     const struct service_port *port, int family)
{
    const char *subset = "";
    if (family != primary_family(service))
        subset = family == AF_INET ? "/ipv4" : "/ipv6";
    const struct object *object = &service->object;
    if (*port->name)
        return compile_text(compile, "%s/%s/%s%s", object->namespace, object->name, port->name,
                            subset);
    return compile_text(compile, "%s/%s/%u%s", object->namespace, object->name, port->port, subset);
}

static void collect(struct collection *collection, Outrigger__V1__Endpoint *endpoint)
{
    if (!endpoint)
        return;
    if (collection->n == collection->size) {
        size_t size = collection->size ? collection->size * 2 : 16;
        Outrigger__V1__Endpoint **list =
            compile_take(collection->compile, size, sizeof(Outrigger__V1__Endpoint *));
        if (!list)
            return;
        if (collection->n)
            memcpy(list, collection->list, collection->n * sizeof(Outrigger__V1__Endpoint *));
        collection->list = list;
        collection->size = size;
    }
    collection->list[collection->n++] = endpoint;
}

/* Where the slice has the port; 0 when it has not. */
static uint16_t slice_port_number(const struct endpoint_slice *slice,
                                  const struct service_port *port)
{
    for (size_t i = 0; i < slice->n_ports; i++)
        if (strcmp(slice->ports[i].name, port->name) == 0)
            return slice->ports[i].port ? slice->ports[i].port : port->port;
    return 0;
}

static void collect_slice(struct collection *collection, const struct endpoint_slice *slice,
                          bool wants_preferred)
{
    struct compile *compile = collection->compile;
    uint16_t port = slice_port_number(slice, collection->port);
    for (size_t i = 0; port && i < slice->n_endpoints; i++) {
        const struct slice_endpoint *from = &slice->endpoints[i];
        if ((from->address.family == collection->family) != wants_preferred)
            continue;
        const struct pod *pod =
            endpoint_find_pod(compile, &from->address, from->pod_namespace, from->pod);
        Outrigger__V1__Endpoint *endpoint = endpoint_make(compile, &from->address, port, pod);
        if (!endpoint)
            return;
        endpoint->health = endpoint_health(from->is_ready, from->is_terminating);
        if (*from->zone)
            endpoint->zone = (char *)(uintptr_t)from->zone;
        collect(collection, endpoint);
    }
}

/* The other family counts only when there is nothing of the preferred one. */
static void collect_slices(struct collection *collection, struct found slices)
{
    for (int pass = 0; pass < 2 && collection->n == 0; pass++)
        for (size_t i = 0; i < slices.n; i++)
            collect_slice(collection, (const struct endpoint_slice *)slices.list[i], pass == 0);
}

static const struct ip *preferred_ip(const struct pod *pod, int family)
{
    for (size_t i = 0; i < pod->ips.n; i++)
        if (pod->ips.list[i].family == family)
            return &pod->ips.list[i];
    return pod->ips.n ? &pod->ips.list[0] : NULL;
}

static void collect_pods(struct collection *collection)
{
    struct compile *compile = collection->compile;
    const struct service *service = collection->service;
    char key[STORE_KEY_BYTES];
    if (service->selector.n == 0)
        return;
    /* Any of the labels finds all that match, and what else has it is passed over. */
    struct found found = compile_find(
        compile, key_of_label(key, service->object.namespace, &service->selector.list[0]));
    for (size_t i = 0; i < found.n; i++) {
        const struct pod *pod = (const struct pod *)found.list[i];
        const struct ip *ip = preferred_ip(pod, collection->family);
        uint16_t port = pod_ports_target(pod, collection->port);
        if (!ip || !port || pod->is_finished ||
            !labels_match(service->selector, pod->object.labels))
            continue;
        Outrigger__V1__Endpoint *endpoint = endpoint_make(compile, ip, port, pod);
        if (!endpoint)
            return;
        endpoint->health =
            endpoint_health(pod->is_ready || service->publishes_not_ready, pod->is_terminating);
        collect(collection, endpoint);
    }
}

/* The one that is better off comes first among those of one address. */
static int compare_endpoints(const void *a, const void *b)
{
    const Outrigger__V1__Endpoint *left = *(const Outrigger__V1__Endpoint *const *)a;
    const Outrigger__V1__Endpoint *right = *(const Outrigger__V1__Endpoint *const *)b;
    int order = strcmp(left->address, right->address);
    if (order == 0)
        order = (int)left->port - (int)right->port;
    if (order == 0)
        order = (int)left->health - (int)right->health;
    if (order == 0)
        order = strcmp(left->pod, right->pod);
    return order ? order : strcmp(left->zone, right->zone);
}

/* Slices may name an endpoint twice while it moves from one to another, says the API. */
static void sort_unique(struct collection *collection)
{
    size_t kept = 0;
    if (collection->n > 1)
        qsort(collection->list, collection->n, sizeof(collection->list[0]), compare_endpoints);
    for (size_t i = 0; i < collection->n; i++) {
        Outrigger__V1__Endpoint *last = kept ? collection->list[kept - 1] : NULL;
        if (!last || last->port != collection->list[i]->port ||
            strcmp(last->address, collection->list[i]->address) != 0)
            collection->list[kept++] = collection->list[i];
    }
    collection->n = kept;
}

/* Splits at slashes; 0 when there are more parts than can be. */
static size_t split_name(struct slice name, struct slice parts[NAME_PARTS_MAX])
{
    for (size_t n = 0; n < NAME_PARTS_MAX; n++) {
        const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;
        size_t len = slash ? (size_t)(slash - name.ptr) : name.len;
        parts[n] = slice_sub(name, 0, len);
        if (!slash)
            return n + 1;
        name = slice_sub(name, len + 1, name.len);
    }
    return 0;
}

static bool find_family(struct collection *collection, struct slice subset)
{
    if (slice_eq_str(subset, "ipv4"))
        collection->family = AF_INET;
    else if (slice_eq_str(subset, "ipv6"))
        collection->family = AF_INET6;
    else
        return false;
    return true;
}

static bool find_port(struct collection *collection, struct slice name)
{
    struct compile *compile = collection->compile;
    struct slice parts[NAME_PARTS_MAX];
    size_t n = split_name(name, parts);
    if (n < 3)
        return false;
    collection->service = (const struct service *)compile_get(
        compile, OBJECT_SERVICE, compile_text(compile, "%.*s", SLICE_ARG(parts[0])),
        compile_text(compile, "%.*s", SLICE_ARG(parts[1])));
    if (!collection->service)
        return false;
    collection->family = primary_family(collection->service);
    collection->port = service_port_by_key(collection->service, parts[2]);
    return collection->port && (n == 3 || find_family(collection, parts[3]));
}

ProtobufCMessage *endpoints_compile(struct compile *compile, struct slice name)
{
    struct collection collection = {.compile = compile};
    if (!find_port(&collection, name))
        return NULL;
    char key[STORE_KEY_BYTES];
    const struct object *service = &collection.service->object;
    struct found slices =
        compile_find(compile, key_of_slices(key, service->namespace, service->name));
    if (slices.n)
        collect_slices(&collection, slices);
    else
        collect_pods(&collection);
    sort_unique(&collection);
    Outrigger__V1__Endpoints *endpoints = compile_take(compile, 1, sizeof(*endpoints));
    if (!endpoints)
        return NULL;
    outrigger__v1__endpoints__init(endpoints);
    endpoints->name = compile_text(compile, "%.*s", SLICE_ARG(name));
    endpoints->n_endpoints = collection.n;
    endpoints->endpoints = collection.list;
    return &endpoints->base;
}
