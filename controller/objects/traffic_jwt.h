/*
 * `jwt` of a TrafficPolicy's `spec.inbound`: whose tokens the clients of pods may show, and what
 * the application is told of them.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_JWT_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_JWT_H

#include "controller/objects/field.h"
#include "controller/objects/value.h"

#define TRAFFIC_JWT_PROVIDERS_MAX 32
#define TRAFFIC_JWT_HEADERS_MAX   32

struct traffic_claim_header {
    const char *claim;
    const char *header; /* in lower case */
};

struct traffic_jwt_provider {
    const char *name, *issuer;
    struct texts audiences;
    const char *jwks; /* a JSON Web Key Set with a key that can be used */
    uint32_t leeway_sec;
    const struct traffic_claim_header *headers;
    size_t n_headers;
    bool is_token_removed;
};

struct traffic_jwt {
    const char *policy; /* namespace/name; NULL: not set */
    bool is_required;
    const struct traffic_jwt_provider *providers;
    size_t n;
};

/* Reads it, of the policy that is so named; nothing where it is absent. Complaints go to the
 * field's reading. */
void traffic_jwt_read(const struct field *field, const char *namespace, const char *name,
                      struct traffic_jwt *jwt);

#endif
