#include "controller/identity_service.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "common/jws.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/spiffe.h"
#include "common/text.h"
#include "controller/csr.h"
#include "controller/jwt.h"
#include "controller/kubernetes/token_review.h"
#include "proto/identity.pb-c.h"

/* Token and request are bounded where they are read; this is what a message may be at all. */
#define REQUEST_MAX_BYTES (JWS_MAX_BYTES + CSR_MAX_BYTES + 64)

struct identity_service {
    struct ca *ca;
    const struct token_signer *signer;
    struct token_reviewer *reviewer; /* NULL: only the signer's tokens are taken */
    struct identity_stats stats;
};

struct call {
    struct identity_service *service;
    bool is_answered;
    /* While the cluster is asked about the token: */
    struct token_review *review;
    struct grpc_stream *stream;
    Outrigger__V1__CertifyRequest *request;
};

/* What a call ended with; `code` GRPC_OK has `leaf` and `id`. */
struct outcome {
    enum grpc_code code;
    struct err err;
    struct ca_leaf leaf;
    char id[SPIFFE_ID_MAX_BYTES + 1];
};

struct identity_service *identity_service_new(struct ca *ca, const struct token_signer *signer)
{
    struct identity_service *service = calloc(1, sizeof(*service));
    if (service)
        *service = (struct identity_service){.ca = ca, .signer = signer};
    return service;
}

void identity_service_free(struct identity_service *service)
{
    free(service);
}

void identity_service_use_reviewer(struct identity_service *service,
                                   struct token_reviewer *reviewer)
{
    service->reviewer = reviewer;
}

struct identity_stats identity_service_stats(const struct identity_service *service)
{
    return service->stats;
}

/* The name comes from the token alone, the key from the request alone. */
static enum grpc_code issue(struct identity_service *service, const struct token_claims *claims,
                            struct slice csr, struct outcome *outcome)
{
    if (!spiffe_format(outcome->id, sizeof(outcome->id), slice_str(ca_trust_domain(service->ca)),
                       slice_str(claims->namespace), slice_str(claims->service_account))) {
        err_set(&outcome->err, "token: its owner has no SPIFFE ID");
        return GRPC_UNAUTHENTICATED;
    }
    EVP_PKEY *key = csr_public_key(csr, &outcome->err);
    if (!key)
        return GRPC_INVALID_ARGUMENT;
    bool is_issued =
        ca_issue(service->ca, key, slice_str(outcome->id), &outcome->leaf, &outcome->err);
    EVP_PKEY_free(key);
    return is_issued ? GRPC_OK : GRPC_INTERNAL;
}

static struct slice csr_of(const Outrigger__V1__CertifyRequest *request)
{
    return slice_of(request->csr.data, request->csr.len);
}

static Outrigger__V1__CertifyRequest *read_request(struct slice message, struct err *err)
{
    Outrigger__V1__CertifyRequest *request = NULL;
    if (message.len <= REQUEST_MAX_BYTES)
        request =
            outrigger__v1__certify_request__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    if (!request)
        err_set(err, "the message is no outrigger.v1.CertifyRequest of at most %d bytes",
                REQUEST_MAX_BYTES);
    return request;
}

static void count(struct identity_service *service, const struct outcome *outcome)
{
    switch (outcome->code) {
    case GRPC_OK:
        service->stats.certified++;
        break;
    case GRPC_UNAUTHENTICATED:
        service->stats.refused_token++;
        break;
    case GRPC_INVALID_ARGUMENT:
        service->stats.refused_request++;
        break;
    default:
        service->stats.failed++;
        break;
    }
}

static bool send_response(const struct identity_service *service, struct grpc_stream *stream,
                          const struct outcome *outcome)
{
    Outrigger__V1__CertifyResponse response = OUTRIGGER__V1__CERTIFY_RESPONSE__INIT;
    ProtobufCBinaryData leaf = {.data = outcome->leaf.der, .len = outcome->leaf.der_len};
    ProtobufCBinaryData anchors[TRUST_ANCHORS_MAX];
    const struct trust_anchors *trusted = ca_anchors(service->ca);
    for (size_t i = 0; i < trust_anchors_count(trusted); i++) {
        struct slice der = trust_anchors_der(trusted, i);
        anchors[i] = (ProtobufCBinaryData){.data = (uint8_t *)der.ptr, .len = der.len};
    }
    response.n_chain = 1;
    response.chain = &leaf;
    response.not_before = outcome->leaf.not_before;
    response.not_after = outcome->leaf.not_after;
    response.n_trust_anchors = trust_anchors_count(trusted);
    response.trust_anchors = anchors;

    size_t size = outrigger__v1__certify_response__get_packed_size(&response);
    uint8_t *packed = malloc(size);
    if (!packed)
        return false;
    outrigger__v1__certify_response__pack(&response, packed);
    bool is_sent = grpc_stream_send(stream, slice_of(packed, size));
    free(packed);
    return is_sent;
}

static void answer(struct identity_service *service, struct grpc_stream *stream,
                   struct outcome *outcome)
{
    char peer[ADDR_TEXT_BYTES], end[TEXT_TIME_BYTES];
    addr_format(grpc_stream_peer_addr(stream), peer);
    if (outcome->code == GRPC_OK && !send_response(service, stream, outcome)) {
        outcome->code = GRPC_RESOURCE_EXHAUSTED;
        err_set(&outcome->err, "out of memory");
    }
    count(service, outcome);
    if (outcome->code == GRPC_OK)
        LOG(LOG_INFO, "identity_certified", LOG_S("identity", outcome->id), LOG_S("address", peer),
            LOG_S("not_after", text_time(outcome->leaf.not_after, end)));
    else
        LOG_LIMITED(LOG_WARN, "identity_refused", LOG_S("address", peer),
                    LOG_S("code", grpc_code_name(outcome->code)),
                    LOG_S("error", outcome->err.text));
    grpc_stream_end(stream, outcome->code, outcome->code == GRPC_OK ? "" : outcome->err.text);
}

static void finish(struct call *call, struct grpc_stream *stream, struct outcome *outcome)
{
    answer(call->service, stream, outcome);
    ca_leaf_fini(&outcome->leaf);
}

static void on_reviewed(void *owner, enum grpc_code code, const struct token_claims *claims,
                        const struct err *err)
{
    struct call *call = owner;
    struct outcome outcome = {.code = code, .err = *err};
    call->review = NULL;
    if (code == GRPC_OK)
        outcome.code = issue(call->service, claims, csr_of(call->request), &outcome);
    finish(call, call->stream, &outcome);
}

/* It is not the signer's: the cluster may know it. False: nobody is asked. */
static bool review(struct call *call, struct grpc_stream *stream, struct outcome *outcome)
{
    struct slice token = slice_str(call->request->token);
    if (!call->service->reviewer || token.len == 0 || token.len > JWS_MAX_BYTES)
        return false;
    call->stream = stream;
    call->review = token_review_start(call->service->reviewer, token, on_reviewed, call);
    if (!call->review) {
        outcome->code = GRPC_UNAVAILABLE;
        err_set(&outcome->err, "as many tokens are being asked about as may be");
    }
    return call->review;
}

static void on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    struct call *call = context;
    struct outcome outcome = {.code = GRPC_INVALID_ARGUMENT};
    struct token_claims claims;
    /* A second message in a unary call: the first has its answer already, or gets it. */
    if (call->is_answered)
        return;
    call->is_answered = true;
    call->request = read_request(message, &outcome.err);
    if (call->request) {
        outcome.code = GRPC_UNAUTHENTICATED;
        if (token_verify(call->service->signer, slice_str(call->request->token), clock_wall_sec(),
                         &claims, &outcome.err))
            outcome.code = issue(call->service, &claims, csr_of(call->request), &outcome);
        else if (review(call, stream, &outcome))
            return;
    }
    finish(call, stream, &outcome);
}

static void on_peer_done(void *context, struct grpc_stream *stream)
{
    struct call *call = context;
    if (call->is_answered)
        return;
    call->is_answered = true;
    struct outcome outcome = {.code = GRPC_INVALID_ARGUMENT};
    err_set(&outcome.err, "the call ended without a message");
    answer(call->service, stream, &outcome);
}

static void on_close(void *context, struct grpc_stream *stream)
{
    struct call *call = context;
    (void)stream;
    token_review_cancel(call->review);
    outrigger__v1__certify_request__free_unpacked(call->request, NULL);
    free(call);
}

void identity_service_on_certify(struct identity_service *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {
        .on_message = on_message,
        .on_peer_done = on_peer_done,
        .on_close = on_close,
    };
    struct call *call = calloc(1, sizeof(*call));
    if (!call) {
        grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    call->service = service;
    grpc_stream_accept(stream, &handlers, call);
}
