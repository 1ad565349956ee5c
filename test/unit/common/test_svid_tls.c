/* Handshakes over a pair of memory BIOs. */
#include "common/svid_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>

#include "common/svid.h"
#include "test/unit/certs.h"

#define MESH  SLICE_LITERAL("\x0coutrigger-h2\x0doutrigger-tcp")
#define TCP   SLICE_LITERAL("\x0doutrigger-tcp")
#define OTHER SLICE_LITERAL("\x02h2")
#define NONE  ((struct slice){0})
#define WEB   "spiffe://mesh.test/ns/shop/sa/web"
#define API   "spiffe://mesh.test/ns/shop/sa/api"

struct party {
    struct svid *svid;
    struct svid_tls *tls;
    SSL *ssl;
    struct svid_peer peer;
    bool is_done;
    bool has_failed;
};

struct world {
    struct cert root, foreign_root;
    struct trust_anchors *anchors, *foreign_anchors;
};

static struct trust_anchors *anchors_of(const struct cert *root)
{
    struct err err;
    struct slice der = cert_slice(root);
    struct trust_anchors *anchors = trust_anchors_from_der(&der, 1, &err);
    if (!anchors)
        fail_msg("%s", err.text);
    return anchors;
}

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    world->foreign_root = cert_make(&(struct cert_spec){.is_ca = true, .cn = "other"}, NULL);
    world->anchors = anchors_of(&world->root);
    world->foreign_anchors = anchors_of(&world->foreign_root);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    trust_anchors_drop(world->anchors);
    trust_anchors_drop(world->foreign_anchors);
    cert_fini(&world->root);
    cert_fini(&world->foreign_root);
    free(world);
    return 0;
}

static struct svid *svid_of(const struct cert *root, struct trust_anchors *anchors, const char *id,
                            bool is_p256)
{
    char san[256];
    struct err err;
    snprintf(san, sizeof(san), "URI:%s", id);
    struct cert leaf = cert_make(&(struct cert_spec){.san = san, .is_p256 = is_p256}, root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, anchors, &err);
    if (!svid)
        fail_msg("%s", err.text);
    cert_fini(&leaf);
    return svid;
}

static void party_init(struct party *party, enum svid_role role, struct svid *svid,
                       struct trust_anchors *anchors, struct slice alpn)
{
    struct err err;
    party->svid = svid;
    party->tls = svid_tls_new(role, svid, anchors, SLICE_LITERAL("mesh.test"), alpn, &err);
    if (!party->tls)
        fail_msg("%s", err.text);
    party->ssl = svid_tls_start(party->tls, &party->peer);
    assert_non_null(party->ssl);
}

static void party_fini(struct party *party)
{
    /* The context goes first: a connection keeps alive what it needs. */
    svid_tls_drop(party->tls);
    svid_drop(party->svid);
    SSL_free(party->ssl);
    svid_peer_fini(&party->peer);
}

static void step(struct party *party)
{
    char byte;
    ERR_clear_error();
    int result = party->is_done ? SSL_peek(party->ssl, &byte, 1) : SSL_do_handshake(party->ssl);
    if (result == 1) {
        party->is_done = true;
        return;
    }
    int error = SSL_get_error(party->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        party->has_failed = true;
}

/* Runs both sides until nothing moves; enough turns for a handshake and the alert after it. */
static void run(struct party *client, struct party *server)
{
    BIO *near, *far;
    CERTS_NEED(BIO_new_bio_pair(&near, 65536, &far, 65536) == 1);
    SSL_set_bio(client->ssl, near, near);
    SSL_set_bio(server->ssl, far, far);
    for (int turn = 0; turn < 8; turn++) {
        if (!client->has_failed)
            step(client);
        if (!server->has_failed)
            step(server);
    }
}

static struct slice alpn_of(const struct party *party)
{
    const uint8_t *name;
    unsigned len;
    SSL_get0_alpn_selected(party->ssl, &name, &len);
    return slice_of(name, len);
}

enum whose { OURS, FOREIGN, NOBODY };

struct handshake_case {
    const char *what;
    enum whose client, server;
    enum svid_role role; /* of the server */
    const char *expected_by_client;
    struct slice client_alpn;
    bool is_good;
    enum svid_verdict client_verdict, server_verdict;
    const char *alpn;
};

static struct svid *svid_of_whom(struct world *world, enum whose whose, const char *id)
{
    if (whose == NOBODY)
        return NULL;
    if (whose == OURS)
        return svid_of(&world->root, world->anchors, id, false);
    return svid_of(&world->foreign_root, world->foreign_anchors, id, true);
}

static void check_case(struct world *world, const struct handshake_case *c)
{
    struct party client = {.peer.expected = slice_str(c->expected_by_client)}, server = {0};
    print_message("%s\n", c->what);
    party_init(&client, SVID_CLIENT, svid_of_whom(world, c->client, WEB), world->anchors,
               c->client_alpn);
    party_init(&server, c->role, svid_of_whom(world, c->server, API), world->anchors, MESH);
    run(&client, &server);
    assert_int_equal(client.is_done && server.is_done && !client.has_failed && !server.has_failed,
                     c->is_good);
    assert_string_equal(svid_verdict_name(client.peer.verdict),
                        svid_verdict_name(c->client_verdict));
    assert_string_equal(svid_verdict_name(server.peer.verdict),
                        svid_verdict_name(c->server_verdict));
    if (c->is_good) {
        assert_string_equal(client.peer.id, API);
        assert_true(client.peer.not_after > time(NULL));
        assert_int_equal(SSL_version(client.ssl), TLS1_3_VERSION);
        assert_true(slice_eq_str(alpn_of(&client), c->alpn));
        assert_true(slice_eq_str(alpn_of(&server), c->alpn));
    }
    if (c->server_verdict == SVID_OK)
        assert_string_equal(server.peer.id, WEB);
    else
        assert_null(server.peer.id);
    party_fini(&client);
    party_fini(&server);
}

static void test_handshakes(void **state)
{
    const struct handshake_case cases[] = {
        {"both good", OURS, OURS, SVID_SERVER, API, TCP, true, SVID_OK, SVID_OK, "outrigger-tcp"},
        {"the server's order decides", OURS, OURS, SVID_SERVER, API,
         SLICE_LITERAL("\x0doutrigger-tcp\x0coutrigger-h2"), true, SVID_OK, SVID_OK,
         "outrigger-h2"},
        {"anybody of the domain", OURS, OURS, SVID_SERVER, NULL, TCP, true, SVID_OK, SVID_OK,
         "outrigger-tcp"},
        {"no ALPN offered", OURS, OURS, SVID_SERVER, API, NONE, true, SVID_OK, SVID_OK, ""},
        {"wrong identity", OURS, OURS, SVID_SERVER, WEB, TCP, false, SVID_WRONG_IDENTITY,
         SVID_NO_CERTIFICATE, NULL},
        {"no client certificate", NOBODY, OURS, SVID_SERVER, API, TCP, false, SVID_OK,
         SVID_NO_CERTIFICATE, NULL},
        {"no client certificate, none needed", NOBODY, OURS, SVID_SERVER_OPTIONAL, API, TCP, true,
         SVID_OK, SVID_NO_CERTIFICATE, "outrigger-tcp"},
        {"a certificate where none is needed", OURS, OURS, SVID_SERVER_OPTIONAL, API, TCP, true,
         SVID_OK, SVID_OK, "outrigger-tcp"},
        {"a bad certificate where none is needed", FOREIGN, OURS, SVID_SERVER_OPTIONAL, API, TCP,
         false, SVID_OK, SVID_UNKNOWN_SIGNER, NULL},
        {"ALPN that does not fit", OURS, OURS, SVID_SERVER, API, OTHER, false, SVID_NO_CERTIFICATE,
         SVID_NO_CERTIFICATE, NULL},
        {"the server's signer is unknown", OURS, FOREIGN, SVID_SERVER, API, TCP, false,
         SVID_UNKNOWN_SIGNER, SVID_NO_CERTIFICATE, NULL},
        {"the client's signer is unknown", FOREIGN, OURS, SVID_SERVER, API, TCP, false, SVID_OK,
         SVID_UNKNOWN_SIGNER, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(*state, &cases[i]);
}

static void test_p256(void **state)
{
    struct world *world = *state;
    struct party client = {0}, server = {0};
    party_init(&client, SVID_CLIENT, svid_of(&world->root, world->anchors, WEB, true), NULL, TCP);
    party_init(&server, SVID_SERVER, svid_of(&world->root, world->anchors, API, true), NULL, TCP);
    run(&client, &server);
    assert_true(client.is_done && server.is_done && !client.has_failed && !server.has_failed);
    party_fini(&client);
    party_fini(&server);
}

/* A second handshake with the same contexts is judged from the cache, and still by its identity. */
static void test_again(void **state)
{
    struct world *world = *state;
    struct party client = {0}, server = {0};
    party_init(&client, SVID_CLIENT, svid_of(&world->root, world->anchors, WEB, false), NULL, TCP);
    party_init(&server, SVID_SERVER, svid_of(&world->root, world->anchors, API, false), NULL, TCP);
    run(&client, &server);
    assert_int_equal(client.peer.verdict, SVID_OK);
    for (int again = 0; again < 3; again++) {
        SSL_free(client.ssl);
        SSL_free(server.ssl);
        svid_peer_fini(&client.peer);
        svid_peer_fini(&server.peer);
        client.is_done = server.is_done = client.has_failed = server.has_failed = false;
        client.peer.expected = slice_str(again == 1 ? WEB : API);
        client.ssl = svid_tls_start(client.tls, &client.peer);
        server.ssl = svid_tls_start(server.tls, &server.peer);
        run(&client, &server);
        assert_int_equal(client.peer.verdict, again == 1 ? SVID_WRONG_IDENTITY : SVID_OK);
        assert_int_equal(client.has_failed, again == 1);
        assert_false(SSL_session_reused(client.ssl));
    }
    party_fini(&client);
    party_fini(&server);
}

enum { THREADS = 4, HANDSHAKES = 25 };

static void *shake_hands(void *context)
{
    struct svid_tls **both = context;
    for (int i = 0; i < HANDSHAKES; i++) {
        struct party client = {.tls = svid_tls_hold(both[0])};
        struct party server = {.tls = svid_tls_hold(both[1])};
        client.ssl = svid_tls_start(client.tls, &client.peer);
        server.ssl = svid_tls_start(server.tls, &server.peer);
        run(&client, &server);
        bool is_good = client.is_done && server.is_done && !server.has_failed &&
                       strcmp(client.peer.id, API) == 0 && strcmp(server.peer.id, WEB) == 0;
        party_fini(&client);
        party_fini(&server);
        if (!is_good)
            return NULL;
    }
    return both;
}

/* Workers share their contexts, the caches and pools in them, and their end. */
static void test_threads(void **state)
{
    struct world *world = *state;
    pthread_t threads[THREADS];
    struct party client = {0}, server = {0};
    party_init(&client, SVID_CLIENT, svid_of(&world->root, world->anchors, WEB, false), NULL, TCP);
    party_init(&server, SVID_SERVER, svid_of(&world->root, world->anchors, API, false), NULL, TCP);
    struct svid_tls *both[] = {client.tls, server.tls};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, shake_hands, both), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, both);
    }
    party_fini(&client);
    party_fini(&server);
}

static void test_arguments(void **state)
{
    struct world *world = *state;
    struct err err;
    struct slice domain = SLICE_LITERAL("mesh.test");
    assert_null(svid_tls_new(SVID_SERVER, NULL, world->anchors, domain, TCP, &err));
    assert_non_null(strstr(err.text, "certificate"));
    assert_null(svid_tls_new(SVID_CLIENT, NULL, NULL, domain, TCP, &err));
    assert_non_null(strstr(err.text, "anchors"));
    assert_null(svid_tls_new(SVID_CLIENT, NULL, world->anchors, SLICE_LITERAL("Mesh"), TCP, &err));
    assert_non_null(strstr(err.text, "Mesh"));
    assert_null(
        svid_tls_new(SVID_CLIENT, NULL, world->anchors, domain, SLICE_LITERAL("\x05h2"), &err));
    assert_non_null(strstr(err.text, "ALPN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshakes, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_p256, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_again, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_threads, world_start, world_stop),
        cmocka_unit_test_setup_teardown(test_arguments, world_start, world_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
