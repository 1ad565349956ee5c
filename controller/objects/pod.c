#include "controller/objects/pod.h"

#define CONTAINER_PORTS_MAX 4096
#define IPS_MAX             16

/* Names of the hash that a ReplicaSet or a CronJob appends to its own name for what it makes. */
#define HASH_BYTES_MIN 5
#define HASH_BYTES_MAX 10
#define JOB_DIGITS_MIN 8

static size_t count_ports(const struct field *containers)
{
    size_t n = 0;
    struct field container = {0};
    while (field_next_item(containers, &container)) {
        struct field ports = field_get(&container, "ports");
        n += field_count(&ports);
    }
    return n;
}

static void read_port(const struct field *port, struct pod *pod, struct container_port *list)
{
    struct field protocol = field_get(port, "protocol");
    struct field number = field_get(port, "containerPort");
    struct field name = field_get(port, "name");
    struct slice spoken = field_slice(&protocol);
    field_require(&number);
    struct container_port read = {field_text(&name), field_port(&number)};
    if (!field_is_set(&protocol) || slice_eq_str(spoken, "TCP"))
        list[pod->n_ports++] = read;
}

static void read_containers(const struct field *containers, struct pod *pod,
                            struct container_port *list)
{
    struct field container = {0};
    while (field_next_item(containers, &container)) {
        struct field name = field_get(&container, "name");
        if (slice_eq_str(field_slice(&name), POD_PROXY_CONTAINER)) {
            pod->has_proxy = true;
            continue;
        }
        struct field ports = field_get(&container, "ports");
        struct field port = {0};
        while (field_next_item(&ports, &port))
            read_port(&port, pod, list);
    }
}

static void read_spec(const struct field *spec, struct pod *pod)
{
    struct field containers = field_get(spec, "containers");
    struct field init_containers = field_get(spec, "initContainers");
    struct field host_network = field_get(spec, "hostNetwork");
    struct field account = field_get(spec, "serviceAccountName");
    struct field old_account = field_get(spec, "serviceAccount");
    pod->is_host_network = field_bool(&host_network, false);
    bool has_account = field_is_set(&account) || field_is_set(&old_account);
    pod->service_account =
        has_account ? field_dns_name(field_is_set(&account) ? &account : &old_account) : "default";
    size_t n = count_ports(&containers) + count_ports(&init_containers);
    if (n > CONTAINER_PORTS_MAX)
        field_fail(&containers, "have more than %d ports", CONTAINER_PORTS_MAX);
    struct container_port *list = spec->reading->has_failed || n == 0
                                      ? NULL
                                      : arena_take_array(spec->reading->arena, n, sizeof(*list));
    if (n > 0 && !field_has_memory(spec, list))
        return;
    pod->ports = list;
    read_containers(&containers, pod, list);
    read_containers(&init_containers, pod, list);
}

static void read_ips(const struct field *status, struct pod *pod)
{
    struct field pod_ip = field_get(status, "podIP");
    struct field pod_ips = field_get(status, "podIPs");
    size_t n = field_count(&pod_ips);
    if (n > IPS_MAX)
        field_fail(&pod_ips, "has more than %d items", IPS_MAX);
    if (status->reading->has_failed || (n == 0 && !field_is_set(&pod_ip)))
        return;
    struct ip *list = arena_take_array(status->reading->arena, n + 1, sizeof(*list));
    if (!field_has_memory(status, list))
        return;
    size_t n_read = 0;
    field_ip(&pod_ip, list, &n_read);
    struct field item = {0};
    while (field_next_item(&pod_ips, &item)) {
        struct field ip = field_get(&item, "ip");
        field_ip(&ip, list, &n_read);
    }
    pod->ips = (struct ips){list, n_read};
}

static void read_status(const struct field *status, struct pod *pod)
{
    struct field phase = field_get(status, "phase");
    struct slice phase_text = field_slice(&phase);
    pod->is_finished = slice_eq_str(phase_text, "Succeeded") || slice_eq_str(phase_text, "Failed");
    struct field conditions = field_get(status, "conditions");
    struct field condition = {0};
    pod->is_ready = field_count(&conditions) == 0;
    while (field_next_item(&conditions, &condition)) {
        struct field type = field_get(&condition, "type");
        struct field value = field_get(&condition, "status");
        if (slice_eq_str(field_slice(&type), "Ready"))
            pod->is_ready = slice_eq_str(field_slice(&value), "True");
    }
    read_ips(status, pod);
}

/* The name without "-HASH" at the end, or the whole name when there is no such end. */
static struct slice strip_hash(struct slice name, const char *chars, size_t min, size_t max)
{
    const char *dash = name.len ? memrchr(name.ptr, '-', name.len) : NULL;
    if (!dash || dash == name.ptr)
        return name;
    size_t len = name.len - (size_t)(dash - name.ptr) - 1;
    if (len < min || len > max || strspn(dash + 1, chars) < len)
        return name;
    return slice_sub(name, 0, (size_t)(dash - name.ptr));
}

static struct slice strip_owner(struct slice kind, struct slice name, const char *hash)
{
    if (slice_eq_str(kind, "ReplicaSet") && hash) {
        struct slice end = slice_str(hash);
        bool is_suffix = name.len > end.len + 1 && slice_ends_with(name, end) &&
                         name.ptr[name.len - end.len - 1] == '-';
        return is_suffix ? slice_sub(name, 0, name.len - end.len - 1) : name;
    }
    if (slice_eq_str(kind, "ReplicaSet")) /* hashes avoid vowels and what looks like digits */
        return strip_hash(name, "bcdfghjklmnpqrstvwxz2456789", HASH_BYTES_MIN, HASH_BYTES_MAX);
    if (slice_eq_str(kind, "Job")) /* a CronJob appends the minute for which it ran */
        return strip_hash(name, "0123456789", JOB_DIGITS_MIN, SIZE_MAX);
    return name;
}

static const char *read_workload(const struct field *metadata, const struct pod *pod)
{
    struct labels labels = pod->object.labels;
    struct field owners = field_get(metadata, "ownerReferences");
    struct field owner = {0};
    struct slice found = {0};
    while (field_next_item(&owners, &owner)) {
        struct field kind = field_get(&owner, "kind");
        struct field name = field_get(&owner, "name");
        struct field is_controller = field_get(&owner, "controller");
        if (found.len == 0 || field_bool(&is_controller, false))
            found = strip_owner(field_slice(&kind), field_slice(&name),
                                labels_get(labels, "pod-template-hash"));
    }
    if (found.len > 0) {
        const char *text = arena_text(metadata->reading->arena, found);
        return field_has_memory(metadata, text) ? text : "";
    }
    const char *label = labels_get(labels, "app.kubernetes.io/name");
    if (!label || !*label)
        label = labels_get(labels, "app");
    return label && *label ? label : pod->object.name;
}

void pod_read(const struct field *root, struct object *object)
{
    struct pod *pod = (struct pod *)object;
    struct field metadata = field_get(root, "metadata");
    struct field spec = field_get(root, "spec");
    struct field status = field_get(root, "status");
    struct field deleted = field_get(&metadata, "deletionTimestamp");
    annotations_read(&metadata, OBJECT_POD, &pod->annotations);
    read_spec(&spec, pod);
    read_status(&status, pod);
    pod->workload = read_workload(&metadata, pod);
    pod->is_terminating = field_is_set(&deleted);
    /* Pods carry their node's topology labels from Kubernetes 1.35 on. */
    const char *zone = labels_get(object->labels, "topology.kubernetes.io/zone");
    pod->zone = zone ? zone : "";
}

uint16_t pod_named_port(const struct pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->n_ports; i++)
        if (strcmp(pod->ports[i].name, name) == 0)
            return pod->ports[i].port;
    return 0;
}
