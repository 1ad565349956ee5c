/*
 * Random waits, so that what failed together does not come back together.
 */
#ifndef OUTRIGGER_COMMON_JITTER_H
#define OUTRIGGER_COMMON_JITTER_H

#include <stdint.h>

/* Uniform in [0, bound); 0 for a bound of 0. Cryptographic, from any thread; about 0.2 us. */
uint64_t jitter_below(uint64_t bound);

/* Uniform between `value` less and plus `percent` (at most 100) of itself, whatever its unit. */
uint64_t jitter_around(uint64_t value, unsigned percent);

/*
 * The wait before attempt number `attempt` (0 is the first retry): uniform between 0.5 and 1.5
 * times min(max, min * 2^attempt), in the unit of min and max.
 */
uint64_t jitter_backoff(uint64_t min, uint64_t max, unsigned attempt);

#endif
