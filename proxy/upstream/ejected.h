/*
 * How many endpoints a worker leaves out now, as a metric: counted again when one is ejected, when
 * the configuration changes, and by a timer when an ejection is over, so that the number falls and
 * the return is logged though nobody asks for anything.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_EJECTED_H
#define OUTRIGGER_PROXY_UPSTREAM_EJECTED_H

#include "proxy/conn/timer_wheel.h"
#include "proxy/telemetry/telemetry.h"
#include "proxy/upstream/balancers.h"

struct ejected {
    struct timer timer; /* set while any is out: the next return */
    struct timer_wheel *timers;
    const struct balancers *balancers;
    struct telemetry_shard *telemetry;
    size_t n;
};

/* All of them are the worker's, and outlive it. */
void ejected_init(struct ejected *ejected, const struct balancers *balancers,
                  struct timer_wheel *timers, struct telemetry_shard *telemetry);
/* So many were ejected just now; may be 0. */
void ejected_more(struct ejected *ejected, unsigned n);
/* Endpoints have come or gone. */
void ejected_recount(struct ejected *ejected);

#endif
