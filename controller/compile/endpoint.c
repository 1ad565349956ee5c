#include "controller/compile/endpoint.h"

#include "controller/compile/effective.h"
#include "controller/objects/keys.h"

const struct pod *endpoint_find_pod(struct compile *compile, const struct ip *ip,
                                    const char *namespace, const char *name)
{
    char key[STORE_KEY_BYTES];
    struct found found = compile_find(compile, key_of_ip(key, ip));
    const struct pod *best = NULL;
    for (size_t i = 0; i < found.n; i++) {
        const struct pod *pod = (const struct pod *)found.list[i];
        if (pod->is_finished)
            continue;
        bool is_named =
            strcmp(pod->object.namespace, namespace) == 0 && strcmp(pod->object.name, name) == 0;
        if (!best || (best->is_host_network && !pod->is_host_network) ||
            (best->is_host_network == pod->is_host_network && is_named))
            best = pod;
    }
    return best;
}

Outrigger__V1__Health endpoint_health(bool is_ready, bool is_terminating)
{
    if (is_terminating)
        return OUTRIGGER__V1__HEALTH__DRAINING;
    return is_ready ? OUTRIGGER__V1__HEALTH__HEALTHY : OUTRIGGER__V1__HEALTH__UNHEALTHY;
}

Outrigger__V1__Endpoint *endpoint_make(struct compile *compile, const struct ip *ip, uint16_t port,
                                       const struct pod *pod)
{
    char text[IP_TEXT_BYTES];
    Outrigger__V1__Endpoint *endpoint = compile_take(compile, 1, sizeof(*endpoint));
    if (!endpoint)
        return NULL;
    outrigger__v1__endpoint__init(endpoint);
    endpoint->address = compile_text(compile, "%s", ip_format(ip, text));
    endpoint->port = port;
    endpoint->weight = 1;
    endpoint->health = OUTRIGGER__V1__HEALTH__HEALTHY;
    const struct effective *effective = pod ? effective_of_pod(compile, pod) : NULL;
    if (!effective)
        return pod ? NULL : endpoint;
    endpoint->identity = effective_identity(compile, effective, port);
    endpoint->zone = (char *)(uintptr_t)pod->zone;
    endpoint->pod = compile_text(compile, "%s/%s", pod->object.namespace, pod->object.name);
    endpoint->workload = (char *)(uintptr_t)pod->workload;
    endpoint->health = endpoint_health(pod->is_ready, pod->is_terminating);
    return endpoint;
}
