#include "test/unit/controller/objects/wrong.h"

#define EXTERNAL(spec)                                                                             \
    "apiVersion: outrigger.dev/v1alpha1\nkind: ExternalService\n"                                  \
    "metadata: {name: e, namespace: shop}\nspec: " spec "\n"

static const struct wrong services[] = {
    {EXTERNAL("{ports: [443]}"), "x.yaml:4: spec: needs hosts, addresses, or both"},
    {EXTERNAL("{hosts: [a.example]}"), "x.yaml:4: spec.ports: is missing"},
    {EXTERNAL("{hosts: [], ports: [1]}"),
     "x.yaml:4: spec.hosts: is empty: leave it out, or name at least one"},
    {EXTERNAL("{hosts: [\"*\"], ports: [1]}"),
     "x.yaml:4: spec.hosts[0]: \"*\" is neither a name nor *.NAME; addresses stand in `addresses`"},
    {EXTERNAL("{hosts: [\"a:443\"], ports: [1]}"),
     "x.yaml:4: spec.hosts[0]: \"a:443\" is neither a name nor *.NAME; addresses stand in "
     "`addresses`"},
    {EXTERNAL("{addresses: [a], ports: [1]}"),
     "x.yaml:4: spec.addresses[0]: \"a\" is not an address block; expected e.g. 10.0.0.0/8 or "
     "fd00::/8"},
    {EXTERNAL("{hosts: [a], ports: [0]}"),
     "x.yaml:4: spec.ports[0]: \"0\" is not a number between 1 and 65535"},
    {EXTERNAL("{hosts: [a], port: 1}"),
     "x.yaml:4: spec.port: there is no such field; did you mean \"ports\"?"},
    {"apiVersion: outrigger.dev/v1alpha1\nkind: ExternalServices\nmetadata: {name: e}\n",
     "x.yaml:2: kind: \"ExternalServices\" is no kind of outrigger.dev; did you mean "
     "\"ExternalService\"?"},
};

static void test_services(void **state)
{
    (void)state;
    check_wrong(services, sizeof(services) / sizeof(services[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_services)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
