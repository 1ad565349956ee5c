/*
 * What controller and proxy call the things that they speak about: the methods and the types of
 * resources of proto/.
 */
#ifndef OUTRIGGER_COMMON_RESOURCE_TYPE_H
#define OUTRIGGER_COMMON_RESOURCE_TYPE_H

#include "common/err.h"
#include "common/slice.h"

#define DISCOVERY_METHOD                                                                           \
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
#define CERTIFY_METHOD "/outrigger.v1.Identity/Certify"

/* Enum, word for messages, name of the message. Also the order in which proxies ask. */
#define RESOURCE_TYPE_TABLE(X)                                                                     \
    X(RESOURCE_WORKLOAD, "workload", "Workload")                                                   \
    X(RESOURCE_SERVICE, "service", "Service")                                                      \
    X(RESOURCE_ENDPOINTS, "endpoints", "Endpoints")

enum resource_type {
#define X(type, word, message) type,
    RESOURCE_TYPE_TABLE(X)
#undef X
        RESOURCE_TYPES
};

/* "type.googleapis.com/outrigger.v1.Workload", ... */
const char *resource_type_url(enum resource_type type);
const char *resource_type_word(enum resource_type type);

/* False for a URL that is none of those. */
bool resource_type_parse(struct slice url, enum resource_type *type) MUST_USE;

#endif
