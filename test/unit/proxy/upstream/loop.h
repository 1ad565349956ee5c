/*
 * A workspace on a loop of its own, and listeners on loopback, for tests of what connects upstream.
 */
#ifndef OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_LOOP_H
#define OUTRIGGER_TEST_UNIT_PROXY_UPSTREAM_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "proxy/workspace.h"

#define LOOP_PATIENCE_S 60 /* sanitizers on a busy machine */

struct loop {
    struct event_base *base;
    struct event *tick;
    struct worker_settings settings;
    struct telemetry_shard *telemetry;
    struct workspace workspace;
    unsigned turns;
};

static void loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static inline void loop_init(struct loop *loop)
{
    *loop = (struct loop){.base = event_base_new(), .telemetry = telemetry_shard_new(10)};
    loop->tick = event_new(loop->base, -1, EV_PERSIST, loop_on_tick, NULL);
    struct timeval tick = clock_timeval_ms(1);
    event_add(loop->tick, &tick);
    assert_true(workspace_init(&loop->workspace, loop->base, &loop->settings, loop->telemetry));
}

static inline void loop_fini(struct loop *loop)
{
    assert_int_equal(loop->workspace.timers.count, 0);
    workspace_fini(&loop->workspace);
    telemetry_shard_free(loop->telemetry);
    event_free(loop->tick);
    event_base_free(loop->base);
}

static inline void loop_turn(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_ONCE);
    workspace_tidy(&loop->workspace);
    loop->turns++;
}

#define LOOP_WAIT(loop, condition)                                                                 \
    do {                                                                                           \
        uint64_t loop_until_ = clock_now_ns() + LOOP_PATIENCE_S * NS_PER_SEC;                      \
        while (!(condition)) {                                                                     \
            if (clock_now_ns() > loop_until_)                                                      \
                fail_msg("waited in vain for: %s", #condition);                                    \
            loop_turn(loop);                                                                       \
        }                                                                                          \
    } while (0)

static inline int64_t loop_counter(const struct loop *loop, enum counter counter)
{
    return (int64_t)stat_get(&loop->telemetry->counters[counter]);
}

static inline struct sockaddr_any loop_address(const char *host, uint16_t port)
{
    struct ip ip;
    assert_true(ip_parse(slice_str(host), &ip));
    struct sockaddr_any address = addr_make(&ip, 1);
    address.in.sin_port = htons(port);
    return address;
}

/* A listener on a port of the kernel's choice; `backlog` connections are taken without accept(). */
static inline int loop_listen(const char *host, int backlog, struct sockaddr_any *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *address = loop_address(host, 0);
    assert_true(fd >= 0 && bind(fd, &address->sa, address->len) == 0 && listen(fd, backlog) == 0);
    assert_int_equal(getsockname(fd, &address->sa, &address->len), 0);
    return fd;
}

#endif
