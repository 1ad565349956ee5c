#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/clock.h"
#include "test/unit/proxy/control/responses.h"

#define VIP   "10.96.0.10:80"
#define OTHER "10.96.0.11:80"
#define POD   "shop/api-1"

static struct resources *fresh(size_t max_services)
{
    struct resources *resources = resources_new(POD, "cluster.local", max_services);
    assert_non_null(resources);
    resources_stream_opened(resources, 1);
    return resources;
}

static void want(struct resources *resources, const char *name, uint64_t now_ns)
{
    assert_true(resources_want(resources, slice_str(name), now_ns));
}

/* Applies and frees; NULL expected: accepted, else how the refusal begins. */
static void apply(struct resources *resources, DeltaDiscoveryResponse *response,
                  const char *expected)
{
    struct err err = {""};
    bool ok = resources_apply(resources, response, &err);
    response_free(response);
    assert_int_equal(ok, expected == NULL);
    if (expected && !slice_starts_with(slice_str(err.text), slice_str(expected)))
        fail_msg("%s", err.text);
}

static DeltaDiscoveryResponse *begin(enum resource_type type)
{
    return response_begin(resource_type_url(type), "n");
}

static void service_answer(struct resources *resources, const char *version, const char *backends)
{
    DeltaDiscoveryResponse *response = begin(RESOURCE_SERVICE);
    response_add_service(response, VIP, version, backends, 1);
    apply(resources, response, NULL);
}

static void endpoints_answer(struct resources *resources, const char *name, const char *version,
                             const char *address)
{
    DeltaDiscoveryResponse *response = begin(RESOURCE_ENDPOINTS);
    response_add_endpoints(response, name, version, address);
    apply(resources, response, NULL);
}

/* The version of the Service in the next snapshot; NULL when it is not there. */
static const char *published(struct resources *resources, const char *name)
{
    static char version[64];
    struct snapshot *snapshot = resources_snapshot(resources, 1);
    assert_non_null(snapshot);
    assert_false(resources->is_dirty);
    const struct service *service = snapshot_service(snapshot, slice_str(name));
    if (service)
        snprintf(version, sizeof(version), "%s", service->is_known ? service->version : "unknown");
    snapshot_drop(snapshot);
    return service ? version : NULL;
}

static bool is_noted(struct map *notes, const char *name)
{
    return map_get(notes, slice_str(name)) != NULL;
}

static void a_service_waits_for_its_endpoints(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    want(r, VIP, 1);
    want(r, VIP, 2); /* once is enough */
    assert_int_equal(r->services.count, 1);
    assert_true(is_noted(&r->subscribe[RESOURCE_SERVICE], VIP));
    service_answer(r, "1", "shop/api/80 shop/api/80/v2");
    assert_true(is_noted(&r->subscribe[RESOURCE_ENDPOINTS], "shop/api/80"));
    assert_true(is_noted(&r->subscribe[RESOURCE_ENDPOINTS], "shop/api/80/v2"));
    assert_null(published(r, VIP));
    endpoints_answer(r, "shop/api/80", "5", "10.1.0.1");
    assert_null(published(r, VIP));
    endpoints_answer(r, "shop/api/80/v2", "6", NULL); /* empty is an answer */
    assert_string_equal(published(r, VIP), "1");

    /* A newer version with other endpoints: the old one stays, whole, until they are there. */
    service_answer(r, "2", "shop/api/80 shop/api/80/v3");
    assert_string_equal(published(r, VIP), "1");
    assert_int_equal(r->endpoints.count, 3);
    service_answer(r, "3", "shop/api/80 shop/api/80/v4"); /* 2 is overtaken */
    assert_int_equal(r->endpoints.count, 3);
    assert_true(is_noted(&r->unsubscribe[RESOURCE_ENDPOINTS], "shop/api/80/v3"));
    assert_false(is_noted(&r->subscribe[RESOURCE_ENDPOINTS], "shop/api/80/v3"));
    assert_string_equal(published(r, VIP), "1");
    endpoints_answer(r, "shop/api/80/v4", "7", "10.1.0.4");
    assert_string_equal(published(r, VIP), "3");
    assert_int_equal(r->endpoints.count, 2);
    assert_true(is_noted(&r->unsubscribe[RESOURCE_ENDPOINTS], "shop/api/80/v2"));
    resources_free(r);
}

static void the_last_good_version_stays(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    want(r, VIP, 1);
    want(r, OTHER, 1);
    service_answer(r, "1", "shop/api/80");
    endpoints_answer(r, "shop/api/80", "1", "10.1.0.1");
    DeltaDiscoveryResponse *response = begin(RESOURCE_SERVICE);
    response_add_service(response, VIP, "2", "shop/api/81", 0);
    response_add_service(response, OTHER, "1", "shop/api/80", 1); /* beside a bad one: taken */
    apply(r, response, "service " VIP ": backends[0].weight: 0 is not a weight");
    assert_string_equal(published(r, VIP), "1");
    assert_string_equal(published(r, OTHER), "1");
    assert_false(is_noted(&r->subscribe[RESOURCE_ENDPOINTS], "shop/api/81"));

    response = begin(RESOURCE_ENDPOINTS);
    response_add_endpoints(response, "shop/api/80", "2", "not an address");
    apply(r, response, "endpoints shop/api/80: endpoints[0].address: ");
    struct snapshot *snapshot = resources_snapshot(r, 2);
    struct endpoints *endpoints = snapshot_endpoints(snapshot, slice_str("shop/api/80"));
    assert_string_equal(endpoints->version, "1");
    assert_string_equal(endpoints->list[0].addr_text, "10.1.0.1:8080");
    snapshot_drop(snapshot);

    response = begin(RESOURCE_SERVICE);
    response_add(response, VIP, "3", NULL);
    response_add(response, OTHER, "3", NULL);
    apply(r, response,
          "service " VIP ": 2 bytes that are not a valid outrigger.v1.Service (and 1 m");
    resources_free(r);
}

static void workloads(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    assert_true(resources_is_unanswered(r, 1));
    DeltaDiscoveryResponse *response = begin(RESOURCE_WORKLOAD);
    response_add_workload(response, POD, "1", "cluster.local");
    response_add_workload(response, "shop/other", "1", "cluster.local"); /* not ours: skipped */
    apply(r, response, NULL);
    assert_false(resources_is_unanswered(r, UINT64_MAX));
    assert_string_equal(r->workload->version, "1");

    response = begin(RESOURCE_WORKLOAD);
    response_add_workload(response, POD, "2", "other.domain");
    apply(r, response,
          "workload " POD ": mesh.trust_domain: \"other.domain\" is not cluster.local");
    assert_string_equal(r->workload->version, "1");

    /* The controller lost sight of the pod: its policy stays. */
    response = begin(RESOURCE_WORKLOAD);
    response_remove(response, POD);
    apply(r, response, NULL);
    assert_true(r->workload_is_gone);
    assert_string_equal(r->workload->version, "1");
    resources_free(r);
}

static void what_is_removed_is_known_to_be_unknown(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    want(r, VIP, 1);
    service_answer(r, "1", "shop/api/80");
    endpoints_answer(r, "shop/api/80", "1", "10.1.0.1");
    assert_string_equal(published(r, VIP), "1");
    DeltaDiscoveryResponse *response = begin(RESOURCE_ENDPOINTS);
    response_remove(response, "shop/api/80");
    response_remove(response, "never/asked/1");
    apply(r, response, NULL);
    struct snapshot *snapshot = resources_snapshot(r, 2);
    assert_int_equal(snapshot_endpoints(snapshot, slice_str("shop/api/80"))->n, 0);
    snapshot_drop(snapshot);

    response = begin(RESOURCE_SERVICE);
    response_remove(response, VIP);
    apply(r, response, NULL);
    assert_string_equal(published(r, VIP), "unknown");
    assert_int_equal(r->endpoints.count, 0);
    assert_true(is_noted(&r->unsubscribe[RESOURCE_ENDPOINTS], "shop/api/80"));

    /* And it may come back; the workers' counts are the same object all along. */
    const struct followed *followed = map_get(&r->services, slice_str(VIP));
    struct service_shared *shared = followed->shared;
    service_answer(r, "2", "shop/api/80");
    assert_true(is_noted(&r->subscribe[RESOURCE_ENDPOINTS], "shop/api/80"));
    assert_false(is_noted(&r->unsubscribe[RESOURCE_ENDPOINTS], "shop/api/80"));
    assert_string_equal(published(r, VIP), "unknown");
    endpoints_answer(r, "shop/api/80", "9", "10.1.0.1");
    assert_string_equal(published(r, VIP), "2");
    assert_ptr_equal(followed->published->shared, shared);
    resources_free(r);
}

static void strange_responses_are_refused_or_skipped(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    want(r, VIP, 1);
    apply(r, response_begin("type.googleapis.com/envoy.config.cluster.v3.Cluster", "n"),
          "type_url: \"type.googleapis.com/envoy.config.cluster.v3.Cluster\" is not a type");
    apply(r, response_begin("", "n"), "type_url: \"\" is not");
    DeltaDiscoveryResponse *response = begin(RESOURCE_SERVICE);
    response_add_service(response, OTHER, "1", "shop/api/80", 1); /* nobody asked */
    apply(r, response, NULL);
    assert_int_equal(r->endpoints.count, 0);
    response = begin(RESOURCE_SERVICE);
    response_add_service(response, VIP, "1", "shop/api/80", 1);
    free(response->resources[0]->resource->type_url);
    response->resources[0]->resource->type_url = strdup("type.googleapis.com/another");
    apply(r, response, "service " VIP ": resource.type_url: ");
    response = begin(RESOURCE_SERVICE);
    response_add_service(response, VIP, "1", "shop/api/80", 1);
    google__protobuf__any__free_unpacked(response->resources[0]->resource, NULL);
    response->resources[0]->resource = NULL;
    apply(r, response, "service " VIP ": resource: missing");
    assert_false(resources_want(r, slice_str("not an address"), 1));
    assert_null(published(r, VIP));
    resources_free(r);
}

static void a_ceiling_forgets_the_least_recently_used(void **state)
{
    (void)state;
    struct resources *r = fresh(3);
    char name[32];
    want(r, "10.0.0.1:80", 10);
    want(r, "10.0.0.2:80", 11);
    want(r, "10.0.0.3:80", 12);
    struct followed *first = map_get(&r->services, slice_str("10.0.0.1:80"));
    first->shared->connections = 1; /* the oldest, but in use */
    want(r, "10.0.0.4:80", 13);
    assert_null(map_get(&r->services, slice_str("10.0.0.2:80")));
    assert_true(is_noted(&r->unsubscribe[RESOURCE_SERVICE], "10.0.0.2:80"));
    assert_int_equal(r->evicted, 1);
    MAP_EACH(entry, &r->services)
        ((struct followed *)entry->value)->shared->connections = 1;
    want(r, "10.0.0.5:80", 14); /* all are in use: then the oldest */
    assert_null(map_get(&r->services, slice_str("10.0.0.1:80")));

    /* A scan of a network costs no more than the ceiling, also while nobody can be told. */
    resources_stream_closed(r);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "10.1.%u.%u:80", i / 256, i % 256);
        want(r, name, 100 + i);
    }
    assert_int_equal(r->services.count, 3);
    assert_int_equal(r->unsubscribe[RESOURCE_SERVICE].count, 0);
    resources_free(r);
}

static void idle_services_are_forgotten(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    want(r, VIP, 1000);
    want(r, OTHER, 1000);
    service_answer(r, "1", "shop/api/80");
    endpoints_answer(r, "shop/api/80", "1", "10.1.0.1");
    assert_string_equal(published(r, VIP), "1");
    struct followed *used = map_get(&r->services, slice_str(OTHER));
    used->shared->last_used_ns = 5000;
    resources_forget_idle(r, 1999, 1000);
    assert_int_equal(r->services.count, 2);
    assert_false(r->is_dirty);
    resources_forget_idle(r, 2000, 1000);
    assert_int_equal(r->services.count, 1);
    assert_int_equal(r->endpoints.count, 0);
    assert_true(r->is_dirty);
    assert_null(published(r, VIP));
    assert_true(is_noted(&r->unsubscribe[RESOURCE_SERVICE], VIP));
    used->shared->connections = 1;
    resources_forget_idle(r, 1000000, 1000);
    assert_int_equal(r->services.count, 1);
    resources_free(r);
}

static void only_what_is_missing_waits_for_an_answer(void **state)
{
    (void)state;
    struct resources *r = fresh(10);
    DeltaDiscoveryResponse *response = begin(RESOURCE_WORKLOAD);
    response_add_workload(response, POD, "1", "cluster.local");
    apply(r, response, NULL);
    want(r, VIP, 50);
    assert_false(resources_is_unanswered(r, 49));
    assert_true(resources_is_unanswered(r, 50));
    response = begin(RESOURCE_SERVICE);
    response_add(response, VIP, "1", NULL);
    apply(r, response, "service");
    assert_false(resources_is_unanswered(r, UINT64_MAX)); /* a bad answer is one */
    resources_stream_closed(r);
    resources_stream_opened(r, 60);
    assert_true(resources_is_unanswered(r, 60)); /* but the next stream is asked again */
    service_answer(r, "2", "shop/api/80");
    endpoints_answer(r, "shop/api/80", "1", NULL);
    resources_stream_opened(r, 70);
    assert_false(resources_is_unanswered(r, UINT64_MAX)); /* everything is held */
    resources_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_waits_for_its_endpoints),
        cmocka_unit_test(the_last_good_version_stays),
        cmocka_unit_test(workloads),
        cmocka_unit_test(what_is_removed_is_known_to_be_unknown),
        cmocka_unit_test(strange_responses_are_refused_or_skipped),
        cmocka_unit_test(a_ceiling_forgets_the_least_recently_used),
        cmocka_unit_test(idle_services_are_forgotten),
        cmocka_unit_test(only_what_is_missing_waits_for_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
