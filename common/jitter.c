#include "common/jitter.h"

#include <openssl/rand.h>

uint64_t jitter_below(uint64_t bound)
{
    uint64_t random;
    if (bound == 0)
        return 0;
    /* BoringSSL's generator does not fail; it aborts where the kernel has no randomness. */
    RAND_bytes((uint8_t *)&random, sizeof(random));
    /* The high half of a 128-bit product: uniform but for 2^-64 of bias, and no division. */
    return (uint64_t)(((unsigned __int128)random * bound) >> 64);
}

uint64_t jitter_around(uint64_t value, unsigned percent)
{
    if (percent > 100)
        percent = 100;
    uint64_t spread = (uint64_t)((unsigned __int128)value * percent / 100);
    uint64_t low = value - spread;
    uint64_t high = value > UINT64_MAX - spread ? UINT64_MAX : value + spread;
    uint64_t range = high - low;
    return low + jitter_below(range < UINT64_MAX ? range + 1 : range);
}

uint64_t jitter_backoff(uint64_t min, uint64_t max, unsigned attempt)
{
    uint64_t wait = min;
    while (attempt-- > 0 && wait < max)
        wait = wait > max / 2 ? max : wait * 2;
    return jitter_around(wait < max ? wait : max, 50);
}
