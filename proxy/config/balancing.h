/*
 * What a Service says about the choice among its endpoints: by which rule, and which of them are
 * left out for a while. Plain values; what is learned about endpoints lives in a worker's balancer.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_BALANCING_H
#define OUTRIGGER_PROXY_CONFIG_BALANCING_H

#include <stdint.h>

/* The values are those of outrigger.v1.Balancing. */
enum balance_algorithm {
    BALANCE_P2C_PEAK_EWMA = 1,
    BALANCE_ROUND_ROBIN,   /* in turn, by weight */
    BALANCE_LEAST_REQUEST, /* of two drawn the one with less open, by weight */
    BALANCE_RANDOM,        /* by weight */
};
const char *balance_algorithm_name(enum balance_algorithm algorithm);

struct outlier_rules {
    /* How many in a row; 0: not looked at. */
    uint32_t consecutive_5xx, consecutive_gateway_errors, consecutive_local_failures;
    uint64_t base_ns, max_ns; /* the first ejection's length, and the longest's */
    uint32_t max_percent;     /* of the endpoints may be ejected at once */
};

static inline int outlier_rules_are_set(const struct outlier_rules *rules)
{
    return (rules->consecutive_5xx | rules->consecutive_gateway_errors |
            rules->consecutive_local_failures) != 0;
}

#endif
