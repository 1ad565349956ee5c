/* The stream against a controller that misbehaves: silence, garbage, floods of bad resources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/log.h"
#include "proxy/control/discovery.h"
#include "test/unit/proxy/control/fake_controller.h"

#define POD "shop/api-1"
#define VIP "10.96.0.10:80"

struct world {
    struct event_base *base;
    struct fake fake;
    struct resources *resources;
    struct discovery *discovery;
    struct telemetry_shard *telemetry;
    struct svid_tls *tls;
    char target[32];
    unsigned changes;
};

static void on_change(void *context)
{
    ((struct world *)context)->changes++;
}

static struct svid_tls *pod_tls(struct fake *fake)
{
    struct err err;
    struct cert leaf = cert_make(&(struct cert_spec){.san = "URI:" FAKE_POD_ID}, &fake->root);
    struct slice chain = cert_slice(&leaf), der = cert_slice(&fake->root);
    struct trust_anchors *anchors = trust_anchors_from_der(&der, 1, &err);
    struct svid *svid = svid_new(&chain, 1, leaf.key, anchors, &err);
    assert_non_null(svid);
    struct svid_tls *tls = svid_tls_new(SVID_CLIENT, svid, NULL, SLICE_LITERAL(FAKE_DOMAIN),
                                        SLICE_LITERAL("\x02h2"), &err);
    assert_non_null(tls);
    svid_drop(svid);
    trust_anchors_drop(anchors);
    cert_fini(&leaf);
    return tls;
}

static void world_init(struct world *world, uint64_t silence_ms)
{
    struct err err;
    *world = (struct world){.base = event_base_new()};
    fake_init(&world->fake, world->base, FAKE_IDENTITY);
    snprintf(world->target, sizeof(world->target), "127.0.0.1:%u", world->fake.port);
    world->resources = resources_new(POD, FAKE_DOMAIN, 10);
    world->telemetry = telemetry_shard_new(10);
    world->tls = pod_tls(&world->fake);
    const struct discovery_settings settings = {
        .controller = world->target,
        .controller_identity = FAKE_IDENTITY,
        .backoff_min_ms = 10,
        .backoff_max_ms = 40,
        .silence_ms = silence_ms,
        .resources = world->resources,
        .telemetry = world->telemetry,
        .on_change = on_change,
        .context = world,
    };
    world->discovery = discovery_new(world->base, &settings, &err);
    assert_non_null(world->discovery);
    discovery_use_tls(world->discovery, world->tls);
    FAKE_UNTIL(world->base, FAKE_SUBSCRIBED(&world->fake, "W " POD));
}

static void world_fini(struct world *world)
{
    discovery_free(world->discovery);
    resources_free(world->resources);
    fake_fini(&world->fake);
    svid_tls_drop(world->tls);
    telemetry_shard_free(world->telemetry);
    event_base_free(world->base);
}

static uint64_t counted(const struct world *world, enum counter counter)
{
    return atomic_load(&world->telemetry->counters[counter]);
}

static void say_workload(struct fake *fake, const char *domain)
{
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_WORKLOAD), "w");
    response_add_workload(response, POD, "1", domain);
    fake_say(fake, response);
}

static void silence_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 50);
    FAKE_UNTIL(w.base, w.fake.streams >= 3);
    assert_string_equal(discovery_status(w.discovery).last_error,
                        "the controller gave no answer for 50 ms");
    assert_false(discovery_status(w.discovery).is_open);
    assert_int_equal(counted(&w, COUNTER_CONTROL_CONNECTS), 0);
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "W " POD));
    say_workload(&w.fake, FAKE_DOMAIN);
    FAKE_UNTIL(w.base, discovery_status(w.discovery).is_open);

    /* Nothing is missing now: the same silence is a controller with nothing to say. */
    unsigned streams = w.fake.streams;
    uint64_t until_ns = clock_now_ns() + 300 * NS_PER_MS;
    FAKE_UNTIL(w.base, clock_now_ns() > until_ns);
    assert_int_equal(w.fake.streams, streams);

    /* Until something new is asked for. */
    assert_true(resources_want(w.resources, slice_str(VIP), clock_now_ns()));
    discovery_flush(w.discovery);
    FAKE_UNTIL(w.base, w.fake.streams > streams);
    world_fini(&w);
}

static void everything_held_is_open_without_a_word(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 10000);
    say_workload(&w.fake, FAKE_DOMAIN);
    FAKE_UNTIL(w.base, discovery_status(w.discovery).is_open);
    fake_close(&w.fake);
    FAKE_UNTIL(w.base, !discovery_status(w.discovery).is_open);
    fake_open(&w.fake);
    FAKE_UNTIL(w.base, FAKE_VERSION(&w.fake, "W " POD " 1"));
    FAKE_UNTIL(w.base, discovery_status(w.discovery).is_open); /* it says nothing */
    assert_string_equal(discovery_status(w.discovery).last_error, "");
    world_fini(&w);
}

static void garbage_ends_the_stream_and_not_the_proxy(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 10000);
    for (unsigned i = 1; i <= 3; i++) {
        FAKE_UNTIL(w.base, w.fake.streams == i && FAKE_SUBSCRIBED(&w.fake, "W " POD));
        assert_true(grpc_stream_send(w.fake.stream, SLICE_LITERAL("\xff\xff\xff")));
        FAKE_UNTIL(w.base, counted(&w, COUNTER_CONTROL_FAILURES) == i);
    }
    assert_non_null(strstr(discovery_status(w.discovery).last_error, "are not a valid envoy"));
    FAKE_UNTIL(w.base, w.fake.streams == 4 && FAKE_SUBSCRIBED(&w.fake, "W " POD));
    say_workload(&w.fake, FAKE_DOMAIN);
    FAKE_UNTIL(w.base, w.fake.acks == 1);
    assert_non_null(w.resources->workload);
    world_fini(&w);
}

static void an_ended_stream_is_opened_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 10000);
    grpc_stream_end(w.fake.stream, GRPC_PERMISSION_DENIED, "not your pod");
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CONTROL_FAILURES) == 1);
    assert_string_equal(discovery_status(w.discovery).last_error,
                        "PERMISSION_DENIED: not your pod");
    FAKE_UNTIL(w.base, w.fake.streams == 2 && FAKE_SUBSCRIBED(&w.fake, "W " POD));
    world_fini(&w);
}

/* Answers each NACK at once with the same bad resource. */
static void say_it_again(struct fake *fake, bool is_nack)
{
    if (is_nack)
        say_workload(fake, "other.domain");
}

static void a_loop_of_refusals_is_not_a_busy_loop(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 10000);
    w.fake.on_reply = say_it_again;
    uint64_t start_ns = clock_now_ns();
    say_workload(&w.fake, "other.domain");
    FAKE_UNTIL(w.base, w.fake.nacks >= 8);
    /* The first is answered at once; the others wait at least half of 10, 20, 40, 40, ... ms. */
    assert_true(clock_now_ns() - start_ns >= (5 + 10 + 5 * 20) * NS_PER_MS);
    assert_int_equal(w.fake.streams, 1);
    assert_in_range(discovery_status(w.discovery).nacks, 8, 9);
    assert_non_null(strstr(discovery_status(w.discovery).last_nack, "mesh.trust_domain"));

    /* When it comes to its senses it is heard. */
    w.fake.on_reply = NULL;
    say_workload(&w.fake, FAKE_DOMAIN);
    FAKE_UNTIL(w.base, w.fake.acks >= 1);
    assert_non_null(w.resources->workload);
    world_fini(&w);
}

static void a_refusal_that_waits_dies_with_its_stream(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 10000);
    say_workload(&w.fake, "other.domain");
    say_workload(&w.fake, "other.domain"); /* this one's NACK is held back */
    FAKE_UNTIL(w.base, discovery_status(w.discovery).nacks == 2);
    fake_close(&w.fake);
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CONTROL_FAILURES) >= 1);
    unsigned nacks = w.fake.nacks;
    fake_open(&w.fake);
    FAKE_UNTIL(w.base, w.fake.streams == 2 && FAKE_SUBSCRIBED(&w.fake, "W " POD));
    say_workload(&w.fake, FAKE_DOMAIN);
    FAKE_UNTIL(w.base, w.fake.acks == 1);
    assert_int_equal(w.fake.nacks, nacks);
    world_fini(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_not_waited_for_for_ever),
        cmocka_unit_test(everything_held_is_open_without_a_word),
        cmocka_unit_test(garbage_ends_the_stream_and_not_the_proxy),
        cmocka_unit_test(an_ended_stream_is_opened_again),
        cmocka_unit_test(a_loop_of_refusals_is_not_a_busy_loop),
        cmocka_unit_test(a_refusal_that_waits_dies_with_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
