/*
 * The rate limits of a TrafficPolicy (`inbound.rateLimits`): how many requests the selected pods
 * take, each pod for itself.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_LIMITS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_LIMITS_H

#include "controller/objects/access_policy.h"
#include "controller/objects/field.h"

#define TRAFFIC_LIMITS_MAX 64

/* The values are those of proto/resources.proto. */
enum traffic_limit_by {
    TRAFFIC_BY_WORKLOAD,
    TRAFFIC_BY_IDENTITY,
    TRAFFIC_BY_SOURCE,
    TRAFFIC_BY_HEADER
};

struct traffic_limit {
    const char *name;
    uint32_t requests;
    uint64_t per_ms;
    uint32_t burst; /* 0: as `requests` */
    enum traffic_limit_by by;
    const char *header;              /* in lower case; "" unless by header */
    const struct access_rule *match; /* the requests that it is for; NULL: all */
};

struct traffic_limits {
    const struct traffic_limit *list;
    size_t n;
    const char *policy; /* namespace/name */
};

/* The same of `connectionRates`: of new connections, by workload or source. */
void traffic_connection_rates_read(const struct field *list, const struct object *object,
                                   struct traffic_limits *limits);

/* Of the policy `object`. `list` may be absent. Complaints go to the field's reading. */
void traffic_limits_read(const struct field *list, const struct object *object,
                         struct traffic_limits *limits);

#endif
