#include "proxy/conn/timer_wheel.h"

#include "common/clock.h"

#define SLOT_BITS    6
#define MAX_DELAY_MS (48ull * 24 * 3600 * 1000)
#define NEVER        UINT64_MAX

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct timer_wheel *wheel = arg;
    wheel->armed_tick = NEVER;
    timer_wheel_turn(wheel, clock_now_ns());
}

void timer_wheel_init(struct timer_wheel *wheel, struct event_base *base)
{
    *wheel = (struct timer_wheel){.armed_tick = NEVER};
    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    if (base)
        evtimer_assign(&wheel->event, base, on_timer, wheel);
}

void timer_wheel_fini(struct timer_wheel *wheel)
{
    if (event_initialized(&wheel->event))
        event_del(&wheel->event);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    list_init(&timer->node);
    timer->fire = fire;
}

static uint64_t tick_after(uint64_t ns)
{
    return (ns + TIMER_TICK_NS - 1) / TIMER_TICK_NS;
}

/* Puts a timer where its distance from `wheel->tick` says; a distance of 0 is in the current slot.
 */
static void wheel_place(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_after(timer->due_ns);
    if (tick < wheel->tick)
        tick = wheel->tick;
    unsigned level = 0;
    while (level < TIMER_LEVELS - 1 && tick - wheel->tick >= 1ull << (SLOT_BITS * (level + 1)))
        level++;
    unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) % TIMER_SLOTS;
    list_append(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= 1ull << slot;
}

/* The first tick at which a slot must be looked at: to fire its timers or to spread them. */
static uint64_t wheel_next_tick(const struct timer_wheel *wheel)
{
    uint64_t first = NEVER;
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        if (!wheel->occupied[level])
            continue;
        uint64_t position = wheel->tick >> (SLOT_BITS * level);
        unsigned turn = (unsigned)(position + 1) % TIMER_SLOTS;
        uint64_t ahead = wheel->occupied[level] >> turn;
        if (turn)
            ahead |= wheel->occupied[level] << (TIMER_SLOTS - turn);
        uint64_t distance = (uint64_t)__builtin_ctzll(ahead) + 1;
        uint64_t tick = (position + distance) << (SLOT_BITS * level);
        if (tick < first)
            first = tick;
    }
    return first;
}

static void wheel_arm(struct timer_wheel *wheel)
{
    if (!event_initialized(&wheel->event))
        return;
    uint64_t next = wheel_next_tick(wheel);
    if (next >= wheel->armed_tick)
        return; /* also when it will go off for nothing: cheaper than moving it */
    uint64_t now = clock_now_ns();
    uint64_t due = next * TIMER_TICK_NS;
    uint64_t wait_us = due > now ? (due - now + 999) / 1000 : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                           .tv_usec = (suseconds_t)(wait_us % 1000000)};
    if (event_add(&wheel->event, &wait) == 0)
        wheel->armed_tick = next;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ns, uint64_t delay_ms)
{
    timer_cancel(wheel, timer);
    if (delay_ms > MAX_DELAY_MS)
        delay_ms = MAX_DELAY_MS;
    timer->due_ns = now_ns + delay_ms * NS_PER_MS;
    if (wheel->count == 0 && now_ns / TIMER_TICK_NS > wheel->tick)
        wheel->tick = now_ns / TIMER_TICK_NS;
    if (tick_after(timer->due_ns) <= wheel->tick)
        timer->due_ns = (wheel->tick + 1) * TIMER_TICK_NS;
    wheel->count++;
    wheel_place(wheel, timer);
    if (tick_after(timer->due_ns) < wheel->armed_tick)
        wheel_arm(wheel);
}

void timer_cancel(struct timer_wheel *wheel, struct timer *timer)
{
    if (!timer_is_set(timer))
        return;
    list_remove(&timer->node);
    wheel->count--;
}

/* The current tick begins these slots: their timers go to lower levels. */
static void wheel_cascade(struct timer_wheel *wheel)
{
    for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
        if (wheel->tick & ((1ull << (SLOT_BITS * level)) - 1))
            continue;
        unsigned slot = (unsigned)(wheel->tick >> (SLOT_BITS * level)) % TIMER_SLOTS;
        struct list moving;
        list_init(&moving);
        list_take_all(&moving, &wheel->slots[level][slot]);
        wheel->occupied[level] &= ~(1ull << slot);
        LIST_EACH(node, &moving) {
            list_remove(node);
            wheel_place(wheel, LIST_ENTRY(node, struct timer, node));
        }
    }
}

static void wheel_fire(struct timer_wheel *wheel)
{
    unsigned slot = (unsigned)wheel->tick % TIMER_SLOTS;
    struct list firing;
    list_init(&firing);
    list_take_all(&firing, &wheel->slots[0][slot]);
    wheel->occupied[0] &= ~(1ull << slot);
    while (!list_is_empty(&firing)) {
        struct timer *timer = LIST_ENTRY(firing.next, struct timer, node);
        timer_cancel(wheel, timer);
        timer->fire(timer);
    }
}

void timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t target = now_ns / TIMER_TICK_NS;
    for (;;) {
        uint64_t next = wheel_next_tick(wheel);
        if (next > target)
            break;
        wheel->tick = next;
        wheel_cascade(wheel);
        wheel_fire(wheel);
    }
    if (target > wheel->tick)
        wheel->tick = target;
    if (wheel->count)
        wheel_arm(wheel);
}
