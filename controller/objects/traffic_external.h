/*
 * `externalAuthorization` and `globalRateLimits` of a TrafficPolicy's `spec.inbound`: services that
 * the pods' proxies ask about requests, in the words of Envoy's ext_authz and rate limit services.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_EXTERNAL_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_EXTERNAL_H

#include "controller/objects/access_policy.h"
#include "controller/objects/field.h"
#include "controller/objects/value.h"

#define EXTERNAL_HEADERS_MAX     64
#define EXTERNAL_DESCRIPTORS_MAX 32
#define EXTERNAL_ENTRIES_MAX     16

struct external_reference {
    const char *policy; /* namespace/name; NULL: nobody is asked */
    const char *namespace, *name;
    uint16_t port;
    uint64_t timeout_ms;
    const struct access_rule *match; /* NULL: all requests */
};

struct traffic_authorizer {
    struct external_reference service;
    bool is_fail_open;
    struct texts headers; /* that the application gets of its answer: in lower case */
};

/* The values are those of proto/resources.proto. */
enum external_value {
    EXTERNAL_VALUE,
    EXTERNAL_HEADER,
    EXTERNAL_IDENTITY,
    EXTERNAL_SOURCE,
    EXTERNAL_METHOD,
    EXTERNAL_PATH
};

struct external_entry {
    const char *key;
    enum external_value from;
    const char *value; /* or the header's name, in lower case; else "" */
};

struct external_descriptor {
    const struct external_entry *entries;
    size_t n;
};

struct traffic_limiter {
    struct external_reference service;
    bool is_fail_closed;
    const char *domain;
    const struct external_descriptor *descriptors;
    size_t n;
};

/* Each reads it, of the policy `object`; nothing where it is absent. Complaints go to the field's
 * reading. */
void traffic_authorizer_read(const struct field *field, const struct object *object,
                             struct traffic_authorizer *authorizer);
void traffic_limiter_read(const struct field *field, const struct object *object,
                          struct traffic_limiter *limiter);

#endif
