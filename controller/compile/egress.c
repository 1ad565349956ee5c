#include "controller/compile/egress.h"

#include "controller/objects/external_service.h"
#include "controller/objects/keys.h"

static Outrigger__V1__ExternalHost *host_make(struct compile *compile,
                                              const struct external_host_object *from)
{
    Outrigger__V1__ExternalHost *message = compile_take(compile, 1, sizeof(*message));
    if (!message)
        return NULL;
    outrigger__v1__external_host__init(message);
    message->object = compile_text(compile, "%s/%s", from->object.namespace, from->object.name);
    message->hosts = (char **)(uintptr_t)from->hosts.list;
    message->n_hosts = from->hosts.n;
    message->addresses = (char **)(uintptr_t)from->addresses.list;
    message->n_addresses = from->addresses.n;
    message->ports = (uint32_t *)(uintptr_t)from->ports;
    message->n_ports = from->n_ports;
    return message;
}

static void add_all(struct compile *compile, struct found found, Outrigger__V1__Workload *workload)
{
    for (size_t i = 0; i < found.n; i++)
        workload->external_hosts[workload->n_external_hosts++] =
            host_make(compile, (const struct external_host_object *)found.list[i]);
}

void egress_compile(struct compile *compile, const struct pod *pod,
                    Outrigger__V1__Workload *workload)
{
    const char *root_namespace = compile->settings->root_namespace;
    char key[STORE_KEY_BYTES];
    struct found own = compile_find(
        compile, key_of_namespace(key, OBJECT_EXTERNAL_SERVICE, pod->object.namespace));
    struct found root = {0};
    if (strcmp(pod->object.namespace, root_namespace) != 0)
        root =
            compile_find(compile, key_of_namespace(key, OBJECT_EXTERNAL_SERVICE, root_namespace));
    workload->external_hosts =
        compile_take(compile, own.n + root.n, sizeof(*workload->external_hosts));
    if (!workload->external_hosts)
        return;
    add_all(compile, own, workload);
    add_all(compile, root, workload);
}
