#include "test/unit/controller/objects/wrong.h"

#define GROUP(version, rest)                                                                       \
    "apiVersion: specs.smi-spec.io/" version "\nkind: HTTPRouteGroup\n"                            \
    "metadata: {name: g, namespace: shop}\n" rest "\n"
#define MATCH(match) GROUP("v1alpha4", "spec: {matches: [" match "]}")
#define TARGET(spec)                                                                               \
    "apiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\n"                               \
    "metadata: {name: t, namespace: shop}\nspec: " spec "\n"
#define RULES   "rules: [{kind: HTTPRouteGroup, name: g}]"
#define TO      "destination: {kind: ServiceAccount, name: api}"
#define SOURCES "sources: [{kind: ServiceAccount, name: web}]"
#define SPLIT(version, spec)                                                                       \
    "apiVersion: split.smi-spec.io/" version "\nkind: TrafficSplit\n"                              \
    "metadata: {name: s, namespace: shop}\nspec: " spec "\n"

static const struct wrong groups[] = {
    {GROUP("v1alpha5", "spec: {}"),
     "x.yaml:1: apiVersion: \"specs.smi-spec.io/v1alpha5\" is not that of HTTPRouteGroup, which is "
     "\"specs.smi-spec.io/v1alpha4\""},
    {GROUP("v1alpha4", "spec: {}"), "x.yaml:4: spec.matches: is missing"},
    {GROUP("v1alpha1", "match: []"), "x.yaml:1: matches: is missing"},
    {GROUP("v1alpha4", "spec: {match: []}"),
     "x.yaml:4: spec.match: there is no such field; did you mean \"matches\"?"},
    {MATCH("{pathRegex: /}"), "x.yaml:4: spec.matches[0].name: is missing"},
    {MATCH("{name: a}"),
     "x.yaml:4: spec.matches[0]: says nothing: expected pathRegex, methods or headers"},
    {MATCH("{name: a, pathRegex: \"/(\"}"),
     "x.yaml:4: spec.matches[0].pathRegex: regular expression \"/(\", byte 2: `(` without `)`"},
    {MATCH("{name: a, path: /}"),
     "x.yaml:4: spec.matches[0].path: there is no such field; did you mean \"name\"?"},
    {MATCH("{name: a, methods: [\"G T\"]}"),
     "x.yaml:4: spec.matches[0].methods[0]: \"G T\" is not a method, such as GET"},
    {MATCH("{name: a, headers: {\"a b\": x}}"), "x.yaml:4: spec.matches[0].headers[\"a b\"]: \"a "
                                                "b\" is not a header field's name in lower case"},
    {MATCH("{name: a, headers: [{x: \"[\"}]}"),
     "x.yaml:4: spec.matches[0].headers[0].x: regular expression \"[\", byte 1: `[` without `]`"},
    {MATCH("{name: a, pathRegex: /}, {name: a, pathRegex: /b}"),
     "x.yaml:4: spec.matches[1]: has the name \"a\", as matches[0] does"},
};

static const struct wrong targets[] = {
    {TARGET("{" RULES ", " SOURCES "}"), "x.yaml:4: spec.destination: is missing"},
    {TARGET("{" TO ", " SOURCES "}"), "x.yaml:4: spec.rules: is missing"},
    {TARGET("{" TO ", " RULES "}"), "x.yaml:4: spec.sources: is missing"},
    {TARGET("{" TO ", " RULES ", sources: []}"),
     "x.yaml:4: spec.sources: is empty: leave it out, or name at least one"},
    {TARGET("{destination: {kind: Service, name: api}, " RULES ", " SOURCES "}"),
     "x.yaml:4: spec.destination.kind: \"Service\" is not ServiceAccount, the only kind that has "
     "an identity"},
    {TARGET("{destination: {kind: ServiceAccount, name: api, namespace: bank}, " RULES ", " SOURCES
            "}"),
     "x.yaml:4: spec.destination.namespace: is not the TrafficTarget's own: only who may write "
     "there may let others in"},
    {TARGET("{" TO ", rules: [{kind: UDPRoute, name: u}], " SOURCES "}"),
     "x.yaml:4: spec.rules[0].kind: \"UDPRoute\" is none of HTTPRouteGroup, TCPRoute"},
    {TARGET("{" TO ", rules: [{kind: TCPRoute, name: u, matches: [a]}], " SOURCES "}"),
     "x.yaml:4: spec.rules[0].matches: is of an HTTPRouteGroup only: a TCPRoute has no names"},
    {TARGET("{" TO ", " RULES ", sources: [{kind: User, name: eve}]}"),
     "x.yaml:4: spec.sources[0].kind: \"User\" is not ServiceAccount, the only kind that has an "
     "identity"},
};

static const struct wrong splits[] = {
    {SPLIT("v1alpha4", "{backends: [{service: a, weight: 1}]}"),
     "x.yaml:4: spec.service: is missing"},
    {SPLIT("v1alpha4", "{service: a}"), "x.yaml:4: spec.backends: is missing"},
    {SPLIT("v1alpha4", "{service: a, backends: [{service: b}]}"),
     "x.yaml:4: spec.backends[0].weight: is missing"},
    {SPLIT("v1alpha4", "{service: a, backends: [{service: b, weight: 500m}]}"),
     "x.yaml:4: spec.backends[0].weight: \"500m\" is not a number between 0 and 1000000"},
    {SPLIT("v1alpha1", "{service: a, backends: [{service: b, weight: 0.5}]}"),
     "x.yaml:4: spec.backends[0].weight: \"0.5\" is no quantity from 0 to 1000, such as 1 or 500m"},
    {SPLIT("v1alpha4", "{service: a.bank, backends: [{service: b, weight: 1}]}"),
     "x.yaml:4: spec.service: \"a.bank\" is a Service of another namespace than the "
     "TrafficSplit's"},
    {SPLIT("v1alpha4",
           "{service: a, matches: [{kind: TCPRoute, name: x}], backends: [{service: b, weight: "
           "1}]}"),
     "x.yaml:4: spec.matches[0].kind: \"TCPRoute\" is none of HTTPRouteGroup"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_groups(void **state)
{
    (void)state;
    check_wrong(groups, COUNT(groups));
}

static void test_targets(void **state)
{
    (void)state;
    check_wrong(targets, COUNT(targets));
}

static void test_splits(void **state)
{
    (void)state;
    check_wrong(splits, COUNT(splits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
