/*
 * The rate limits of a workload, checked and ready to be asked. The rules are immutable; their
 * buckets are shared by all workers and by all versions of the workload in which the rule is the
 * same, so that a change of something else forgives nobody.
 */
#ifndef OUTRIGGER_PROXY_LIMIT_RATE_LIMITS_H
#define OUTRIGGER_PROXY_LIMIT_RATE_LIMITS_H

#include "common/http/head.h"
#include "proto/resources.pb-c.h"
#include "proxy/limit/buckets.h"
#include "proxy/policy/access.h"

#define RATE_LIMITS_MAX      64
#define RATE_LIMITS_MAX_KEYS 4096 /* that are told apart by one limit at once */

enum rate_limit_by { LIMIT_BY_WORKLOAD, LIMIT_BY_IDENTITY, LIMIT_BY_SOURCE, LIMIT_BY_HEADER };

struct rate_limit {
    char *name;   /* as the client is told it */
    char *policy; /* namespace/name */
    uint32_t requests, burst;
    uint64_t per_ms;
    enum rate_limit_by by;
    char *header;                  /* in lower case; "" */
    struct access_policies *match; /* one Allow, of the requests that it is for; NULL: all */
    struct slice match_bytes;      /* as it was told, to compare; malloc'd */
    struct gcra_rate rate;
    struct buckets *buckets; /* held */
};

struct rate_limits {
    struct rate_limit *list;
    size_t n;
};

/* Fills empty limits. False with `err` naming the field, `field` or in it;
 * rate_limits_fini() in any case. */
bool rate_limits_build(struct rate_limits *limits, Outrigger__V1__RateLimit *const *messages,
                       size_t n, const char *field, struct err *err) MUST_USE;
void rate_limits_fini(struct rate_limits *limits);

/* The same of limits on connections: by what a request has they are refused. */
bool connection_rates_build(struct rate_limits *limits, Outrigger__V1__RateLimit *const *messages,
                            size_t n, struct err *err) MUST_USE;

/* Before anybody asks `limits`: those that are as they were go on with the old buckets. */
void rate_limits_inherit(struct rate_limits *limits, const struct rate_limits *old);

struct rate_limit_request {
    struct slice source; /* IP address as text */
    struct access_request asked;
};

/* Whether the limit is for such a request. What is not understood of its `match` is so. */
bool rate_limit_is_for(const struct rate_limit *limit, const struct access_request *asked);
/* Whether some limit looks at paths or gRPC methods. */
bool rate_limits_read_paths(const struct rate_limits *limits);

/*
 * Asks all that are for it in order, and stops at the first that refuses: that one is returned, and
 * *wait_ns is how long until it would not; what the others have given is taken back. NULL: all
 * allow it. A request without the header, or without an identity, shares the bucket of all such.
 */
const struct rate_limit *rate_limits_take(const struct rate_limits *limits,
                                          const struct rate_limit_request *request, uint64_t now_ns,
                                          uint64_t *wait_ns);

const char *rate_limit_by_name(enum rate_limit_by by);

#endif
