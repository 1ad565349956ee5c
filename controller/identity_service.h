/*
 * outrigger.v1.Identity/Certify: a service-account token and a certificate request in, a chain and
 * the trust anchors out. The token is the controller's own, or of the cluster that it belongs to.
 * Every refusal is a status with a message that names what was wrong:
 * UNAUTHENTICATED for the token, INVALID_ARGUMENT for the request.
 */
#ifndef OUTRIGGER_CONTROLLER_IDENTITY_SERVICE_H
#define OUTRIGGER_CONTROLLER_IDENTITY_SERVICE_H

#include <stdint.h>

#include "common/grpc/server.h"
#include "common/resource_type.h"
#include "controller/ca.h"
#include "controller/token.h"

struct identity_service;

/* Both must outlive the service, and the service every call. NULL when memory is short. */
struct identity_service *identity_service_new(struct ca *ca, const struct token_signer *signer);
void identity_service_free(struct identity_service *service);

/* From now on the cluster is asked about tokens that the signer has not made. `reviewer` must
 * outlive the service's calls. */
struct token_reviewer;
void identity_service_use_reviewer(struct identity_service *service,
                                   struct token_reviewer *reviewer);

/* For the server's table of methods: a call of CERTIFY_METHOD begins. */
void identity_service_on_certify(struct identity_service *service, struct grpc_stream *stream);

struct identity_stats {
    uint64_t certified;
    uint64_t refused_token;
    uint64_t refused_request;
    uint64_t failed; /* the signer could not */
};
struct identity_stats identity_service_stats(const struct identity_service *service);

#endif
