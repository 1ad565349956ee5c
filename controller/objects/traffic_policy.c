#include "controller/objects/traffic_policy.h"

#include "controller/objects/ports.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PORTS_MAX       1000
#define CONNECTIONS_MAX 10000000u

#define CONNECT_MAX_MS   (10ull * 60 * 1000)
#define IDLE_MAX_MS      (30ull * 24 * 3600 * 1000)
#define DISCOVERY_MAX_MS (60ull * 1000)

static const char *const mtls_modes[] = {"Permissive", "Strict", "Disabled"};

static void read_mtls_ports(const struct field *ports, struct traffic_workload *workload)
{
    static const char *const names[] = {"port", "mode"};
    size_t n = field_count_some(ports);
    if (n > PORTS_MAX)
        field_fail(ports, "has more than %d items", PORTS_MAX);
    if (n == 0 || ports->reading->has_failed)
        return;
    struct port_mtls *list = arena_take_array(ports->reading->arena, n, sizeof(*list));
    if (!field_has_memory(ports, list))
        return;
    struct field item = {0};
    while (field_next_item(ports, &item)) {
        field_allow_only(&item, names, COUNT(names));
        struct field port = field_get(&item, "port");
        struct field mode = field_get(&item, "mode");
        field_require(&port);
        field_require(&mode);
        list[item.index].port = field_port(&port);
        list[item.index].mode =
            (enum mtls_setting)(field_choice(&mode, mtls_modes, COUNT(mtls_modes)) + 1);
        for (size_t i = 0; i < item.index; i++)
            if (list[i].port == list[item.index].port)
                field_fail(&port, "%u is there twice", list[i].port);
    }
    workload->ports = list;
    workload->n_ports = n;
}

static void read_mtls(const struct field *mtls, struct traffic_workload *workload)
{
    static const char *const names[] = {"mode", "ports"};
    field_allow_only(mtls, names, COUNT(names));
    struct field mode = field_get(mtls, "mode");
    struct field ports = field_get(mtls, "ports");
    workload->mtls_mode =
        (enum mtls_setting)(field_choice(&mode, mtls_modes, COUNT(mtls_modes)) + 1);
    read_mtls_ports(&ports, workload);
}

static uint32_t read_connections(const struct field *up)
{
    struct field connections = field_get(up, "maxConnections");
    return (uint32_t)field_uint(&connections, 1, CONNECTIONS_MAX, 0);
}

static uint64_t read_duration(const struct field *up, const char *name, uint64_t max_ms)
{
    struct field duration = field_get(up, name);
    return field_duration_ms(&duration, 1, max_ms);
}

static void read_inbound(const struct field *inbound, const struct object *object,
                         struct traffic_workload *workload)
{
    static const char *const names[] = {"mtls",
                                        "maxConnections",
                                        "idleTimeout",
                                        "connectTimeout",
                                        "defaultAccess",
                                        "rateLimits",
                                        "connectionRates",
                                        "jwt",
                                        "externalAuthorization",
                                        "globalRateLimits"};
    static const char *const accesses[] = {"Allow", "Deny", "Audit"};
    field_allow_only(inbound, names, COUNT(names));
    struct field mtls = field_get(inbound, "mtls");
    struct field access = field_get(inbound, "defaultAccess");
    struct field limits = field_get(inbound, "rateLimits");
    read_mtls(&mtls, workload);
    traffic_limits_read(&limits, object, &workload->limits);
    struct field rates = field_get(inbound, "connectionRates");
    traffic_connection_rates_read(&rates, object, &workload->connection_rates);
    struct field jwt = field_get(inbound, "jwt");
    traffic_jwt_read(&jwt, object->namespace, object->name, &workload->jwt);
    struct field authorizer = field_get(inbound, "externalAuthorization");
    traffic_authorizer_read(&authorizer, object, &workload->authorizer);
    struct field limiter = field_get(inbound, "globalRateLimits");
    traffic_limiter_read(&limiter, object, &workload->limiter);
    workload->max_connections = read_connections(inbound);
    workload->idle_timeout_ms = read_duration(inbound, "idleTimeout", IDLE_MAX_MS);
    workload->connect_timeout_ms = read_duration(inbound, "connectTimeout", CONNECT_MAX_MS);
    workload->default_access =
        (enum default_access)(field_choice(&access, accesses, COUNT(accesses)) + 1);
}

static void read_outbound(const struct field *outbound, struct traffic_workload *workload)
{
    static const char *const names[] = {"egressMode", "discoveryTimeout"};
    static const char *const modes[] = {"AllowAny", "RegistryOnly"};
    field_allow_only(outbound, names, COUNT(names));
    struct field mode = field_get(outbound, "egressMode");
    workload->egress_mode = (enum egress_setting)(field_choice(&mode, modes, COUNT(modes)) + 1);
    workload->discovery_timeout_ms = read_duration(outbound, "discoveryTimeout", DISCOVERY_MAX_MS);
}

static void read_paths(const struct field *paths, struct traffic_workload *workload)
{
    static const char *const names[] = {"escapedSlashes", "mergeSlashes"};
    static const char *const choices[] = {"Keep", "Reject", "Unescape"};
    field_allow_only(paths, names, COUNT(names));
    struct field slashes = field_get(paths, "escapedSlashes");
    struct field merge = field_get(paths, "mergeSlashes");
    if (field_is_set(paths) && !field_is_set(&slashes) && !field_is_set(&merge))
        field_fail(paths, "sets nothing: expected escapedSlashes or mergeSlashes");
    workload->escaped_slashes =
        (enum escaped_slashes)(field_choice(&slashes, choices, COUNT(choices)) + 1);
    if (field_is_set(&merge))
        workload->merge_slashes = field_bool(&merge, false) ? TOGGLE_ON : TOGGLE_OFF;
}

static void read_service(const struct field *service, struct traffic_service *out)
{
    static const char *const names[] = {"connectTimeout",  "idleTimeout",   "maxConnections",
                                        "balancing",       "retries",       "retryBudget",
                                        "outlierEjection", "circuitBreaker"};
    field_allow_only(service, names, COUNT(names));
    out->connect_timeout_ms = read_duration(service, "connectTimeout", CONNECT_MAX_MS);
    out->idle_timeout_ms = read_duration(service, "idleTimeout", IDLE_MAX_MS);
    out->max_connections = read_connections(service);
    traffic_resilience_read(service, &out->resilience);
    traffic_retries_read(service, &out->retries, &out->retry_budget);
}

static const char *check_target(const struct field *item, const void *context)
{
    (void)context;
    static const char *const names[] = {"group", "kind", "name"};
    static const char *const kinds[] = {"Service"};
    field_allow_only(item, names, COUNT(names));
    struct field group = field_get(item, "group");
    struct field kind = field_get(item, "kind");
    struct field name = field_get(item, "name");
    field_require(&kind);
    field_require(&name);
    field_choice(&kind, kinds, COUNT(kinds));
    if (field_slice(&group).len > 0)
        field_fail(&group, "\"%s\" is not the group of a Service, which is \"\"",
                   group.node->text.ptr);
    return field_label_name(&name);
}

/* Workload settings and service settings do not stand in one policy: each has its own target. */
static void check_parts(const struct field *spec)
{
    static const char *const workload_parts[] = {"selector", "inbound", "outbound", "accessLog",
                                                 "paths"};
    struct field targets = field_get(spec, "targetRefs");
    struct field service = field_get(spec, "service");
    bool has_workload_part = false;
    for (size_t i = 0; i < COUNT(workload_parts); i++) {
        struct field part = field_get(spec, workload_parts[i]);
        if (field_is_set(&part) && field_is_set(&targets))
            field_fail(&part, "cannot stand beside targetRefs: write two policies");
        has_workload_part = has_workload_part || (i > 0 && field_is_set(&part));
    }
    if (field_is_set(&service) && !field_is_set(&targets))
        field_fail(&service, "needs targetRefs, which name the Services that it is about");
    if (field_is_set(&targets) && !field_is_set(&service))
        field_fail(&targets, "need `service`, which says what is set for them");
    if (!field_is_set(&targets) && !has_workload_part)
        field_fail(spec,
                   "sets nothing: expected inbound, outbound, accessLog, paths, or targetRefs "
                   "and service");
}

void traffic_policy_read(const struct field *root, struct object *object)
{
    struct traffic_policy *policy = (struct traffic_policy *)object;
    static const char *const names[] = {"selector", "inbound",    "outbound", "accessLog",
                                        "paths",    "targetRefs", "service"};
    struct field spec = field_get(root, "spec");
    field_require(&spec);
    field_allow_only(&spec, names, COUNT(names));
    check_parts(&spec);
    struct field selector = field_get(&spec, "selector");
    struct field inbound = field_get(&spec, "inbound");
    struct field outbound = field_get(&spec, "outbound");
    struct field access_log = field_get(&spec, "accessLog");
    struct field paths = field_get(&spec, "paths");
    struct field targets = field_get(&spec, "targetRefs");
    struct field service = field_get(&spec, "service");
    policy->selector = field_selector(&selector);
    read_inbound(&inbound, object, &policy->workload);
    read_outbound(&outbound, &policy->workload);
    if (field_is_set(&access_log))
        policy->workload.access_log = field_bool(&access_log, false) ? TOGGLE_ON : TOGGLE_OFF;
    read_paths(&paths, &policy->workload);
    policy->services = field_texts(&targets, check_target, NULL);
    read_service(&service, &policy->service);
}
