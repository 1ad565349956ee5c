/*
 * Time. Deadlines and durations use the monotonic clock in nanoseconds; only certificates, tokens
 * and log lines use the wall clock.
 */
#ifndef OUTRIGGER_COMMON_CLOCK_H
#define OUTRIGGER_COMMON_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_MS  1000000ull
#define NS_PER_SEC 1000000000ull

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/*
 * The same clock as the kernel last noted it: up to 4 ms behind clock_now_ns(), never ahead of it,
 * and a tenth of the price. For when something has last moved.
 */
static inline uint64_t clock_coarse_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

/* Seconds since the epoch. */
static inline int64_t clock_wall_sec(void)
{
    return (int64_t)time(NULL);
}

/* Nanoseconds since the epoch. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

/* Milliseconds since the epoch. */
static inline uint64_t clock_wall_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

/* For libevent's timers. */
static inline struct timeval clock_timeval_ms(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

#endif
