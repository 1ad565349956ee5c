#include "proxy/route/retry_budget.h"

#include <stdatomic.h>

#include "common/clock.h"

#define COUNT_BITS 20
#define COUNT_MAX  ((1u << COUNT_BITS) - 1)
#define SECOND_MAX ((1u << 24) - 1)

struct slot {
    uint32_t second, requests, retries;
};

static struct slot slot_unpack(uint64_t word)
{
    return (struct slot){(uint32_t)(word >> (2 * COUNT_BITS)),
                         (uint32_t)(word >> COUNT_BITS) & COUNT_MAX, (uint32_t)word & COUNT_MAX};
}

static uint64_t slot_pack(struct slot slot)
{
    return (uint64_t)slot.second << (2 * COUNT_BITS) | (uint64_t)slot.requests << COUNT_BITS |
           slot.retries;
}

/* The clock's second, from 1: a slot of zeros belongs to none. */
static uint32_t second_of(uint64_t now_ns)
{
    return (uint32_t)(now_ns / NS_PER_SEC % (SECOND_MAX - 1)) + 1;
}

/* A count that is full stays full: beyond a million a second the share is no longer exact. */
static uint32_t sum_up_to_full(uint32_t count, uint32_t more)
{
    return count + more > COUNT_MAX ? COUNT_MAX : count + more;
}

static void slot_add(struct retry_budget *budget, uint64_t now_ns, uint32_t requests,
                     uint32_t retries)
{
    uint32_t second = second_of(now_ns);
    _Atomic uint64_t *word = &budget->slots[second % RETRY_BUDGET_SECONDS];
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed), new;
    do {
        struct slot slot = slot_unpack(old);
        if (slot.second != second)
            slot = (struct slot){.second = second};
        slot.requests = sum_up_to_full(slot.requests, requests);
        slot.retries = sum_up_to_full(slot.retries, retries);
        new = slot_pack(slot);
    } while (!atomic_compare_exchange_weak_explicit(word, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void retry_budget_request(struct retry_budget *budget, uint64_t now_ns)
{
    slot_add(budget, now_ns, 1, 0);
}

bool retry_budget_take(struct retry_budget *budget, uint32_t percent, uint32_t min_per_second,
                       uint64_t now_ns)
{
    uint32_t second = second_of(now_ns);
    uint64_t requests = 0, retries = 0;
    for (size_t i = 0; i < RETRY_BUDGET_SECONDS; i++) {
        struct slot slot =
            slot_unpack(atomic_load_explicit(&budget->slots[i], memory_order_relaxed));
        if (slot.second == 0 || slot.second > second ||
            second - slot.second >= RETRY_BUDGET_SECONDS)
            continue;
        requests += slot.requests;
        retries += slot.retries;
    }
    if (retries >= requests * percent / 100 + (uint64_t)min_per_second * RETRY_BUDGET_SECONDS)
        return false;
    slot_add(budget, now_ns, 0, 1);
    return true;
}
