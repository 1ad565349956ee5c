/*
 * A TrafficPolicy (outrigger.dev/v1alpha1): how connections to and from pods are treated, or those
 * to a Service. Where several speak to one thing, the more specific wins (mesh, namespace,
 * workload, port), then the one that goes first by object_precedence().
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_POLICY_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_POLICY_H

#include "controller/objects/annotations.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/traffic_external.h"
#include "controller/objects/traffic_jwt.h"
#include "controller/objects/traffic_limits.h"
#include "controller/objects/traffic_resilience.h"
#include "controller/objects/traffic_retries.h"
#include "controller/objects/value.h"

/* The values are those of proto/resources.proto. */
enum default_access {
    DEFAULT_ACCESS_UNSET,
    DEFAULT_ACCESS_ALLOW,
    DEFAULT_ACCESS_DENY,
    DEFAULT_ACCESS_AUDIT
};

enum escaped_slashes { SLASHES_UNSET, SLASHES_KEEP, SLASHES_REJECT, SLASHES_UNESCAPE };

struct port_mtls {
    uint16_t port;
    enum mtls_setting mode;
};

/* Of the pods that it selects. Numbers are 0 where they are not set. */
struct traffic_workload {
    enum mtls_setting mtls_mode;
    const struct port_mtls *ports;
    size_t n_ports;
    uint32_t max_connections; /* inbound */
    uint64_t idle_timeout_ms;
    uint64_t connect_timeout_ms;
    enum default_access default_access;
    enum egress_setting egress_mode;
    uint64_t discovery_timeout_ms;
    enum toggle access_log;
    enum escaped_slashes escaped_slashes;
    enum toggle merge_slashes;
    struct traffic_limits
        limits; /* this and the following: of the most specific policy that has any */
    struct traffic_limits connection_rates;
    struct traffic_jwt jwt;
    struct traffic_authorizer authorizer;
    struct traffic_limiter limiter;
};

/* Of the connections to the Services that it names. */
struct traffic_service {
    uint32_t max_connections; /* of one proxy */
    uint64_t idle_timeout_ms;
    uint64_t connect_timeout_ms;
    struct traffic_resilience resilience;
    struct traffic_retries retries;
    struct traffic_retry_budget retry_budget;
};

struct traffic_policy {
    struct object object;
    struct labels selector; /* of pods; empty: all of the namespace, or of the mesh in the root */
    struct texts services;  /* names in its own namespace; none: it is about workloads */
    struct traffic_workload workload;
    struct traffic_service service;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void traffic_policy_read(const struct field *root, struct object *object);

#endif
