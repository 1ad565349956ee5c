#include "test/unit/controller/compile/compiled.h"

#include <stdio.h>
#include <stdlib.h>

#define POD(name, ips, rest)                                                                       \
    "---\napiVersion: v1\nkind: Pod\n"                                                             \
    "metadata: {name: " name ", namespace: shop, labels: {app: api}" rest "}\n"                    \
    "spec:\n  serviceAccountName: back\n"                                                          \
    "  containers: [{name: app, ports: [{containerPort: 9090, name: web}]}]\n"                     \
    "status: {podIPs: [" ips "]}\n"
#define MESHED ", annotations: {outrigger.dev/inject: enabled}"
#define SERVICE(rest)                                                                              \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: api, namespace: shop}\n"                 \
    "spec:\n  clusterIPs: [10.96.0.1, \"fd00:96::1\"]\n  selector: {app: api}\n"                   \
    "  ports: [{port: 80, targetPort: web, name: http}, {port: 81, targetPort: 9191, name: "       \
    "b}]\n" rest
#define SLICE(name, family, endpoints)                                                             \
    "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: " family "\n"         \
    "metadata: {name: " name ", namespace: shop, labels: {kubernetes.io/service-name: api}}\n"     \
    "ports: [{name: http, port: 9090}, {name: b, port: 9191}]\nendpoints: [" endpoints "]\n"
#define POLICY(name, spec)                                                                         \
    "---\napiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\n"                               \
    "metadata: {name: " name ", namespace: shop}\nspec: " spec "\n"

#define IDENTITY "spiffe://cluster.test/ns/shop/sa/back"

/* "address:port identity health zone pod" for each endpoint, each on a line. */
static void expect_endpoints(const char *yaml, const char *name, const char *expected)
{
    static const char *const health[] = {"?", "healthy", "unhealthy", "draining"};
    struct store *store = store_of(yaml);
    Outrigger__V1__Endpoints *message = endpoints_of(store, name);
    char text[4096] = "";
    assert_string_equal(message->name, name);
    for (size_t i = 0; i < message->n_endpoints; i++) {
        const Outrigger__V1__Endpoint *endpoint = message->endpoints[i];
        size_t len = strlen(text);
        assert_in_range(endpoint->health, 1, 3);
        snprintf(text + len, sizeof(text) - len, "%s:%u %s %s %s %s\n", endpoint->address,
                 endpoint->port, *endpoint->identity ? endpoint->identity : "-",
                 health[endpoint->health], *endpoint->zone ? endpoint->zone : "-",
                 *endpoint->pod ? endpoint->pod : "-");
    }
    assert_string_equal(text, expected);
    outrigger__v1__endpoints__free_unpacked(message, NULL);
    store_free(store);
}

static void test_endpoints_from_pods(void **state)
{
    (void)state;
    expect_endpoints(
        SERVICE("") POD("api-2", "{ip: 10.0.0.2}", MESHED) POD("api-1", "{ip: 10.0.0.1}", "")
            POD("api-3", "", "") /* not started */
        POD("api-4", "{ip: 10.0.0.4}], conditions: [{type: Ready, status: \"False\"}", "")
            POD("api-5", "{ip: 10.0.0.5}], conditions: [{type: Ready, status: \"True\"}", "")
                POD("api-6", "{ip: 10.0.0.6}], phase: Succeeded, x: [", "")
                    POD("api-7", "{ip: 10.0.0.7}", ", deletionTimestamp: 2026-01-01T00:00:00Z"),
        "shop/api/http",
        "10.0.0.1:9090 - healthy - shop/api-1\n"
        "10.0.0.2:9090 " IDENTITY " healthy - shop/api-2\n"
        "10.0.0.4:9090 - unhealthy - shop/api-4\n"
        "10.0.0.5:9090 - healthy - shop/api-5\n"
        "10.0.0.7:9090 - draining - shop/api-7\n");
    expect_endpoints(SERVICE("  publishNotReadyAddresses: true\n")
                         POD("api-1", "{ip: 10.0.0.4}], conditions: [{type: Ready, status: x}", ""),
                     "shop/api/b", "10.0.0.4:9191 - healthy - shop/api-1\n");
    expect_endpoints(SERVICE(""), "shop/api/http", "");
}

static void test_endpoints_of_both_families(void **state)
{
    (void)state;
#define PODS                                                                                       \
    POD("api-1", "{ip: 10.0.0.1}, {ip: \"fd00::1\"}", "") POD("api-2", "{ip: \"fd00::2\"}", "")
    expect_endpoints(SERVICE("") PODS, "shop/api/http",
                     "10.0.0.1:9090 - healthy - shop/api-1\n"
                     "fd00::2:9090 - healthy - shop/api-2\n");
    expect_endpoints(SERVICE("") PODS, "shop/api/http/ipv6",
                     "fd00::1:9090 - healthy - shop/api-1\n"
                     "fd00::2:9090 - healthy - shop/api-2\n");
}

static void test_endpoints_from_slices(void **state)
{
    (void)state;
    const char *yaml = SERVICE("")
        /* What the selector would find does not count where there is a slice. */
        POD("api-1", "{ip: 10.0.0.1}", MESHED) POD("api-9", "{ip: 10.0.0.9}", "") SLICE(
            "api-a", "IPv4",
            "{addresses: [10.0.0.1], zone: z1, targetRef: {kind: Pod, name: api-1}},"
            "{addresses: [10.0.0.3], conditions: {ready: false}},"
            "{addresses: [10.0.0.4], conditions: {ready: false, serving: true,"
            " terminating: true}}")
            SLICE("api-b", "IPv4", "{addresses: [10.0.0.3]}, {addresses: [192.0.2.7], zone: z2}")
                SLICE("api-c", "IPv6", "{addresses: [\"fd00::1\"]}");
    expect_endpoints(yaml, "shop/api/http",
                     "10.0.0.1:9090 " IDENTITY " healthy z1 shop/api-1\n"
                     "10.0.0.3:9090 - healthy - -\n"
                     "10.0.0.4:9090 - draining - -\n"
                     "192.0.2.7:9090 - healthy z2 -\n");
    expect_endpoints(yaml, "shop/api/b/ipv6", "fd00::1:9191 - healthy - -\n");
    expect_endpoints(SERVICE("") SLICE("api-c", "IPv6", "{addresses: [\"fd00::1\"]}"), "shop/api/b",
                     "fd00::1:9191 - healthy - -\n");
}

/* A slice may claim what it likes: who stands at an address is who has that address. */
static void test_slices_do_not_lend_identities(void **state)
{
    (void)state;
    expect_endpoints(
        SERVICE("") POD("api-1", "{ip: 10.0.0.1}", MESHED)
            SLICE("api-a", "IPv4", "{addresses: [10.0.0.2], targetRef: {kind: Pod, name: api-1}}"),
        "shop/api/http", "10.0.0.2:9090 - healthy - -\n");
}

static void test_identity_only_where_it_is_spoken(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool has_identity; /* port 9090 of api-1 */
    } cases[] = {
        {POD("api-1", "{ip: 10.0.0.1}", ""), false},
        {POD("api-1", "{ip: 10.0.0.1}", MESHED), true},
        {POD("api-1", "{ip: 10.0.0.1}", MESHED) POLICY("x", "{inbound: {mtls: {mode: Disabled}}}"),
         false},
        {POD("api-1", "{ip: 10.0.0.1}", MESHED)
             POLICY("x", "{inbound: {mtls: {ports: [{port: 9090, mode: Disabled}]}}}"),
         false},
        {POD("api-1", "{ip: 10.0.0.1}", MESHED)
             POLICY("x", "{inbound: {mtls: {ports: [{port: 9191, mode: Disabled}]}}}"),
         true},
        {POD("api-1", "{ip: 10.0.0.1}",
             ", annotations: {outrigger.dev/inject: enabled,"
             " outrigger.dev/skip-inbound-ports: \"9000-9100\"}"),
         false},
        {POD("api-1", "{ip: 10.0.0.1}",
             ", annotations: {outrigger.dev/inject: disabled}") "---\napiVersion: v1\nkind: "
                                                                "Namespace\n"
                                                                "metadata: {name: shop, labels: "
                                                                "{outrigger.dev/inject: "
                                                                "enabled}}\n",
         false},
        {POD("api-1", "{ip: 10.0.0.1}",
             "") "---\napiVersion: v1\nkind: Namespace\n"
                 "metadata: {name: shop, labels: {outrigger.dev/inject: enabled}}\n",
         true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[4096], expected[256];
        snprintf(yaml, sizeof(yaml), "%s%s", SERVICE(""), cases[i].yaml);
        snprintf(expected, sizeof(expected), "10.0.0.1:9090 %s healthy - shop/api-1\n",
                 cases[i].has_identity ? IDENTITY : "-");
        expect_endpoints(yaml, "shop/api/http", expected);
    }
}

static void test_host_network_is_never_meshed(void **state)
{
    (void)state;
    expect_endpoints(
        SERVICE("") "---\napiVersion: v1\nkind: Pod\n"
                    "metadata: {name: api-1, namespace: shop, labels: {app: api}}\n"
                    "spec: {hostNetwork: true, containers: [{name: outrigger-proxy}]}\n"
                    "status: {podIP: 10.0.0.1}\n",
        "shop/api/b", "10.0.0.1:9191 - healthy - shop/api-1\n");
}

static void test_service_by_its_addresses(void **state)
{
    (void)state;
    struct store *store =
        store_of(SERVICE("") POLICY("late", "{targetRefs: [{kind: Service, name: api}],"
                                            " service: {connectTimeout: 9s, maxConnections: 7}}")
                     POLICY("early", "{targetRefs: [{kind: Service, name: api}],"
                                     " service: {connectTimeout: 2s}}")
                         POLICY("other", "{targetRefs: [{kind: Service, name: web}],"
                                         " service: {idleTimeout: 2s}}"));
    Outrigger__V1__Service *message = service_of(store, "10.96.0.1:80");
    assert_string_equal(message->name, "shop/api");
    assert_int_equal(message->port, 80);
    assert_string_equal(message->port_name, "http");
    assert_int_equal(message->protocol, OUTRIGGER__V1__PROTOCOL__HTTP1);
    assert_int_equal(message->n_hosts, 4);
    assert_string_equal(message->hosts[0], "api");
    assert_string_equal(message->hosts[3], "api.shop.svc.cluster.local");
    assert_int_equal(message->n_backends, 1);
    assert_string_equal(message->backends[0]->endpoints, "shop/api/http");
    assert_int_equal(message->backends[0]->weight, 1);
    assert_int_equal(message->connect_timeout_ms, 2000);
    assert_int_equal(message->max_connections, 7);
    assert_int_equal(message->idle_timeout_ms, 0);
    assert_null(message->pod);
    outrigger__v1__service__free_unpacked(message, NULL);
    message = service_of(store, "[fd00:96::1]:81");
    assert_string_equal(message->backends[0]->endpoints, "shop/api/b/ipv6");
    outrigger__v1__service__free_unpacked(message, NULL);
    static const char *const unknown[] = {"10.96.0.1:82",      "10.96.0.2:80", "10.96.0.1",
                                          "10.96.0.1:080",     "api:80",       "[FD00:96::1]:81",
                                          "[fd00:96:0::1]:81", "fd00:96::1:81"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(exists(store, RESOURCE_SERVICE, unknown[i]));
    store_free(store);
}

static void test_pod_by_its_address(void **state)
{
    (void)state;
    struct store *store = store_of(POD("api-1", "{ip: 10.0.0.1}", MESHED) POD(
        "old", "{ip: 10.0.0.1}], phase: Failed, x: [", "") SERVICE(""));
    Outrigger__V1__Service *message = service_of(store, "10.0.0.1:9090");
    assert_string_equal(message->name, "shop/api-1");
    assert_int_equal(message->n_backends, 0);
    assert_int_equal(message->protocol, OUTRIGGER__V1__PROTOCOL__HTTP1);
    assert_non_null(message->pod);
    assert_string_equal(message->pod->address, "10.0.0.1");
    assert_int_equal(message->pod->port, 9090);
    assert_string_equal(message->pod->identity, IDENTITY);
    assert_string_equal(message->pod->pod, "shop/api-1");
    assert_string_equal(message->pod->workload, "api");
    outrigger__v1__service__free_unpacked(message, NULL);
    assert_true(exists(store, RESOURCE_SERVICE, "10.0.0.1:1"));
    assert_false(exists(store, RESOURCE_SERVICE, "10.0.0.3:9090"));
    store_free(store);
}

static void test_names_of_endpoints(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "shop/api", "shop/api/80",    "shop/api/x",       "shop/web/http",        "api/http",
        "",         "shop/api/http/", "shop/api/http/v6", "shop/api/http/ipv6/x", "shop//http",
        "//"};
    struct store *store = store_of(SERVICE(""));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(exists(store, RESOURCE_ENDPOINTS, unknown[i]));
    load(store, "apiVersion: v1\nkind: Service\nmetadata: {name: one, namespace: shop}\n"
                "spec: {ports: [{port: 80}]}\n");
    assert_true(exists(store, RESOURCE_ENDPOINTS, "shop/one/80"));
    assert_true(exists(store, RESOURCE_ENDPOINTS, "shop/api/http/ipv4"));
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints_from_pods),
        cmocka_unit_test(test_endpoints_of_both_families),
        cmocka_unit_test(test_endpoints_from_slices),
        cmocka_unit_test(test_slices_do_not_lend_identities),
        cmocka_unit_test(test_identity_only_where_it_is_spoken),
        cmocka_unit_test(test_host_network_is_never_meshed),
        cmocka_unit_test(test_service_by_its_addresses),
        cmocka_unit_test(test_pod_by_its_address),
        cmocka_unit_test(test_names_of_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
