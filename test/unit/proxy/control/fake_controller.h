/*
 * A controller for tests, on loopback: signs what it is asked to sign unless told otherwise, and
 * says on the discovery stream what the test tells it to say. It remembers what it was told.
 */
#ifndef OUTRIGGER_TEST_PROXY_FAKE_CONTROLLER_H
#define OUTRIGGER_TEST_PROXY_FAKE_CONTROLLER_H

#include <event2/event.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/server.h"
#include "common/svid.h"
#include "proto/identity.pb-c.h"
#include "proxy/control/certify.h"
#include "proxy/control/discovery.h"
#include "test/unit/certs.h"
#include "test/unit/proxy/control/responses.h"

typedef Envoy__Service__Discovery__V3__DeltaDiscoveryRequest DeltaDiscoveryRequest;

#define FAKE_DOMAIN   "cluster.local"
#define FAKE_IDENTITY "spiffe://cluster.local/ns/outrigger-system/sa/outrigger-controller"
#define FAKE_POD_ID   "spiffe://cluster.local/ns/shop/sa/api"
#define FAKE_NAMES    32

enum fake_certify { FAKE_SIGNS, FAKE_REFUSES, FAKE_GARBAGE, FAKE_NOTHING, FAKE_SILENT };

struct fake {
    struct event_base *base;
    struct grpc_server *server;
    uint16_t port; /* the same after fake_restart() */
    struct cert root;
    struct svid_tls *tls;
    enum fake_certify certify;
    long leaf_to_sec; /* as in cert_spec */
    unsigned certified;

    struct grpc_stream *stream; /* the discovery stream that is open, or NULL */
    unsigned streams;           /* since the start */
    char peer[256];             /* of the last stream */
    char node[64];
    unsigned acks, nacks;
    char nonce[64], refusal[800]; /* of the last ACK or NACK */
    /* Names of the last stream, each with its type's first letter: "S 10.96.0.10:80". */
    char subscribed[FAKE_NAMES][128], versions[FAKE_NAMES][128], unsubscribed[FAKE_NAMES][128];
    size_t n_subscribed, n_versions, n_unsubscribed;
    void (*on_reply)(struct fake *fake, bool is_nack); /* may be NULL */
};

/* ---- identity ---- */

static inline X509 *fake_sign(struct fake *fake, EVP_PKEY *key)
{
    struct cert_spec spec = {
        .san = "URI:" FAKE_POD_ID, .to_sec = fake->leaf_to_sec, .has_no_key_id = true};
    struct cert leaf = cert_make(&spec, &fake->root);
    CERTS_NEED(X509_set_pubkey(leaf.x509, key));
    CERTS_NEED(X509_sign(leaf.x509, fake->root.key, NULL) > 0);
    X509 *signed_leaf = leaf.x509;
    X509_up_ref(signed_leaf);
    cert_fini(&leaf);
    return signed_leaf;
}

static inline void fake_answer_certify(struct fake *fake, struct grpc_stream *stream,
                                       struct slice message)
{
    Outrigger__V1__CertifyRequest *request =
        outrigger__v1__certify_request__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    CERTS_NEED(request && strcmp(request->token, "the.pods.token") == 0);
    const uint8_t *der = request->csr.data;
    X509_REQ *csr = d2i_X509_REQ(NULL, &der, (long)request->csr.len);
    EVP_PKEY *key = csr ? X509_REQ_get_pubkey(csr) : NULL;
    CERTS_NEED(key && X509_REQ_verify(csr, key) == 1);
    X509 *leaf = fake_sign(fake, key);
    uint8_t *leaf_der = NULL;
    int leaf_len = i2d_X509(leaf, &leaf_der);
    Outrigger__V1__CertifyResponse response = OUTRIGGER__V1__CERTIFY_RESPONSE__INIT;
    ProtobufCBinaryData chain = {(size_t)leaf_len, leaf_der};
    ProtobufCBinaryData anchor = {fake->root.der_len, fake->root.der};
    response.chain = &chain;
    response.trust_anchors = &anchor;
    response.n_chain = response.n_trust_anchors = 1;
    struct slice bytes = pack(&response);
    CERTS_NEED(grpc_stream_send(stream, bytes));
    grpc_stream_end(stream, GRPC_OK, "");
    fake->certified++;
    free((char *)(uintptr_t)bytes.ptr);
    OPENSSL_free(leaf_der);
    X509_free(leaf);
    EVP_PKEY_free(key);
    X509_REQ_free(csr);
    outrigger__v1__certify_request__free_unpacked(request, NULL);
}

static inline void fake_on_certify(void *context, struct grpc_stream *stream, struct slice message)
{
    struct fake *fake = context;
    switch (fake->certify) {
    case FAKE_SIGNS:
        fake_answer_certify(fake, stream, message);
        return;
    case FAKE_REFUSES:
        grpc_stream_end(stream, GRPC_PERMISSION_DENIED, "the token has expired");
        return;
    case FAKE_GARBAGE:
        CERTS_NEED(grpc_stream_send(stream, SLICE_LITERAL("\xff\xff\xff")));
        grpc_stream_end(stream, GRPC_OK, "");
        return;
    case FAKE_NOTHING:
        grpc_stream_end(stream, GRPC_OK, "");
        return;
    case FAKE_SILENT:
        return;
    }
}

static inline void fake_on_close(void *context, struct grpc_stream *stream)
{
    struct fake *fake = context;
    if (fake->stream == stream)
        fake->stream = NULL;
}

static inline void fake_certify_call(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {.on_message = fake_on_certify,
                                                         .on_close = fake_on_close};
    grpc_stream_accept(stream, &handlers, service);
}

/* ---- discovery ---- */

static inline void fake_note(char (*names)[128], size_t *n, const char *type_url, const char *name,
                             const char *version)
{
    const char *type = strrchr(type_url, '.');
    CERTS_NEED(type && *n < FAKE_NAMES);
    snprintf(names[(*n)++], 128, "%c %s%s%s", type[1], name, *version ? " " : "", version);
}

static inline void fake_on_request(void *context, struct grpc_stream *stream, struct slice message)
{
    struct fake *fake = context;
    DeltaDiscoveryRequest *request = envoy__service__discovery__v3__delta_discovery_request__unpack(
        NULL, message.len, (const uint8_t *)message.ptr);
    CERTS_NEED(request);
    if (stream != fake->stream) /* an older one, which the proxy is leaving */
        goto out;
    if (request->node)
        snprintf(fake->node, sizeof(fake->node), "%s", request->node->id);
    for (size_t i = 0; i < request->n_resource_names_subscribe; i++)
        fake_note(fake->subscribed, &fake->n_subscribed, request->type_url,
                  request->resource_names_subscribe[i], "");
    for (size_t i = 0; i < request->n_resource_names_unsubscribe; i++)
        fake_note(fake->unsubscribed, &fake->n_unsubscribed, request->type_url,
                  request->resource_names_unsubscribe[i], "");
    for (size_t i = 0; i < request->n_initial_resource_versions; i++)
        fake_note(fake->versions, &fake->n_versions, request->type_url,
                  request->initial_resource_versions[i]->key,
                  request->initial_resource_versions[i]->value);
    if (*request->response_nonce) {
        bool is_nack = request->error_detail != NULL;
        fake->acks += !is_nack;
        fake->nacks += is_nack;
        snprintf(fake->nonce, sizeof(fake->nonce), "%s", request->response_nonce);
        snprintf(fake->refusal, sizeof(fake->refusal), "%s",
                 is_nack ? request->error_detail->message : "");
        if (fake->on_reply)
            fake->on_reply(fake, is_nack);
    }
out:
    envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
}

static inline void fake_discovery_call(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {.on_message = fake_on_request,
                                                         .on_close = fake_on_close};
    struct fake *fake = service;
    struct slice peer = grpc_stream_peer_id(stream);
    snprintf(fake->peer, sizeof(fake->peer), "%.*s", SLICE_ARG(peer));
    fake->stream = stream;
    fake->streams++;
    fake->n_subscribed = fake->n_versions = fake->n_unsubscribed = 0;
    grpc_stream_accept(stream, &handlers, fake);
}

/* Sends and frees. */
static inline void fake_say(struct fake *fake, DeltaDiscoveryResponse *response)
{
    struct slice bytes = pack(response);
    CERTS_NEED(fake->stream && grpc_stream_send(fake->stream, bytes));
    free((char *)(uintptr_t)bytes.ptr);
    response_free(response);
}

static inline bool fake_has(char (*names)[128], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

#define FAKE_SUBSCRIBED(fake, name)   fake_has((fake)->subscribed, (fake)->n_subscribed, name)
#define FAKE_UNSUBSCRIBED(fake, name) fake_has((fake)->unsubscribed, (fake)->n_unsubscribed, name)
#define FAKE_VERSION(fake, name)      fake_has((fake)->versions, (fake)->n_versions, name)

/* ---- life ---- */

static inline struct svid_tls *fake_tls(void *context)
{
    return svid_tls_hold(((struct fake *)context)->tls);
}

static inline void fake_open(struct fake *fake)
{
    static const struct grpc_method methods[] = {{CERTIFY_METHOD, fake_certify_call},
                                                 {DISCOVERY_METHOD, fake_discovery_call}};
    struct err err;
    struct ip loopback;
    CERTS_NEED(ip_parse(SLICE_LITERAL("127.0.0.1"), &loopback));
    struct grpc_server_options options = {.listen = addr_make(&loopback, fake->port),
                                          .tls = fake_tls,
                                          .tls_context = fake,
                                          .methods = methods,
                                          .n_methods = 2,
                                          .service = fake};
    fake->server = grpc_server_new(fake->base, &options, &err);
    CERTS_NEED(fake->server);
    fake->port = grpc_server_port(fake->server);
}

static inline void fake_close(struct fake *fake)
{
    if (fake->server)
        grpc_server_free(fake->server);
    fake->server = NULL;
    fake->stream = NULL;
}

/* `identity` is the one that its certificate has; proxies expect FAKE_IDENTITY. */
static inline void fake_init(struct fake *fake, struct event_base *base, const char *identity)
{
    char san[256];
    struct err err;
    *fake = (struct fake){.base = base};
    fake->root = cert_make(&(struct cert_spec){.is_ca = true}, NULL);
    snprintf(san, sizeof(san), "URI:%s", identity);
    struct cert leaf = cert_make(&(struct cert_spec){.san = san}, &fake->root);
    struct slice chain = cert_slice(&leaf), der = cert_slice(&fake->root);
    struct trust_anchors *anchors = trust_anchors_from_der(&der, 1, &err);
    struct svid *svid = anchors ? svid_new(&chain, 1, leaf.key, anchors, &err) : NULL;
    CERTS_NEED(svid);
    fake->tls = svid_tls_new(SVID_SERVER_OPTIONAL, svid, NULL, SLICE_LITERAL(FAKE_DOMAIN),
                             SLICE_LITERAL("\x02h2"), &err);
    CERTS_NEED(fake->tls);
    svid_drop(svid);
    trust_anchors_drop(anchors);
    cert_fini(&leaf);
    fake_open(fake);
}

static inline void fake_fini(struct fake *fake)
{
    fake_close(fake);
    svid_tls_drop(fake->tls);
    cert_fini(&fake->root);
}

/* Turns the loop until `condition`; a test whose condition never comes fails after 20 s. */
#define FAKE_UNTIL(base, condition)                                                                \
    do {                                                                                           \
        uint64_t end_ns_ = clock_now_ns() + 20 * NS_PER_SEC;                                       \
        while (!(condition)) {                                                                     \
            if (clock_now_ns() > end_ns_)                                                          \
                fail_msg("never: %s", #condition);                                                 \
            struct timeval slice_ = clock_timeval_ms(50);                                          \
            event_base_loopexit(base, &slice_);                                                    \
            event_base_loop(base, EVLOOP_ONCE);                                                    \
        }                                                                                          \
    } while (0)

#endif
