#include "controller/objects/endpoint_slice.h"

#include "controller/objects/ports.h"

#define SLICE_ENDPOINTS_MAX 10000 /* the API server's own bound is 1000 */
#define SLICE_PORTS_MAX     1000

static void read_endpoint(const struct field *field, int family, struct endpoint_slice *slice,
                          struct slice_endpoint *list)
{
    struct field addresses = field_get(field, "addresses");
    struct field conditions = field_get(field, "conditions");
    struct field ready = field_get(&conditions, "ready");
    struct field terminating = field_get(&conditions, "terminating");
    struct field zone = field_get(field, "zone");
    struct field target = field_get(field, "targetRef");
    struct field kind = field_get(&target, "kind");
    struct field name = field_get(&target, "name");
    struct field namespace = field_get(&target, "namespace");
    struct slice_endpoint endpoint = {.zone = field_text(&zone), .pod = "", .pod_namespace = ""};
    endpoint.is_ready = field_bool(&ready, true); /* absent counts as true, says the API */
    endpoint.is_terminating = field_bool(&terminating, false);
    if (slice_eq_str(field_slice(&kind), "Pod")) {
        endpoint.pod = field_text(&name);
        endpoint.pod_namespace =
            field_is_set(&namespace) ? field_text(&namespace) : slice->object.namespace;
    }
    if (field_require(&addresses) && field_count(&addresses) == 0)
        field_fail(&addresses, "is empty");
    struct field address = {0};
    if (!field_next_item(&addresses, &address))
        return;
    size_t n = 0;
    field_ip(&address, &endpoint.address, &n);
    if (n > 0 && endpoint.address.family != family)
        field_fail(&address, "\"%s\" is not of the slice's addressType", address.node->text.ptr);
    else if (n > 0 && ip_is_special(&endpoint.address))
        /* It would lead each caller's proxy to what only its own pod may reach. */
        field_fail(&address, "\"%s\" is a loopback, link-local, multicast or unspecified address",
                   address.node->text.ptr);
    if (n > 0)
        list[slice->n_endpoints++] = endpoint;
}

static void read_port(const struct field *field, struct endpoint_slice *slice,
                      struct slice_port *list)
{
    struct field name = field_get(field, "name");
    struct field number = field_get(field, "port");
    struct field protocol = field_get(field, "protocol");
    struct field app_protocol = field_get(field, "appProtocol");
    struct slice_port port = {field_text(&name), field_text(&app_protocol), field_port(&number)};
    if (!field_is_set(&protocol) || slice_eq_str(field_slice(&protocol), "TCP"))
        list[slice->n_ports++] = port;
}

static void *take_list(const struct field *list, size_t max, size_t size)
{
    size_t n = field_count(list);
    if (n > max)
        field_fail(list, "has more than %zu items", max);
    if (n == 0 || list->reading->has_failed)
        return NULL;
    void *taken = arena_take_array(list->reading->arena, n, size);
    field_has_memory(list, taken);
    return taken;
}

void endpoint_slice_read(const struct field *root, struct object *object)
{
    struct endpoint_slice *slice = (struct endpoint_slice *)object;
    static const char *const types[] = {"IPv4", "IPv6", "FQDN"};
    struct field metadata = field_get(root, "metadata");
    struct field labels = field_get(&metadata, "labels");
    struct field service = field_get(&labels, "kubernetes.io/service-name");
    struct field type = field_get(root, "addressType");
    struct field endpoints = field_get(root, "endpoints");
    struct field ports = field_get(root, "ports");
    slice->service = field_text(&service);
    field_require(&type);
    int type_index = field_choice(&type, types, 3);
    if (type_index == 2 || root->reading->has_failed)
        return; /* names are for gateways; a connection has an address already */
    struct slice_endpoint *endpoint_list =
        take_list(&endpoints, SLICE_ENDPOINTS_MAX, sizeof(*endpoint_list));
    struct slice_port *port_list = take_list(&ports, SLICE_PORTS_MAX, sizeof(*port_list));
    struct field item = {0};
    while (endpoint_list && field_next_item(&endpoints, &item))
        read_endpoint(&item, type_index == 0 ? AF_INET : AF_INET6, slice, endpoint_list);
    item = (struct field){0};
    while (port_list && field_next_item(&ports, &item))
        read_port(&item, slice, port_list);
    slice->endpoints = endpoint_list;
    slice->ports = port_list;
}
