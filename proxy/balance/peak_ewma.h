/*
 * An estimate of a latency that rises at once and falls slowly (Finagle's peak EWMA): what is
 * slower than the estimate becomes it, what is faster pulls it down as far as the estimate has
 * aged, with a time constant of 10 s. Pure; the time is passed in.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_PEAK_EWMA_H
#define OUTRIGGER_PROXY_BALANCE_PEAK_EWMA_H

#include <stdint.h>

/* All zero: nothing is known yet. */
struct peak_ewma {
    uint64_t latency_ns, updated_ns;
};

uint64_t peak_ewma_now(const struct peak_ewma *estimate, uint64_t now_ns);
void peak_ewma_observe(struct peak_ewma *estimate, uint64_t latency_ns, uint64_t now_ns);

#endif
