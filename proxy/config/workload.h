/*
 * The proxy's own Workload resource, checked and turned into what the data path reads. Immutable
 * and reference-counted.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_WORKLOAD_H
#define OUTRIGGER_PROXY_CONFIG_WORKLOAD_H

#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/slice.h"
#include "proxy/detect/port_memory.h"
#include "proxy/limit/rate_limits.h"
#include "proxy/policy/jwt_rules.h"
#include "proxy/policy/access.h"
#include "proxy/policy/egress.h"
#include "proxy/policy/external_rules.h"
#include "proxy/route/path.h"

enum mtls_mode { MTLS_PERMISSIVE, MTLS_STRICT, MTLS_DISABLED };
enum egress_mode { EGRESS_ALLOW_ANY, EGRESS_REGISTRY_ONLY };
enum protocol {
    PROTOCOL_DETECT,
    PROTOCOL_TCP,
    PROTOCOL_TLS,
    PROTOCOL_HTTP1,
    PROTOCOL_HTTP2,
    PROTOCOL_GRPC
};

const char *mtls_mode_name(enum mtls_mode mode); /* "permissive", ... */
const char *protocol_name(enum protocol protocol);
/*
 * From outrigger.v1.Protocol. One that this version does not know is found out from the first
 * bytes, like one that is not said: no access depends on it.
 */
enum protocol protocol_from_wire(int protocol);

struct inbound_port {
    uint16_t port;
    enum protocol protocol;
    enum mtls_mode mtls_mode;
};

struct workload {
    _Atomic unsigned refs;
    char *name;     /* namespace/pod */
    char *version;  /* of the resource */
    char *workload; /* what owns the pod */
    char *namespace;
    char *service_account;
    char *zone;
    char *trust_domain;
    struct ip *addresses;
    size_t n_addresses;
    enum mtls_mode mtls_mode;   /* of ports that are not listed */
    struct inbound_port *ports; /* sorted by port */
    size_t n_ports;
    struct access_policies *access; /* with the default; never NULL */
    uint32_t max_connections;       /* inbound; 0: no cap */
    uint64_t idle_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t discovery_timeout_ms;
    enum egress_mode egress_mode;
    struct external_hosts external_hosts;
    bool access_log;
    struct rate_limits rate_limits; /* inbound, as are the next */
    struct rate_limits connection_rates;
    struct jwt_rules jwt;
    struct external_authorization authorization;
    struct global_limits global_limits;
    bool has_more_steps; /* a request that is allowed may still be refused: by the above */
    const char *uses[2]; /* names of the Endpoints of the services that are asked */
    size_t n_uses;
    struct path_rules inbound_paths;
    struct path_rules outbound_paths;
    struct port_memory opaque; /* the one part that is written later */
};

/*
 * From the serialized outrigger.v1.Workload. NULL with `err` naming the field and what was
 * expected. What it does not understand and what bears on security becomes stricter: an unknown
 * MtlsMode is an error; an unknown access action or condition denies (see policy/access.h).
 */
struct workload *workload_build(struct slice bytes, struct slice name, struct slice version,
                                struct err *err);
struct workload *workload_hold(struct workload *workload);
void workload_drop(struct workload *workload);

enum mtls_mode workload_mtls_mode(const struct workload *workload, uint16_t port);
const struct inbound_port *workload_port(const struct workload *workload,
                                         uint16_t port); /* or NULL */
bool workload_has_address(const struct workload *workload, const struct ip *ip);

#endif
