/* Which rules the routes of a Service give, and in which order requests try their matches. */
#include "test/unit/controller/compile/compiled.h"

#include <stdio.h>

#define SERVICE(namespace, name, ip)                                                               \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: " name                                   \
    ", namespace: " namespace "}\n"                                                                \
                              "spec: {clusterIP: " ip                                              \
                              ", ports: [{port: 80, name: http}, {port: 81, name: other}]}\n"
#define SERVICES                                                                                   \
    SERVICE("shop", "api", "10.96.0.1")                                                            \
    SERVICE("shop", "v2", "10.96.0.2") SERVICE("pay", "bank", "10.96.0.3")
#define ROUTE_AT(kind, version, namespace, name, created, parent, rules)                           \
    "---\napiVersion: gateway.networking.k8s.io/" version "\nkind: " kind "\n"                     \
    "metadata: {name: " name ", namespace: " namespace ", creationTimestamp: " created "}\n"       \
                                                       "spec:\n  parentRefs: [{group: \"\", "      \
                                                       "kind: Service, name: api" parent "}]\n"    \
                                                       "  rules: [" rules "]\n"
#define OLD                        "2020-01-01T00:00:00Z"
#define NEW                        "2025-01-01T00:00:00Z"
#define HTTP(name, created, rules) ROUTE_AT("HTTPRoute", "v1", "shop", name, created, "", rules)
#define GRPC(name, created, rules) ROUTE_AT("GRPCRoute", "v1", "shop", name, created, "", rules)
#define TCP(name, created, rules)  ROUTE_AT("TCPRoute", "v1alpha2", "shop", name, created, "", rules)
#define CONSUMER(kind, version, rules)                                                             \
    ROUTE_AT(kind, version, "web", "own", NEW, ", namespace: shop", rules)
#define TO(name)      "backendRefs: [{name: " name ", port: 80}]"
#define MATCH(what)   "{matches: [{" what "}]}"
#define PREFIX(value) "path: {value: " value "}"
#define EXACT(value)  "path: {type: Exact, value: " value "}"
#define REGEX(value)  "path: {type: RegularExpression, value: \"" value "\"}"
#define HEADERS(list) "headers: [" list "]"
#define GRANT(to)                                                                                  \
    "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n"                   \
    "metadata: {name: g, namespace: pay}\nspec:\n"                                                 \
    "  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]\n"             \
    "  to: [{group: \"\", kind: Service" to "}]\n"
#define VIP "10.96.0.1:80"

#define APPEND(text, ...) snprintf((text) + strlen(text), sizeof(text) - strlen(text), __VA_ARGS__)

static Outrigger__V1__Service *told_to(const struct store *store, const char *namespace)
{
    struct resource *resource = compile(store, RESOURCE_SERVICE, VIP);
    const struct resource *view = resource_for(resource, slice_str(namespace));
    Outrigger__V1__Service *message =
        outrigger__v1__service__unpack(NULL, view->bytes.len, (const uint8_t *)view->bytes.ptr);
    assert_non_null(message);
    resource_free(resource);
    return message;
}

/* ---- precedence ------------------------------------------------------------------------------ */

/* "rule path method headers+parameters" for each match, each on a line. */
static void expect_matches(const char *routes, const char *namespace, const char *expected)
{
    static const char *const kinds[] = {"any", "=", "^", "~"};
    char yaml[8192], text[4096] = "";
    snprintf(yaml, sizeof(yaml), SERVICES "%s", routes);
    struct store *store = store_of(yaml);
    Outrigger__V1__Service *message = told_to(store, namespace);
    for (size_t i = 0; i < message->n_matches; i++) {
        const Outrigger__V1__RouteMatch *match = message->matches[i];
        assert_in_range(match->rule, 0, message->n_rules - 1);
        APPEND(text, "%s %s%s %s %zu+%zu\n", message->rules[match->rule]->name,
               kinds[match->path_kind], match->path, *match->method ? match->method : "*",
               match->n_headers, match->n_query);
    }
    assert_string_equal(text, expected);
    outrigger__v1__service__free_unpacked(message, NULL);
    store_free(store);
}

static void test_http_matches_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *routes, *order;
    } cases[] = {
        {HTTP("a", OLD, MATCH(PREFIX("/long/prefix")) ", " MATCH(EXACT("/x"))),
         "HTTPRoute/shop/a/1 =/x * 0+0\nHTTPRoute/shop/a/0 ^/long/prefix * 0+0\n"},
        {HTTP("a", OLD, MATCH(PREFIX("/a")) ", " MATCH(PREFIX("/a/b"))),
         "HTTPRoute/shop/a/1 ^/a/b * 0+0\nHTTPRoute/shop/a/0 ^/a * 0+0\n"},
        /* The / at the end of a prefix means nothing. */
        {HTTP("a", OLD, MATCH(PREFIX("/a/")) ", " MATCH(PREFIX("/a") ", method: GET")),
         "HTTPRoute/shop/a/1 ^/a GET 0+0\nHTTPRoute/shop/a/0 ^/a/ * 0+0\n"},
        {HTTP("a", OLD, MATCH(HEADERS("{name: x, value: y}")) ", " MATCH("method: PUT")),
         "HTTPRoute/shop/a/1 any PUT 0+0\nHTTPRoute/shop/a/0 any * 1+0\n"},
        /* No path is the prefix "/". */
        {HTTP("a", OLD, MATCH(PREFIX("/")) ", " MATCH("method: PUT")),
         "HTTPRoute/shop/a/1 any PUT 0+0\nHTTPRoute/shop/a/0 ^/ * 0+0\n"},
        {HTTP("a", OLD,
              MATCH("queryParams: [{name: a, value: b}, {name: c, value: d}]") ", " MATCH(
                  HEADERS("{name: x, value: y}"))),
         "HTTPRoute/shop/a/1 any * 1+0\nHTTPRoute/shop/a/0 any * 0+2\n"},
        {HTTP("a", OLD,
              MATCH(HEADERS("{name: x, value: y}")) ", " MATCH(
                  HEADERS("{name: x, value: y}, {name: z, value: y}"))),
         "HTTPRoute/shop/a/1 any * 2+0\nHTTPRoute/shop/a/0 any * 1+0\n"},
        /* Of several conditions on one header the first counts. */
        {HTTP("a", OLD,
              MATCH(HEADERS("{name: X, value: y}, {name: x, value: z}")) ", " MATCH(
                  HEADERS("{name: a, value: y}, {name: b, value: y}"))),
         "HTTPRoute/shop/a/1 any * 2+0\nHTTPRoute/shop/a/0 any * 1+0\n"},
        {HTTP("a", NEW, MATCH(PREFIX("/x"))) HTTP("b", OLD, MATCH(PREFIX("/x"))),
         "HTTPRoute/shop/b/0 ^/x * 0+0\nHTTPRoute/shop/a/0 ^/x * 0+0\n"},
        {HTTP("b", OLD, MATCH(PREFIX("/x"))) HTTP("a", OLD, MATCH(PREFIX("/x"))),
         "HTTPRoute/shop/a/0 ^/x * 0+0\nHTTPRoute/shop/b/0 ^/x * 0+0\n"},
        {HTTP("a", OLD, "{matches: [{" PREFIX("/x") "}, {" EXACT("/x") "}]}, " MATCH(REGEX("/x+"))),
         "HTTPRoute/shop/a/0 =/x * 0+0\nHTTPRoute/shop/a/1 ~/x+ * 0+0\n"
         "HTTPRoute/shop/a/0 ^/x * 0+0\n"},
        {HTTP("a", OLD, "{name: first}, {}"),
         "HTTPRoute/shop/a/first any * 0+0\nHTTPRoute/shop/a/1 any * 0+0\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_matches(cases[i].routes, "shop", cases[i].order);
}

static void test_grpc_matches_in_order(void **state)
{
    (void)state;
    expect_matches(
        GRPC("a", OLD,
             "{}, {matches: [{method: {method: Get}}]}, {matches: [{method: {service: a.B}}]}, "
             "{matches: [{method: {service: a.B, method: Get}}]}, "
             "{matches: [{method: {service: a.Longer}}]}, "
             "{matches: [{method: {type: RegularExpression, service: \"a[.].*\"}}]}, "
             "{matches: [{headers: [{name: X, value: y}]}]}"),
        "shop",
        "GRPCRoute/shop/a/4 ^/a.Longer * 0+0\n"
        "GRPCRoute/shop/a/5 ~/(?:a[.].*)/(?:[^/]+) * 0+0\n"
        "GRPCRoute/shop/a/3 =/a.B/Get * 0+0\n"
        "GRPCRoute/shop/a/2 ^/a.B * 0+0\n"
        "GRPCRoute/shop/a/1 ~/[^/]+/Get * 0+0\n"
        "GRPCRoute/shop/a/6 any * 1+0\n"
        "GRPCRoute/shop/a/0 any * 0+0\n");
}

/* ---- who decides ----------------------------------------------------------------------------- */

static void test_the_most_specific_kind_decides_alone(void **state)
{
    (void)state;
    expect_matches(HTTP("a", OLD, "{}") GRPC("b", NEW, "{}"), "shop",
                   "GRPCRoute/shop/b/0 any * 0+0\n");
    expect_matches(TCP("a", OLD, "{" TO("v2") "}") HTTP("b", NEW, "{}"), "shop",
                   "HTTPRoute/shop/b/0 any * 0+0\n");
    expect_matches(TCP("a", OLD, "{" TO("v2") "}"), "shop", "");
    expect_matches("", "shop", "");
}

static void test_routes_of_ports(void **state)
{
    (void)state;
#define AT(parent) ROUTE_AT("HTTPRoute", "v1", "shop", "a", OLD, parent, "{}")
    expect_matches(AT(", port: 80"), "shop", "HTTPRoute/shop/a/0 any * 0+0\n");
    expect_matches(AT(", port: 81"), "shop", "");
    expect_matches(AT(", sectionName: http"), "shop", "HTTPRoute/shop/a/0 any * 0+0\n");
    expect_matches(AT(", sectionName: other"), "shop", "");
    expect_matches(AT(", sectionName: other, port: 80"), "shop", "");
    /* A gateway's route is not ours, whatever it says. */
    expect_matches("---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                   "metadata: {name: g, namespace: shop}\n"
                   "spec: {parentRefs: [{name: api}], rules: [{new: field}]}\n",
                   "shop", "");
}

static void test_consumers_have_their_own_first(void **state)
{
    (void)state;
#define OWN(rules)     CONSUMER("HTTPRoute", "v1", rules)
#define PRODUCER_FIRST HTTP("p", OLD, MATCH(EXACT("/x")))
    expect_matches(PRODUCER_FIRST OWN("{}"), "shop", "HTTPRoute/shop/p/0 =/x * 0+0\n");
    expect_matches(PRODUCER_FIRST OWN("{}"), "else", "HTTPRoute/shop/p/0 =/x * 0+0\n");
    expect_matches(PRODUCER_FIRST OWN("{}"), "web",
                   "HTTPRoute/web/own/0 any * 0+0\nHTTPRoute/shop/p/0 =/x * 0+0\n");
    expect_matches(OWN("{}"), "shop", "");
    /* The callers' own say the kind. */
    expect_matches(GRPC("g", OLD, "{}") OWN("{}"), "web", "HTTPRoute/web/own/0 any * 0+0\n");
    expect_matches(GRPC("g", OLD, "{}") OWN("{}"), "shop", "GRPCRoute/shop/g/0 any * 0+0\n");
}

static void test_rules_without_effect_are_dropped(void **state)
{
    (void)state;
    expect_matches(HTTP("a", OLD, "{sessionPersistence: {}}, {}"), "shop",
                   "HTTPRoute/shop/a/1 any * 0+0\n");
    expect_matches(HTTP("a", OLD, "{sessionPersistence: {}}"), "shop", "");
    expect_matches(HTTP("a", OLD, "{filters: [{type: ExternalAuth, x: {}}]}, {}"), "shop",
                   "HTTPRoute/shop/a/1 any * 0+0\n");
}

/* ---- where to -------------------------------------------------------------------------------- */

/* "endpoints*weight" or "!why" for each backend of the first rule, with spaces between. */
static void expect_backends(const char *objects, const char *expected)
{
    char yaml[8192], text[4096] = "";
    snprintf(yaml, sizeof(yaml), SERVICES "%s", objects);
    struct store *store = store_of(yaml);
    Outrigger__V1__Service *message = told_to(store, "shop");
    assert_int_equal(message->n_rules, 1);
    for (size_t i = 0; i < message->rules[0]->n_backends; i++) {
        const Outrigger__V1__RouteBackend *backend = message->rules[0]->backends[i];
        if (*backend->why)
            APPEND(text, "%s!%s*%u", i ? " " : "", backend->why, backend->weight);
        else
            APPEND(text, "%s%s*%u", i ? " " : "", backend->endpoints, backend->weight);
        assert_int_equal(*backend->why == '\0', *backend->endpoints != '\0');
    }
    assert_string_equal(text, expected);
    outrigger__v1__service__free_unpacked(message, NULL);
    store_free(store);
}

static void test_backends(void **state)
{
    (void)state;
#define BACKENDS(refs) HTTP("a", OLD, "{backendRefs: [" refs "]}")
#define NOT_GRANTED                                                                                \
    "!RefNotPermitted: no ReferenceGrant in namespace pay lets a HTTPRoute of namespace shop "     \
    "send to Service bank*1"
    static const struct {
        const char *objects, *backends;
    } cases[] = {
        {BACKENDS("{name: v2, port: 80}"), "shop/v2/http*1"},
        {BACKENDS("{name: v2, port: 80, weight: 0}, {name: api, port: 81, weight: 9}"),
         "shop/v2/http*0 shop/api/other*9"},
        {BACKENDS("{name: v3, port: 80}, {name: v2, port: 80}"),
         "!BackendNotFound: there is no Service shop/v3*1 shop/v2/http*1"},
        {BACKENDS("{name: v2, port: 82}"), "!BackendNotFound: Service shop/v2 has no port 82*1"},
        {BACKENDS("{name: v2}"),
         "!BackendNotFound: the reference to Service shop/v2 has no port*1"},
        {BACKENDS("{name: v2, kind: Lambda, port: 80}"),
         "!InvalidKind: a mesh sends to Services, not to a Lambda*1"},
        {BACKENDS("{name: bank, namespace: pay, port: 80}"), NOT_GRANTED},
        {BACKENDS("{name: bank, namespace: pay, port: 80}") GRANT(""), "pay/bank/http*1"},
        {BACKENDS("{name: bank, namespace: pay, port: 80}") GRANT(", name: bank"),
         "pay/bank/http*1"},
        {BACKENDS("{name: bank, namespace: pay, port: 80}") GRANT(", name: other"), NOT_GRANTED},
        {HTTP("a", OLD, "{}"), ""},
        {HTTP("a", OLD,
              "{filters: [{type: ExtensionRef, extensionRef: {group: outrigger.dev, kind: "
              "HTTPFilter, name: x}}], " TO("v2") "}"),
         "!BackendNotFound: there is no HTTPFilter shop/x*1"},
        {HTTP("a", OLD,
              "{filters: [{type: ExtensionRef, extensionRef: {group: x.io, kind: Y, name: x}}]}"),
         "!InvalidKind: Y of group x.io is no filter that this mesh knows*1"},
        {HTTP("a", OLD,
              "{backendRefs: [{name: v2, port: 80, weight: 3, filters: [{type: ExtensionRef, "
              "extensionRef: {group: outrigger.dev, kind: HTTPFilter, name: x}}]}]}"),
         "!BackendNotFound: there is no HTTPFilter shop/x*3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_backends(cases[i].objects, cases[i].backends);
}

static void expect_connections(const char *objects, const char *expected)
{
    char yaml[4096], text[1024] = "";
    snprintf(yaml, sizeof(yaml), SERVICES "%s", objects);
    struct store *store = store_of(yaml);
    Outrigger__V1__Service *message = told_to(store, "shop");
    for (size_t i = 0; i < message->n_backends; i++)
        APPEND(text, "%s%s*%u", i ? " " : "", message->backends[i]->endpoints,
               message->backends[i]->weight);
    assert_string_equal(text, expected);
    assert_int_equal(message->n_rules, 0);
    assert_false(exists(store, RESOURCE_ENDPOINTS, "shop/a/nowhere/"));
    outrigger__v1__service__free_unpacked(message, NULL);
    store_free(store);
}

static void test_connections(void **state)
{
    (void)state;
    expect_connections("", "shop/api/http*1");
    expect_connections(TCP("a", OLD, "{" TO("v2") "}"), "shop/v2/http*1");
    expect_connections(TCP("b", OLD, "{" TO("v2") "}") TCP("a", NEW, "{" TO("api") "}"),
                       "shop/v2/http*1");
    /* Added up; what cannot be sent to keeps its share. */
    expect_connections(TCP("a", OLD,
                           "{backendRefs: [{name: v2, port: 80, weight: 2}, {name: x, port: 80}, "
                           "{name: v2, port: 80}, {name: api, port: 80, weight: 0}]}"),
                       "shop/v2/http*3 shop/a/nowhere/*1");
    expect_connections(TCP("a", OLD, "{backendRefs: [{name: v2, port: 80, weight: 0}]}"),
                       "shop/a/nowhere/*1");
}

/* ---- what is changed and asked again ----------------------------------------------------------
 */

static void test_filters(void **state)
{
    (void)state;
    struct store *store = store_of(SERVICES HTTP(
        "a", OLD,
        "{matches: [{" PREFIX(
            "/old") "}], filters: ["
                    "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, "
                    "value: b}], "
                    "remove: [X-C]}}, "
                    "{type: URLRewrite, urlRewrite: {hostname: v2.example.com, path: {type: "
                    "ReplacePrefixMatch, replacePrefixMatch: /new}}}, "
                    "{type: RequestMirror, requestMirror: {backendRef: {name: gone, port: 80}}}, "
                    "{type: RequestMirror, requestMirror: {backendRef: {name: v2, port: 80}, "
                    "fraction: "
                    "{numerator: 1, denominator: 8}}}, "
                    "{type: CORS, cors: {allowOrigins: [\"https://*.example.com\"], allowMethods: "
                    "[GET]}}, "
                    "{type: ExtensionRef, extensionRef: {group: outrigger.dev, kind: HTTPFilter, "
                    "name: slow}}"
                    "], timeouts: {request: 2s, backendRequest: 500ms}, "
                    "retry: {codes: [503], attempts: 2, backoff: 10ms}, " TO(
                        "v2") "}") "---\napiVersion: outrigger.dev/v1alpha1\n"
                                   "kind: HTTPFilter\n"
                                   "metadata: {name: slow, namespace: shop}\n"
                                   "spec: {fault: {delay: {duration: 1s, percentage: 10},\n"
                                   "  abort: {grpcStatus: Unavailable}}}\n");
    Outrigger__V1__Service *message = told_to(store, "shop");
    const Outrigger__V1__RouteRule *rule = message->rules[0];
    assert_int_equal(rule->n_filters, 5); /* a copy to nowhere is none */
    assert_string_equal(rule->filters[0]->request_headers->set[0]->name, "x-a");
    assert_string_equal(rule->filters[0]->request_headers->set[0]->value, "b");
    assert_string_equal(rule->filters[0]->request_headers->remove[0], "x-c");
    assert_string_equal(rule->filters[1]->rewrite->host, "v2.example.com");
    assert_int_equal(rule->filters[1]->rewrite->path_edit,
                     OUTRIGGER__V1__PATH_EDIT__PATH_EDIT_PREFIX);
    assert_string_equal(rule->filters[1]->rewrite->path, "/new");
    assert_string_equal(rule->filters[2]->mirror->backend->endpoints, "shop/v2/http");
    assert_int_equal(rule->filters[2]->mirror->millionths, 125000);
    assert_string_equal(rule->filters[3]->cors->origins[0], "https://*.example.com");
    assert_int_equal(rule->filters[4]->fault->delay_ms, 1000);
    assert_int_equal(rule->filters[4]->fault->delay_millionths, 100000);
    assert_int_equal(rule->filters[4]->fault->abort_grpc_status, 14);
    assert_int_equal(rule->filters[4]->fault->abort_millionths, 1000000);
    assert_int_equal(rule->request_timeout_ms, 2000);
    assert_int_equal(rule->backend_timeout_ms, 500);
    assert_int_equal(rule->retry->attempts, 2);
    assert_int_equal(rule->retry->statuses[0], 503);
    assert_int_equal(rule->retry->backoff_ms, 10);
    assert_true(rule->retry->on_connect_failure);
    outrigger__v1__service__free_unpacked(message, NULL);
    store_free(store);
}

#define POLICY(name, service)                                                                      \
    "---\napiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\n"                               \
    "metadata: {name: " name ", namespace: shop}\n"                                                \
    "spec: {targetRefs: [{kind: Service, name: api}], service: {" service "}}\n"

static void test_retries_of_policies(void **state)
{
    (void)state;
    struct store *store =
        store_of(SERVICES POLICY("a", "retries: {attempts: 3, retryOn: [Reset, 502, Unavailable],"
                                      " perTryTimeout: 1s, backoff: 50ms}")
                     POLICY("b", "retries: {attempts: 9}, retryBudget: {percent: 30}"));
    Outrigger__V1__Service *message = told_to(store, "shop");
    assert_int_equal(message->retry_budget->percent, 30);
    assert_int_equal(message->n_rules, 1);
    assert_int_equal(message->n_matches, 1);
    assert_string_equal(message->rules[0]->name, "Service/shop/api/0");
    assert_string_equal(message->rules[0]->backends[0]->endpoints, "shop/api/http");
    assert_int_equal(message->rules[0]->backend_timeout_ms, 1000);
    const Outrigger__V1__Retry *retry = message->rules[0]->retry;
    assert_int_equal(retry->attempts, 3);
    assert_true(retry->on_reset && !retry->on_connect_failure);
    assert_int_equal(retry->n_statuses, 1);
    assert_int_equal(retry->statuses[0], 502);
    assert_int_equal(retry->grpc_codes[0], 14);
    assert_int_equal(retry->backoff_ms, 50);
    outrigger__v1__service__free_unpacked(message, NULL);
    /* A route's own word goes before. */
    load(store, HTTP("r", OLD,
                     "{retry: {attempts: 1}, timeouts: {request: 400ms}}, {timeouts: "
                     "{backendRequest: 7s}}"));
    message = told_to(store, "shop");
    assert_int_equal(message->n_rules, 2);
    assert_int_equal(message->rules[0]->retry->attempts, 1);
    assert_int_equal(message->rules[0]->backend_timeout_ms, 400);
    assert_int_equal(message->rules[1]->retry->attempts, 3);
    assert_int_equal(message->rules[1]->backend_timeout_ms, 7000);
    outrigger__v1__service__free_unpacked(message, NULL);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_matches_in_order),
        cmocka_unit_test(test_grpc_matches_in_order),
        cmocka_unit_test(test_the_most_specific_kind_decides_alone),
        cmocka_unit_test(test_routes_of_ports),
        cmocka_unit_test(test_consumers_have_their_own_first),
        cmocka_unit_test(test_rules_without_effect_are_dropped),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_retries_of_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
