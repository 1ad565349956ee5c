#include "controller/objects/object.h"

static const char *const kind_names[OBJECT_KINDS] = {
    [OBJECT_NAMESPACE] = "Namespace",
    [OBJECT_SERVICE_ACCOUNT] = "ServiceAccount",
    [OBJECT_POD] = "Pod",
    [OBJECT_SERVICE] = "Service",
    [OBJECT_ENDPOINT_SLICE] = "EndpointSlice",
    [OBJECT_ACCESS_POLICY] = "AccessPolicy",
    [OBJECT_TRAFFIC_POLICY] = "TrafficPolicy",
    [OBJECT_HTTP_ROUTE] = "HTTPRoute",
    [OBJECT_GRPC_ROUTE] = "GRPCRoute",
    [OBJECT_TCP_ROUTE] = "TCPRoute",
    [OBJECT_REFERENCE_GRANT] = "ReferenceGrant",
    [OBJECT_HTTP_FILTER] = "HTTPFilter",
    [OBJECT_EXTERNAL_SERVICE] = "ExternalService",
    [OBJECT_TRAFFIC_TARGET] = "TrafficTarget",
    [OBJECT_TRAFFIC_SPLIT] = "TrafficSplit",
    [OBJECT_HTTP_ROUTE_GROUP] = "HTTPRouteGroup",
    [OBJECT_SMI_TCP_ROUTE] = "TCPRoute.specs.smi-spec.io",
};

const char *object_kind_name(enum object_kind kind)
{
    return kind_names[kind];
}

const char *labels_get(struct labels labels, const char *key)
{
    size_t low = 0, high = labels.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, labels.list[middle].key);
        if (order == 0)
            return labels.list[middle].value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool labels_match(struct labels wanted, struct labels labels)
{
    for (size_t i = 0; i < wanted.n; i++) {
        const char *value = labels_get(labels, wanted.list[i].key);
        if (!value || strcmp(value, wanted.list[i].value) != 0)
            return false;
    }
    return true;
}

int object_compare(const struct object *a, const struct object *b)
{
    int order = strcmp(a->namespace, b->namespace);
    return order ? order : strcmp(a->name, b->name);
}

int object_precedence(const struct object *a, const struct object *b)
{
    if (a->created_sec != b->created_sec)
        return a->created_sec < b->created_sec ? -1 : 1;
    return object_compare(a, b);
}

void object_free(struct object *object)
{
    if (!object)
        return;
    struct arena arena = object->arena; /* the object itself lies in it */
    arena_fini(&arena);
}
