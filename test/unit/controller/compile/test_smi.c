#include "test/unit/controller/compile/compiled.h"

#define POD                                                                                        \
    "apiVersion: v1\nkind: Pod\nmetadata: {namespace: shop, name: api}\n"                          \
    "spec: {serviceAccountName: api}\nstatus: {podIP: 10.0.0.1}\n---\n"

static Outrigger__V1__AccessPolicy *only_policy(const Outrigger__V1__Workload *workload)
{
    assert_int_equal(workload->n_access_policies, 2);
    assert_string_equal(workload->access_policies[1]->name, "TrafficTargets/shop");
    assert_int_equal(workload->access_policies[1]->n_rules, 0);
    return workload->access_policies[0];
}

#define GROUP_OLD                                                                                  \
    "apiVersion: specs.smi-spec.io/v1alpha1\nkind: HTTPRouteGroup\n"                               \
    "metadata: {namespace: shop, name: routes}\n"                                                  \
    "matches:\n- {name: api, pathRegex: /api, methods: [GET]}\n"                                   \
    "- {name: exact, pathRegex: ^/one$, methods: [\"*\"]}\n---\n"
#define GROUP_NEW                                                                                  \
    "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\n"                               \
    "metadata: {namespace: shop, name: routes}\n"                                                  \
    "spec:\n  matches:\n  - {name: api, pathRegex: /api, methods: [GET]}\n"                        \
    "  - {name: exact, pathRegex: ^/one$, methods: [\"*\"]}\n---\n"
#define TARGET_OLD                                                                                 \
    "apiVersion: access.smi-spec.io/v1alpha1\nkind: TrafficTarget\n"                               \
    "metadata: {namespace: shop, name: in}\n"                                                      \
    "destination: {kind: ServiceAccount, name: api, namespace: shop, port: 8080}\n"                \
    "specs: [{kind: HTTPRouteGroup, name: routes}]\n"                                              \
    "sources: [{kind: ServiceAccount, name: web, namespace: front}]\n"
#define TARGET(rules)                                                                              \
    "apiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\n"                               \
    "metadata: {namespace: shop, name: in}\nspec:\n"                                               \
    "  destination: {kind: ServiceAccount, name: api, namespace: shop, port: 8080}\n"              \
    "  rules: " rules "\n"                                                                         \
    "  sources: [{kind: ServiceAccount, name: web, namespace: front}]\n"

static void check_whole_target(const char *yaml)
{
    struct store *store = store_of(yaml);
    Outrigger__V1__Workload *workload = workload_of(store, "shop/api");
    const Outrigger__V1__AccessPolicy *policy = only_policy(workload);
    assert_string_equal(policy->name, "TrafficTarget/shop/in");
    assert_int_equal(policy->action, OUTRIGGER__V1__ACCESS_ACTION__ALLOW);
    assert_int_equal(policy->n_rules, 1);
    const Outrigger__V1__AccessRule *rule = policy->rules[0];
    assert_int_equal(rule->n_from, 1);
    assert_string_equal(rule->from[0]->service_accounts[0], "front/web");
    assert_int_equal(rule->n_to, 2);
    assert_string_equal(rule->to[0]->path_regexes[0], "(?:/api).*");
    assert_string_equal(rule->to[0]->methods[0], "GET");
    assert_int_equal(rule->to[0]->ports[0]->first, 8080);
    assert_string_equal(rule->to[1]->path_regexes[0], "(?:/one)");
    assert_int_equal(rule->to[1]->n_methods, 0);
    outrigger__v1__workload__free_unpacked(workload, NULL);
    store_free(store);
}

static void test_a_target_in_its_oldest_and_newest_form(void **state)
{
    (void)state;
    check_whole_target(POD GROUP_OLD TARGET_OLD);
    check_whole_target(POD GROUP_NEW TARGET("[{kind: HTTPRouteGroup, name: routes}]"));
}

static void test_what_is_not_there_allows_nothing(void **state)
{
    (void)state;
    static const char *const yamls[] = {
        POD TARGET("[{kind: HTTPRouteGroup, name: routes}]"),
        POD GROUP_NEW TARGET("[{kind: HTTPRouteGroup, name: routes, matches: [none]}]"),
        POD TARGET("[{kind: TCPRoute, name: tcp}]"),
        POD TARGET("[{kind: TCPRoute, name: tcp}]") "---\n"
                                                    "apiVersion: specs.smi-spec.io/v1alpha4\nkind: "
                                                    "TCPRoute\n"
                                                    "metadata: {namespace: shop, name: tcp}\nspec: "
                                                    "{matches: {ports: [3306]}}\n"};
    for (size_t i = 0; i < sizeof(yamls) / sizeof(yamls[0]); i++) {
        struct store *store = store_of(yamls[i]);
        Outrigger__V1__Workload *workload = workload_of(store, "shop/api");
        assert_int_equal(only_policy(workload)->n_rules, 0);
        outrigger__v1__workload__free_unpacked(workload, NULL);
        store_free(store);
    }
}

static void test_a_tcp_route_is_ports_and_nothing_else(void **state)
{
    (void)state;
    struct store *store = store_of(POD TARGET(
        "[{kind: TCPRoute, name: tcp}]") "---\n"
                                         "apiVersion: specs.smi-spec.io/v1alpha3\nkind: TCPRoute\n"
                                         "metadata: {namespace: shop, name: tcp}\nspec: {}\n");
    Outrigger__V1__Workload *workload = workload_of(store, "shop/api");
    const Outrigger__V1__AccessTarget *to = only_policy(workload)->rules[0]->to[0];
    assert_int_equal(to->n_ports, 1);
    assert_int_equal(to->ports[0]->first, 8080);
    assert_int_equal(to->n_paths, 0);
    assert_int_equal(to->n_path_regexes, 0);
    outrigger__v1__workload__free_unpacked(workload, NULL);
    store_free(store);
}

static void test_a_target_is_for_its_account_alone(void **state)
{
    (void)state;
    struct store *store = store_of(POD GROUP_NEW TARGET(
        "[{kind: HTTPRouteGroup, name: routes}]") "---\n"
                                                  "apiVersion: v1\nkind: Pod\nmetadata: "
                                                  "{namespace: shop, name: other}\n"
                                                  "spec: {serviceAccountName: other}\nstatus: "
                                                  "{podIP: 10.0.0.2}\n");
    Outrigger__V1__Workload *workload = workload_of(store, "shop/other");
    assert_int_equal(workload->n_access_policies, 0);
    outrigger__v1__workload__free_unpacked(workload, NULL);
    store_free(store);
}

/* ---- splits --------------------------------------------------------------------------------- */

#define SERVICE(name, ip, port)                                                                    \
    "apiVersion: v1\nkind: Service\nmetadata: {namespace: shop, name: " name "}\n"                 \
    "spec: {selector: {app: " name "}, clusterIP: " ip ", ports: [{name: http, port: " port "}]}"  \
    "\n---\n"
#define SERVICES                                                                                   \
    SERVICE("root", "10.96.0.1", "80")                                                             \
    SERVICE("v1", "10.96.0.2", "80")                                                               \
    SERVICE("v2", "10.96.0.3", "80") SERVICE("far", "10.96.0.4", "81")
#define SPLIT(version, name, spec)                                                                 \
    "apiVersion: split.smi-spec.io/" version "\nkind: TrafficSplit\n"                              \
    "metadata: {namespace: shop, name: " name "}\nspec: " spec "\n---\n"
#define HEADERS(version, headers)                                                                  \
    "apiVersion: specs.smi-spec.io/" version "\nkind: HTTPRouteGroup\n"                            \
    "metadata: {namespace: shop, name: ab}\n"                                                      \
    "spec: {matches: [{name: firefox, headers: " headers "}]}\n---\n"

static void test_a_split_by_weight(void **state)
{
    (void)state;
    struct store *store = store_of(
        SERVICES SPLIT("v1alpha4", "s",
                       "{service: root, backends: [{service: v1, weight: 90}, {service: v2, "
                       "weight: 10}, {service: far, weight: 5}, {service: none, weight: 5}]}"));
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->n_rules, 1);
    assert_string_equal(service->rules[0]->name, "TrafficSplit/shop/s/0");
    assert_int_equal(service->rules[0]->n_backends, 2);
    assert_int_equal(service->rules[0]->backends[0]->weight, 90);
    assert_string_equal(service->rules[0]->backends[1]->service, "shop/v2");
    assert_int_equal(service->n_matches, 1);
    assert_int_equal(service->n_backends, 2); /* connections are split as well */
    assert_int_equal(service->backends[0]->weight, 90);
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

static void test_the_first_version_weighs_by_quantities(void **state)
{
    (void)state;
    struct store *store = store_of(
        SERVICES SPLIT("v1alpha1", "s",
                       "{service: root.shop.svc, backends: [{service: v1, weight: 1}, {service: "
                       "v2, weight: 500m}]}"));
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->rules[0]->backends[0]->weight, 1000);
    assert_int_equal(service->rules[0]->backends[1]->weight, 500);
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

#define AB_SPLIT                                                                                   \
    SPLIT("v1alpha3", "s",                                                                         \
          "{service: root, matches: [{kind: HTTPRouteGroup, name: ab}], backends: [{service: v2, " \
          "weight: 1}]}")

static void check_ab(const char *yaml)
{
    struct store *store = store_of(yaml);
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->n_matches, 2);
    assert_int_equal(service->matches[0]->n_headers, 1);
    assert_string_equal(service->matches[0]->headers[0]->name, "user-agent");
    assert_string_equal(service->matches[0]->headers[0]->value, ".*Firefox.*");
    const Outrigger__V1__RouteRule *split = service->rules[service->matches[0]->rule];
    const Outrigger__V1__RouteRule *rest = service->rules[service->matches[1]->rule];
    assert_string_equal(split->backends[0]->service, "shop/v2");
    assert_string_equal(rest->backends[0]->service, "shop/root");
    assert_string_equal(rest->name, "TrafficSplit/shop/s/rest");
    assert_int_equal(service->n_backends, 1); /* the root's own, for connections */
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

static void test_a_split_of_some_requests(void **state)
{
    (void)state;
    check_ab(SERVICES HEADERS("v1alpha4", "{User-Agent: .*Firefox.*}") AB_SPLIT);
    check_ab(SERVICES HEADERS("v1alpha2", "[{user-agent: .*Firefox.*}]") AB_SPLIT);
}

static void test_a_split_of_some_before_one_of_all(void **state)
{
    (void)state;
    struct store *store =
        store_of(SERVICES HEADERS("v1alpha4", "{user-agent: .*Firefox.*}") AB_SPLIT SPLIT(
            "v1alpha4", "a", "{service: root, backends: [{service: v1, weight: 1}]}"));
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->n_matches, 2);
    assert_string_equal(service->rules[service->matches[0]->rule]->backends[0]->service, "shop/v2");
    assert_string_equal(service->rules[service->matches[1]->rule]->backends[0]->service, "shop/v1");
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

static void test_without_its_group_nothing_is_split(void **state)
{
    (void)state;
    struct store *store = store_of(SERVICES AB_SPLIT);
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->n_rules, 1);
    assert_string_equal(service->rules[0]->backends[0]->service, "shop/root");
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

static void test_a_route_goes_before_a_split(void **state)
{
    (void)state;
    struct store *store = store_of(SERVICES SPLIT(
        "v1alpha4", "s",
        "{service: root, backends: [{service: v2, weight: 1}]}") "apiVersion: "
                                                                 "gateway.networking.k8s.io/"
                                                                 "v1\nkind: HTTPRoute\n"
                                                                 "metadata: {namespace: shop, "
                                                                 "name: r}\n"
                                                                 "spec: {parentRefs: [{group: '', "
                                                                 "kind: Service, name: root}], "
                                                                 "rules: [{backendRefs: [{name: "
                                                                 "v1, port: 80}]}]}\n");
    Outrigger__V1__Service *service = service_of(store, "10.96.0.1:80");
    assert_int_equal(service->n_rules, 1);
    assert_string_equal(service->rules[0]->name, "HTTPRoute/shop/r/0");
    outrigger__v1__service__free_unpacked(service, NULL);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_target_in_its_oldest_and_newest_form),
        cmocka_unit_test(test_what_is_not_there_allows_nothing),
        cmocka_unit_test(test_a_tcp_route_is_ports_and_nothing_else),
        cmocka_unit_test(test_a_target_is_for_its_account_alone),
        cmocka_unit_test(test_a_split_by_weight),
        cmocka_unit_test(test_the_first_version_weighs_by_quantities),
        cmocka_unit_test(test_a_split_of_some_requests),
        cmocka_unit_test(test_a_split_of_some_before_one_of_all),
        cmocka_unit_test(test_without_its_group_nothing_is_split),
        cmocka_unit_test(test_a_route_goes_before_a_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
