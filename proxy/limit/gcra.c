#include "proxy/limit/gcra.h"

#include <stdatomic.h>

struct gcra_rate gcra_rate_of(uint64_t requests, uint64_t per_ns, uint64_t burst)
{
    uint64_t interval_ns = per_ns / requests;
    if (interval_ns == 0)
        interval_ns = 1;
    return (struct gcra_rate){interval_ns, interval_ns * burst};
}

bool gcra_take(_Atomic uint64_t *bucket, struct gcra_rate rate, uint64_t now_ns, uint64_t *wait_ns)
{
    uint64_t arrival = atomic_load_explicit(bucket, memory_order_relaxed), next;
    do {
        uint64_t from = arrival > now_ns ? arrival : now_ns;
        next = from + rate.interval_ns;
        if (next - now_ns > rate.burst_ns) {
            *wait_ns = next - now_ns - rate.burst_ns;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(bucket, &arrival, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void gcra_give(_Atomic uint64_t *bucket, struct gcra_rate rate)
{
    atomic_fetch_sub_explicit(bucket, rate.interval_ns, memory_order_relaxed);
}
