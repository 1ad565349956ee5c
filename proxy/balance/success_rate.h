/*
 * Which endpoints fail more often than the others do: those whose share of successes in a window is
 * below the mean of all by more than so many standard deviations. Said only of enough endpoints,
 * each with enough requests, so that it is not said of noise. Pure.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_SUCCESS_RATE_H
#define OUTRIGGER_PROXY_BALANCE_SUCCESS_RATE_H

#include <stddef.h>

#include "proxy/config/balancing.h"

/* Of one endpoint, in the window. */
struct success_rate {
    uint32_t n, n_success;
};

/* What the others do. */
struct success_rate_mean {
    double mean;     /* of their shares; 0, below which nobody is: too few had enough requests */
    double distance; /* the square of how far below the mean an outlier is */
};
struct success_rate_mean success_rate_mean(const struct success_rate *rates, size_t n,
                                           const struct success_rate_rules *rules);
bool success_rate_is_outlier(const struct success_rate *rate,
                             const struct success_rate_rules *rules,
                             struct success_rate_mean others);

#endif
