/*
 * An Endpoints resource: where a service can be reached. Immutable and reference-counted; what is
 * learned about an endpoint (latency, connections) lives in a worker's balancer.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_ENDPOINTS_H
#define OUTRIGGER_PROXY_CONFIG_ENDPOINTS_H

#include <stdint.h>

#include "common/cidr.h"
#include "common/err.h"
#include "common/slice.h"

enum health { HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_DRAINING };

struct endpoint {
    struct sockaddr_any addr;
    char addr_text[ADDR_TEXT_BYTES];
    uint32_t weight; /* 1 or more */
    enum health health;
    char *zone;
    char *identity; /* SPIFFE ID that must be verified; "" when not in the mesh: plaintext */
    char *pod;      /* namespace/pod or "" */
    char *workload; /* or "" */
};

struct endpoints {
    _Atomic unsigned refs;
    char *name;
    char *version;
    struct endpoint *list;
    size_t n; /* may be 0 */
};

/* From the serialized outrigger.v1.Endpoints; NULL with `err` naming the field. */
struct endpoints *endpoints_build(struct slice bytes, struct slice name, struct slice version,
                                  struct err *err);
/* One that says that the controller knows of none: no endpoints, version "". */
struct endpoints *endpoints_empty(struct slice name);
struct endpoints *endpoints_hold(struct endpoints *endpoints);
void endpoints_drop(struct endpoints *endpoints);
const char *health_name(enum health health);

#endif
