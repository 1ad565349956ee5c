#include "controller/compile/access.h"

#include "controller/compile/traffic_target.h"
#include "controller/objects/access_policy.h"
#include "controller/objects/keys.h"

_Static_assert((int)ACCESS_ALLOW == OUTRIGGER__V1__ACCESS_ACTION__ALLOW &&
                   (int)ACCESS_DENY == OUTRIGGER__V1__ACCESS_ACTION__DENY &&
                   (int)ACCESS_AUDIT == OUTRIGGER__V1__ACCESS_ACTION__AUDIT,
               "actions are passed on by their number");

/* protobuf-c does not write to what it packs, but its texts are not const. */
static char **texts_of(struct texts texts)
{
    return (char **)(uintptr_t)texts.list;
}

static Outrigger__V1__AccessSource *make_source(struct compile *compile,
                                                const struct access_source *from)
{
    Outrigger__V1__AccessSource *source = compile_take(compile, 1, sizeof(*source));
    if (!source)
        return NULL;
    outrigger__v1__access_source__init(source);
    source->n_identities = from->identities.n;
    source->identities = texts_of(from->identities);
    source->n_service_accounts = from->service_accounts.n;
    source->service_accounts = texts_of(from->service_accounts);
    source->n_namespaces = from->namespaces.n;
    source->namespaces = texts_of(from->namespaces);
    source->n_ip_blocks = from->ip_blocks.n;
    source->ip_blocks = texts_of(from->ip_blocks);
    source->unauthenticated = from->is_unauthenticated;
    source->n_not_identities = from->not_identities.n;
    source->not_identities = texts_of(from->not_identities);
    source->n_not_service_accounts = from->not_service_accounts.n;
    source->not_service_accounts = texts_of(from->not_service_accounts);
    source->n_not_namespaces = from->not_namespaces.n;
    source->not_namespaces = texts_of(from->not_namespaces);
    source->n_not_ip_blocks = from->not_ip_blocks.n;
    source->not_ip_blocks = texts_of(from->not_ip_blocks);
    return source;
}

static Outrigger__V1__PortRange **make_ports(struct compile *compile, struct port_ranges ranges)
{
    Outrigger__V1__PortRange **list = compile_take(compile, ranges.n, sizeof(*list));
    Outrigger__V1__PortRange *all = compile_take(compile, ranges.n, sizeof(*all));
    for (size_t i = 0; list && all && i < ranges.n; i++) {
        outrigger__v1__port_range__init(&all[i]);
        all[i].first = ranges.list[i].first;
        all[i].last = ranges.list[i].last;
        list[i] = &all[i];
    }
    return list;
}

static Outrigger__V1__HeaderCondition **make_headers(struct compile *compile,
                                                     struct header_conditions headers)
{
    Outrigger__V1__HeaderCondition **list = compile_take(compile, headers.n, sizeof(*list));
    Outrigger__V1__HeaderCondition *all = compile_take(compile, headers.n, sizeof(*all));
    for (size_t i = 0; list && all && i < headers.n; i++) {
        outrigger__v1__header_condition__init(&all[i]);
        all[i].name = (char *)(uintptr_t)headers.list[i].name;
        all[i].n_values = headers.list[i].values.n;
        all[i].values = texts_of(headers.list[i].values);
        list[i] = &all[i];
    }
    return list;
}

static void fill_request(struct compile *compile, const struct access_target *to,
                         Outrigger__V1__AccessTarget *target)
{
#define TEXTS(name)                                                                                \
    target->n_##name = to->name.n;                                                                 \
    target->name = texts_of(to->name);                                                             \
    target->n_not_##name = to->not_##name.n;                                                       \
    target->not_##name = texts_of(to->not_##name)
    TEXTS(methods);
    TEXTS(paths);
    TEXTS(hosts);
    TEXTS(grpc_methods);
#undef TEXTS
    target->n_headers = to->headers.n;
    target->headers = make_headers(compile, to->headers);
    target->n_not_headers = to->not_headers.n;
    target->not_headers = make_headers(compile, to->not_headers);
}

static Outrigger__V1__AccessTarget *make_target(struct compile *compile,
                                                const struct access_target *to)
{
    Outrigger__V1__AccessTarget *target = compile_take(compile, 1, sizeof(*target));
    if (!target)
        return NULL;
    outrigger__v1__access_target__init(target);
    target->n_ports = to->ports.n;
    target->ports = make_ports(compile, to->ports);
    target->n_not_ports = to->not_ports.n;
    target->not_ports = make_ports(compile, to->not_ports);
    fill_request(compile, to, target);
    return target;
}

Outrigger__V1__AccessRule *access_compile_rule(struct compile *compile,
                                               const struct access_rule *from)
{
    Outrigger__V1__AccessRule *rule = compile_take(compile, 1, sizeof(*rule));
    if (!rule)
        return NULL;
    outrigger__v1__access_rule__init(rule);
    rule->from = compile_take(compile, from->n_from, sizeof(*rule->from));
    rule->to = compile_take(compile, from->n_to, sizeof(*rule->to));
    if (!rule->from || !rule->to)
        return NULL;
    for (size_t i = 0; i < from->n_from; i++)
        rule->from[rule->n_from++] = make_source(compile, &from->from[i]);
    for (size_t i = 0; i < from->n_to; i++)
        rule->to[rule->n_to++] = make_target(compile, &from->to[i]);
    return rule;
}

static Outrigger__V1__AccessPolicy *make_policy(struct compile *compile,
                                                const struct access_policy *from)
{
    Outrigger__V1__AccessPolicy *policy = compile_take(compile, 1, sizeof(*policy));
    if (!policy)
        return NULL;
    outrigger__v1__access_policy__init(policy);
    policy->name = compile_text(compile, "%s/%s", from->object.namespace, from->object.name);
    policy->action = (Outrigger__V1__AccessAction)from->action;
    policy->rules = compile_take(compile, from->n_rules, sizeof(*policy->rules));
    for (size_t i = 0; policy->rules && i < from->n_rules; i++)
        policy->rules[policy->n_rules++] = access_compile_rule(compile, &from->rules[i]);
    return policy;
}

static void add_policies(struct compile *compile, struct found found, const struct pod *pod,
                         Outrigger__V1__Workload *workload)
{
    for (size_t i = 0; i < found.n; i++) {
        const struct access_policy *policy = (const struct access_policy *)found.list[i];
        if (labels_match(policy->selector, pod->object.labels))
            workload->access_policies[workload->n_access_policies++] = make_policy(compile, policy);
    }
}

static bool is_destination(const struct traffic_target *target, const struct pod *pod)
{
    return strcmp(target->account, pod->service_account) == 0;
}

static void add_targets(struct compile *compile, struct found found, const struct pod *pod,
                        Outrigger__V1__Workload *workload)
{
    bool is_closed = false;
    for (size_t i = 0; i < found.n; i++) {
        const struct traffic_target *target = (const struct traffic_target *)found.list[i];
        if (is_destination(target, pod)) {
            is_closed = true;
            workload->access_policies[workload->n_access_policies++] =
                traffic_target_policy(compile, target);
        }
    }
    if (is_closed)
        workload->access_policies[workload->n_access_policies++] =
            traffic_target_closure(compile, pod->object.namespace);
}

void access_fill(struct compile *compile, const struct pod *pod, Outrigger__V1__Workload *workload)
{
    const char *root_namespace = compile->settings->root_namespace;
    char key[STORE_KEY_BYTES];
    struct found own =
        compile_find(compile, key_of_namespace(key, OBJECT_ACCESS_POLICY, pod->object.namespace));
    struct found root = {0};
    if (strcmp(pod->object.namespace, root_namespace) != 0)
        root = compile_find(compile, key_of_namespace(key, OBJECT_ACCESS_POLICY, root_namespace));
    struct found targets =
        compile_find(compile, key_of_namespace(key, OBJECT_TRAFFIC_TARGET, pod->object.namespace));
    workload->access_policies =
        compile_take(compile, own.n + root.n + targets.n + 1, sizeof(*workload->access_policies));
    if (!workload->access_policies)
        return;
    bool is_own_first = strcmp(pod->object.namespace, root_namespace) < 0;
    add_policies(compile, is_own_first ? own : root, pod, workload);
    add_policies(compile, is_own_first ? root : own, pod, workload);
    add_targets(compile, targets, pod, workload);
}
