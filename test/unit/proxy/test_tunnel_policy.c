/* Who gets through, and as what: modes, detection, policies, caps, discovery, endpoints. */
#include "test/unit/proxy/rig.h"

#include <openssl/ssl.h>

#define STRICT     OUTRIGGER__V1__MTLS_MODE__STRICT
#define PERMISSIVE OUTRIGGER__V1__MTLS_MODE__PERMISSIVE
#define DISABLED   OUTRIGGER__V1__MTLS_MODE__DISABLED

static int rig_start_usual(void **state)
{
    *state = rig_start_mesh(1, NULL);
    return 0;
}

static int rig_stop_usual(void **state)
{
    rig_expect_nothing_left(*state);
    rig_stop(*state);
    return 0;
}

static int rig_dial_inbound(struct rig *rig)
{
    return rig_dial_port(rig->settings[RIG_IN].inbound_port);
}

/* Sends, and the application gets exactly that; then both close. */
static void expect_passed(struct rig *rig, int client, const char *text)
{
    int server = rig_accept(rig);
    rig_expect(server, text);
    rig_send(server, "ok", 2);
    rig_expect(client, "ok");
    close(client);
    rig_expect_eof(server);
    close(server);
}

static void test_plaintext_by_mode(void **state)
{
    struct rig *rig = *state;
    int client = rig_dial_inbound(rig); /* permissive */
    rig_send(client, "HELO everybody\r\n", 16);
    expect_passed(rig, client, "HELO everybody\r\n");
    assert_int_equal(rig_counter(rig, RIG_IN, COUNTER_PLAINTEXT_INBOUND), 1);

    rig_set_policy(rig, RIG_IN, (struct rig_policy){.mtls_mode = STRICT});
    client = rig_dial_inbound(rig);
    rig_send(client, "GET", 3);
    rig_expect_reset(client);
    close(client);
    assert_int_equal(rig_ended(rig, RIG_IN, REASON_PLAINTEXT_REFUSED), 1);

    rig_set_policy(rig, RIG_IN, (struct rig_policy){.mtls_mode = DISABLED});
    client = rig_dial_inbound(rig);
    rig_send(client, "\x16\x03\x01", 3); /* nothing is looked at */
    expect_passed(rig, client, "\x16\x03\x01");
}

static void test_server_speaks_first(void **state)
{
    struct rig *rig = *state;
    int client = rig_dial_inbound(rig);
    int server = rig_accept(rig); /* after detect_timeout of silence */
    rig_send(server, "220 ready", 9);
    rig_expect(client, "220 ready");
    rig_send(client, "EHLO", 4);
    rig_expect(server, "EHLO");
    close(client);
    rig_expect_eof(server);
    close(server);
}

static void test_one_byte_and_silence(void **state)
{
    struct rig *rig = *state;
    int client = rig_dial_inbound(rig);
    rig_send(client, "x", 1);
    expect_passed(rig, client, "x");
    /* Hung up without a word: the application sees that as well. */
    client = rig_dial_inbound(rig);
    close(client);
    int server = rig_accept(rig);
    rig_expect_eof(server);
    close(server);
}

/* A ClientHello of the application's own, in one piece or byte by byte. */
static void test_application_tls(void **state)
{
    struct rig *rig = *state;
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    for (int piecewise = 0; piecewise < 2; piecewise++) {
        SSL *ssl = SSL_new(context);
        SSL_set_connect_state(ssl);
        SSL_set_tlsext_host_name(ssl, "shop.example");
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL_set_bio(ssl, in, out);
        SSL_do_handshake(ssl);
        const uint8_t *hello;
        size_t len;
        assert_true(BIO_mem_contents(out, &hello, &len));
        int client = rig_dial_inbound(rig);
        for (size_t i = 0; piecewise && i + 1 < len; i++)
            rig_send(client, hello + i, 1);
        rig_send(client, piecewise ? hello + len - 1 : hello, piecewise ? 1 : len);
        int server = rig_accept(rig);
        uint8_t got[4096];
        assert_int_equal(recv(server, got, len, MSG_WAITALL), len);
        assert_memory_equal(got, hello, len);
        json_t *list = rig_inspect(rig, rig->workers[RIG_IN][0], WORKER_CONNECTIONS);
        json_t *one = json_array_get(list, 0);
        assert_string_equal(json_string_value(json_object_get(one, "sni")), "shop.example");
        assert_string_equal(json_string_value(json_object_get(one, "tls")), "passthrough");
        close(client);
        close(server);
        SSL_free(ssl);
    }
    SSL_CTX_free(context);
    assert_int_equal(rig_counter(rig, RIG_IN, COUNTER_APPLICATION_TLS), 2);
}

static void expect_refused(struct rig *rig, int client, enum rig_side side, enum reason reason,
                           uint64_t times)
{
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, side, reason) == times);
}

static void test_access_by_identity(void **state)
{
    struct rig *rig = *state;
    rig_set_policy(
        rig, RIG_IN,
        (struct rig_policy){.action = OUTRIGGER__V1__ACCESS_ACTION__ALLOW, .identity = RIG_WEB});
    int client = rig_dial(rig);
    rig_send(client, "mesh", 4);
    expect_passed(rig, client, "mesh");
    client = rig_dial_inbound(rig); /* a stranger */
    rig_send(client, "plain", 5);
    expect_refused(rig, client, RIG_IN, REASON_POLICY_DENIED, 1);
    rig_set_policy(
        rig, RIG_IN,
        (struct rig_policy){.action = OUTRIGGER__V1__ACCESS_ACTION__DENY, .identity = RIG_WEB});
    client = rig_dial(rig);
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_POLICY_DENIED) == 2);
    rig_set_policy(
        rig, RIG_IN,
        (struct rig_policy){.action = OUTRIGGER__V1__ACCESS_ACTION__AUDIT, .identity = RIG_WEB});
    client = rig_dial(rig);
    rig_send(client, "mesh", 4);
    expect_passed(rig, client, "mesh");
    assert_int_equal(rig_counter(rig, RIG_IN, COUNTER_POLICY_AUDITED), 1);
}

/* The change holds for the next connection, not for the one that is open. */
static void test_policy_is_for_successors(void **state)
{
    struct rig *rig = *state;
    int open = rig_dial(rig);
    int server = rig_accept(rig);
    rig_set_policy(
        rig, RIG_IN,
        (struct rig_policy){.default_access = OUTRIGGER__V1__DEFAULT_ACCESS__DEFAULT_DENY});
    int next = rig_dial(rig);
    rig_expect_reset(next);
    close(next);
    rig_send(open, "still", 5);
    rig_expect(server, "still");
    close(open);
    close(server);
}

static void test_retry_on_another_endpoint(void **state)
{
    struct rig *rig = *state;
    struct rig_endpoint two[] = {{rig_free_port(), RIG_API},
                                 {rig->settings[RIG_IN].inbound_port, RIG_API}};
    rig_set_service(rig, two, 2, 0);
    for (int i = 0; i < 8; i++) {
        int client = rig_dial(rig);
        rig_send(client, "any", 3);
        expect_passed(rig, client, "any");
    }
    assert_true(rig_counter(rig, RIG_OUT, COUNTER_CONNECT_RETRIES) >= 1);
    /* All refuse: so is the application. */
    struct rig_endpoint none[] = {{rig_free_port(), RIG_API}, {rig_free_port(), RIG_API}};
    rig_set_service(rig, none, 2, 0);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_CONNECT_FAILED, 1);
    rig_set_service(rig, NULL, 0, 0);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_NO_ENDPOINTS, 1);
}

/* What has an identity is never spoken to in plaintext, and never as somebody else. */
static void test_identity_is_verified(void **state)
{
    struct rig *rig = *state;
    struct rig_endpoint other = {rig->settings[RIG_IN].inbound_port,
                                 "spiffe://mesh.test/ns/shop/sa/other"};
    rig_set_service(rig, &other, 1, 0);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_PEER_REJECTED, 1);
    struct rig_endpoint plain = {addr_port(&rig->app), RIG_API};
    rig_set_service(rig, &plain, 1, 0);
    int client = rig_dial(rig);
    rig_send(client, "secret", 6);
    int server = rig_accept(rig); /* the application itself listens there: it gets a ClientHello */
    char first;
    assert_int_equal(recv(server, &first, 1, 0), 1);
    assert_int_equal(first, 0x16);
    close(server);
    expect_refused(rig, client, RIG_OUT, REASON_TLS_FAILED, 1);
    rig_set_service(rig, &(struct rig_endpoint){rig->settings[RIG_IN].inbound_port, RIG_API}, 1, 0);
    struct cert foreign = cert_make(&(struct cert_spec){.is_ca = true, .cn = "other"}, NULL);
    rig_set_identity(rig, RIG_IN, RIG_API, &foreign);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_PEER_REJECTED, 2);
    rig_set_identity(rig, RIG_IN, RIG_API, &rig->root);
    rig_set_identity(rig, RIG_OUT, RIG_WEB, &foreign);
    client = rig_dial(rig); /* TLS 1.3: the client learns of it after its handshake */
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_PEER_REJECTED) == 1);
    cert_fini(&foreign);
}

static void test_no_certificate(void **state)
{
    struct rig *rig = *state;
    struct worker_tls none = {NULL, NULL};
    worker_publish_tls(rig->workers[RIG_OUT][0], &none);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_NO_CERTIFICATE, 1);
}

/* Takes what has come, if anything, so that there is room for the next. */
static bool make_room(int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    if (poll(&ready, 1, 0) == 1)
        close(accept(listener, NULL, NULL));
    return true;
}

static bool is_connecting(struct rig *rig)
{
    json_t *list = rig_inspect(rig, rig->workers[RIG_OUT][0], WORKER_CONNECTIONS);
    json_t *state = json_object_get(json_array_get(list, 0), "state");
    return state && strcmp(json_string_value(state), "connect") == 0;
}

/* The queue of the endpoint's listener is full; the kernel asks again after a second. */
static void test_certificate_expires_on_the_way(void **state)
{
    struct rig *rig = *state;
    struct worker_tls none = {NULL, NULL};
    struct sockaddr_any full;
    int listener = rig_listen(&full), waiting[3];
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 3; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(waiting[i], &full.sa, full.len);
    }
    rig_set_service(rig, &(struct rig_endpoint){addr_port(&full), RIG_API}, 1, 0);
    int client = rig_dial(rig);
    RIG_WAIT(rig, is_connecting(rig));
    worker_publish_tls(rig->workers[RIG_OUT][0], &none);
    rig_inspect(rig, rig->workers[RIG_OUT][0], WORKER_MEMORY);
    RIG_WAIT(rig, make_room(listener) && rig_ended(rig, RIG_OUT, REASON_NO_CERTIFICATE) == 1);
    rig_expect_reset(client);
    for (size_t i = 0; i < 3; i++)
        close(waiting[i]);
    close(client);
    close(listener);
}

static void test_caps(void **state)
{
    struct rig *rig = *state;
    struct rig_endpoint endpoint = {rig->settings[RIG_IN].inbound_port, RIG_API};
    rig_set_service(rig, &endpoint, 1, 1);
    int first = rig_dial(rig);
    int server = rig_accept(rig);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_LIMIT_CONNECTIONS, 1);
    close(first);
    rig_expect_eof(server);
    close(server);
    RIG_WAIT(rig, rig_open(rig) == 0);
    rig_set_policy(rig, RIG_IN, (struct rig_policy){.max_connections = 1});
    first = rig_dial(rig);
    server = rig_accept(rig);
    expect_refused(rig, rig_dial_inbound(rig), RIG_IN, REASON_LIMIT_CONNECTIONS, 1);
    close(first);
    close(server);
}

static void test_self_call(void **state)
{
    struct rig *rig = *state;
    struct rig_policy own = {.address = "127.0.0.1"};
    rig_set_policy(rig, RIG_OUT, own);
    struct rig_endpoint self = {addr_port(&rig->app), RIG_WEB};
    rig_set_service(rig, &self, 1, 0);
    int client = rig_dial(rig);
    rig_send(client, "me", 2);
    expect_passed(rig, client, "me"); /* plaintext, straight to the application */
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_SELF_CALLS), 1);
    own.action = OUTRIGGER__V1__ACCESS_ACTION__DENY;
    own.identity = RIG_WEB;
    rig_set_policy(rig, RIG_OUT, own);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_POLICY_DENIED, 1);
}

/* A client of the mesh that is not a proxy of ours. */
struct peer_client {
    SSL *ssl;
    struct svid_tls *tls;
    struct svid_peer peer;
};

static void peer_client_start(struct peer_client *client, struct rig *rig, int fd)
{
    struct err err;
    struct cert leaf = cert_make(&(struct cert_spec){.san = "URI:" RIG_WEB}, &rig->root);
    struct slice der = cert_slice(&leaf);
    struct svid *svid = svid_new(&der, 1, leaf.key, rig->anchors, &err);
    client->tls =
        svid_tls_new(SVID_CLIENT, svid, rig->anchors, SLICE_LITERAL("mesh.test"), RIG_ALPN, &err);
    client->peer = (struct svid_peer){.expected = SLICE_LITERAL(RIG_API)};
    client->ssl = svid_tls_start(client->tls, &client->peer);
    SSL_set_fd(client->ssl, fd);
    assert_int_equal(SSL_do_handshake(client->ssl), 1);
    svid_drop(svid);
    cert_fini(&leaf);
}

static void peer_client_stop(struct peer_client *client)
{
    SSL_free(client->ssl);
    svid_peer_fini(&client->peer);
    svid_tls_drop(client->tls);
}

/* The first ClientHello was lost, the one that was sent again comes after detect_timeout. */
static void test_late_client_hello(void **state)
{
    struct rig *rig = *state;
    struct peer_client late;
    int fd = rig_dial_inbound(rig);
    int server = rig_accept(rig); /* taken for a silent client */
    peer_client_start(&late, rig, fd);
    assert_int_equal(SSL_write(late.ssl, "late", 4), 4);
    rig_expect(server, "late");
    json_t *list = rig_inspect(rig, rig->workers[RIG_IN][0], WORKER_CONNECTIONS);
    json_t *one = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(one, "source_identity")), RIG_WEB);
    assert_string_equal(json_string_value(json_object_get(one, "tls")), "mutual");
    close(server);
    close(fd);
    peer_client_stop(&late);

    /* Where strangers are refused, silence is waited out: here three times detect_timeout. */
    rig_set_policy(
        rig, RIG_IN,
        (struct rig_policy){.action = OUTRIGGER__V1__ACCESS_ACTION__ALLOW, .identity = RIG_WEB});
    fd = rig_dial_inbound(rig);
    struct pollfd refused = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&refused, 1, 150), 0);
    peer_client_start(&late, rig, fd);
    server = rig_accept(rig);
    close(server);
    close(fd);
    peer_client_stop(&late);
}

/* A TLS stream that is cut without close_notify must not look like a whole one. */
static void test_truncation(void **state)
{
    struct rig *rig = *state;
    struct peer_client client;
    int fd = rig_dial_inbound(rig);
    peer_client_start(&client, rig, fd);
    assert_int_equal(SSL_write(client.ssl, "half", 4), 4);
    int server = rig_accept(rig);
    rig_expect(server, "half");
    shutdown(fd, SHUT_WR);
    rig_expect_reset(server);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_TLS_TRUNCATED) == 1);
    close(fd);
    close(server);
    peer_client_stop(&client);
}

static void test_application_refuses(void **state)
{
    struct rig *rig = *state;
    close(rig->app_fd);
    int client = rig_dial(rig);
    rig_expect_reset(client);
    close(client);
    RIG_WAIT(rig, rig_ended(rig, RIG_IN, REASON_CONNECT_FAILED) == 1);
    rig->app_fd = -1;
}

static void test_not_ready_and_loop(void **state)
{
    (void)state;
    struct rig *rig = rig_start(1, NULL);
    int client = rig_dial_inbound(rig);
    expect_refused(rig, client, RIG_IN, REASON_NOT_READY, 1);
    rig_stop(rig);
    rig = rig_start_mesh(1, NULL);
    rig_routes[0].destination = rig_loopback(rig->settings[RIG_OUT].inbound_port);
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_LOOP, 1);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_LOOPS), 1);
    rig_routes[0].destination.len = 0;
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_NO_ORIGINAL_DST, 1);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

/* Nobody has asked for the destination yet: the connection waits for the answer, or the timeout. */
static void test_discovery(void **state)
{
    (void)state;
    struct rig *rig = rig_start(1, NULL);
    rig_routes[0].destination = rig->app; /* unknown: passes through to there */
    int client = rig_dial(rig);
    RIG_WAIT(rig, rig->wanted == 1);
    char text[ADDR_TEXT_BYTES];
    assert_string_equal(rig->last_wanted, addr_format(&rig->app, text));
    rig_send(client, "late", 4);
    expect_passed(rig, client, "late");
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_TIMEOUTS), 1);

    client = rig_dial(rig); /* two wait for one question, and for its answer */
    int second = rig_dial(rig);
    RIG_WAIT(rig, rig->wanted == 2);
    RIG_WAIT(rig, rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_WAITING) == 2);
    assert_true(snapshot_set_service(rig->snapshots[RIG_OUT],
                                     service_unknown(slice_str(text), rig->service_shared)));
    rig_publish(rig, RIG_OUT);
    rig_send(client, "known", 5);
    expect_passed(rig, client, "known");
    rig_send(second, "known", 5);
    expect_passed(rig, second, "known");
    assert_int_equal(rig->wanted, 2);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_TIMEOUTS), 1);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_PASSTHROUGH), 3);
    rig_set_policy(rig, RIG_OUT,
                   (struct rig_policy){.egress_mode = OUTRIGGER__V1__EGRESS_MODE__REGISTRY_ONLY});
    expect_refused(rig, rig_dial(rig), RIG_OUT, REASON_EGRESS_DENIED, 1);
    rig_expect_nothing_left(rig);
    rig_stop(rig);
}

/* Whoever waits when the proxy ends is not waiting any more. */
static void test_discovery_is_cut(void **state)
{
    (void)state;
    struct rig *rig = rig_start(1, NULL);
    int client = rig_dial(rig);
    RIG_WAIT(rig, rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_WAITING) == 1);
    worker_drain(rig->workers[RIG_OUT][0], 0);
    RIG_WAIT(rig, rig_ended(rig, RIG_OUT, REASON_DRAINED) == 1);
    rig_expect_reset(client);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_WAITING), 0);
    assert_int_equal(rig_counter(rig, RIG_OUT, COUNTER_DISCOVERY_TIMEOUTS), 0);
    close(client);
    rig_stop(rig);
}

#define USUAL(test) cmocka_unit_test_setup_teardown(test, rig_start_usual, rig_stop_usual)

int main(void)
{
    const struct CMUnitTest tests[] = {
        USUAL(test_plaintext_by_mode),
        USUAL(test_server_speaks_first),
        USUAL(test_one_byte_and_silence),
        USUAL(test_application_tls),
        USUAL(test_access_by_identity),
        USUAL(test_policy_is_for_successors),
        USUAL(test_retry_on_another_endpoint),
        USUAL(test_identity_is_verified),
        USUAL(test_no_certificate),
        USUAL(test_certificate_expires_on_the_way),
        USUAL(test_caps),
        USUAL(test_self_call),
        USUAL(test_truncation),
        USUAL(test_late_client_hello),
        USUAL(test_application_refuses),
        cmocka_unit_test(test_not_ready_and_loop),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_discovery_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
