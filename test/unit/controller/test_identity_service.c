/* Certify, with a stream of the test's own in the place of the gRPC server's. */
#include "controller/identity_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/clock.h"
#include "common/ed25519.h"
#include "common/log.h"
#include "common/svid.h"
#include "proto/identity.pb-c.h"
#include "test/unit/scratch_dir.h"

struct grpc_stream {
    const struct grpc_stream_handlers *handlers;
    void *context;
    struct sockaddr_any peer;
    uint8_t sent[4096];
    size_t n_sent, n_messages, n_ends;
    enum grpc_code code;
    char message[800];
    bool has_no_room;
};

void grpc_stream_accept(struct grpc_stream *stream, const struct grpc_stream_handlers *handlers,
                        void *context)
{
    stream->handlers = handlers;
    stream->context = context;
}

bool grpc_stream_send(struct grpc_stream *stream, struct slice message)
{
    if (stream->has_no_room)
        return false;
    assert_in_range(message.len, 1, sizeof(stream->sent));
    memcpy(stream->sent, message.ptr, message.len);
    stream->n_sent = message.len;
    stream->n_messages++;
    return true;
}

void grpc_stream_end(struct grpc_stream *stream, enum grpc_code code, const char *message)
{
    stream->code = code;
    stream->n_ends++;
    snprintf(stream->message, sizeof(stream->message), "%s", message);
}

const struct sockaddr_any *grpc_stream_peer_addr(const struct grpc_stream *stream)
{
    return &stream->peer;
}

struct world {
    struct scratch_dir dir;
    struct ca *ca;
    struct token_signer *signer;
    struct identity_service *service;
    EVP_PKEY *key;
    char *token;
    uint8_t *csr;
    size_t csr_len;
};

static char *token_of(struct world *world, int64_t issued_at)
{
    struct token_claims claims = {.issued_at = issued_at, .expires_at = issued_at + 600};
    struct err err;
    assert_true(token_claims_set(&claims, SLICE_LITERAL("shop"), SLICE_LITERAL("web"),
                                 SLICE_LITERAL("web-1"), &err));
    char *token = token_issue(world->signer, &claims, &err);
    assert_non_null(token);
    return token;
}

static void make_csr(struct world *world)
{
    X509_REQ *request = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(request, world->key), 1);
    assert_true(X509_REQ_sign(request, world->key, NULL) > 0);
    int len = i2d_X509_REQ(request, &world->csr);
    assert_true(len > 0);
    world->csr_len = (size_t)len;
    X509_REQ_free(request);
}

static int world_start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct err err;
    scratch_dir_init(&world->dir);
    const struct ca_options options = {.state_dir = world->dir.path,
                                       .trust_domain = "mesh.test",
                                       .root_ttl_sec = 86400,
                                       .leaf_ttl_sec = 3600};
    world->ca = ca_open(&options, &err);
    world->signer = token_signer_open(world->dir.path, &err);
    assert_true(world->ca && world->signer);
    world->service = identity_service_new(world->ca, world->signer);
    world->key = ed25519_generate();
    world->token = token_of(world, clock_wall_sec());
    make_csr(world);
    *state = world;
    return 0;
}

static int world_stop(void **state)
{
    struct world *world = *state;
    identity_service_free(world->service);
    token_signer_close(world->signer);
    ca_close(world->ca);
    EVP_PKEY_free(world->key);
    OPENSSL_free(world->csr);
    free(world->token);
    scratch_dir_fini(&world->dir);
    free(world);
    return 0;
}

static void begin(struct world *world, struct grpc_stream *stream)
{
    struct err err;
    assert_true(addr_parse(SLICE_LITERAL("10.0.0.1:5000"), &stream->peer, &err));
    identity_service_on_certify(world->service, stream);
    assert_non_null(stream->handlers);
}

static void send_request(struct grpc_stream *stream, const char *token, struct slice csr)
{
    Outrigger__V1__CertifyRequest request = OUTRIGGER__V1__CERTIFY_REQUEST__INIT;
    uint8_t packed[20000];
    request.token = (char *)token;
    request.csr = (ProtobufCBinaryData){.data = (uint8_t *)csr.ptr, .len = csr.len};
    assert_true(outrigger__v1__certify_request__get_packed_size(&request) <= sizeof(packed));
    size_t len = outrigger__v1__certify_request__pack(&request, packed);
    stream->handlers->on_message(stream->context, stream, slice_of(packed, len));
}

static void end(struct grpc_stream *stream)
{
    stream->handlers->on_peer_done(stream->context, stream);
    stream->handlers->on_close(stream->context, stream);
    assert_int_equal(stream->n_ends, 1);
}

static void test_certify(void **state)
{
    struct world *world = *state;
    struct grpc_stream stream = {0};
    struct err err;
    begin(world, &stream);
    send_request(&stream, world->token, slice_of(world->csr, world->csr_len));
    /* A client that sends twice gets one answer. */
    send_request(&stream, "", slice_of(world->csr, world->csr_len));
    end(&stream);
    assert_int_equal(stream.code, GRPC_OK);
    assert_int_equal(stream.n_messages, 1);

    Outrigger__V1__CertifyResponse *response =
        outrigger__v1__certify_response__unpack(NULL, stream.n_sent, stream.sent);
    assert_non_null(response);
    assert_int_equal(response->n_chain, 1);
    assert_int_equal(response->n_trust_anchors, 1);
    struct slice leaf = slice_of(response->chain[0].data, response->chain[0].len);
    struct slice anchor = slice_of(response->trust_anchors[0].data, response->trust_anchors[0].len);
    struct trust_anchors *anchors = trust_anchors_from_der(&anchor, 1, &err);
    assert_true(slice_eq(anchor, trust_anchors_der(ca_anchors(world->ca), 0)));
    struct svid *svid = svid_new(&leaf, 1, world->key, anchors, &err);
    if (!svid)
        fail_msg("%s", err.text);
    assert_true(slice_eq_str(svid_id(svid)->text, "spiffe://mesh.test/ns/shop/sa/web"));
    assert_int_equal(svid_not_before(svid), response->not_before);
    assert_int_equal(svid_not_after(svid), response->not_after);
    svid_drop(svid);
    trust_anchors_drop(anchors);
    outrigger__v1__certify_response__free_unpacked(response, NULL);
    assert_int_equal(identity_service_stats(world->service).certified, 1);
}

static void refuses(struct world *world, const char *token, struct slice csr, enum grpc_code code,
                    const char *complaint)
{
    struct grpc_stream stream = {0};
    begin(world, &stream);
    send_request(&stream, token, csr);
    end(&stream);
    assert_int_equal(stream.code, code);
    assert_int_equal(stream.n_messages, 0);
    if (!strstr(stream.message, complaint))
        fail_msg("said \"%s\", expected \"%s\"", stream.message, complaint);
}

static void test_refusals(void **state)
{
    struct world *world = *state;
    struct slice csr = slice_of(world->csr, world->csr_len);
    char *old = token_of(world, clock_wall_sec() - 7200);
    char *early = token_of(world, clock_wall_sec() + 7200);
    refuses(world, "", csr, GRPC_UNAUTHENTICATED, "token: 0 bytes");
    refuses(world, "x.y.z", csr, GRPC_UNAUTHENTICATED, "token: the header");
    refuses(world, old, csr, GRPC_UNAUTHENTICATED, "token: expired");
    refuses(world, early, csr, GRPC_UNAUTHENTICATED, "token: not yet valid");
    refuses(world, world->token, SLICE_LITERAL(""), GRPC_INVALID_ARGUMENT, "csr: empty");
    refuses(world, world->token, slice_of(world->csr, world->csr_len - 1), GRPC_INVALID_ARGUMENT,
            "csr: not a PKCS#10");
    world->csr[world->csr_len - 1] ^= 1;
    refuses(world, world->token, csr, GRPC_INVALID_ARGUMENT, "csr: the signature");
    struct identity_stats stats = identity_service_stats(world->service);
    assert_int_equal(stats.refused_token, 4);
    assert_int_equal(stats.refused_request, 3);
    assert_int_equal(stats.certified, 0);
    free(old);
    free(early);
}

/* Bytes that are no message, more bytes than a message has, no message at all, no room to answer.
 */
static void test_bad_calls(void **state)
{
    struct world *world = *state;
    static char big[20000];
    const struct slice messages[] = {SLICE_LITERAL("\xff\xff\xff"), slice_of(big, sizeof(big))};
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct grpc_stream stream = {0};
        begin(world, &stream);
        stream.handlers->on_message(stream.context, &stream, messages[i]);
        end(&stream);
        assert_int_equal(stream.code, GRPC_INVALID_ARGUMENT);
    }
    struct grpc_stream silent = {0};
    begin(world, &silent);
    end(&silent);
    assert_int_equal(silent.code, GRPC_INVALID_ARGUMENT);

    struct grpc_stream full = {.has_no_room = true};
    begin(world, &full);
    send_request(&full, world->token, slice_of(world->csr, world->csr_len));
    end(&full);
    assert_int_equal(full.code, GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(identity_service_stats(world->service).failed, 1);
}

int main(void)
{
    log_setup(LOG_ERROR, LOG_TEXT);
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_stop)
    const struct CMUnitTest tests[] = {
        TEST(test_certify),
        TEST(test_refusals),
        TEST(test_bad_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
