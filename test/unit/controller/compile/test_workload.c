#include "test/unit/controller/compile/compiled.h"

#include <stdio.h>

#define POD                                                                                        \
    "---\napiVersion: v1\nkind: Pod\n"                                                             \
    "metadata:\n"                                                                                  \
    "  name: web-7f9c5d4b6-x2x4z\n  namespace: shop\n"                                             \
    "  labels: {app: web, pod-template-hash: 7f9c5d4b6, topology.kubernetes.io/zone: z1}\n"        \
    "  ownerReferences: [{kind: ReplicaSet, name: web-7f9c5d4b6, controller: true}]\n"             \
    "spec:\n  serviceAccountName: front\n"                                                         \
    "  containers:\n"                                                                              \
    "  - name: app\n"                                                                              \
    "    ports: [{containerPort: 8080, name: http}, {containerPort: 53, protocol: UDP}]\n"         \
    "  - name: outrigger-proxy\n    ports: [{containerPort: 15006}]\n"                             \
    "status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]}\n"
#define NAME "shop/web-7f9c5d4b6-x2x4z"

#define TRAFFIC(namespace, name, spec)                                                             \
    "---\napiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\n"                               \
    "metadata: {name: " name ", namespace: " namespace "}\nspec: " spec "\n"
#define ACCESS(namespace, name, spec)                                                              \
    "---\napiVersion: outrigger.dev/v1alpha1\nkind: AccessPolicy\n"                                \
    "metadata: {name: " name ", namespace: " namespace "}\nspec: " spec "\n"

static Outrigger__V1__Workload *workload(const char *yaml)
{
    struct store *store = store_of(yaml);
    Outrigger__V1__Workload *message = workload_of(store, NAME);
    store_free(store);
    return message;
}

static void drop(Outrigger__V1__Workload *message)
{
    outrigger__v1__workload__free_unpacked(message, NULL);
}

static void test_says_who_it_is(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message = workload(POD);
    assert_string_equal(message->name, NAME);
    assert_string_equal(message->workload, "web");
    assert_string_equal(message->service_account, "front");
    assert_string_equal(message->zone, "z1");
    assert_int_equal(message->n_addresses, 2);
    assert_string_equal(message->addresses[0], "10.0.0.1");
    assert_string_equal(message->addresses[1], "fd00::1");
    assert_int_equal(message->mtls_mode, OUTRIGGER__V1__MTLS_MODE__PERMISSIVE);
    assert_int_equal(message->default_access, OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_ALLOW);
    assert_string_equal(message->mesh->trust_domain, "cluster.test");
    assert_int_equal(message->mesh->egress_mode, OUTRIGGER__V1__EGRESS_MODE__ALLOW_ANY);
    assert_false(message->mesh->access_log);
    assert_int_equal(message->mesh->path_rules->escaped_slashes,
                     OUTRIGGER__V1__ESCAPED_SLASHES__ESCAPED_SLASHES_UNSPECIFIED);
    assert_false(message->mesh->path_rules->merge_slashes);
    assert_int_equal(message->n_access_policies, 0);
    assert_int_equal(message->n_ports, 1); /* neither UDP nor the proxy's own */
    assert_int_equal(message->ports[0]->port, 8080);
    assert_int_equal(message->ports[0]->protocol, OUTRIGGER__V1__PROTOCOL__HTTP1);
    assert_int_equal(message->ports[0]->mtls_mode, OUTRIGGER__V1__MTLS_MODE__MTLS_MODE_UNSPECIFIED);
    drop(message);
}

static void test_belongs_to_its_pod(void **state)
{
    (void)state;
    struct store *store = store_of(POD);
    struct resource *resource = compile(store, RESOURCE_WORKLOAD, NAME);
    assert_string_equal(resource->namespace, "shop");
    assert_string_equal(resource->service_account, "front");
    resource_free(resource);
    static const char *const unknown[] = {"shop/web", "web", "", "/", "shop/", "a/b/c", "../.."};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(exists(store, RESOURCE_WORKLOAD, unknown[i]));
    store_free(store);
}

#define STRICT       "{inbound: {mtls: {mode: Strict}}}"
#define PERMISSIVE   "{inbound: {mtls: {mode: Permissive}}}"
#define DISABLED     "{inbound: {mtls: {mode: Disabled}}}"
#define OF_WEB(spec) "{selector: {matchLabels: {app: web}}, inbound: {mtls: {mode: " spec "}}}"
#define OF_API(spec) "{selector: {matchLabels: {app: api}}, inbound: {mtls: {mode: " spec "}}}"
#define MESH(spec)   TRAFFIC("outrigger-system", "mesh", spec)
#define SHOP(spec)   TRAFFIC("shop", "shop", spec)
#define NAMESPACE(mode)                                                                            \
    "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n"                              \
    "  annotations: {outrigger.dev/mtls-mode: " mode "}\n"

#define IS_PERMISSIVE OUTRIGGER__V1__MTLS_MODE__PERMISSIVE
#define IS_STRICT     OUTRIGGER__V1__MTLS_MODE__STRICT
#define IS_DISABLED   OUTRIGGER__V1__MTLS_MODE__DISABLED

static void test_most_specific_mode_wins(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        Outrigger__V1__MtlsMode mode;
    } cases[] = {
        {POD, IS_PERMISSIVE},
        {POD MESH(STRICT), IS_STRICT},
        {POD MESH(STRICT) NAMESPACE("disabled"), IS_DISABLED},
        {POD MESH(STRICT) NAMESPACE("disabled") SHOP(PERMISSIVE), IS_PERMISSIVE},
        {POD NAMESPACE("strict") TRAFFIC("other", "x", DISABLED), IS_STRICT},
        {POD SHOP(DISABLED) TRAFFIC("shop", "web", OF_WEB("Strict")), IS_STRICT},
        {POD SHOP(DISABLED) TRAFFIC("shop", "api", OF_API("Strict")), IS_DISABLED},
        {POD SHOP(DISABLED) MESH(OF_WEB("Strict")), IS_DISABLED},
        {POD MESH(OF_WEB("Strict")) TRAFFIC("outrigger-system", "a", DISABLED), IS_STRICT},
        /* Two of one rank: the older, one without a date is the youngest, then the name. */
        {POD TRAFFIC("shop", "a", STRICT) TRAFFIC("shop", "b", DISABLED), IS_STRICT},
        {POD TRAFFIC("shop", "a, creationTimestamp: 2026-01-02T00:00:00Z", STRICT)
             TRAFFIC("shop", "b, creationTimestamp: 2026-01-01T00:00:00Z", DISABLED),
         IS_DISABLED},
        {POD TRAFFIC("shop", "a", STRICT)
             TRAFFIC("shop", "b, creationTimestamp: 2026-01-01T00:00:00Z", DISABLED),
         IS_DISABLED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Outrigger__V1__Workload *message = workload(cases[i].yaml);
        if (message->mtls_mode != cases[i].mode)
            fail_msg("case %zu: mode %d, expected %d", i, message->mtls_mode, cases[i].mode);
        drop(message);
    }
}

static void test_a_port_has_a_mode_of_its_own(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message =
        workload(POD SHOP("{inbound: {mtls: {ports: [{port: 9090, mode: Disabled},"
                          " {port: 8080, mode: Strict}]}}}")
                     MESH("{inbound: {mtls: {mode: Strict, ports: [{port: 8080, mode: Disabled},"
                          " {port: 7070, mode: Permissive}]}}}"));
    static const struct {
        uint32_t port;
        Outrigger__V1__MtlsMode mode;
    } expected[] = {{7070, IS_PERMISSIVE}, {8080, IS_STRICT}, {9090, IS_DISABLED}};
    assert_int_equal(message->mtls_mode, IS_STRICT);
    assert_int_equal(message->n_ports, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(message->ports[i]->port, expected[i].port);
        assert_int_equal(message->ports[i]->mtls_mode, expected[i].mode);
    }
    drop(message);
}

static void test_settings_are_merged_field_by_field(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message = workload(
        POD MESH("{inbound: {maxConnections: 100, idleTimeout: 5m, defaultAccess: Deny},"
                 " outbound: {egressMode: RegistryOnly, discoveryTimeout: 3s}, accessLog: true,"
                 " paths: {escapedSlashes: Unescape, mergeSlashes: true}}")
            SHOP("{inbound: {idleTimeout: 1m, connectTimeout: 250ms},"
                 " outbound: {discoveryTimeout: 2s}, accessLog: false, paths: {mergeSlashes: "
                 "false}}"));
    assert_int_equal(message->inbound->max_connections, 100);
    assert_int_equal(message->inbound->idle_timeout_ms, 60000);
    assert_int_equal(message->inbound->connect_timeout_ms, 250);
    assert_int_equal(message->default_access, OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_DENY);
    assert_int_equal(message->mesh->egress_mode, OUTRIGGER__V1__EGRESS_MODE__REGISTRY_ONLY);
    assert_int_equal(message->mesh->discovery_timeout_ms, 2000);
    assert_false(message->mesh->access_log);
    assert_int_equal(message->mesh->path_rules->escaped_slashes,
                     OUTRIGGER__V1__ESCAPED_SLASHES__SLASHES_UNESCAPE);
    assert_false(message->mesh->path_rules->merge_slashes);
    drop(message);
}

#define SERVICE(name, rest)                                                                        \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: shop" rest "\n"

static void test_services_say_what_is_spoken(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message =
        workload(POD SERVICE("web", "}\nspec:\n  selector: {app: web}\n  ports:\n"
                                    "  - {port: 80, targetPort: http, name: x, appProtocol: grpc}\n"
                                    "  - {port: 3306, targetPort: 3307, name: mysql-a}\n")
                     SERVICE("db", ", annotations: {outrigger.dev/opaque-ports: \"81\"}}\n"
                                   "spec:\n  selector: {app: web}\n"
                                   "  ports: [{port: 81, targetPort: 9000, name: http}]\n")
                         SERVICE("other", "}\nspec:\n  selector: {app: api}\n"
                                          "  ports: [{port: 82, targetPort: 9001}]\n"));
    static const struct {
        uint32_t port;
        Outrigger__V1__Protocol protocol;
    } expected[] = {{3307, OUTRIGGER__V1__PROTOCOL__TCP},
                    {8080, OUTRIGGER__V1__PROTOCOL__GRPC},
                    {9000, OUTRIGGER__V1__PROTOCOL__TCP}};
    assert_int_equal(message->n_ports, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(message->ports[i]->port, expected[i].port);
        assert_int_equal(message->ports[i]->protocol, expected[i].protocol);
    }
    drop(message);
}

static void test_access_policies_that_select_it(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message =
        workload(POD ACCESS("shop", "b", "{action: Allow}") ACCESS(
            "shop", "a",
            "{action: Deny, selector: {matchLabels: {app: web}}, rules: ["
            "{from: [{identities: [\"spiffe://cluster.test/ns/x/*\"], namespaces: [x, y],"
            " serviceAccounts: [front, x/y], notIpBlocks: [10.0.0.0/8]},"
            " {unauthenticated: true}], to: [{ports: [80, \"9000-9010\"], notPorts: [9005]}]},"
            "{}]}") ACCESS("shop", "c", "{action: Allow, selector: {matchLabels: {app: api}}}")
                     ACCESS("outrigger-system", "z", "{action: Audit, rules: [{}]}")
                         ACCESS("other", "d", "{action: Allow}"));
    assert_int_equal(message->n_access_policies, 3);
    assert_string_equal(message->access_policies[0]->name, "outrigger-system/z");
    assert_int_equal(message->access_policies[0]->action, OUTRIGGER__V1__ACCESS_ACTION__AUDIT);
    assert_string_equal(message->access_policies[2]->name, "shop/b");
    assert_int_equal(message->access_policies[2]->n_rules, 0);
    const Outrigger__V1__AccessPolicy *policy = message->access_policies[1];
    assert_string_equal(policy->name, "shop/a");
    assert_int_equal(policy->action, OUTRIGGER__V1__ACCESS_ACTION__DENY);
    assert_int_equal(policy->n_rules, 2);
    assert_int_equal(policy->rules[1]->n_from + policy->rules[1]->n_to, 0);
    const Outrigger__V1__AccessRule *rule = policy->rules[0];
    assert_int_equal(rule->n_from, 2);
    assert_string_equal(rule->from[0]->identities[0], "spiffe://cluster.test/ns/x/*");
    assert_string_equal(rule->from[0]->service_accounts[0], "shop/front");
    assert_string_equal(rule->from[0]->service_accounts[1], "x/y");
    assert_string_equal(rule->from[0]->namespaces[1], "y");
    assert_string_equal(rule->from[0]->not_ip_blocks[0], "10.0.0.0/8");
    assert_false(rule->from[0]->unauthenticated);
    assert_true(rule->from[1]->unauthenticated);
    assert_int_equal(rule->to[0]->ports[0]->last, 80);
    assert_int_equal(rule->to[0]->ports[1]->first, 9000);
    assert_int_equal(rule->to[0]->ports[1]->last, 9010);
    assert_int_equal(rule->to[0]->not_ports[0]->first, 9005);
    drop(message);
}

static void test_names_of_owners(void **state)
{
    (void)state;
    static const struct {
        const char *metadata, *workload;
    } cases[] = {
        {"labels: {app: web}", "web"},
        {"labels: {app: web, app.kubernetes.io/name: shop}", "shop"},
        {"labels: {tier: x}", "p-0"},
        {"ownerReferences: [{kind: StatefulSet, name: db}]", "db"},
        {"ownerReferences: [{kind: ReplicaSet, name: web-6d4cf56db6}]", "web"},
        {"ownerReferences: [{kind: ReplicaSet, name: web-canary}]", "web-canary"},
        {"ownerReferences: [{kind: ReplicaSet, name: web-6d4cf56db6}],"
         " labels: {pod-template-hash: other}",
         "web-6d4cf56db6"},
        {"ownerReferences: [{kind: Job, name: backup-28391234}]", "backup"},
        {"ownerReferences: [{kind: Job, name: backup-1}]", "backup-1"},
        {"ownerReferences: [{kind: X, name: a}, {kind: Y, name: b, controller: true}]", "b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[512];
        snprintf(yaml, sizeof(yaml), "apiVersion: v1\nkind: Pod\nmetadata: {name: p-0, %s}\n",
                 cases[i].metadata);
        struct store *store = store_of(yaml);
        Outrigger__V1__Workload *message = workload_of(store, "default/p-0");
        assert_string_equal(message->workload, cases[i].workload);
        assert_string_equal(message->service_account, "default");
        drop(message);
        store_free(store);
    }
}

static void test_conditions_on_requests(void **state)
{
    (void)state;
    Outrigger__V1__Workload *message = workload(
        POD ACCESS("shop", "a",
                   "{action: Deny, rules: [{to: [{methods: [GET, PUT], notMethods: [HEAD],"
                   " paths: [/a, /b/*], notPaths: [/b/c*], hosts: [\"*.shop\"], notHosts: [api],"
                   " grpcMethods: [s.S/M], notGrpcMethods: [s.T/*],"
                   " headers: [{name: x-a, values: [\"1\", b*]}, {name: x-b}],"
                   " notHeaders: [{name: x-c}]}]}]}"));
    assert_int_equal(message->n_access_policies, 1);
    const Outrigger__V1__AccessTarget *to = message->access_policies[0]->rules[0]->to[0];
    assert_int_equal(to->n_methods, 2);
    assert_string_equal(to->methods[1], "PUT");
    assert_string_equal(to->not_methods[0], "HEAD");
    assert_int_equal(to->n_paths, 2);
    assert_string_equal(to->paths[1], "/b/*");
    assert_string_equal(to->not_paths[0], "/b/c*");
    assert_string_equal(to->hosts[0], "*.shop");
    assert_string_equal(to->not_hosts[0], "api");
    assert_string_equal(to->grpc_methods[0], "s.S/M");
    assert_string_equal(to->not_grpc_methods[0], "s.T/*");
    assert_int_equal(to->n_headers, 2);
    assert_string_equal(to->headers[0]->name, "x-a");
    assert_int_equal(to->headers[0]->n_values, 2);
    assert_string_equal(to->headers[0]->values[1], "b*");
    assert_int_equal(to->headers[1]->n_values, 0);
    assert_string_equal(to->not_headers[0]->name, "x-c");
    drop(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_who_it_is),
        cmocka_unit_test(test_belongs_to_its_pod),
        cmocka_unit_test(test_most_specific_mode_wins),
        cmocka_unit_test(test_a_port_has_a_mode_of_its_own),
        cmocka_unit_test(test_settings_are_merged_field_by_field),
        cmocka_unit_test(test_services_say_what_is_spoken),
        cmocka_unit_test(test_access_policies_that_select_it),
        cmocka_unit_test(test_conditions_on_requests),
        cmocka_unit_test(test_names_of_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
