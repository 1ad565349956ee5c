/*
 * Random waits, so that what failed together does not come back together.
 */
#ifndef OUTRIGGER_COMMON_JITTER_H
#define OUTRIGGER_COMMON_JITTER_H

#include <stddef.h>
#include <stdint.h>

/* Random bytes, cryptographic, from any thread; drawn ahead, some 10 ns for a few of them. Not for
 * keys. */
void jitter_bytes(void *bytes, size_t len);

/* Uniform in [0, bound); 0 for a bound of 0. Of jitter_bytes(). */
uint64_t jitter_below(uint64_t bound);

/* Uniform between `value` less and plus `percent` (at most 100) of itself, whatever its unit. */
uint64_t jitter_around(uint64_t value, unsigned percent);

/*
 * The wait before attempt number `attempt` (0 is the first retry): uniform between 0.5 and 1.5
 * times min(max, min * 2^attempt), in the unit of min and max.
 */
uint64_t jitter_backoff(uint64_t min, uint64_t max, unsigned attempt);

#endif
