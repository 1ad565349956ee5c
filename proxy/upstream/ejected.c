#include "proxy/upstream/ejected.h"

#include "common/clock.h"

static void on_return(struct timer *timer)
{
    ejected_recount(LIST_ENTRY(timer, struct ejected, timer));
}

void ejected_init(struct ejected *ejected, const struct balancers *balancers,
                  struct timer_wheel *timers, struct telemetry_shard *telemetry)
{
    *ejected = (struct ejected){.timers = timers, .balancers = balancers, .telemetry = telemetry};
    timer_init(&ejected->timer, on_return);
}

void ejected_more(struct ejected *ejected, unsigned n)
{
    if (n == 0)
        return;
    telemetry_add(ejected->telemetry, COUNTER_EJECTIONS, n);
    ejected_recount(ejected);
}

void ejected_recount(struct ejected *ejected)
{
    uint64_t now_ns = clock_now_ns(), next_ns = UINT64_MAX;
    size_t n = balancers_ejected(ejected->balancers, now_ns, &next_ns);
    telemetry_add(ejected->telemetry, COUNTER_ENDPOINTS_EJECTED, (int64_t)n - (int64_t)ejected->n);
    ejected->n = n;
    if (n == 0)
        timer_cancel(ejected->timers, &ejected->timer);
    else
        timer_set(ejected->timers, &ejected->timer, now_ns, (next_ns - now_ns) / NS_PER_MS + 1);
}
