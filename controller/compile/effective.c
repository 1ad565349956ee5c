#include "controller/compile/effective.h"

#include <assert.h>
#include <stdlib.h>

#include "common/spiffe.h"
#include "controller/objects/keys.h"
#include "controller/objects/namespace.h"

/* The settings that speak about a pod, the most specific first. */
struct levels {
    struct compile *compile;
    const struct traffic_workload **list;
    size_t n;
    size_t size;
};

static int compare_precedence(const void *a, const void *b)
{
    return object_precedence(*(const struct object *const *)a, *(const struct object *const *)b);
}

/* The policies among `found` about workloads that select (or that do not select anything). */
static void add_policies(struct levels *levels, struct found found, const struct pod *pod,
                         bool has_selector)
{
    const struct object **fitting = compile_take(levels->compile, found.n, sizeof(*fitting));
    size_t n = 0;
    for (size_t i = 0; fitting && i < found.n; i++) {
        const struct traffic_policy *policy = (const struct traffic_policy *)found.list[i];
        if (policy->services.n == 0 && (policy->selector.n > 0) == has_selector &&
            labels_match(policy->selector, pod->object.labels))
            fitting[n++] = found.list[i];
    }
    if (n > 1)
        qsort(fitting, n, sizeof(*fitting), compare_precedence);
    for (size_t i = 0; i < n; i++)
        levels->list[levels->n++] = &((const struct traffic_policy *)fitting[i])->workload;
}

static void add_annotations(struct levels *levels, const struct annotations *annotations)
{
    struct traffic_workload *level = compile_take(levels->compile, 1, sizeof(*level));
    if (!level)
        return;
    level->mtls_mode = annotations->mtls_mode;
    level->egress_mode = annotations->egress_mode;
    level->discovery_timeout_ms = annotations->discovery_timeout_ms;
    level->access_log = annotations->access_log;
    levels->list[levels->n++] = level;
}

static const struct namespace *find_namespace(struct compile *compile, const struct pod *pod)
{
    return (const struct namespace *)compile_get(compile, OBJECT_NAMESPACE, "",
                                                 pod->object.namespace);
}

static bool collect_levels(struct levels *levels, const struct pod *pod,
                           const struct namespace *namespace)
{
    struct compile *compile = levels->compile;
    const char *root_namespace = compile->settings->root_namespace;
    bool is_in_root = strcmp(pod->object.namespace, root_namespace) == 0;
    char key[STORE_KEY_BYTES];
    struct found root =
        compile_find(compile, key_of_namespace(key, OBJECT_TRAFFIC_POLICY, root_namespace));
    struct found own =
        compile_find(compile, key_of_namespace(key, OBJECT_TRAFFIC_POLICY, pod->object.namespace));
    if (is_in_root)
        own = (struct found){0}; /* its own namespace's are the mesh's, and are asked as such */
    levels->size = root.n + own.n + 2;
    levels->list = compile_take(compile, levels->size, sizeof(*levels->list));
    if (!levels->list)
        return false;
    add_policies(levels, own, pod, true);
    add_annotations(levels, &pod->annotations);
    add_policies(levels, own, pod, false);
    if (namespace)
        add_annotations(levels, &namespace->annotations);
    add_policies(levels, root, pod, true);
    add_policies(levels, root, pod, false);
    return !compile->is_short;
}

#define FIRST_SET(field)                                                                           \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < levels->n && !merged.field; i_++)                                 \
            merged.field = levels->list[i_]->field;                                                \
    } while (0)

static void merge_levels(const struct levels *levels, struct effective *effective)
{
    struct traffic_workload merged = {0};
    FIRST_SET(mtls_mode);
    FIRST_SET(max_connections);
    FIRST_SET(idle_timeout_ms);
    FIRST_SET(connect_timeout_ms);
    FIRST_SET(discovery_timeout_ms);
    FIRST_SET(default_access);
    FIRST_SET(egress_mode);
    FIRST_SET(access_log);
    FIRST_SET(escaped_slashes);
    FIRST_SET(merge_slashes);
    for (size_t i = 0; i < levels->n && merged.limits.n == 0; i++)
        merged.limits = levels->list[i]->limits;
    for (size_t i = 0; i < levels->n && merged.connection_rates.n == 0; i++)
        merged.connection_rates = levels->list[i]->connection_rates;
    for (size_t i = 0; i < levels->n && !merged.jwt.policy; i++)
        merged.jwt = levels->list[i]->jwt;
    for (size_t i = 0; i < levels->n && !merged.authorizer.service.policy; i++)
        merged.authorizer = levels->list[i]->authorizer;
    for (size_t i = 0; i < levels->n && !merged.limiter.service.policy; i++)
        merged.limiter = levels->list[i]->limiter;
    effective->mtls_mode = merged.mtls_mode ? merged.mtls_mode : MTLS_PERMISSIVE;
    effective->max_connections = merged.max_connections;
    effective->idle_timeout_ms = merged.idle_timeout_ms;
    effective->connect_timeout_ms = merged.connect_timeout_ms;
    effective->discovery_timeout_ms = merged.discovery_timeout_ms;
    effective->default_access =
        merged.default_access ? merged.default_access : DEFAULT_ACCESS_ALLOW;
    effective->egress_mode = merged.egress_mode ? merged.egress_mode : EGRESS_ALLOW_ANY;
    effective->access_log = merged.access_log == TOGGLE_ON;
    effective->limits = merged.limits;
    effective->connection_rates = merged.connection_rates;
    effective->jwt = merged.jwt;
    effective->authorizer = merged.authorizer;
    effective->limiter = merged.limiter;
    effective->escaped_slashes = merged.escaped_slashes;
    effective->merge_slashes = merged.merge_slashes == TOGGLE_ON;
}

static int compare_ports(const void *a, const void *b)
{
    return (int)((const struct port_mtls *)a)->port - (int)((const struct port_mtls *)b)->port;
}

static bool merge_ports(struct compile *compile, const struct levels *levels,
                        struct effective *effective)
{
    size_t most = 0;
    for (size_t i = 0; i < levels->n; i++)
        most += levels->list[i]->n_ports;
    struct port_mtls *list = compile_take(compile, most, sizeof(*list));
    if (!list)
        return false;
    effective->ports = list;
    for (size_t i = 0; i < levels->n; i++) {
        const struct traffic_workload *level = levels->list[i];
        size_t n = effective->n_ports; /* a level has no port twice, so these are the others' */
        for (size_t j = 0; j < level->n_ports; j++)
            if (effective_port_mode(effective, level->ports[j].port) == MTLS_UNSET)
                list[n++] = level->ports[j];
        effective->n_ports = n;
        qsort(list, n, sizeof(*list), compare_ports);
    }
    return true;
}

/* The pod's own word wins over its namespace's; whoever has a proxy already has been injected. */
static bool is_meshed(const struct pod *pod, const struct namespace *namespace)
{
    if (pod->is_host_network)
        return false;
    if (pod->has_proxy)
        return true;
    enum toggle inject = pod->annotations.inject;
    if (inject == TOGGLE_UNSET && namespace)
        inject = namespace->annotations.inject;
    return inject == TOGGLE_ON;
}

const struct effective *effective_of_pod(struct compile *compile, const struct pod *pod)
{
    struct effective *effective = compile_take(compile, 1, sizeof(*effective));
    struct levels levels = {.compile = compile};
    if (!effective)
        return NULL;
    const struct namespace *namespace = find_namespace(compile, pod);
    if (!collect_levels(&levels, pod, namespace))
        return NULL;
    effective->pod = pod;
    effective->is_meshed = is_meshed(pod, namespace);
    merge_levels(&levels, effective);
    effective->opaque_ports = pod->annotations.opaque_ports;
    effective->skip_inbound_ports = pod->annotations.skip_inbound_ports;
    if (namespace && effective->opaque_ports.n == 0)
        effective->opaque_ports = namespace->annotations.opaque_ports;
    if (namespace && effective->skip_inbound_ports.n == 0)
        effective->skip_inbound_ports = namespace->annotations.skip_inbound_ports;
    return merge_ports(compile, &levels, effective) ? effective : NULL;
}

enum mtls_setting effective_port_mode(const struct effective *effective, uint16_t port)
{
    struct port_mtls wanted = {.port = port};
    const struct port_mtls *found =
        bsearch(&wanted, effective->ports, effective->n_ports, sizeof(wanted), compare_ports);
    return found ? found->mode : MTLS_UNSET;
}

char *effective_identity(struct compile *compile, const struct effective *effective, uint16_t port)
{
    enum mtls_setting mode = effective_port_mode(effective, port);
    if (mode == MTLS_UNSET)
        mode = effective->mtls_mode;
    if (!effective->is_meshed || mode == MTLS_DISABLED ||
        port_ranges_has(effective->skip_inbound_ports, port))
        return compile_text(compile, "%s", "");
    char identity[SPIFFE_ID_MAX_BYTES + 1];
    const struct pod *pod = effective->pod;
    /* Names were checked when they were read, and the domain at start: never "", as it would mean
     * plaintext. */
    bool is_formed =
        spiffe_format(identity, sizeof(identity), slice_str(compile->settings->trust_domain),
                      slice_str(pod->object.namespace), slice_str(pod->service_account));
    assert(is_formed);
    (void)is_formed;
    return compile_text(compile, "%s", identity);
}
