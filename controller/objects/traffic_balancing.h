/*
 * `balancing` of a TrafficPolicy's `spec.service`: by which rule its callers choose an endpoint.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_BALANCING_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_BALANCING_H

#include "controller/objects/field.h"

/* What the choice is hashed by; the values are those of outrigger.v1.HashSource. */
enum traffic_hash_source {
    TRAFFIC_HASH_HEADER = 1,
    TRAFFIC_HASH_COOKIE,
    TRAFFIC_HASH_QUERY,
    TRAFFIC_HASH_SOURCE
};

struct traffic_hash_on {
    enum traffic_hash_source source;
    const char *name; /* "" of SOURCE */
    uint64_t ttl_ms;  /* of a COOKIE that is made; 0: until the browser is closed */
};

#define TRAFFIC_HASH_ON_MAX 8

struct traffic_balancing {
    int algorithm; /* of outrigger.v1.Balancing; 0: not set */
    const struct traffic_hash_on *hash_on;
    size_t n_hash_on;
    uint64_t slow_start_ms; /* 0: none */
};

/* Reads it; nothing where it is absent. Complaints go to the field's reading. */
void traffic_balancing_read(const struct field *field, struct traffic_balancing *balancing);

#endif
