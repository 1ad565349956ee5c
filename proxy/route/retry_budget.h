/*
 * How much of what a service is asked may be asked again: a share of the requests of the last ten
 * seconds, and a few per second in any case, so that retries cannot turn a service's failure into a
 * storm (Finagle's retry budget). Only requests whose route has retries are counted.
 *
 * Shared by all workers without a lock: ten slots of a second, each a single atomic. A check and
 * what it takes are two steps, so that at one instant as many retries as there are workers may go
 * beyond the budget.
 */
#ifndef OUTRIGGER_PROXY_ROUTE_RETRY_BUDGET_H
#define OUTRIGGER_PROXY_ROUTE_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define RETRY_BUDGET_SECONDS 10

/* All zero at first. */
struct retry_budget {
    _Atomic uint64_t
        slots[RETRY_BUDGET_SECONDS]; /* second (24 bits), requests (20), retries (20) */
};

/* A request that may be retried has come. */
void retry_budget_request(struct retry_budget *budget, uint64_t now_ns);

/* Takes one retry; false when there have been enough. `percent` of requests, at least
 * `min_per_second` on average. */
bool retry_budget_take(struct retry_budget *budget, uint32_t percent, uint32_t min_per_second,
                       uint64_t now_ns) MUST_USE;

#endif
