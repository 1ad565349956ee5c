/*
 * What is in effect for one pod, when the mesh, its namespace and the pod itself have been asked:
 * the settings of TrafficPolicies and annotations, and whether it is in the mesh at all.
 *
 * From the most to the least specific: policies of its namespace that select it; its annotations;
 * policies of its namespace without a selector; the namespace's annotations; policies of the root
 * namespace that select it; those without a selector. For each field the first that sets it wins. A
 * port's own mode, wherever it stands in that order, comes before the mode of the whole pod.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_EFFECTIVE_H
#define OUTRIGGER_CONTROLLER_COMPILE_EFFECTIVE_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "controller/objects/traffic_policy.h"

/* Lives in the compilation's arena. */
struct effective {
    const struct pod *pod;
    bool is_meshed;
    enum mtls_setting mtls_mode;   /* never UNSET */
    const struct port_mtls *ports; /* those with a mode of their own, by port, no port twice */
    size_t n_ports;
    uint32_t max_connections; /* this and the following: 0 where nothing sets it */
    uint64_t idle_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t discovery_timeout_ms;
    enum default_access default_access; /* never UNSET */
    enum egress_setting egress_mode;    /* never UNSET */
    bool access_log;
    enum escaped_slashes escaped_slashes; /* UNSET: it depends (proto/resources.proto) */
    bool merge_slashes;
    struct traffic_limits limits;
    struct traffic_limits connection_rates;
    struct traffic_jwt jwt;
    struct traffic_authorizer authorizer;
    struct traffic_limiter limiter;
    struct port_ranges opaque_ports;
    struct port_ranges skip_inbound_ports;
};

/* NULL when memory is short. */
const struct effective *effective_of_pod(struct compile *compile, const struct pod *pod);

/* The mode of a port; UNSET when it has none of its own. */
enum mtls_setting effective_port_mode(const struct effective *effective, uint16_t port);

/*
 * The SPIFFE ID that a caller of this port must verify; "" when it must speak plaintext, because
 * the pod is not in the mesh, or the port is kept out of it. Never NULL.
 */
char *effective_identity(struct compile *compile, const struct effective *effective, uint16_t port);

#endif
