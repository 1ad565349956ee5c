#include "proxy/control/certify.h"

#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "proto/identity.pb-c.h"
#include "proxy/wire.h"

/* DER for OPENSSL_free(), or NULL. */
static uint8_t *certify_csr(EVP_PKEY *key, size_t *len)
{
    X509_REQ *request = X509_REQ_new();
    const EVP_MD *digest = EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    uint8_t *der = NULL;
    int der_len = 0;
    if (request && X509_REQ_set_version(request, 0) && X509_REQ_set_pubkey(request, key) &&
        X509_REQ_sign(request, key, digest) > 0)
        der_len = i2d_X509_REQ(request, &der);
    X509_REQ_free(request);
    *len = der_len > 0 ? (size_t)der_len : 0;
    return der_len > 0 ? der : NULL;
}

bool certify_request(struct buf *out, struct slice token, EVP_PKEY *key, struct err *err)
{
    Outrigger__V1__CertifyRequest request = OUTRIGGER__V1__CERTIFY_REQUEST__INIT;
    struct slice trimmed = slice_trim(token, " \t\r\n\v\f");
    bool ok = false;
    if (trimmed.len == 0)
        return err_set(err, "the token is empty");
    request.token = strndup(trimmed.ptr, trimmed.len);
    request.csr.data = certify_csr(key, &request.csr.len);
    size_t len = outrigger__v1__certify_request__get_packed_size(&request);
    char *room = request.token && request.csr.data ? buf_room(out, len) : NULL;
    if (room) {
        buf_added(out, outrigger__v1__certify_request__pack(&request, (uint8_t *)room));
        ok = true;
    } else {
        err_set(err, "out of memory");
    }
    if (request.token)
        OPENSSL_cleanse(request.token, trimmed.len);
    free(request.token);
    OPENSSL_free(request.csr.data);
    return ok;
}

static struct slice certify_der(const ProtobufCBinaryData *data)
{
    return slice_of(data->data, data->len);
}

static struct svid *certify_svid(const Outrigger__V1__CertifyResponse *response, EVP_PKEY *key,
                                 struct err *err)
{
    struct slice chain[CERTIFY_MAX_CHAIN], ders[CERTIFY_MAX_ANCHORS];
    if (response->n_chain < 1 || response->n_chain > CERTIFY_MAX_CHAIN) {
        err_set(err, "chain: %zu certificates, expected 1-%d", response->n_chain,
                CERTIFY_MAX_CHAIN);
        return NULL;
    }
    if (response->n_trust_anchors < 1 || response->n_trust_anchors > CERTIFY_MAX_ANCHORS) {
        err_set(err, "trust_anchors: %zu certificates, expected 1-%d", response->n_trust_anchors,
                CERTIFY_MAX_ANCHORS);
        return NULL;
    }
    for (size_t i = 0; i < response->n_chain; i++)
        chain[i] = certify_der(&response->chain[i]);
    for (size_t i = 0; i < response->n_trust_anchors; i++)
        ders[i] = certify_der(&response->trust_anchors[i]);
    struct trust_anchors *anchors = trust_anchors_from_der(ders, response->n_trust_anchors, err);
    if (!anchors) {
        err_prefix(err, "trust_anchors");
        return NULL;
    }
    struct svid *svid = svid_new(chain, response->n_chain, key, anchors, err);
    trust_anchors_drop(anchors);
    if (!svid)
        err_prefix(err, "chain");
    return svid;
}

struct svid *certify_response(struct slice bytes, EVP_PKEY *key, struct slice trust_domain,
                              struct err *err)
{
    Outrigger__V1__CertifyResponse *response =
        wire_unpack(&outrigger__v1__certify_response__descriptor, bytes, err);
    if (!response)
        return NULL;
    struct svid *svid = certify_svid(response, key, err);
    wire_free(response);
    if (!svid || slice_eq(svid_id(svid)->trust_domain, trust_domain))
        return svid;
    err_set(err, "chain: %.*s is not of trust domain %.*s", SLICE_ARG(svid_id(svid)->text),
            SLICE_ARG(trust_domain));
    svid_drop(svid);
    return NULL;
}
