#include "test/unit/controller/objects/wrong.h"

#define POD     "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-1\n"
#define SERVICE "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n"
#define SLICE   "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: web-abc\n"

/* Not YAML, or not a manifest. */
static const struct wrong documents[] = {
    {"kind: [Pod\n", "x.yaml:2: not YAML: did not find expected ',' or ']'"},
    {"kind: Pod\n\tname: x\n",
     "x.yaml:2: not YAML: found a tab character that violates indentation"},
    {"kind: Pod\n--- {\n", "x.yaml:3: not YAML: did not find expected node content"},
    {"kind: Pod\nkind: Service\n", "x.yaml:2: key \"kind\" is there twice"},
    {"a: &x [1, 2]\nb: *x\n",
     "x.yaml:1: anchors (&), aliases (*) and tags (!) are not taken: write it out"},
    {"a: *x\n", "x.yaml:1: anchors (&), aliases (*) and tags (!) are not taken: write it out"},
    {"a: !!binary aGk=\n",
     "x.yaml:1: anchors (&), aliases (*) and tags (!) are not taken: write it out"},
    {"<<: {a: b}\n", "x.yaml:1: merge keys (<<) are not taken: write the fields out"},
    {"? [a, b]\n: c\n", "x.yaml:1: a key must be a text, not a list or map"},
    {"a: \"\\0\"\n", "x.yaml:1: a value holds a NUL byte"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
     "x.yaml:1: more than 64 lists and maps in each other"},
    {"\xff\xff", "x.yaml:1: not YAML: invalid leading UTF-8 octet"},
    {"just text\n", "x.yaml:1: the document is a single value; expected a map of fields"},
    {"- a\n- b\n", "x.yaml:1: the document is a list; expected a map of fields"},
    {"metadata:\n  name: x\n", "x.yaml:1: kind: is missing"},
    {"kind: Pod\nmetadata:\n  name: x\n", "x.yaml:1: apiVersion: is missing"},
    {"apiVersion: v2\nkind: Pod\nmetadata:\n  name: x\n",
     "x.yaml:1: apiVersion: \"v2\" is not that of Pod, which is \"v1\""},
    {"apiVersion: v1\nkind: EndpointSlice\nmetadata:\n  name: x\n",
     "x.yaml:1: apiVersion: \"v1\" is not that of EndpointSlice, which is "
     "\"discovery.k8s.io/v1\""},
    {"apiVersion: outrigger.dev/v1alpha2\nkind: AccessPolicy\n",
     "x.yaml:1: apiVersion: \"outrigger.dev/v1alpha2\" is not that of AccessPolicy, which is "
     "\"outrigger.dev/v1alpha1\""},
    {"apiVersion: outrigger.dev/v1alpha1\nkind: AccesPolicy\n",
     "x.yaml:2: kind: \"AccesPolicy\" is no kind of outrigger.dev; did you mean \"AccessPolicy\"?"},
    {"apiVersion: outrigger.dev/v1alpha1\nkind: Gateway\n",
     "x.yaml:2: kind: \"Gateway\" is none of AccessPolicy, TrafficPolicy, HTTPFilter, "
     "ExternalService"},
    {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n",
     "x.yaml:5: items[0].kind: a List in a List is not taken"},
    {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n",
     "x.yaml:4: items[0].metadata: is missing"},
    {POD "---\n" POD, "x.yaml:6: Pod/default/web-1 is there already, on line 1"},
};

/* What all objects have. */
static const struct wrong metadata[] = {
    {"apiVersion: v1\nkind: Pod\n", "x.yaml:1: metadata: is missing"},
    {"apiVersion: v1\nkind: Pod\nmetadata: []\n",
     "x.yaml:3: metadata: is a list; expected a map of fields"},
    {"apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: x-\n",
     "x.yaml:4: metadata.name: is missing"},
    {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: Web_1\n",
     "x.yaml:4: metadata.name: \"Web_1\" is no name: expected a-z, 0-9, - and ., at most 253 "
     "bytes"},
    {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n",
     "x.yaml:4: metadata.name: 12 is a number, not a text: put it in quotes"},
    {POD "  namespace: a.b\n",
     "x.yaml:5: metadata.namespace: \"a.b\" is no name: expected a-z, 0-9 and -, at most 63 bytes"},
    {POD "  labels:\n    app: 1.5\n",
     "x.yaml:6: metadata.labels.app: 1.5 is a number, not a text: put it in quotes"},
    {POD "  labels:\n    app: yes\n",
     "x.yaml:6: metadata.labels.app: yes is a boolean, not a text: put it in quotes"},
    {POD "  labels:\n    app:\n", "x.yaml:6: metadata.labels.app: is empty; expected a text"},
    {POD "  labels:\n  - app\n", "x.yaml:6: metadata.labels: is a list; expected a map"},
    {POD "  labels:\n    app: "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
     "x.yaml:6: metadata.labels.app: is longer than a label may be: 317 bytes, and 63 for its "
     "value"},
    {POD "  creationTimestamp: yesterday\n", "x.yaml:5: metadata.creationTimestamp: \"yesterday\" "
                                             "is no time; expected the form 2026-01-31T12:00:00Z"},
};

static const struct wrong annotations[] = {
    {POD "  annotations:\n    outrigger.dev/mtls-mod: strict\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/mtls-mod\"]: there is no such setting; did "
     "you mean \"outrigger.dev/mtls-mode\"?"},
    {POD "  annotations:\n    outrigger.dev/colour: blue\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/colour\"]: there is no such setting"},
    {POD "  annotations:\n    outrigger.dev/mtls-mode: Strict\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/mtls-mode\"]: \"Strict\" is none of "
     "permissive, strict, disabled"},
    {POD "  annotations:\n    outrigger.dev/inject: true\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/inject\"]: true is a boolean, not a text: put "
     "it in quotes"},
    {POD "  labels:\n    outrigger.dev/inject: \"on\"\n",
     "x.yaml:6: metadata.labels[\"outrigger.dev/inject\"]: \"on\" is none of enabled, disabled"},
    {POD "  labels:\n    outrigger.dev/mtls-mode: strict\n",
     "x.yaml:6: metadata.labels[\"outrigger.dev/mtls-mode\"]: is an annotation, not a label"},
    {POD "  annotations:\n    outrigger.dev/opaque-ports: \"3306,x\"\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/opaque-ports\"]: \"x\" is neither a port "
     "(1-65535) nor a range of ports (9000-9010)"},
    {POD "  annotations:\n    outrigger.dev/opaque-ports: 3306\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/opaque-ports\"]: 3306 is a number, not a "
     "text: put it in quotes"},
    {POD "  annotations:\n    outrigger.dev/opaque-ports: 1-2000\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/opaque-ports\"]: holds more than 1000 ports"},
    {POD "  annotations:\n    outrigger.dev/opaque-ports: 90-80\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/opaque-ports\"]: \"90-80\" is neither a port "
     "(1-65535) nor a range of ports (9000-9010)"},
    {POD "  annotations:\n    outrigger.dev/discovery-timeout: 5 s\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/discovery-timeout\"]: \"5 s\" is not a "
     "duration; expected a number and ms, s, m, h or d"},
    {POD "  annotations:\n    outrigger.dev/discovery-timeout: 5m\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/discovery-timeout\"]: 5m is not between 1ms "
     "and 1m"},
    {POD "  annotations:\n    outrigger.dev/proxy-workers: \"0\"\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/proxy-workers\"]: \"0\" is not a number "
     "between 1 and 256"},
    {POD "  annotations:\n    outrigger.dev/skip-outbound-cidrs: 10.0.0.0/8,10.0.0.0/33\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/skip-outbound-cidrs\"]: \"10.0.0.0/33\": the "
     "prefix length must be a number between 0 and 32"},
    {POD "  annotations:\n    outrigger.dev/proxy-image: \"\"\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/proxy-image\"]: is empty"},
    {"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n"
     "    outrigger.dev/mtls-mode: strict\n",
     "x.yaml:6: metadata.annotations[\"outrigger.dev/mtls-mode\"]: means nothing on a Service; it "
     "belongs on a Namespace or a Pod"},
};

static const struct wrong pods[] = {
    {POD "spec:\n  containers:\n    name: app\n",
     "x.yaml:7: spec.containers: is a map; expected a list"},
    {POD "spec:\n  containers:\n  - app\n",
     "x.yaml:7: spec.containers[0]: is a single value; expected a map of fields"},
    {POD "spec:\n  containers:\n  - name: app\n    ports:\n    - name: http\n",
     "x.yaml:9: spec.containers[0].ports[0].containerPort: is missing"},
    {POD "spec:\n  containers:\n  - name: app\n    ports:\n    - containerPort: 70000\n",
     "x.yaml:9: spec.containers[0].ports[0].containerPort: \"70000\" is not a number between 1 and "
     "65535"},
    {POD "spec:\n  containers:\n  - name: app\n    ports:\n    - containerPort: \"80\"\n",
     "x.yaml:9: spec.containers[0].ports[0].containerPort: \"80\" is a text, not a number: leave "
     "out the quotes"},
    {POD "spec:\n  serviceAccountName: Web\n",
     "x.yaml:6: spec.serviceAccountName: \"Web\" is no name: expected a-z, 0-9, - and ., at most "
     "253 bytes"},
    {POD "spec:\n  hostNetwork: yes\n",
     "x.yaml:6: spec.hostNetwork: \"yes\" is neither true nor false"},
    {POD "status:\n  podIP: 10.0.0\n", "x.yaml:6: status.podIP: \"10.0.0\" is no IP address"},
    {POD "status:\n  podIPs:\n  - ip: fd00::1\n  - ip: fd00::g\n",
     "x.yaml:8: status.podIPs[1].ip: \"fd00::g\" is no IP address"},
};

static const struct wrong services[] = {
    {"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n", "x.yaml:1: spec: is missing"},
    {SERVICE "  type: Cluster\n",
     "x.yaml:6: spec.type: \"Cluster\" is none of ClusterIP, NodePort, LoadBalancer, ExternalName"},
    {SERVICE "  clusterIP: 10.96.0.300\n",
     "x.yaml:6: spec.clusterIP: \"10.96.0.300\" is no IP address"},
    {SERVICE "  ports:\n  - name: http\n", "x.yaml:7: spec.ports[0].port: is missing"},
    {SERVICE "  ports:\n  - port: 010\n",
     "x.yaml:7: spec.ports[0].port: \"010\" is not a number between 1 and 65535"},
    {SERVICE "  ports:\n  - port: 0\n",
     "x.yaml:7: spec.ports[0].port: \"0\" is not a number between 1 and 65535"},
    {SERVICE "  ports:\n  - port: 80\n    targetPort: \"8080\"\n",
     "x.yaml:8: spec.ports[0].targetPort: \"8080\" is a text: a port's number stands without "
     "quotes"},
    {SERVICE "  ports:\n  - port: 80\n    protocol: tcp\n",
     "x.yaml:8: spec.ports[0].protocol: \"tcp\" is none of TCP, UDP, SCTP"},
    {SERVICE "  ports:\n  - port: 80\n    name: HTTP\n",
     "x.yaml:8: spec.ports[0].name: \"HTTP\" is no name: expected a-z, 0-9 and -, at most 63 "
     "bytes"},
    {SERVICE "  ports:\n  - {port: 80, name: a}\n  - {port: 80, name: b}\n",
     "x.yaml:8: spec.ports[1].port: 80 is there twice"},
    {SERVICE "  ports:\n  - {port: 80, name: a}\n  - {port: 81, name: a}\n",
     "x.yaml:8: spec.ports[1]: its name is there twice"},
    {SERVICE "  ports:\n  - port: 80\n  - port: 81\n",
     "x.yaml:8: spec.ports[1]: needs a name, as another port has none either"},
    {SERVICE "  selector: web\n", "x.yaml:6: spec.selector: is a single value; expected a map"},
    {SERVICE "  publishNotReadyAddresses: 1\n",
     "x.yaml:6: spec.publishNotReadyAddresses: \"1\" is neither true nor false"},
};

static const struct wrong slices[] = {
    {SLICE, "x.yaml:1: addressType: is missing"},
    {SLICE "addressType: IPv5\n", "x.yaml:5: addressType: \"IPv5\" is none of IPv4, IPv6, FQDN"},
    {SLICE "addressType: IPv4\nendpoints:\n- conditions: {ready: true}\n",
     "x.yaml:7: endpoints[0].addresses: is missing"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: []\n",
     "x.yaml:7: endpoints[0].addresses: is empty"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: [\"fd00::1\"]\n",
     "x.yaml:7: endpoints[0].addresses[0]: \"fd00::1\" is not of the slice's addressType"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: [127.0.0.1]\n",
     "x.yaml:7: endpoints[0].addresses[0]: \"127.0.0.1\" is a loopback, link-local, multicast or "
     "unspecified address"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: [\"169.254.169.254\"]\n",
     "x.yaml:7: endpoints[0].addresses[0]: \"169.254.169.254\" is a loopback, link-local, "
     "multicast "
     "or unspecified address"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: [web.example]\n",
     "x.yaml:7: endpoints[0].addresses[0]: \"web.example\" is no IP address"},
    {SLICE "addressType: IPv4\nports:\n- port: http\n",
     "x.yaml:7: ports[0].port: \"http\" is not a number between 1 and 65535"},
    {SLICE "addressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  conditions: ready\n",
     "x.yaml:8: endpoints[0].conditions: is a single value; expected a map of fields"},
};

#define TABLE_TEST(table)                                                                          \
    static void test_##table(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        check_wrong(table, sizeof(table) / sizeof((table)[0]));                                    \
    }

TABLE_TEST(documents)
TABLE_TEST(metadata)
TABLE_TEST(annotations)
TABLE_TEST(pods)
TABLE_TEST(services)
TABLE_TEST(slices)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),   cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_annotations), cmocka_unit_test(test_pods),
        cmocka_unit_test(test_services),    cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
