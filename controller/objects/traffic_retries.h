/*
 * `spec.service.retries` and `spec.service.retryBudget` of a TrafficPolicy: what is asked again of
 * a Service whose routes do not say it themselves, and how much of that there may be.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_RETRIES_H
#define OUTRIGGER_CONTROLLER_OBJECTS_TRAFFIC_RETRIES_H

#include "controller/objects/field.h"

struct traffic_retries {
    bool is_set;
    bool on_connect_failure, on_reset;
    uint32_t attempts; /* beyond the first */
    const uint16_t *statuses;
    size_t n_statuses;
    const uint32_t *grpc_codes;
    size_t n_grpc_codes;
    uint64_t per_try_timeout_ms; /* this and the following: 0 where not set */
    uint64_t backoff_ms;
};

struct traffic_retry_budget {
    uint32_t percent;        /* 0: not set */
    uint32_t min_per_second; /* 0: not set */
};

/* Reads both from `service`; complaints go to the field's reading. */
void traffic_retries_read(const struct field *service, struct traffic_retries *retries,
                          struct traffic_retry_budget *budget);

#endif
