#include "controller/compile/pod_ports.h"

#include <stdlib.h>

#include "controller/compile/protocol.h"
#include "controller/objects/keys.h"

#define UNSPECIFIED OUTRIGGER__V1__PROTOCOL__PROTOCOL_UNSPECIFIED
#define TCP         OUTRIGGER__V1__PROTOCOL__TCP

/* Ports in the order of who may say what is spoken: what is said first stays. */
struct collection {
    struct pod_port *list;
    size_t n;
    size_t size;
};

static void collect(struct collection *collection, uint16_t port, Outrigger__V1__Protocol protocol)
{
    if (port == 0)
        return;
    if (collection->n < collection->size)
        collection->list[collection->n++] = (struct pod_port){port, protocol};
}

uint16_t pod_ports_target(const struct pod *pod, const struct service_port *port)
{
    return port->target_port ? port->target_port : pod_named_port(pod, port->target_name);
}

Outrigger__V1__Protocol service_port_protocol(const struct service *service,
                                              const struct service_port *port)
{
    if (port_ranges_has(service->annotations.opaque_ports, port->port))
        return TCP;
    return protocol_of_port(port->app_protocol, port->name);
}

static bool service_selects(const struct service *service, const struct pod *pod)
{
    return service->selector.n > 0 && labels_match(service->selector, pod->object.labels);
}

static size_t count_all(struct found services, const struct effective *effective)
{
    const struct pod *pod = effective->pod;
    size_t n = pod->n_ports + effective->n_ports + port_ranges_size(effective->opaque_ports);
    for (size_t i = 0; i < services.n; i++)
        n += ((const struct service *)services.list[i])->n_ports;
    return n;
}

static void collect_all(struct collection *all, struct found services,
                        const struct effective *effective)
{
    const struct pod *pod = effective->pod;
    for (size_t i = 0; i < effective->opaque_ports.n; i++) {
        struct port_range range = effective->opaque_ports.list[i];
        for (unsigned port = range.first; port <= range.last; port++)
            collect(all, (uint16_t)port, TCP);
    }
    for (size_t i = 0; i < services.n; i++) {
        const struct service *service = (const struct service *)services.list[i];
        for (size_t j = 0; j < service->n_ports && service_selects(service, pod); j++)
            collect(all, pod_ports_target(pod, &service->ports[j]),
                    service_port_protocol(service, &service->ports[j]));
    }
    for (size_t i = 0; i < pod->n_ports; i++)
        collect(all, pod->ports[i].port, protocol_of_port("", pod->ports[i].name));
    for (size_t i = 0; i < effective->n_ports; i++)
        collect(all, effective->ports[i].port, UNSPECIFIED);
}

static int compare_ports(const void *a, const void *b)
{
    return (int)((const struct pod_port *)a)->port - (int)((const struct pod_port *)b)->port;
}

/* One entry a port, with the first protocol that was said of it. Quadratic, over what one pod has;
 * opaque-ports is bounded for that reason. */
static size_t merge_same(struct pod_port *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = 0;
        while (at < kept && list[at].port != list[i].port)
            at++;
        if (at == kept)
            list[kept++] = list[i];
        else if (list[at].protocol == UNSPECIFIED)
            list[at].protocol = list[i].protocol;
    }
    return kept;
}

struct pod_ports pod_ports_of(struct compile *compile, const struct effective *effective)
{
    char key[STORE_KEY_BYTES];
    struct found services = compile_find(
        compile, key_of_namespace(key, OBJECT_SERVICE, effective->pod->object.namespace));
    struct collection all = {.size = count_all(services, effective)};
    all.list = compile_take(compile, all.size, sizeof(*all.list));
    if (!all.list)
        return (struct pod_ports){0};
    collect_all(&all, services, effective);
    size_t n = merge_same(all.list, all.n);
    qsort(all.list, n, sizeof(*all.list), compare_ports);
    return (struct pod_ports){all.list, n};
}

Outrigger__V1__Protocol pod_ports_protocol(struct pod_ports ports, uint16_t port)
{
    struct pod_port wanted = {.port = port};
    const struct pod_port *found =
        bsearch(&wanted, ports.list, ports.n, sizeof(wanted), compare_ports);
    return found ? found->protocol : UNSPECIFIED;
}
