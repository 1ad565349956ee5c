#include "proxy/config/workload.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/spiffe.h"
#include "proto/resources.pb-c.h"
#include "proxy/wire.h"

#define WORKLOAD_MAX_PORTS     1024
#define WORKLOAD_MAX_ADDRESSES 64

const char *mtls_mode_name(enum mtls_mode mode)
{
    static const char *const names[] = {"permissive", "strict", "disabled"};
    return names[mode];
}

const char *protocol_name(enum protocol protocol)
{
    static const char *const names[] = {"detect", "tcp", "tls", "http1", "http2", "grpc"};
    return names[protocol];
}

enum protocol protocol_from_wire(int protocol)
{
    switch (protocol) {
    case OUTRIGGER__V1__PROTOCOL__TCP:
        return PROTOCOL_TCP;
    case OUTRIGGER__V1__PROTOCOL__TLS:
        return PROTOCOL_TLS;
    case OUTRIGGER__V1__PROTOCOL__HTTP1:
        return PROTOCOL_HTTP1;
    case OUTRIGGER__V1__PROTOCOL__HTTP2:
        return PROTOCOL_HTTP2;
    case OUTRIGGER__V1__PROTOCOL__GRPC:
        return PROTOCOL_GRPC;
    default:
        return PROTOCOL_DETECT;
    }
}

/* `inherited` is what an unspecified mode means. */
static bool workload_mode(int mode, enum mtls_mode inherited, enum mtls_mode *out, struct err *err)
{
    switch (mode) {
    case OUTRIGGER__V1__MTLS_MODE__MTLS_MODE_UNSPECIFIED:
        *out = inherited;
        return true;
    case OUTRIGGER__V1__MTLS_MODE__PERMISSIVE:
        *out = MTLS_PERMISSIVE;
        return true;
    case OUTRIGGER__V1__MTLS_MODE__STRICT:
        *out = MTLS_STRICT;
        return true;
    case OUTRIGGER__V1__MTLS_MODE__DISABLED:
        *out = MTLS_DISABLED;
        return true;
    default:
        return err_set(err, "mtls_mode: %d is none of PERMISSIVE (1), STRICT (2), DISABLED (3)",
                       mode);
    }
}

static enum default_access workload_default_access(int access)
{
    switch (access) {
    case OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_ACCESS_UNSPECIFIED:
    case OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_ALLOW:
        return ACCESS_DEFAULT_ALLOW;
    case OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_AUDIT:
        return ACCESS_DEFAULT_AUDIT;
    default: /* DENY, and what is not understood */
        return ACCESS_DEFAULT_DENY;
    }
}

static bool workload_set_texts(struct workload *workload, const Outrigger__V1__Workload *message,
                               struct slice version, struct err *err)
{
    if (!(workload->name = wire_text(message->name, "name", err)) ||
        !(workload->workload = wire_text(message->workload, "workload", err)) ||
        !(workload->service_account =
              wire_text(message->service_account, "service_account", err)) ||
        !(workload->zone = wire_text(message->zone, "zone", err)))
        return false;
    if (!wire_is_namespaced(slice_str(workload->name)))
        return err_set(err, "name: \"%s\" is not NAMESPACE/POD", workload->name);
    workload->version = strndup(version.len ? version.ptr : "", version.len);
    workload->namespace = strndup(workload->name, strcspn(workload->name, "/"));
    return (workload->version && workload->namespace) || err_set(err, "out of memory");
}

static bool workload_set_addresses(struct workload *workload,
                                   const Outrigger__V1__Workload *message, struct err *err)
{
    if (!wire_at_most(message->n_addresses, WORKLOAD_MAX_ADDRESSES, "addresses: their number", err))
        return false;
    workload->addresses =
        calloc(message->n_addresses ? message->n_addresses : 1, sizeof(struct ip));
    if (!workload->addresses)
        return err_set(err, "addresses: out of memory");
    for (size_t i = 0; i < message->n_addresses; i++) {
        struct ip *ip = &workload->addresses[i];
        if (!ip_parse(slice_str(message->addresses[i]), ip))
            return err_set(err, "addresses[%zu]: \"%.64s\" is not an IP address", i,
                           message->addresses[i]);
        if (workload_has_address(workload, ip))
            return err_set(err, "addresses[%zu]: %.64s is there twice", i, message->addresses[i]);
        workload->n_addresses++;
    }
    return true;
}

static int workload_compare_ports(const void *a, const void *b)
{
    const struct inbound_port *left = a, *right = b;
    return (int)left->port - (int)right->port;
}

static bool workload_set_ports(struct workload *workload, const Outrigger__V1__Workload *message,
                               struct err *err)
{
    uint8_t seen[(UINT16_MAX + 1) / 8] = {0};
    if (!wire_at_most(message->n_ports, WORKLOAD_MAX_PORTS, "ports: their number", err))
        return false;
    workload->ports = calloc(message->n_ports ? message->n_ports : 1, sizeof(struct inbound_port));
    if (!workload->ports)
        return err_set(err, "ports: out of memory");
    for (size_t i = 0; i < message->n_ports; i++) {
        const Outrigger__V1__InboundPort *in = message->ports[i];
        struct inbound_port *out = &workload->ports[i];
        if (!wire_port(in->port, "port", err) ||
            !workload_mode((int)in->mtls_mode, workload->mtls_mode, &out->mtls_mode, err))
            return wire_at(err, "ports[%zu]", i);
        if (seen[in->port / 8] & 1u << in->port % 8)
            return err_set(err, "ports[%zu].port: %u is there twice", i, in->port);
        seen[in->port / 8] |= (uint8_t)(1u << in->port % 8);
        out->port = (uint16_t)in->port;
        out->protocol = protocol_from_wire((int)in->protocol);
    }
    workload->n_ports = message->n_ports;
    qsort(workload->ports, workload->n_ports, sizeof(struct inbound_port), workload_compare_ports);
    return true;
}

static bool workload_set_limits(struct workload *workload,
                                const Outrigger__V1__InboundLimits *limits, struct err *err)
{
    if (!limits)
        return true;
    if (!wire_at_most(limits->idle_timeout_ms, WIRE_MAX_IDLE_MS, "inbound.idle_timeout_ms", err) ||
        !wire_at_most(limits->connect_timeout_ms, WIRE_MAX_CONNECT_MS, "inbound.connect_timeout_ms",
                      err))
        return false;
    workload->max_connections = limits->max_connections;
    workload->idle_timeout_ms = limits->idle_timeout_ms;
    workload->connect_timeout_ms = limits->connect_timeout_ms;
    return true;
}

/* What is not understood is taken as the strict one. */
static enum escaped_slashes workload_slashes(int slashes, enum escaped_slashes unsaid)
{
    switch (slashes) {
    case OUTRIGGER__V1__ESCAPED_SLASHES__ESCAPED_SLASHES_UNSPECIFIED:
        return unsaid;
    case OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_KEEP:
        return SLASHES_KEEP;
    case OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_UNESCAPE:
        return SLASHES_UNESCAPE;
    default:
        return SLASHES_REJECT;
    }
}

static struct path_rules workload_paths(const Outrigger__V1__PathRules *rules,
                                        enum escaped_slashes unsaid)
{
    if (!rules)
        return (struct path_rules){unsaid, false};
    if (rules->base.n_unknown_fields)
        return (struct path_rules){SLASHES_REJECT, rules->merge_slashes};
    return (struct path_rules){workload_slashes((int)rules->escaped_slashes, unsaid),
                               rules->merge_slashes};
}

/*
 * Where nobody said: an application may mean a name by %2F (GitLab's projects, npm's scopes), or a
 * separator. Only a policy that looks at paths can be gone round by that, so only there it is
 * refused; who calls others leaves it to them.
 */
static void workload_set_paths(struct workload *workload, const Outrigger__V1__MeshSettings *mesh)
{
    const Outrigger__V1__PathRules *rules = mesh ? mesh->path_rules : NULL;
    workload->inbound_paths =
        workload_paths(rules, access_reads_paths(workload->access) ||
                                      rate_limits_read_paths(&workload->rate_limits) ||
                                      external_reads_paths(&workload->authorization.service) ||
                                      external_reads_paths(&workload->global_limits.service)
                                  ? SLASHES_REJECT
                                  : SLASHES_KEEP);
    workload->outbound_paths = workload_paths(rules, SLASHES_KEEP);
}

static bool workload_set_mesh(struct workload *workload, const Outrigger__V1__MeshSettings *mesh,
                              struct err *err)
{
    const char *domain = mesh ? mesh->trust_domain : "";
    if (*domain && !spiffe_trust_domain_ok(slice_str(domain)))
        return err_set(err, "mesh.trust_domain: \"%.255s\" is not a trust domain", domain);
    if (!(workload->trust_domain = strdup(domain)))
        return err_set(err, "mesh.trust_domain: out of memory");
    workload->egress_mode = EGRESS_ALLOW_ANY;
    if (!mesh)
        return true;
    if (!wire_at_most(mesh->discovery_timeout_ms, WIRE_MAX_DISCOVERY_MS,
                      "mesh.discovery_timeout_ms", err))
        return false;
    /* A mode that is not understood is taken as the strict one. */
    if (mesh->egress_mode != OUTRIGGER__V1__EGRESS_MODE__EGRESS_MODE_UNSPECIFIED &&
        mesh->egress_mode != OUTRIGGER__V1__EGRESS_MODE__ALLOW_ANY)
        workload->egress_mode = EGRESS_REGISTRY_ONLY;
    workload->discovery_timeout_ms = mesh->discovery_timeout_ms;
    workload->access_log = mesh->access_log;
    return true;
}

static void workload_add_use(struct workload *workload, const struct external_service *service)
{
    bool is_named = service->policy && *service->endpoints;
    if (is_named && (workload->n_uses == 0 || strcmp(workload->uses[0], service->endpoints) != 0))
        workload->uses[workload->n_uses++] = service->endpoints;
}

static bool workload_fill(struct workload *workload, const Outrigger__V1__Workload *message,
                          struct slice version, struct err *err)
{
    if (!workload_set_texts(workload, message, version, err) ||
        !workload_mode((int)message->mtls_mode, MTLS_PERMISSIVE, &workload->mtls_mode, err) ||
        !workload_set_addresses(workload, message, err) ||
        !workload_set_ports(workload, message, err) ||
        !workload_set_limits(workload, message->inbound, err) ||
        !rate_limits_build(&workload->rate_limits, message->rate_limits, message->n_rate_limits,
                           "rate_limits", err) ||
        !connection_rates_build(&workload->connection_rates, message->connection_rates,
                                message->n_connection_rates, err) ||
        !jwt_rules_build(&workload->jwt, message->jwt, err) ||
        !external_authorization_build(&workload->authorization, message->external_authorization,
                                      err) ||
        !external_hosts_build(&workload->external_hosts, message->external_hosts,
                              message->n_external_hosts, err) ||
        !global_limits_build(&workload->global_limits, message->global_limits, err) ||
        !workload_set_mesh(workload, message->mesh, err))
        return false;
    workload->access = access_build(message->access_policies, message->n_access_policies,
                                    workload_default_access((int)message->default_access), err);
    if (!workload->access)
        return false;
    workload_set_paths(workload, message->mesh);
    workload_add_use(workload, &workload->authorization.service);
    workload_add_use(workload, &workload->global_limits.service);
    workload->has_more_steps = workload->rate_limits.n || workload->authorization.service.policy ||
                               workload->global_limits.service.policy;
    return true;
}

struct workload *workload_build(struct slice bytes, struct slice name, struct slice version,
                                struct err *err)
{
    Outrigger__V1__Workload *message =
        wire_unpack(&outrigger__v1__workload__descriptor, bytes, err);
    struct workload *workload = NULL;
    bool ok = false;
    if (!message)
        return NULL;
    if (!slice_eq_str(name, message->name)) {
        err_set(err, "name: \"%.200s\" is not the name that was asked for", message->name);
        goto out;
    }
    workload = calloc(1, sizeof(*workload));
    if (!workload) {
        err_set(err, "out of memory");
        goto out;
    }
    atomic_init(&workload->refs, 1);
    ok = workload_fill(workload, message, version, err);
out:
    wire_free(message);
    if (ok)
        return workload;
    workload_drop(workload);
    return NULL;
}

struct workload *workload_hold(struct workload *workload)
{
    if (workload)
        atomic_fetch_add_explicit(&workload->refs, 1, memory_order_relaxed);
    return workload;
}

void workload_drop(struct workload *workload)
{
    if (!workload || atomic_fetch_sub_explicit(&workload->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(workload->name);
    free(workload->version);
    free(workload->workload);
    free(workload->namespace);
    free(workload->service_account);
    free(workload->zone);
    free(workload->trust_domain);
    free(workload->addresses);
    free(workload->ports);
    access_free(workload->access);
    rate_limits_fini(&workload->rate_limits);
    rate_limits_fini(&workload->connection_rates);
    jwt_rules_fini(&workload->jwt);
    external_authorization_fini(&workload->authorization);
    global_limits_fini(&workload->global_limits);
    external_hosts_fini(&workload->external_hosts);
    free(workload);
}

const struct inbound_port *workload_port(const struct workload *workload, uint16_t port)
{
    struct inbound_port key = {.port = port};
    return bsearch(&key, workload->ports, workload->n_ports, sizeof(key), workload_compare_ports);
}

enum mtls_mode workload_mtls_mode(const struct workload *workload, uint16_t port)
{
    const struct inbound_port *listed = workload_port(workload, port);
    return listed ? listed->mtls_mode : workload->mtls_mode;
}

bool workload_has_address(const struct workload *workload, const struct ip *ip)
{
    for (size_t i = 0; i < workload->n_addresses; i++)
        if (ip_eq(&workload->addresses[i], ip))
            return true;
    return false;
}
