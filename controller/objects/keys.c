#include "controller/objects/keys.h"

#include <stdio.h>

#include "controller/objects/endpoint_slice.h"
#include "controller/objects/pod.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "controller/objects/traffic_split.h"

static const char *const kind_words[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = "namespace",
    [OBJECT_SERVICE_ACCOUNT] = "account",
    [OBJECT_POD] = "pod",
    [OBJECT_SERVICE] = "service",
    [OBJECT_ENDPOINT_SLICE] = "slice",
    [OBJECT_ACCESS_POLICY] = "access",
    [OBJECT_TRAFFIC_POLICY] = "traffic",
    [OBJECT_HTTP_ROUTE] = "httproute",
    [OBJECT_GRPC_ROUTE] = "grpcroute",
    [OBJECT_TCP_ROUTE] = "tcproute",
    [OBJECT_REFERENCE_GRANT] = "grant",
    [OBJECT_HTTP_FILTER] = "httpfilter",
    [OBJECT_EXTERNAL_SERVICE] = "external",
    [OBJECT_TRAFFIC_TARGET] = "target",
    [OBJECT_TRAFFIC_SPLIT] = "split",
    [OBJECT_HTTP_ROUTE_GROUP] = "httproutegroup",
    [OBJECT_SMI_TCP_ROUTE] = "smitcproute",
};

const char *key_of_kind(char key[STORE_KEY_BYTES], enum object_kind kind)
{
    snprintf(key, STORE_KEY_BYTES, "%s/", kind_words[kind]);
    return key;
}

const char *key_of_namespace(char key[STORE_KEY_BYTES], enum object_kind kind,
                             const char *namespace)
{
    snprintf(key, STORE_KEY_BYTES, "%s/%s/", kind_words[kind], namespace);
    return key;
}

const char *key_of_name(char key[STORE_KEY_BYTES], enum object_kind kind, const char *namespace,
                        const char *name)
{
    snprintf(key, STORE_KEY_BYTES, "%s/%s/%s", kind_words[kind], namespace, name);
    return key;
}

const char *key_of_ip(char key[STORE_KEY_BYTES], const struct ip *ip)
{
    char text[IP_TEXT_BYTES];
    snprintf(key, STORE_KEY_BYTES, "ip/%s", ip_format(ip, text));
    return key;
}

const char *key_of_vip(char key[STORE_KEY_BYTES], const struct ip *ip, uint16_t port)
{
    char text[ADDR_TEXT_BYTES];
    struct sockaddr_any addr = addr_make(ip, port);
    snprintf(key, STORE_KEY_BYTES, "vip/%s", addr_format(&addr, text));
    return key;
}

const char *key_of_label(char key[STORE_KEY_BYTES], const char *namespace,
                         const struct label *label)
{
    snprintf(key, STORE_KEY_BYTES, "label/%s/%s=%s", namespace, label->key, label->value);
    return key;
}

const char *key_of_slices(char key[STORE_KEY_BYTES], const char *namespace, const char *service)
{
    snprintf(key, STORE_KEY_BYTES, "slices/%s/%s", namespace, service);
    return key;
}

const char *key_of_routes(char key[STORE_KEY_BYTES], const char *namespace, const char *service)
{
    snprintf(key, STORE_KEY_BYTES, "routes/%s/%s", namespace, service);
    return key;
}

typedef bool (*each_key)(void *context, const char *key);

static bool each_of_pod(const struct pod *pod, each_key each, void *context)
{
    char key[STORE_KEY_BYTES];
    for (size_t i = 0; i < pod->ips.n; i++)
        if (!each(context, key_of_ip(key, &pod->ips.list[i])))
            return false;
    for (size_t i = 0; i < pod->object.labels.n; i++)
        if (!each(context, key_of_label(key, pod->object.namespace, &pod->object.labels.list[i])))
            return false;
    return true;
}

static bool each_of_service(const struct service *service, each_key each, void *context)
{
    char key[STORE_KEY_BYTES];
    for (size_t i = 0; i < service->addresses.n; i++)
        for (size_t port = 0; port < service->n_ports; port++)
            if (!each(context,
                      key_of_vip(key, &service->addresses.list[i], service->ports[port].port)))
                return false;
    return true;
}

/* Each Service once, or the store would find the route twice. */
static bool each_of_route(const struct route *route, each_key each, void *context)
{
    char key[STORE_KEY_BYTES];
    for (size_t i = 0; i < route->n_parents; i++) {
        const struct route_parent *parent = &route->parents[i];
        bool is_told = !parent->is_service;
        for (size_t before = 0; before < i && !is_told; before++)
            is_told = route->parents[before].is_service &&
                      strcmp(route->parents[before].name, parent->name) == 0 &&
                      strcmp(route->parents[before].namespace, parent->namespace) == 0;
        if (!is_told && !each(context, key_of_routes(key, parent->namespace, parent->name)))
            return false;
    }
    return true;
}

bool keys_each(const struct object *object, each_key each, void *context)
{
    char key[STORE_KEY_BYTES];
    if (!each(context, key_of_kind(key, object->kind)) ||
        !each(context, key_of_namespace(key, object->kind, object->namespace)) ||
        !each(context, key_of_name(key, object->kind, object->namespace, object->name)))
        return false;
    switch (object->kind) {
    case OBJECT_POD:
        return each_of_pod((const struct pod *)object, each, context);
    case OBJECT_SERVICE:
        return each_of_service((const struct service *)object, each, context);
    case OBJECT_ENDPOINT_SLICE: {
        const char *service = ((const struct endpoint_slice *)object)->service;
        return !*service || each(context, key_of_slices(key, object->namespace, service));
    }
    case OBJECT_HTTP_ROUTE:
    case OBJECT_GRPC_ROUTE:
    case OBJECT_TCP_ROUTE:
        return each_of_route((const struct route *)object, each, context);
    case OBJECT_TRAFFIC_SPLIT:
        return each(context, key_of_routes(key, object->namespace,
                                           ((const struct traffic_split *)object)->service));
    default:
        return true;
    }
}
