/* The wheel turned by hand: never early, at most a tick late, whatever the distance. */
#include "proxy/conn/timer_wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/clock.h"

#define START_NS (1234567ull * NS_PER_MS + 89)

struct probe {
    struct timer timer;
    struct timer_wheel *wheel;
    const uint64_t *now_ns;
    uint64_t fired_ns;
    unsigned times;
    struct timer *cancels;
    uint64_t again_ms; /* 0: not */
};

static void on_fire(struct timer *timer)
{
    struct probe *probe = LIST_ENTRY(timer, struct probe, timer);
    probe->fired_ns = *probe->now_ns;
    probe->times++;
    if (probe->cancels)
        timer_cancel(probe->wheel, probe->cancels);
    if (probe->again_ms)
        timer_set(probe->wheel, timer, *probe->now_ns, probe->again_ms);
}

static void probe_init(struct probe *probe, struct timer_wheel *wheel, const uint64_t *now_ns)
{
    *probe = (struct probe){.wheel = wheel, .now_ns = now_ns};
    timer_init(&probe->timer, on_fire);
}

static void test_delays(void **state)
{
    static const uint64_t delays_ms[] = {0,
                                         1,
                                         4,
                                         50,
                                         250,
                                         256,
                                         260,
                                         1000,
                                         5000,
                                         16384,
                                         16388,
                                         60000,
                                         65536,
                                         600000,
                                         1048576,
                                         3600000,
                                         3600001,
                                         86400000,
                                         1u << 26,
                                         10ull * 86400000,
                                         40ull * 86400000};
    enum { N = sizeof(delays_ms) / sizeof(delays_ms[0]) };
    (void)state;
    struct timer_wheel *wheel = malloc(sizeof(*wheel));
    for (unsigned offset = 0; offset < 70; offset += 3) {
        uint64_t now_ns = START_NS + offset * TIMER_TICK_NS * 61;
        struct probe probes[N];
        timer_wheel_init(wheel, NULL);
        uint64_t start_ns = now_ns;
        for (size_t i = 0; i < N; i++) {
            probe_init(&probes[i], wheel, &now_ns);
            timer_set(wheel, &probes[i].timer, now_ns, delays_ms[i]);
        }
        /* Turned just before each is due, and just after. */
        for (size_t i = 0; i < N; i++) {
            uint64_t due_ns = start_ns + delays_ms[i] * NS_PER_MS;
            if (due_ns > now_ns) { /* not when turning for a neighbour has gone beyond it */
                now_ns = due_ns - 1;
                timer_wheel_turn(wheel, now_ns);
                assert_int_equal(probes[i].times, 0);
            }
            if (now_ns < due_ns + 2 * TIMER_TICK_NS)
                now_ns = due_ns + 2 * TIMER_TICK_NS;
            timer_wheel_turn(wheel, now_ns);
            assert_int_equal(probes[i].times, 1);
            assert_true(probes[i].fired_ns >= due_ns);
        }
        assert_int_equal(wheel->count, 0);
    }
    free(wheel);
}

/* Many at random, moved and cancelled at random, the wheel turned at random. */
static void test_random(void **state)
{
    enum { N = 300 };
    static struct probe probes[N];
    (void)state;
    struct timer_wheel *wheel = malloc(sizeof(*wheel));
    uint64_t now_ns = START_NS;
    srandom(7);
    timer_wheel_init(wheel, NULL);
    for (size_t i = 0; i < N; i++)
        probe_init(&probes[i], wheel, &now_ns);
    for (unsigned round = 0; round < 20000; round++) {
        struct probe *probe = &probes[random() % N];
        if (random() % 8 == 0) {
            timer_cancel(wheel, &probe->timer);
        } else {
            timer_set(wheel, &probe->timer, now_ns, (uint64_t)random() % (1u << random() % 24));
            probe->times = 0;
        }
        now_ns += (uint64_t)random() % (1ull << random() % 31);
        timer_wheel_turn(wheel, now_ns);
        for (size_t i = 0; i < N; i++) {
            bool is_set = timer_is_set(&probes[i].timer);
            if (is_set && probes[i].timer.due_ns + 2 * TIMER_TICK_NS <= now_ns)
                fail_msg("round %u: overdue", round);
            if (probes[i].times && probes[i].fired_ns < probes[i].timer.due_ns)
                fail_msg("round %u: early", round);
            assert_true(probes[i].times <= 1);
        }
    }
    free(wheel);
}

static void test_fire_may_set_and_cancel(void **state)
{
    (void)state;
    struct timer_wheel *wheel = malloc(sizeof(*wheel));
    uint64_t now_ns = START_NS;
    struct probe first, second, third;
    timer_wheel_init(wheel, NULL);
    probe_init(&first, wheel, &now_ns);
    probe_init(&second, wheel, &now_ns);
    probe_init(&third, wheel, &now_ns);
    first.cancels = &second.timer; /* due in the same tick */
    third.again_ms = 100;
    timer_set(wheel, &first.timer, now_ns, 20);
    timer_set(wheel, &second.timer, now_ns, 20);
    timer_set(wheel, &third.timer, now_ns, 20);
    for (int i = 0; i < 10; i++) {
        now_ns += 50 * NS_PER_MS;
        timer_wheel_turn(wheel, now_ns);
    }
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 0);
    assert_true(third.times >= 4 && third.times <= 6);
    timer_cancel(wheel, &third.timer);
    timer_cancel(wheel, &third.timer);
    assert_int_equal(wheel->count, 0);
    free(wheel);
}

/* With a loop: it fires by itself. */
static void on_fire_stop(struct timer *timer)
{
    struct probe *probe = LIST_ENTRY(timer, struct probe, timer);
    probe->fired_ns = clock_now_ns();
    probe->times++;
}

static void test_in_a_loop(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct timer_wheel *wheel = malloc(sizeof(*wheel));
    struct probe late = {.times = 0}, soon = {.times = 0};
    timer_wheel_init(wheel, base);
    timer_init(&late.timer, on_fire_stop);
    timer_init(&soon.timer, on_fire_stop);
    uint64_t start_ns = clock_now_ns();
    timer_set(wheel, &late.timer, start_ns, 600);
    timer_set(wheel, &soon.timer, start_ns, 30); /* the armed timer moves forward */
    while (!late.times)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(soon.times, 1);
    assert_true(soon.fired_ns >= start_ns + 30 * NS_PER_MS);
    assert_true(soon.fired_ns < late.fired_ns);
    assert_true(late.fired_ns >= start_ns + 600 * NS_PER_MS);
    timer_wheel_fini(wheel);
    event_base_free(base);
    free(wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_fire_may_set_and_cancel),
        cmocka_unit_test(test_in_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
