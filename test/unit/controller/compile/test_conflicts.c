#include "controller/compile/conflicts.h"

#include "test/unit/controller/compile/compiled.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define POLICY(name, spec)                                                                         \
    "---\napiVersion: outrigger.dev/v1alpha1\nkind: TrafficPolicy\n"                               \
    "metadata: {name: " name ", namespace: shop}\nspec: " spec "\n"
#define SERVICE                                                                                    \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {}\n"
#define POD                                                                                        \
    "---\napiVersion: v1\nkind: Pod\n"                                                             \
    "metadata: {name: web-1, namespace: shop, labels: {app: web, tier: front}}\n"
#define STRICT          "{inbound: {mtls: {mode: Strict}}}"
#define DISABLED        "{inbound: {mtls: {mode: Disabled}}}"
#define OF(label, mode) "{selector: {matchLabels: {" label "}}, inbound: {mtls: {mode: " mode "}}}"
#define TO(name, timeout)                                                                          \
    "{targetRefs: [{kind: Service, name: " name "}], service: {idleTimeout: " timeout "}}"
#define PORT(mode) "{inbound: {mtls: {ports: [{port: 80, mode: " mode "}]}}}"

static void test_tells_who_goes_first(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *problem; /* NULL: none */
    } cases[] = {
        {POLICY("a", STRICT) POLICY("b", DISABLED),
         "x.yaml:7: spec.inbound.mtls.mode: TrafficPolicy shop/a sets it otherwise and goes first"},
        {POLICY("a", STRICT) POLICY("b", STRICT), NULL},
        {POLICY("a", STRICT) POLICY("b", "{accessLog: true}"), NULL},
        {POLICY("a", STRICT) POLICY("b", OF("app: web", "Disabled")), NULL},
        {POLICY("a", OF("app: web", "Strict")) POLICY("b", OF("app: web", "Disabled")),
         "x.yaml:7: spec.inbound.mtls.mode: TrafficPolicy shop/a sets it otherwise and goes first"},
        {POLICY("a", OF("app: web", "Strict")) POLICY("b", OF("tier: front", "Disabled")), NULL},
        {POLICY("a", OF("app: web", "Strict")) POLICY("b", OF("tier: front", "Disabled")) POD,
         "x.yaml:7: spec.inbound.mtls.mode: TrafficPolicy shop/a sets it otherwise and goes first"},
        {POLICY("a", PORT("Strict")) POLICY("b", PORT("Disabled")),
         "x.yaml:7: spec.inbound.mtls.ports: TrafficPolicy shop/a sets it otherwise and goes "
         "first"},
        {POLICY("a", TO("web", "1s")) SERVICE, NULL},
        {POLICY("a", TO("web", "1s")),
         "x.yaml:2: spec.targetRefs[0].name: there is no Service shop/web"},
        {POLICY("a", TO("web", "1s")) POLICY("b", TO("web", "2s")) SERVICE,
         "x.yaml:7: spec.service.idleTimeout: TrafficPolicy shop/a sets it otherwise and goes "
         "first"},
        {POLICY("b, creationTimestamp: 2026-01-01T00:00:00Z", STRICT) POLICY("a", DISABLED),
         "x.yaml:7: spec.inbound.mtls.mode: TrafficPolicy shop/b sets it otherwise and goes first"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store *store = store_of(cases[i].yaml);
        struct problems problems;
        problems_init(&problems);
        struct conflicts *conflicts = conflicts_new(store, &problems);
        const char **list = problems_list(&problems);
        assert_int_equal(problems_count(&problems), cases[i].problem ? 1 : 0);
        if (cases[i].problem)
            assert_string_equal(list[0], cases[i].problem);
        free(list);
        conflicts_free(conflicts);
        problems_fini(&problems);
        store_free(store);
    }
}

static void test_comes_and_goes(void **state)
{
    (void)state;
    struct store *store = store_of(POLICY("a", TO("web", "1s")));
    struct problems problems;
    problems_init(&problems);
    problems_set(&problems, "other.yaml", "another problem");
    struct conflicts *conflicts = conflicts_new(store, &problems);
    assert_int_equal(problems_count(&problems), 2);
    load(store, SERVICE);
    assert_int_equal(problems_count(&problems), 1);
    load(store, POLICY("b", TO("web", "2s")));
    assert_int_equal(problems_count(&problems), 2);
    store_remove(store, OBJECT_TRAFFIC_POLICY, "shop", "a");
    store_commit(store);
    assert_int_equal(problems_count(&problems), 1);
    conflicts_free(conflicts);
    problems_fini(&problems);
    store_free(store);
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_who_goes_first),
        cmocka_unit_test(test_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
