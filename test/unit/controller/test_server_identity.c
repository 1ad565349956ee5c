#include "controller/server_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "test/unit/scratch_dir.h"

struct world {
    struct scratch_dir dir;
    struct event_base *base;
    struct ca *ca;
};

static struct world *world_new(uint64_t leaf_ttl_sec)
{
    struct world *world = calloc(1, sizeof(*world));
    struct err err;
    scratch_dir_init(&world->dir);
    world->base = event_base_new();
    const struct ca_options options = {.state_dir = world->dir.path,
                                       .trust_domain = "mesh.test",
                                       .root_ttl_sec = 86400,
                                       .leaf_ttl_sec = leaf_ttl_sec};
    world->ca = ca_open(&options, &err);
    if (!world->ca)
        fail_msg("%s", err.text);
    return world;
}

static void world_free(struct world *world)
{
    ca_close(world->ca);
    event_base_free(world->base);
    scratch_dir_fini(&world->dir);
    free(world);
}

static void test_first_certificate(void **state)
{
    (void)state;
    struct world *world = world_new(3600);
    struct err err;
    struct server_identity *identity = server_identity_new(world->base, world->ca, &err);
    if (!identity)
        fail_msg("%s", err.text);
    const struct svid *svid = server_identity_svid(identity);
    assert_true(slice_eq_str(svid_id(svid)->text,
                             "spiffe://mesh.test/ns/outrigger-system/sa/outrigger-controller"));
    struct svid_tls *tls = server_identity_tls(identity);
    assert_non_null(tls);
    server_identity_free(identity);
    /* What a connection holds outlives the identity. */
    struct svid_peer peer = {0};
    SSL *ssl = svid_tls_start(tls, &peer);
    assert_non_null(ssl);
    assert_true(SSL_is_server(ssl));
    svid_tls_drop(tls);
    SSL_free(ssl);
    svid_peer_fini(&peer);
    world_free(world);
}

/* A life of three seconds: the next certificate comes by itself, before the first has ended. */
static void test_renewal(void **state)
{
    (void)state;
    struct world *world = world_new(3);
    struct err err;
    struct server_identity *identity = server_identity_new(world->base, world->ca, &err);
    assert_non_null(identity);
    char *first = strdup(svid_serial(server_identity_svid(identity)));
    struct svid_tls *old = server_identity_tls(identity);
    uint64_t give_up_ns = clock_now_ns() + 20 * NS_PER_SEC;
    while (strcmp(first, svid_serial(server_identity_svid(identity))) == 0) {
        assert_true(clock_now_ns() < give_up_ns);
        assert_int_equal(event_base_loop(world->base, EVLOOP_ONCE), 0);
    }
    struct svid_tls *renewed = server_identity_tls(identity);
    assert_ptr_not_equal(old, renewed);
    svid_tls_drop(old);
    svid_tls_drop(renewed);
    free(first);
    server_identity_free(identity);
    world_free(world);
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_certificate),
        cmocka_unit_test(test_renewal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
