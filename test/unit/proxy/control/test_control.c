/* The whole of control against a controller on loopback: certificate, stream, snapshots, loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/log.h"
#include "proxy/control/control.h"
#include "proxy/control/identity.h"
#include <openssl/bio.h>
#include <openssl/pem.h>
#include "test/unit/proxy/control/fake_controller.h"
#include "test/unit/scratch_dir.h"

#define VIP "10.96.0.10:80"
#define POD "shop/api-1"

struct world {
    struct event_base *base;
    struct fake fake;
    struct control *control;
    struct telemetry_shard *telemetry;
    char folder[64], token_file[96], anchors_file[96], target[32];
    struct snapshot *published; /* held */
    uint64_t service_idle_ms;
    unsigned publishes, tls_publishes;
    bool has_tls;
};

static void on_publish(void *context, struct snapshot *snapshot)
{
    struct world *world = context;
    assert_true(!world->published || snapshot->generation > world->published->generation);
    snapshot_drop(world->published);
    world->published = snapshot_hold(snapshot);
    world->publishes++;
}

static void on_publish_tls(void *context, const struct worker_tls *tls)
{
    struct world *world = context;
    assert_int_equal(tls->client != NULL, tls->server != NULL);
    world->has_tls = tls->client != NULL;
    world->tls_publishes++;
}

static void write_file(const char *path, const char *text)
{
    scratch_file_write(path, slice_str(text), 0600);
}

static void world_write_anchors(struct world *world, const struct cert *root)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *pem;
    size_t len;
    assert_true(PEM_write_bio_X509(bio, root->x509) && BIO_mem_contents(bio, &pem, &len));
    scratch_file_write(world->anchors_file, slice_of(pem, len), 0600);
    BIO_free(bio);
}

/* A controller that has `identity`, and a folder with what a pod is given. */
static void world_init(struct world *world, const char *identity)
{
    *world = (struct world){.base = event_base_new()};
    fake_init(&world->fake, world->base, identity);
    snprintf(world->folder, sizeof(world->folder), "/tmp/outrigger-control-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->token_file, sizeof(world->token_file), "%s/token", world->folder);
    snprintf(world->anchors_file, sizeof(world->anchors_file), "%s/anchors.pem", world->folder);
    snprintf(world->target, sizeof(world->target), "127.0.0.1:%u", world->fake.port);
    write_file(world->token_file, "the.pods.token\n");
    world_write_anchors(world, &world->fake.root);
    world->telemetry = telemetry_shard_new(10);
}

static void world_start(struct world *world, size_t max_services)
{
    struct err err;
    struct control_settings settings = {
        .controller = world->target,
        .trust_domain = FAKE_DOMAIN,
        .pod = POD,
        .token_file = world->token_file,
        .anchors_file = world->anchors_file,
        .backoff_min_ms = 10,
        .backoff_max_ms = 50,
        .service_idle_ms = world->service_idle_ms,
        .max_services = max_services,
    };
    struct control_callbacks callbacks = {on_publish, on_publish_tls, world};
    world->control = control_start(world->base, &settings, &callbacks, world->telemetry, &err);
    if (!world->control)
        fail_msg("%s", err.text);
}

static void world_fini(struct world *world)
{
    control_stop(world->control);
    fake_fini(&world->fake);
    snapshot_drop(world->published);
    telemetry_shard_free(world->telemetry);
    unlink(world->token_file);
    unlink(world->anchors_file);
    assert_int_equal(rmdir(world->folder), 0);
    event_base_free(world->base);
}

static uint64_t counted(const struct world *world, enum counter counter)
{
    return atomic_load(&world->telemetry->counters[counter]);
}

static struct control_status status(const struct world *world)
{
    return control_status(world->control);
}

/* The version of a Service that was published, "unknown", or "" when it was not. */
static const char *service_version(const struct world *world, const char *name)
{
    const struct service *service =
        world->published ? snapshot_service(world->published, slice_str(name)) : NULL;
    return !service ? "" : service->is_known ? service->version : "unknown";
}

static void say_workload(struct world *world, const char *version)
{
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_WORKLOAD), "w");
    response_add_workload(response, POD, version, FAKE_DOMAIN);
    fake_say(&world->fake, response);
}

static void say_service(struct world *world, const char *version)
{
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_SERVICE), "s");
    response_add_service(response, VIP, version, "shop/api/80", 1);
    fake_say(&world->fake, response);
}

static void say_endpoints(struct world *world, const char *version)
{
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_ENDPOINTS), "e");
    response_add_endpoints(response, "shop/api/80", version, "10.1.0.1");
    fake_say(&world->fake, response);
}

/* A mesh at work: certificate, Workload, one Service with its Endpoints. */
static void world_settle(struct world *world)
{
    world_start(world, 10);
    FAKE_UNTIL(world->base, FAKE_SUBSCRIBED(&world->fake, "W " POD));
    say_workload(world, "1");
    control_want_service(world->control, slice_str(VIP));
    FAKE_UNTIL(world->base, FAKE_SUBSCRIBED(&world->fake, "S " VIP));
    say_service(world, "1");
    FAKE_UNTIL(world->base, FAKE_SUBSCRIBED(&world->fake, "E shop/api/80"));
    assert_string_equal(service_version(world, VIP), "");
    say_endpoints(world, "1");
    FAKE_UNTIL(world->base, *service_version(world, VIP));
}

static void from_nothing_to_a_published_service(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    world_settle(&w);
    assert_string_equal(w.fake.peer, FAKE_POD_ID);
    assert_string_equal(w.fake.node, POD);
    assert_true(w.has_tls);
    assert_non_null(w.published->workload);
    FAKE_UNTIL(w.base, w.fake.acks == 3);
    struct control_status s = status(&w);
    assert_true(s.has_certificate && s.is_connected && s.has_workload);
    assert_true(s.connected_since > 0 && s.disconnected_since == 0);
    assert_string_equal(s.last_error, "");
    assert_string_equal(s.last_nack, "");
    assert_string_equal(s.certificate_error, "");
    assert_in_range(s.next_renewal, clock_wall_sec() + 3600, clock_wall_sec() + 86400);
    assert_ptr_equal(control_snapshot(w.control), w.published);
    assert_true(slice_eq_str(svid_id(control_svid(w.control))->text, FAKE_POD_ID));
    assert_int_equal(counted(&w, COUNTER_CERTIFICATES_ISSUED), 1);
    assert_int_equal(counted(&w, COUNTER_CONTROL_CONNECTED), 1);
    assert_int_equal(counted(&w, COUNTER_CONTROL_ACKS), 3);
    assert_int_equal(counted(&w, COUNTER_SERVICES), 1);
    assert_int_equal(counted(&w, COUNTER_ENDPOINTS), 1);

    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_SERVICE), "r");
    response_remove(response, VIP);
    fake_say(&w.fake, response);
    FAKE_UNTIL(w.base, strcmp(service_version(&w, VIP), "unknown") == 0);
    FAKE_UNTIL(w.base, FAKE_UNSUBSCRIBED(&w.fake, "E shop/api/80"));
    assert_int_equal(counted(&w, COUNTER_ENDPOINTS), 0);
    world_fini(&w);
}

static void a_bad_resource_is_refused_and_the_good_one_stays(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    world_settle(&w);
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_SERVICE), "bad");
    response_add_service(response, VIP, "2", "shop/api/80", 0);
    fake_say(&w.fake, response);
    FAKE_UNTIL(w.base, w.fake.nacks == 1);
    assert_string_equal(w.fake.nonce, "bad");
    assert_string_equal(w.fake.refusal, "service " VIP ": backends[0].weight: 0 is not a weight "
                                        "(1-1000000)");
    assert_string_equal(status(&w).last_nack, w.fake.refusal);
    assert_int_equal(status(&w).nacks, 1);
    assert_int_equal(counted(&w, COUNTER_CONTROL_NACKS), 1);
    assert_string_equal(service_version(&w, VIP), "1");
    assert_true(status(&w).is_connected);
    fake_say(&w.fake, response_begin("type.googleapis.com/other", "strange"));
    FAKE_UNTIL(w.base, w.fake.nacks == 2);
    assert_string_equal(w.fake.nonce, "strange");
    say_service(&w, "3");
    FAKE_UNTIL(w.base, strcmp(service_version(&w, VIP), "3") == 0);
    assert_int_equal(w.fake.streams, 1);
    world_fini(&w);
}

static void a_lost_controller_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    world_settle(&w);
    unsigned publishes = w.publishes;
    fake_close(&w.fake);
    FAKE_UNTIL(w.base, !status(&w).is_connected);
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CONTROL_FAILURES) >= 3);
    struct control_status s = status(&w);
    assert_true(s.has_certificate && s.has_workload && *s.last_error);
    assert_true(s.connected_since == 0 && s.disconnected_since > 0);
    assert_string_equal(service_version(&w, VIP), "1");
    assert_int_equal(w.publishes, publishes);
    assert_int_equal(counted(&w, COUNTER_CONTROL_CONNECTED), 0);
    control_want_service(w.control, slice_str("10.96.0.11:80")); /* asked for when it is back */

    w.fake.streams = 0;
    fake_open(&w.fake);
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "S 10.96.0.11:80"));
    FAKE_UNTIL(w.base, FAKE_VERSION(&w.fake, "E shop/api/80 1"));
    assert_true(FAKE_VERSION(&w.fake, "W " POD " 1"));
    assert_true(FAKE_VERSION(&w.fake, "S " VIP " 1"));
    assert_false(FAKE_VERSION(&w.fake, "S 10.96.0.11:80"));
    DeltaDiscoveryResponse *response = response_begin(resource_type_url(RESOURCE_SERVICE), "r");
    response_remove(response, "10.96.0.11:80");
    fake_say(&w.fake, response);
    FAKE_UNTIL(w.base, strcmp(service_version(&w, "10.96.0.11:80"), "unknown") == 0);
    FAKE_UNTIL(w.base, status(&w).is_connected);
    assert_string_equal(service_version(&w, VIP), "1");
    assert_string_equal(status(&w).last_error, "");
    world_fini(&w);
}

static void a_renewed_certificate_moves_the_stream(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    w.fake.leaf_to_sec = 3;
    world_settle(&w);
    FAKE_UNTIL(w.base, w.fake.certified >= 3);
    FAKE_UNTIL(w.base, w.fake.streams >= 3 && FAKE_VERSION(&w.fake, "S " VIP " 1"));
    assert_true(w.tls_publishes >= 3);
    assert_true(w.has_tls);
    assert_string_equal(service_version(&w, VIP), "1");
    assert_int_equal(counted(&w, COUNTER_CERTIFICATE_FAILURES), 0);
    assert_int_equal(counted(&w, COUNTER_CONTROL_FAILURES), 0); /* moving is no failure */
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CONTROL_CONNECTS) == w.fake.streams);
    assert_true(status(&w).is_connected);
    world_fini(&w);
}

static void an_expired_certificate_is_used_no_more(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    w.fake.leaf_to_sec = 2;
    world_start(&w, 10);
    FAKE_UNTIL(w.base, w.has_tls);
    w.fake.certify = FAKE_REFUSES;
    FAKE_UNTIL(w.base, !w.has_tls);
    assert_false(status(&w).has_certificate);
    assert_null(control_svid(w.control));
    FAKE_UNTIL(w.base, *status(&w).certificate_error);
    assert_string_equal(status(&w).certificate_error, "PERMISSION_DENIED: the token has expired");
    assert_string_equal(status(&w).last_error, "PERMISSION_DENIED: the token has expired");
    w.fake.leaf_to_sec = 86400;
    w.fake.certify = FAKE_SIGNS;
    FAKE_UNTIL(w.base, w.has_tls);
    assert_string_equal(status(&w).certificate_error, "");
    assert_true(counted(&w, COUNTER_CERTIFICATE_FAILURES) >= 1);
    world_fini(&w);
}

static void no_certificate_without_a_good_answer(void **state)
{
    (void)state;
    static const struct {
        enum fake_certify certify;
        const char *identity, *token, *error;
    } rows[] = {
        {FAKE_REFUSES, FAKE_IDENTITY, "the.pods.token", "PERMISSION_DENIED: the token"},
        {FAKE_GARBAGE, FAKE_IDENTITY, "the.pods.token", "3 bytes that are not a valid"},
        {FAKE_NOTHING, FAKE_IDENTITY, "the.pods.token", "the controller answered without"},
        {FAKE_SIGNS, FAKE_IDENTITY, "  ", "/tmp/outrigger-control-"},
        {FAKE_SIGNS, "spiffe://cluster.local/ns/shop/sa/web", "the.pods.token", "UNAVAILABLE"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world w;
        world_init(&w, rows[i].identity);
        w.fake.certify = rows[i].certify;
        write_file(w.token_file, rows[i].token);
        world_start(&w, 10);
        FAKE_UNTIL(w.base, counted(&w, COUNTER_CERTIFICATE_FAILURES) >= 2);
        const char *error = status(&w).certificate_error;
        if (!slice_starts_with(slice_str(error), slice_str(rows[i].error)))
            fail_msg("row %zu: %s", i, error);
        assert_true(*error);
        assert_false(w.has_tls || status(&w).has_certificate);
        assert_int_equal(w.fake.streams, 0);

        /* What was wrong is read again at the next attempt. */
        w.fake.certify = FAKE_SIGNS;
        write_file(w.token_file, "the.pods.token");
        if (strcmp(rows[i].identity, FAKE_IDENTITY) == 0)
            FAKE_UNTIL(w.base, w.has_tls);
        world_fini(&w);
    }
}

static void anchors_are_read_again(void **state)
{
    (void)state;
    struct world w;
    struct cert stranger = cert_make(&(struct cert_spec){.is_ca = true, .cn = "stranger"}, NULL);
    world_init(&w, FAKE_IDENTITY);
    world_write_anchors(&w, &stranger);
    world_start(&w, 10);
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CERTIFICATE_FAILURES) >= 1);
    assert_int_equal(w.fake.certified, 0);
    write_file(w.anchors_file, "not a certificate");
    uint64_t before = counted(&w, COUNTER_CERTIFICATE_FAILURES);
    FAKE_UNTIL(w.base, counted(&w, COUNTER_CERTIFICATE_FAILURES) > before + 1);
    world_write_anchors(&w, &w.fake.root);
    FAKE_UNTIL(w.base, w.has_tls);
    cert_fini(&stranger);
    world_fini(&w);
}

static void services_nobody_uses_are_forgotten(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    w.service_idle_ms = 200;
    world_settle(&w);
    FAKE_UNTIL(w.base, !snapshot_service(w.published, slice_str(VIP)));
    FAKE_UNTIL(w.base,
               FAKE_UNSUBSCRIBED(&w.fake, "S " VIP) && FAKE_UNSUBSCRIBED(&w.fake, "E shop/api/80"));
    assert_null(snapshot_endpoints(w.published, slice_str("shop/api/80")));
    assert_int_equal(counted(&w, COUNTER_SERVICES_EVICTED), 1);
    assert_int_equal(counted(&w, COUNTER_SERVICES), 0);

    /* And asked for anew when somebody dials it again. */
    w.fake.n_subscribed = 0;
    control_want_service(w.control, slice_str(VIP));
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "S " VIP));
    world_fini(&w);
}

static void one_more_than_the_ceiling_replaces_another(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, FAKE_IDENTITY);
    world_start(&w, 1);
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "W " POD));
    control_want_service(w.control, slice_str(VIP));
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "S " VIP));
    control_want_service(w.control, slice_str("10.96.0.11:80"));
    FAKE_UNTIL(w.base, FAKE_SUBSCRIBED(&w.fake, "S 10.96.0.11:80"));
    assert_true(FAKE_UNSUBSCRIBED(&w.fake, "S " VIP));
    control_want_service(w.control, slice_str("rubbish")); /* logged, and nothing else */
    world_fini(&w);
}

static void renewal_is_at_two_thirds(void **state)
{
    (void)state;
    assert_int_equal(identity_renewal_ms(0, 30, 500), 20000);
    assert_int_equal(identity_renewal_ms(0, 30, 0), 18500);
    assert_int_equal(identity_renewal_ms(0, 30, 1000), 21500);
    assert_int_equal(identity_renewal_ms(1700000000000, 1700086400, 500), 1700057600000);
}

static void settings_are_checked(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    world_init(&w, FAKE_IDENTITY);
    const struct control_settings good = {.controller = w.target,
                                          .trust_domain = FAKE_DOMAIN,
                                          .pod = POD,
                                          .token_file = w.token_file,
                                          .anchors_file = w.anchors_file};
    struct control_callbacks callbacks = {on_publish, on_publish_tls, &w};
    struct control_settings domain = good, pod = good, target = good, identity = good;
    domain.trust_domain = "Cluster";
    pod.pod = "api-1";
    target.controller = "no port";
    identity.controller_identity = "spiffe://x";
    const struct control_settings *bad[] = {&domain, &pod, &target, &identity};
    for (size_t i = 0; i < 4; i++) {
        err.text[0] = '\0';
        assert_null(control_start(w.base, bad[i], &callbacks, w.telemetry, &err));
        assert_true(err.text[0]);
    }
    world_fini(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_nothing_to_a_published_service),
        cmocka_unit_test(a_bad_resource_is_refused_and_the_good_one_stays),
        cmocka_unit_test(a_lost_controller_changes_nothing),
        cmocka_unit_test(a_renewed_certificate_moves_the_stream),
        cmocka_unit_test(an_expired_certificate_is_used_no_more),
        cmocka_unit_test(no_certificate_without_a_good_answer),
        cmocka_unit_test(anchors_are_read_again),
        cmocka_unit_test(services_nobody_uses_are_forgotten),
        cmocka_unit_test(one_more_than_the_ceiling_replaces_another),
        cmocka_unit_test(renewal_is_at_two_thirds),
        cmocka_unit_test(settings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
