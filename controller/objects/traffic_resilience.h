/*
 * `balancing`, `outlierEjection` and `circuitBreaker` of a TrafficPolicy's `spec.service`: how its
 * callers choose an endpoint, which they leave out, and how much they ask at once.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_RESILIENCE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_RESILIENCE_H

#include "controller/objects/field.h"
#include "controller/objects/traffic_balancing.h"

/* Numbers are 0 where they are not set. */
struct traffic_outlier {
    bool is_set;
    uint32_t consecutive_5xx, consecutive_gateway_errors, consecutive_local_failures;
    uint64_t base_ms, max_ms;
    uint32_t max_percent;
    uint32_t panic_percent;
    bool judges_rates; /* the others are of that */
    uint64_t interval_ms;
    uint32_t min_hosts, min_requests, deviation_thousandths;
};

struct traffic_resilience {
    struct traffic_balancing balancing;
    struct traffic_outlier outlier;
    uint32_t max_requests, max_pending, max_retries;
};

/* Reads them from `service`; complaints go to the field's reading. */
void traffic_resilience_read(const struct field *service, struct traffic_resilience *resilience);

#endif
