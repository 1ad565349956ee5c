/*
 * What a Service says about the choice among its endpoints: by which rule, and which of them are
 * left out for a while. Plain values; what is learned about endpoints lives in a worker's balancer.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_BALANCING_H
#define OUTRIGGER_PROXY_CONFIG_BALANCING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are those of outrigger.v1.Balancing. */
enum balance_algorithm {
    BALANCE_P2C_PEAK_EWMA = 1,
    BALANCE_ROUND_ROBIN,   /* in turn, by weight */
    BALANCE_LEAST_REQUEST, /* of two drawn the one with less open, by weight */
    BALANCE_RANDOM,        /* by weight */
    BALANCE_RING_HASH,     /* by what the request has (consistent.h) */
    BALANCE_MAGLEV,
};
const char *balance_algorithm_name(enum balance_algorithm algorithm);

/* The values are those of outrigger.v1.HashSource. */
enum hash_source { HASH_HEADER = 1, HASH_COOKIE, HASH_QUERY, HASH_SOURCE };

struct hash_on {
    enum hash_source source;
    char *name;       /* "" of HASH_SOURCE */
    uint64_t ttl_sec; /* of a HASH_COOKIE that is made; 0: until the browser is closed */
};

/* By what an endpoint is chosen. */
struct balance_rules {
    enum balance_algorithm algorithm;
    struct hash_on *hash_on; /* of RING_HASH and MAGLEV: the first that there is */
    size_t n_hash_on;
    uint32_t panic_percent; /* see proxy/balance/ejection.h; 0: never */
    uint64_t slow_start_ns; /* in which a new endpoint's share grows to its whole; 0: none */
};

/* By its share of successes beside that of the others; interval_ns 0: not looked at. */
struct success_rate_rules {
    uint64_t interval_ns;
    uint32_t min_hosts, min_requests;
    uint32_t deviation_thousandths; /* standard deviations below the mean */
};

struct outlier_rules {
    /* How many in a row; 0: not looked at. */
    uint32_t consecutive_5xx, consecutive_gateway_errors, consecutive_local_failures;
    uint64_t base_ns, max_ns; /* the first ejection's length, and the longest's */
    uint32_t max_percent;     /* of the endpoints may be ejected at once */
    struct success_rate_rules success_rate;
};

static inline bool outlier_rules_are_set(const struct outlier_rules *rules)
{
    return (rules->consecutive_5xx | rules->consecutive_gateway_errors |
            rules->consecutive_local_failures) != 0 ||
           rules->success_rate.interval_ns != 0;
}

#endif
