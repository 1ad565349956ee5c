/* Attempts against a server of the mesh in the same loop, and against those that misbehave. */
#include "proxy/upstream/http_connect.h"

#include "common/svid.h"
#include "test/unit/certs.h"
#include "test/unit/proxy/upstream/pool_rig.h"

#define WEB   "spiffe://mesh.test/ns/shop/sa/web"
#define API   "spiffe://mesh.test/ns/shop/sa/api"
#define CROWD 20

/* A server that shakes hands with all who come, or says nothing. */
static struct {
    struct event accepting;
    struct svid_tls *tls; /* NULL: it says nothing */
    struct peer {
        struct conn conn;
        struct list node;
    } * last;
    struct list peers;
    unsigned secured;
    enum mesh_alpn alpn;
} mesh;

static struct cert root;
static struct trust_anchors *anchors;

static struct svid_tls *context(enum svid_role role, const char *identity, struct slice alpn)
{
    char san[256];
    struct err err;
    snprintf(san, sizeof(san), "URI:%s", identity);
    struct cert leaf = cert_make(&(struct cert_spec){.san = san}, &root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, anchors, &err);
    struct svid_tls *tls = svid_tls_new(role, svid, NULL, SLICE_LITERAL("mesh.test"), alpn, &err);
    assert_non_null(tls);
    svid_drop(svid);
    cert_fini(&leaf);
    return tls;
}

static void peer_on_event(struct conn *conn, short what)
{
    if (what != EV_READ || conn->state != CONN_HANDSHAKE) {
        conn_pause(conn);
        return;
    }
    switch (conn_handshake(conn, true)) {
    case CONN_SECURED:
        mesh.secured++;
        mesh.alpn = mesh_handshake_alpn(conn->tls);
        break;
    case CONN_FAILED:
        conn_close(conn, false);
        break;
    case CONN_WAITS:
        break;
    }
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what, (void)arg;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return;
    struct peer *peer = calloc(1, sizeof(*peer));
    struct workspace *workspace = &loop.workspace;
    conn_init(&peer->conn, &workspace->conns, peer_on_event);
    conn_open(&peer->conn, accepted);
    list_append(&mesh.peers, &peer->node);
    mesh.last = peer;
    if (!mesh.tls)
        return;
    conn_start_tls(&peer->conn,
                   tls_layer_new(mesh.tls, slice_of(NULL, 0), workspace->conns.bio_methods,
                                 &workspace->conns.output));
    conn_resume(&peer->conn);
}

static int mesh_setup(void **state)
{
    pool_setup(state);
    struct err err;
    root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    struct slice der = cert_slice(&root);
    anchors = trust_anchors_from_der(&der, 1, &err);
    mesh.tls = context(SVID_SERVER, API, mesh_alpn_accepted());
    mesh.secured = 0;
    mesh.last = NULL;
    mesh.alpn = MESH_ALPN_NONE;
    list_init(&mesh.peers);
    loop.workspace.tls.client = context(SVID_CLIENT, WEB, mesh_alpn_offer(MESH_ALPN_TCP));
    event_assign(&mesh.accepting, loop.base, server_fd, EV_READ | EV_PERSIST, on_accept, NULL);
    event_add(&mesh.accepting, NULL);
    return 0;
}

static int mesh_teardown(void **state)
{
    event_del(&mesh.accepting);
    LIST_EACH(node, &mesh.peers) {
        struct peer *peer = LIST_ENTRY(node, struct peer, node);
        conn_close(&peer->conn, true);
        list_remove(node);
        free(peer);
    }
    svid_tls_drop(mesh.tls);
    trust_anchors_drop(anchors);
    cert_fini(&root);
    return pool_teardown(state);
}

/* What became of the one attempt of a test. */
static struct {
    unsigned opened, failed;
    enum reason reason;
    char detail[1024];
    char peer[256];
    uint64_t took_ns;
    bool is_tls;
} told;

static void on_open(void *owner, struct conn *conn, uint64_t took_ns)
{
    assert_ptr_equal(owner, &told);
    told.opened++;
    told.took_ns = took_ns;
    told.is_tls = conn->tls;
    assert_int_equal(conn->state, CONN_OPEN);
    if (conn->tls)
        snprintf(told.peer, sizeof(told.peer), "%s", tls_layer_peer_id(conn->tls));
}

static void on_failed(void *owner, enum reason reason, const char *detail)
{
    assert_ptr_equal(owner, &told);
    told.failed++;
    told.reason = reason;
    snprintf(told.detail, sizeof(told.detail), "%s", detail);
}

/* One attempt, to its end. */
static void attempt(const char *identity, enum mesh_alpn alpn, uint64_t timeout_ms)
{
    static const struct http_connect_events events = {on_open, on_failed};
    struct http_connect_target target = {server, identity, alpn, timeout_ms};
    memset(&told, 0, sizeof(told));
    struct http_connect *made = http_connect_new(&loop.workspace, &target, &events, &told);
    assert_non_null(made);
    http_connect_start(made);
    LOOP_WAIT(&loop, told.opened || told.failed);
    assert_int_equal(told.opened + told.failed, 1);
    http_connect_free(made);
}

static void test_plaintext(void **state)
{
    (void)state;
    attempt("", MESH_ALPN_H2, 30000);
    assert_int_equal(told.opened, 1);
    assert_false(told.is_tls);
    assert_true(told.took_ns > 0);
}

static void test_mutual_tls(void **state)
{
    static const enum mesh_alpn wanted[] = {MESH_ALPN_H2, MESH_ALPN_HTTP_1_1, MESH_ALPN_TCP};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        attempt(API, wanted[i], 30000);
        assert_int_equal(told.opened, 1);
        assert_true(told.is_tls);
        assert_string_equal(told.peer, API);
        LOOP_WAIT(&loop, mesh.secured == i + 1);
        assert_int_equal(mesh.alpn, wanted[i]); /* though the server accepts all */
    }
    assert_int_equal(loop_counter(&loop, COUNTER_TLS_HANDSHAKES), 3);
}

static void test_somebody_else(void **state)
{
    (void)state;
    attempt("spiffe://mesh.test/ns/shop/sa/ap", MESH_ALPN_H2, 30000);
    assert_int_equal(told.reason, REASON_PEER_REJECTED);
    assert_non_null(strstr(told.detail, "wrong_identity"));
    assert_int_equal(loop_counter(&loop, COUNTER_PEERS_REJECTED), 1);
    assert_int_equal(mesh.secured, 0);
}

/* A proxy of before HTTP, or a server whose list has nothing in common. */
static void test_another_alpn(void **state)
{
    (void)state;
    svid_tls_drop(mesh.tls);
    mesh.tls = context(SVID_SERVER, API, mesh_alpn_offer(MESH_ALPN_TCP));
    attempt(API, MESH_ALPN_H2, 30000);
    assert_int_equal(told.reason, REASON_TLS_FAILED);
    assert_int_equal(loop_counter(&loop, COUNTER_TLS_FAILURES), 1);
    svid_tls_drop(mesh.tls); /* agrees to nothing at all */
    mesh.tls = context(SVID_SERVER, API, slice_of(NULL, 0));
    attempt(API, MESH_ALPN_H2, 30000);
    assert_int_equal(told.reason, REASON_TLS_FAILED);
    assert_string_equal(told.detail, "the endpoint does not speak outrigger-h2");
}

static void test_no_certificate(void **state)
{
    (void)state;
    svid_tls_drop(loop.workspace.tls.client);
    loop.workspace.tls.client = NULL;
    attempt(API, MESH_ALPN_H2, 30000);
    assert_int_equal(told.reason, REASON_NO_CERTIFICATE);
    assert_null(mesh.last); /* not even a connection */
    attempt("", MESH_ALPN_H2, 30000);
    assert_int_equal(told.opened, 1);
}

static void test_silence_in_the_handshake(void **state)
{
    (void)state;
    svid_tls_drop(mesh.tls);
    mesh.tls = NULL;
    attempt(API, MESH_ALPN_H2, 20);
    assert_int_equal(told.reason, REASON_TLS_TIMEOUT);
}

static void test_closed_in_the_handshake(void **state)
{
    static const struct http_connect_events events = {on_open, on_failed};
    (void)state;
    svid_tls_drop(mesh.tls);
    mesh.tls = NULL;
    memset(&told, 0, sizeof(told));
    struct http_connect_target target = {server, API, MESH_ALPN_H2, 30000};
    struct http_connect *made = http_connect_new(&loop.workspace, &target, &events, &told);
    http_connect_start(made);
    LOOP_WAIT(&loop, mesh.last);
    conn_close(&mesh.last->conn, false);
    LOOP_WAIT(&loop, told.failed);
    assert_int_equal(told.reason, REASON_TLS_FAILED);
    http_connect_free(made);
}

static void test_refused(void **state)
{
    (void)state;
    struct sockaddr_any before = server;
    server = refusing();
    attempt(API, MESH_ALPN_H2, 30000);
    assert_int_equal(told.reason, REASON_CONNECT_FAILED);
    assert_string_equal(told.detail, "connect: Connection refused");
    server = before;
}

static void test_freed_on_the_way(void **state)
{
    static const struct http_connect_events events = {on_open, on_failed};
    (void)state;
    memset(&told, 0, sizeof(told));
    struct http_connect_target target = {server, API, MESH_ALPN_H2, 30000};
    for (unsigned turns = 0; turns < 4; turns++) {
        struct http_connect *made = http_connect_new(&loop.workspace, &target, &events, &told);
        http_connect_start(made);
        for (unsigned i = 0; i < turns; i++)
            loop_turn(&loop);
        http_connect_free(made);
        loop_turn(&loop);
    }
    assert_int_equal(told.failed, 0);
}

/* ---- pools over mutual TLS ---- */

static void test_identities_do_not_share(void **state)
{
    (void)state;
    struct request a = request_make(), b = request_make(), c = request_make(), d = request_make();
    struct pool_key key = {server, API, "", POOL_HTTP_2};
    take_and_wait(&a, key);
    LOOP_WAIT(&loop, mesh.alpn == MESH_ALPN_H2);
    key.identity =
        WEB; /* the server is somebody else, which shows only in a handshake of its own */
    take_of(&b, key, false);
    wait_told(&b);
    assert_int_equal(b.reason, REASON_PEER_REJECTED);
    key.identity = "";
    take_and_wait(&c, key);
    assert_ptr_not_equal(a.fake, c.fake);
    key = (struct pool_key){server, API, "", POOL_HTTP_1_1};
    take_and_wait(&d, key);
    LOOP_WAIT(&loop, mesh.alpn == MESH_ALPN_HTTP_1_1);
    assert_int_equal(fakes.made, 3);
}

static void test_renewal_is_spread(void **state)
{
    (void)state;
    struct request requests[CROWD], more = request_make();
    struct pool_key key = {server, API, "", POOL_HTTP_1_1};
    for (size_t i = 0; i < CROWD; i++) {
        requests[i] = request_make();
        take_and_wait(&requests[i], key);
    }
    struct fake *used = requests[0].fake;
    for (size_t i = 1; i < CROWD; i++)
        request_finish(&requests[i]);
    pools_renew(pools, 400);
    assert_in_range(pools_n_connections(pools), CROWD - 5, CROWD); /* at once the luckiest only */
    unsigned steps = 0;
    for (size_t before = CROWD, now; (now = pools_n_connections(pools)) > 1; before = now) {
        steps += now < before;
        loop_turn(&loop);
    }
    assert_in_range(steps, 4, CROWD);
    LOOP_WAIT(&loop, used->is_draining);
    assert_false(used->is_dead);
    take_and_wait(&more, key); /* with the new certificate */
    assert_int_equal(fakes.made, CROWD + 1);
    request_finish(&requests[0]);
    assert_int_equal(pools_n_connections(pools), 1);
    LOOP_WAIT(&loop, mesh.secured == CROWD + 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mesh_setup, mesh_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_plaintext),
        TEST(test_mutual_tls),
        TEST(test_somebody_else),
        TEST(test_another_alpn),
        TEST(test_no_certificate),
        TEST(test_silence_in_the_handshake),
        TEST(test_closed_in_the_handshake),
        TEST(test_refused),
        TEST(test_freed_on_the_way),
        TEST(test_identities_do_not_share),
        TEST(test_renewal_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
