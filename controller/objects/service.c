#include "controller/objects/service.h"

#include "common/options.h"

#define SERVICE_PORTS_MAX     4096
#define SERVICE_ADDRESSES_MAX 256

/* A number or the name of a container port; the service's own port where it is absent. */
static void read_target(const struct field *target, struct service_port *port)
{
    if (!field_is_set(target) || field_is_number(target)) {
        port->target_port = field_is_set(target) ? field_port(target) : port->port;
        return;
    }
    port->target_name = field_text(target);
    if (target->reading->has_failed)
        return;
    if (strspn(port->target_name, "0123456789") == strlen(port->target_name))
        field_fail(target, "\"%s\" is a text: a port's number stands without quotes",
                   port->target_name);
}

static void read_port(const struct field *field, struct service *service, struct service_port *list)
{
    struct field number = field_get(field, "port");
    struct field name = field_get(field, "name");
    struct field target = field_get(field, "targetPort");
    struct field protocol = field_get(field, "protocol");
    struct field app_protocol = field_get(field, "appProtocol");
    static const char *const protocols[] = {"TCP", "UDP", "SCTP"};
    field_require(&number);
    struct service_port port = {
        .name = field_label_name(&name),
        .app_protocol = field_text(&app_protocol),
        .target_name = "",
        .port = field_port(&number),
    };
    read_target(&target, &port);
    if (field_choice(&protocol, protocols, 3) > 0 || field->reading->has_failed)
        return;
    for (size_t i = 0; i < service->n_ports; i++) {
        if (list[i].port == port.port)
            field_fail(&number, "%u is there twice", port.port);
        else if (strcmp(list[i].name, port.name) == 0)
            field_fail(field, "%s",
                       *port.name ? "its name is there twice"
                                  : "needs a name, as another port has none either");
    }
    list[service->n_ports++] = port;
}

static void read_ports(const struct field *ports, struct service *service)
{
    size_t n = field_count(ports);
    if (n > SERVICE_PORTS_MAX)
        field_fail(ports, "has more than %d items", SERVICE_PORTS_MAX);
    if (n == 0 || ports->reading->has_failed)
        return;
    struct service_port *list = arena_take_array(ports->reading->arena, n, sizeof(*list));
    if (!field_has_memory(ports, list))
        return;
    struct field port = {0};
    while (field_next_item(ports, &port))
        read_port(&port, service, list);
    service->ports = list;
}

/* A headless Service has "None" in the place of an address. */
static void read_cluster_ip(const struct field *field, struct ip *list, size_t *n)
{
    if (!slice_eq_str(field_slice(field), "None"))
        field_ip(field, list, n);
}

static void read_addresses(const struct field *root, struct service *service)
{
    struct field spec = field_get(root, "spec");
    struct field cluster_ip = field_get(&spec, "clusterIP");
    struct field cluster_ips = field_get(&spec, "clusterIPs");
    struct field external_ips = field_get(&spec, "externalIPs");
    struct field status = field_get(root, "status");
    struct field balancer = field_get(&status, "loadBalancer");
    struct field ingress = field_get(&balancer, "ingress");
    size_t size =
        1 + field_count(&cluster_ips) + field_count(&external_ips) + field_count(&ingress);
    if (size > SERVICE_ADDRESSES_MAX)
        field_fail(&spec, "has more than %d addresses", SERVICE_ADDRESSES_MAX);
    if (root->reading->has_failed)
        return;
    struct ip *list = arena_take_array(root->reading->arena, size, sizeof(*list));
    if (!field_has_memory(&spec, list))
        return;
    size_t n = 0;
    struct field item = {0};
    read_cluster_ip(&cluster_ip, list, &n);
    while (field_next_item(&cluster_ips, &item))
        read_cluster_ip(&item, list, &n);
    item = (struct field){0};
    while (field_next_item(&external_ips, &item))
        field_ip(&item, list, &n);
    item = (struct field){0};
    while (field_next_item(&ingress, &item)) {
        struct field ip = field_get(&item, "ip"); /* or a host name, which nobody dials by IP */
        field_ip(&ip, list, &n);
    }
    service->addresses = (struct ips){list, n};
}

void service_read(const struct field *root, struct object *object)
{
    struct service *service = (struct service *)object;
    static const char *const types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
    struct field metadata = field_get(root, "metadata");
    struct field spec = field_get(root, "spec");
    struct field type = field_get(&spec, "type");
    struct field selector = field_get(&spec, "selector");
    struct field ports = field_get(&spec, "ports");
    struct field not_ready = field_get(&spec, "publishNotReadyAddresses");
    annotations_read(&metadata, OBJECT_SERVICE, &service->annotations);
    field_require(&spec);
    if (field_choice(&type, types, 4) == 3)
        return; /* an alias in DNS: it has no address of its own, and its target is dialled */
    service->selector = field_labels(&selector);
    service->publishes_not_ready = field_bool(&not_ready, false);
    read_ports(&ports, service);
    read_addresses(root, service);
}

const struct service_port *service_port_by_number(const struct service *service, uint16_t port)
{
    for (size_t i = 0; i < service->n_ports; i++)
        if (service->ports[i].port == port)
            return &service->ports[i];
    return NULL;
}

const struct service_port *service_port_by_key(const struct service *service, struct slice key)
{
    for (size_t i = 0; i < service->n_ports; i++)
        if (*service->ports[i].name && slice_eq_str(key, service->ports[i].name))
            return &service->ports[i];
    uint64_t number;
    struct err ignored;
    if (!option_parse_uint(key, 1, 65535, &number, &ignored))
        return NULL;
    const struct service_port *port = service_port_by_number(service, (uint16_t)number);
    return port && !*port->name ? port : NULL;
}
