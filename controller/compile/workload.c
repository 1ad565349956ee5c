#include "controller/compile/workload.h"

#include "controller/compile/access.h"
#include "controller/compile/effective.h"
#include "controller/compile/egress.h"
#include "controller/compile/external.h"
#include "controller/compile/jwt.h"
#include "controller/compile/pod_ports.h"

_Static_assert((int)MTLS_PERMISSIVE == OUTRIGGER__V1__MTLS_MODE__PERMISSIVE &&
                   (int)MTLS_STRICT == OUTRIGGER__V1__MTLS_MODE__STRICT &&
                   (int)MTLS_DISABLED == OUTRIGGER__V1__MTLS_MODE__DISABLED,
               "modes are passed on by their number");
_Static_assert((int)DEFAULT_ACCESS_ALLOW == OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_ALLOW &&
                   (int)DEFAULT_ACCESS_DENY == OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_DENY &&
                   (int)DEFAULT_ACCESS_AUDIT == OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_AUDIT,
               "default access is passed on by its number");
_Static_assert((int)EGRESS_ALLOW_ANY == OUTRIGGER__V1__EGRESS_MODE__ALLOW_ANY &&
                   (int)EGRESS_REGISTRY_ONLY == OUTRIGGER__V1__EGRESS_MODE__REGISTRY_ONLY,
               "egress modes are passed on by their number");

_Static_assert((int)SLASHES_UNSET == OUTRIGGER__V1__ESCAPED_SLASHES__ESCAPED_SLASHES_UNSPECIFIED &&
                   (int)SLASHES_KEEP == OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_KEEP &&
                   (int)SLASHES_REJECT == OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_REJECT &&
                   (int)SLASHES_UNESCAPE == OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_UNESCAPE,
               "what becomes of escaped slashes is passed on by its number");

static void fill_addresses(struct compile *compile, const struct pod *pod,
                           Outrigger__V1__Workload *workload)
{
    workload->addresses = compile_take(compile, pod->ips.n, sizeof(*workload->addresses));
    for (size_t i = 0; workload->addresses && i < pod->ips.n; i++) {
        char text[IP_TEXT_BYTES];
        workload->addresses[workload->n_addresses++] =
            compile_text(compile, "%s", ip_format(&pod->ips.list[i], text));
    }
}

static void fill_ports(struct compile *compile, const struct effective *effective,
                       Outrigger__V1__Workload *workload)
{
    struct pod_ports ports = pod_ports_of(compile, effective);
    Outrigger__V1__InboundPort *all = compile_take(compile, ports.n, sizeof(*all));
    workload->ports = compile_take(compile, ports.n, sizeof(*workload->ports));
    for (size_t i = 0; all && workload->ports && i < ports.n; i++) {
        outrigger__v1__inbound_port__init(&all[i]);
        all[i].port = ports.list[i].port;
        all[i].protocol = ports.list[i].protocol;
        all[i].mtls_mode =
            (Outrigger__V1__MtlsMode)effective_port_mode(effective, ports.list[i].port);
        workload->ports[workload->n_ports++] = &all[i];
    }
}

static void fill_limits(struct compile *compile, const struct effective *effective,
                        Outrigger__V1__Workload *workload)
{
    workload->inbound = compile_take(compile, 1, sizeof(*workload->inbound));
    if (!workload->inbound)
        return;
    outrigger__v1__inbound_limits__init(workload->inbound);
    workload->inbound->max_connections = effective->max_connections;
    workload->inbound->idle_timeout_ms = effective->idle_timeout_ms;
    workload->inbound->connect_timeout_ms = effective->connect_timeout_ms;
}

static Outrigger__V1__RateLimit **make_limits(struct compile *compile,
                                              const struct traffic_limits *limits)
{
    Outrigger__V1__RateLimit *all = compile_take(compile, limits->n, sizeof(*all));
    Outrigger__V1__RateLimit **list = compile_take(compile, limits->n, sizeof(*list));
    for (size_t i = 0; all && list && i < limits->n; i++) {
        const struct traffic_limit *limit = &limits->list[i];
        outrigger__v1__rate_limit__init(&all[i]);
        all[i].name = compile_text(compile, "%s", limit->name);
        all[i].policy = compile_text(compile, "%s", limits->policy);
        all[i].requests = limit->requests;
        all[i].per_ms = limit->per_ms;
        all[i].burst = limit->burst;
        all[i].by = (Outrigger__V1__RateLimitBy)limit->by;
        all[i].header = compile_text(compile, "%s", limit->header);
        if (limit->match)
            all[i].match = access_compile_rule(compile, limit->match);
        list[i] = &all[i];
    }
    return all ? list : NULL;
}

static void fill_rates(struct compile *compile, const struct effective *effective,
                       Outrigger__V1__Workload *workload)
{
    workload->rate_limits = make_limits(compile, &effective->limits);
    workload->n_rate_limits = workload->rate_limits ? effective->limits.n : 0;
    workload->connection_rates = make_limits(compile, &effective->connection_rates);
    workload->n_connection_rates = workload->connection_rates ? effective->connection_rates.n : 0;
}

static void fill_mesh(struct compile *compile, const struct effective *effective,
                      Outrigger__V1__Workload *workload)
{
    workload->mesh = compile_take(compile, 1, sizeof(*workload->mesh));
    if (!workload->mesh)
        return;
    outrigger__v1__mesh_settings__init(workload->mesh);
    workload->mesh->trust_domain = compile_text(compile, "%s", compile->settings->trust_domain);
    workload->mesh->egress_mode = (Outrigger__V1__EgressMode)effective->egress_mode;
    workload->mesh->discovery_timeout_ms = effective->discovery_timeout_ms;
    workload->mesh->access_log = effective->access_log;
    workload->mesh->path_rules = compile_take(compile, 1, sizeof(*workload->mesh->path_rules));
    if (!workload->mesh->path_rules)
        return;
    outrigger__v1__path_rules__init(workload->mesh->path_rules);
    workload->mesh->path_rules->escaped_slashes =
        (Outrigger__V1__EscapedSlashes)effective->escaped_slashes;
    workload->mesh->path_rules->merge_slashes = effective->merge_slashes;
}

ProtobufCMessage *workload_compile(struct compile *compile, struct slice name,
                                   const struct pod **pod)
{
    const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;
    if (!slash)
        return NULL;
    size_t len = (size_t)(slash - name.ptr);
    char *namespace = compile_text(compile, "%.*s", (int)len, name.ptr);
    char *pod_name = compile_text(compile, "%.*s", (int)(name.len - len - 1), slash + 1);
    *pod = (const struct pod *)compile_get(compile, OBJECT_POD, namespace, pod_name);
    const struct effective *effective = *pod ? effective_of_pod(compile, *pod) : NULL;
    Outrigger__V1__Workload *workload = compile_take(compile, 1, sizeof(*workload));
    if (!effective || !workload)
        return NULL;
    outrigger__v1__workload__init(workload);
    workload->name = compile_text(compile, "%.*s", SLICE_ARG(name));
    workload->workload = (char *)(uintptr_t)(*pod)->workload;
    workload->service_account = (char *)(uintptr_t)(*pod)->service_account;
    workload->zone = (char *)(uintptr_t)(*pod)->zone;
    workload->mtls_mode = (Outrigger__V1__MtlsMode)effective->mtls_mode;
    workload->default_access = (Outrigger__V1__DefaultAccess)effective->default_access;
    fill_addresses(compile, *pod, workload);
    fill_ports(compile, effective, workload);
    fill_limits(compile, effective, workload);
    fill_rates(compile, effective, workload);
    compile_jwt(compile, &effective->jwt, workload);
    external_compile(compile, *pod, &effective->authorizer, &effective->limiter, workload);
    fill_mesh(compile, effective, workload);
    access_fill(compile, *pod, workload);
    egress_compile(compile, *pod, workload);
    return &workload->base;
}
