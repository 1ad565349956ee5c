/*
 * One version of the endpoints that a balancer chooses among, and what is known about each; inside
 * of balancer.c. It outlives the balancer's next version while connections use an endpoint of it.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_GENERATION_H
#define OUTRIGGER_PROXY_BALANCE_GENERATION_H

#include "common/map.h"
#include "proxy/balance/balancer.h"
#include "proxy/balance/consistent.h"
#include "proxy/balance/peak_ewma.h"

/* What is known about an address; shared by all versions that have it. */
struct learned {
    unsigned refs;
    struct peak_ewma latency;
    uint32_t open;
    uint64_t chosen, failed;
    uint64_t leaving_until_ns; /* 0: it has not said that it goes */
    int64_t owed;              /* of ROUND_ROBIN: turns, in parts of weight */
    bool is_new;               /* an update has brought it, and its slow start is not over */
    uint64_t since_ns;         /* of is_new; 0: it could not be chosen yet */
    struct outlier outlier;
};

struct balanced {
    struct generation *generation;
    struct learned *learned;
    const struct endpoint *endpoint; /* of the generation's endpoints */
};

struct generation {
    unsigned refs;
    struct endpoints *endpoints;
    uint32_t *healthy, *unhealthy; /* indices into list; the two share one array */
    uint32_t n_healthy, n_unhealthy;
    struct consistent *consistent; /* of the healthy; made when it is first asked */
    enum balance_algorithm consistent_for;
    uint64_t rates_since_ns; /* 0: nothing has come from any endpoint yet */
    bool is_past;            /* the balancer has a newer one, or has gone */
    bool is_panic;           /* this and the next two: ejection_look() */
    uint64_t looked_ns;      /* 0: look before the next choice */
    uint32_t looked_percent;
    struct balanced list[];
};

/*
 * Holds `endpoints`. `known` finds what was learned (struct learned) by address; who is not in it
 * is new, unless it is empty. NULL when memory is short.
 */
struct generation *generation_new(struct endpoints *endpoints, const struct map *known) MUST_USE;
void generation_drop(struct generation *generation);

/* `next` takes the place of `old`, which is past from now on. */
void generation_follow(struct generation *next, struct generation *old);

/* Of the healthy, for RING_HASH or MAGLEV; kept for the next time. NULL when memory is short. */
const struct consistent *generation_consistent(struct generation *generation,
                                               enum balance_algorithm algorithm);

#endif
