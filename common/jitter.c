#include "common/jitter.h"

#include <openssl/rand.h>
#include <string.h>

/*
 * Drawn ahead, because a generator asked for eight bytes is mostly busy with itself: a request
 * needs some of them, for the choice of an endpoint and its id. Not state in any sense that
 * matters: nobody can tell what was in it.
 */
static _Thread_local struct {
    uint8_t bytes[512];
    size_t left;
} drawn;

void jitter_bytes(void *bytes, size_t len)
{
    if (len > sizeof(drawn.bytes)) {
        RAND_bytes(bytes, len);
        return;
    }
    if (len > drawn.left) {
        /* BoringSSL's generator does not fail; it aborts where the kernel has no randomness. */
        RAND_bytes(drawn.bytes, sizeof(drawn.bytes));
        drawn.left = sizeof(drawn.bytes);
    }
    drawn.left -= len;
    memcpy(bytes, drawn.bytes + drawn.left, len);
}

uint64_t jitter_below(uint64_t bound)
{
    uint64_t random;
    if (bound == 0)
        return 0;
    jitter_bytes(&random, sizeof(random));
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
