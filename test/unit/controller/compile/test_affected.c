/* What has to be compiled again after a change, what need not, and that nothing else matters. */
#include "test/unit/controller/compile/compiled.h"

#include <openssl/sha.h>
#include <stdio.h>

#define NAMED(kind, version, name) "apiVersion: " version "\nkind: " kind "\nmetadata: {name: " name
#define POD(name, app, ip)                                                                         \
    "---\n" NAMED("Pod", "v1",                                                                     \
                  name) ", namespace: shop, labels: {app: " app "},"                               \
                        " annotations: {outrigger.dev/inject: enabled}}\nstatus: {podIP: " ip      \
                        "}\n"
#define SERVICE(name, vip)                                                                         \
    "---\n" NAMED("Service", "v1", name) ", namespace: shop}\nspec: {clusterIP: " vip              \
                                         ", selector: {app: " name                                 \
                                         "}, ports: [{port: 80, name: http}]}\n"
#define SLICE(service, ip)                                                                         \
    "---\n" NAMED("EndpointSlice", "discovery.k8s.io/v1",                                          \
                  service "-x") ", namespace: shop, labels: {kubernetes.io/service-name: " service \
                                "}}\naddressType: IPv4\n"                                          \
                                "ports: [{name: http, port: 80}]\nendpoints: [{addresses: [" ip    \
                                "]}]\n"
#define ACCESS(namespace)                                                                          \
    "---\n" NAMED("AccessPolicy", "outrigger.dev/v1alpha1",                                        \
                  "a") ", namespace: " namespace "}\n"                                             \
                                                 "spec: {action: Allow}\n"
#define TRAFFIC(namespace)                                                                         \
    "---\n" NAMED("TrafficPolicy", "outrigger.dev/v1alpha1",                                       \
                  "t") ", namespace: " namespace "}\n"                                             \
                                                 "spec: {accessLog: true}\n"
#define GATEWAY "gateway.networking.k8s.io"
#define ROUTE                                                                                      \
    "---\n" NAMED("HTTPRoute", GATEWAY "/v1",                                                      \
                  "r") ", namespace: shop}\nspec: {parentRefs: [{kind: Service, group: \"\", "     \
                       "name: web}], rules: [{backendRefs: [{name: new, port: 80}, {name: bank, "  \
                       "namespace: pay, port: 80}], filters: [{type: ExtensionRef, extensionRef: " \
                       "{group: outrigger.dev, kind: HTTPFilter, name: f}}]}]}\n"
#define FILTER(name)                                                                               \
    "---\n" NAMED("HTTPFilter", "outrigger.dev/v1alpha1",                                          \
                  name) ", namespace: shop}\nspec: {directResponse: {}}\n"
#define GRANT(namespace)                                                                           \
    "---\n" NAMED("ReferenceGrant", GATEWAY "/v1beta1",                                            \
                  "g") ", namespace: " namespace "}\nspec: {from: [{group: " GATEWAY               \
                                                 ", kind: HTTPRoute, namespace: "                  \
                                                 "shop}], to: [{group: \"\", kind: Service}]}\n"
#define NAMESPACE "---\n" NAMED("Namespace", "v1", "shop") "}\n"

#define BEFORE                                                                                     \
    POD("web-1", "web", "10.0.0.1")                                                                \
    POD("api-1", "api", "10.0.0.2") SERVICE("web", "10.96.0.1") SERVICE("api", "10.96.0.2")

static const struct {
    enum resource_type type;
    const char *name;
} resources[] = {
    {RESOURCE_WORKLOAD, "shop/web-1"},  {RESOURCE_SERVICE, "10.96.0.1:80"},
    {RESOURCE_SERVICE, "10.0.0.1:80"},  {RESOURCE_ENDPOINTS, "shop/web/http"},
    {RESOURCE_SERVICE, "10.96.0.9:80"}, /* nothing yet */
};
#define N_RESOURCES (sizeof(resources) / sizeof(resources[0]))

struct heard {
    struct resource *compiled[N_RESOURCES];
    char affected[N_RESOURCES + 1]; /* 'x' or '.' for each */
};

static void on_change(void *context, const struct map *changed)
{
    struct heard *heard = context;
    for (size_t i = 0; i < N_RESOURCES; i++)
        heard->affected[i] = resource_is_affected(heard->compiled[i], changed) ? 'x' : '.';
}

static void check_affected(const char *before, const char *change, const char *expected)
{
    struct heard heard = {.affected = ""};
    struct store *store = store_of(BEFORE);
    load(store, before);
    for (size_t r = 0; r < N_RESOURCES; r++)
        heard.compiled[r] = compile(store, resources[r].type, resources[r].name);
    store_listen(store, on_change, &heard);
    load(store, change);
    if (strcmp(heard.affected, expected) != 0)
        fail_msg("%s\nafter %s: %s, expected %s", change, before, heard.affected, expected);
    /* What was said not to be affected must come out the same when it is compiled again. */
    for (size_t r = 0; r < N_RESOURCES; r++) {
        struct resource *again = compile(store, resources[r].type, resources[r].name);
        if (heard.affected[r] == '.')
            assert_string_equal(again->version, heard.compiled[r]->version);
        resource_free(again);
        resource_free(heard.compiled[r]);
    }
    store_free(store);
}

static void test_only_what_depends_on_it(void **state)
{
    (void)state;
    static const struct {
        const char *change, *affected;
    } cases[] = {
        {POD("web-1", "web", "10.0.0.1"), "x.xx."},
        {POD("web-2", "web", "10.0.0.3"), "...x."},
        {POD("api-1", "api", "10.0.0.9"), "....."},
        {POD("api-2", "api", "10.96.0.9"), "....x"},
        {SERVICE("web", "10.96.0.1"), "xxxx."},
        {SERVICE("api", "10.96.0.3"), "x.x.."},
        {SERVICE("new", "10.96.0.9"), "x.x.x"},
        {SLICE("web", "10.0.0.1"), "...x."},
        {SLICE("api", "10.0.0.1"), "....."},
        {ACCESS("shop"), "x...."},
        {ACCESS("outrigger-system"), "x...."},
        {ACCESS("other"), "....."},
        {TRAFFIC("shop"), "xxxx."},
        {TRAFFIC("outrigger-system"), "x.xx."},
        {TRAFFIC("other"), "....."},
        {NAMESPACE, "x.xx."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_affected("", cases[i].change, cases[i].affected);
}

/* A route names Services, grants and filters, whether or not they are there. */
static void test_what_routes_name(void **state)
{
    (void)state;
    static const struct {
        const char *before, *change, *affected;
    } cases[] = {
        {"", ROUTE, ".x..."},
        {"", FILTER("f"), "....."},
        {ROUTE FILTER("f"), SERVICE("new", "10.96.0.5"), "xxx.."},
        {ROUTE, FILTER("f"), ".x..."},
        {ROUTE, FILTER("g"), "....."},
        {ROUTE FILTER("f"), GRANT("pay"), ".x..."},
        {ROUTE FILTER("f"), GRANT("other"), "....."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_affected(cases[i].before, cases[i].change, cases[i].affected);
}

static void test_lost_changes_affect_everything(void **state)
{
    (void)state;
    struct store *store = store_of(BEFORE);
    struct resource *resource = compile(store, RESOURCE_SERVICE, "10.96.0.1:80");
    assert_true(resource_is_affected(resource, NULL));
    resource_free(resource);
    store_free(store);
}

/* The order in which objects came, and what came and went, leave no trace. */
static void test_same_objects_same_bytes(void **state)
{
    (void)state;
    struct store *one = store_of(BEFORE SLICE("web", "10.0.0.1, 10.0.0.7") ACCESS("shop")
                                     ACCESS("outrigger-system") TRAFFIC("shop"));
    struct store *other = store_of(SERVICE("gone", "10.96.0.7") POD("gone", "web", "10.0.0.4"));
    load(other, TRAFFIC("shop") ACCESS("outrigger-system") ACCESS("shop"));
    store_remove(other, OBJECT_POD, "shop", "gone");
    store_remove(other, OBJECT_SERVICE, "shop", "gone");
    load(other, SERVICE("api", "10.96.0.2") SERVICE("web", "10.96.0.1")
                    POD("api-1", "api", "10.0.0.2") POD("web-1", "other", "10.0.0.8"));
    load(other, SLICE("web", "10.0.0.1, 10.0.0.7") POD("web-1", "web", "10.0.0.1"));
    for (size_t r = 0; r < N_RESOURCES; r++) {
        struct resource *a = compile(one, resources[r].type, resources[r].name);
        struct resource *b = compile(other, resources[r].type, resources[r].name);
        assert_int_equal(a->exists, b->exists);
        assert_string_equal(a->version, b->version);
        assert_true(slice_eq(a->bytes, b->bytes));
        resource_free(a);
        resource_free(b);
    }
    store_free(one);
    store_free(other);
}

/* Proxies show their versions to whichever replica they find after a restart. */
static void test_version_is_a_hash_of_the_bytes(void **state)
{
    (void)state;
    struct store *store = store_of(BEFORE);
    struct resource *resource = compile(store, RESOURCE_ENDPOINTS, "shop/api/http");
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char expected[17];
    SHA256((const unsigned char *)resource->bytes.ptr, resource->bytes.len, digest);
    for (size_t i = 0; i < 8; i++)
        snprintf(expected + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(resource->version, expected);
    resource_free(resource);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_depends_on_it),
        cmocka_unit_test(test_what_routes_name),
        cmocka_unit_test(test_lost_changes_affect_everything),
        cmocka_unit_test(test_same_objects_same_bytes),
        cmocka_unit_test(test_version_is_a_hash_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
