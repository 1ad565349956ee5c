/*
 * Many coarse timers for the price of one: a hierarchical wheel (5 levels of 64 slots, a tick of
 * 4 ms) driven by a single libevent timer. Setting and cancelling are a few stores; an idle
 * connection costs 32 bytes and no entry in libevent's heap. A timer fires up to one tick late,
 * never early. Delays are cut at 48 days.
 */
#ifndef OUTRIGGER_PROXY_CONN_TIMER_WHEEL_H
#define OUTRIGGER_PROXY_CONN_TIMER_WHEEL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"

#define TIMER_TICK_NS 4000000ull
#define TIMER_LEVELS  5
#define TIMER_SLOTS   64

/* Embed it in what waits. */
struct timer {
    struct list node; /* in no list while it is not set */
    uint64_t due_ns;
    void (*fire)(struct timer *timer);
};

struct timer_wheel {
    struct event event;
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
    uint64_t occupied[TIMER_LEVELS]; /* a bit a slot; may be set for a slot that has become empty */
    uint64_t tick;                   /* everything up to and including it has fired */
    uint64_t armed_tick;             /* when the libevent timer goes off; UINT64_MAX: not armed */
    size_t count;
};

/* `base` NULL: for tests that turn the wheel by hand. */
void timer_wheel_init(struct timer_wheel *wheel, struct event_base *base);
void timer_wheel_fini(struct timer_wheel *wheel); /* nothing fires any more */

void timer_init(struct timer *timer, void (*fire)(struct timer *timer));

/* Sets or moves the timer to `delay_ms` after `now_ns` (clock_now_ns()). */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ns, uint64_t delay_ms);
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return !list_is_empty(&timer->node);
}

/* Fires everything that is due at `now_ns`; a fired timer may set or cancel any timer. */
void timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ns);

#endif
