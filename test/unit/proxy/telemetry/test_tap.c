/* proxy/telemetry/tap.c: who looks, what they get, what they lose. */
#include "proxy/telemetry/tap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>

#include "test/unit/proxy/telemetry/facts.h"

struct rig {
    struct event_base *base;
    struct mailbox *box;
    struct tap_hub *hub;
    struct request_filter all;
};

/* One who looks. */
struct eyes {
    struct tap *tap;
    unsigned n_lines, n_until_closed; /* 0: stays open */
    bool is_slow;                     /* takes nothing */
    char last[4096];
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err;
    rig->base = event_base_new();
    rig->box = mailbox_new(rig->base, rig, &err);
    assert_non_null(rig->box);
    rig->hub = tap_hub_new(rig->box);
    assert_non_null(rig->hub);
    request_filter_init(&rig->all);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    mailbox_free(rig->box);
    tap_hub_free(rig->hub);
    event_base_free(rig->base);
    free(rig);
    return 0;
}

static bool on_line(void *context, struct slice line)
{
    struct eyes *eyes = context;
    if (eyes->is_slow)
        return false;
    snprintf(eyes->last, sizeof(eyes->last), "%.*s", SLICE_ARG(line));
    if (++eyes->n_lines == eyes->n_until_closed)
        tap_close(eyes->tap);
    return true;
}

static void look(struct rig *rig, struct eyes *eyes, const struct request_filter *filter)
{
    eyes->tap = tap_open(rig->hub, filter, on_line, eyes);
    assert_non_null(eyes->tap);
}

static void deliver(struct rig *rig)
{
    event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

static void test_a_line_is_json_with_every_field(void **state)
{
    struct rig *rig = *state;
    struct eyes eyes = {0};
    struct request_facts facts = some_facts;
    facts.path = SLICE_LITERAL("/\"\n\xff");
    look(rig, &eyes, &rig->all);
    tap_offer(rig->hub, &facts);
    assert_int_equal(eyes.n_lines, 0); /* not on the thread of the request */
    deliver(rig);
    assert_int_equal(eyes.n_lines, 1);
    assert_int_equal(eyes.last[strlen(eyes.last) - 1], '\n');
    assert_ptr_equal(strchr(eyes.last, '\n'), eyes.last + strlen(eyes.last) - 1);
    json_t *line = json_loads(eyes.last, 0, NULL);
    assert_non_null(line);
    for (int i = 0; i < FACT_COUNT; i++)
        assert_non_null(json_object_get(line, request_fact_name((enum request_fact)i)));
    assert_string_equal(json_string_value(json_object_get(line, "path")), "/\"\n\xc3\xbf");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 503);
    json_decref(line);
    tap_close(eyes.tap);
}

static void test_each_gets_what_its_filter_lets_through(void **state)
{
    struct rig *rig = *state;
    struct eyes everything = {0}, good_ones = {0};
    struct request_filter filter;
    struct request_facts facts = some_facts;
    struct err err;
    request_filter_init(&filter);
    assert_true(request_filter_add(&filter, "status", "2xx", &err));
    look(rig, &everything, &rig->all);
    look(rig, &good_ones, &filter);
    tap_offer(rig->hub, &facts);
    facts.status = 204;
    tap_offer(rig->hub, &facts);
    deliver(rig);
    assert_int_equal(everything.n_lines, 2);
    assert_int_equal(good_ones.n_lines, 1);
    tap_close(everything.tap);
    tap_close(good_ones.tap);
}

static void test_it_is_watched_while_somebody_looks(void **state)
{
    struct rig *rig = *state;
    struct eyes one = {0}, other = {0};
    assert_false(tap_hub_is_watched(rig->hub));
    look(rig, &one, &rig->all);
    look(rig, &other, &rig->all);
    tap_close(one.tap);
    assert_true(tap_hub_is_watched(rig->hub));
    tap_close(other.tap);
    assert_false(tap_hub_is_watched(rig->hub));
}

static void test_lines_that_wait_are_bounded(void **state)
{
    struct rig *rig = *state;
    struct eyes eyes = {0};
    look(rig, &eyes, &rig->all);
    for (unsigned i = 0; i < TAP_LINES_MAX + 5; i++)
        tap_offer(rig->hub, &some_facts);
    assert_int_equal(tap_dropped(eyes.tap), 5);
    deliver(rig);
    assert_int_equal(eyes.n_lines, TAP_LINES_MAX);
    tap_offer(rig->hub, &some_facts); /* there is room again */
    deliver(rig);
    assert_int_equal(eyes.n_lines, TAP_LINES_MAX + 1);
    assert_int_equal(tap_dropped(eyes.tap), 5);
    tap_close(eyes.tap);
    assert_int_equal(tap_hub_dropped(rig->hub), 5);
}

static void test_who_takes_nothing_costs_nobody_else_a_line(void **state)
{
    struct rig *rig = *state;
    struct eyes slow = {.is_slow = true}, quick = {0};
    look(rig, &slow, &rig->all);
    look(rig, &quick, &rig->all);
    for (unsigned i = 0; i < 3; i++)
        tap_offer(rig->hub, &some_facts);
    deliver(rig);
    assert_int_equal(tap_dropped(slow.tap), 3);
    assert_int_equal(tap_dropped(quick.tap), 0);
    assert_int_equal(quick.n_lines, 3);
    tap_close(slow.tap);
    tap_close(quick.tap);
}

static void test_lines_of_a_tap_that_has_gone_reach_nobody(void **state)
{
    struct rig *rig = *state;
    struct eyes gone = {0}, closing = {.n_until_closed = 1}, next = {0};
    look(rig, &gone, &rig->all);
    look(rig, &closing, &rig->all);
    tap_offer(rig->hub, &some_facts);
    tap_offer(rig->hub, &some_facts);
    tap_close(gone.tap);
    look(rig, &next, &rig->all);
    deliver(rig);
    assert_int_equal(gone.n_lines, 0);
    assert_int_equal(closing.n_lines, 1);
    assert_int_equal(next.n_lines, 0);
    tap_close(next.tap);
}

static void test_no_more_than_the_most(void **state)
{
    struct rig *rig = *state;
    struct eyes eyes[TAPS_MAX + 1] = {0};
    for (unsigned i = 0; i < TAPS_MAX; i++)
        look(rig, &eyes[i], &rig->all);
    assert_null(tap_open(rig->hub, &rig->all, on_line, &eyes[TAPS_MAX]));
    tap_close(eyes[0].tap);
    look(rig, &eyes[TAPS_MAX], &rig->all);
    for (unsigned i = 1; i <= TAPS_MAX; i++)
        tap_close(eyes[i].tap);
}

#define OFFERS 20000

static void *offer_many(void *arg)
{
    struct rig *rig = arg;
    for (unsigned i = 0; i < OFFERS; i++)
        if (tap_hub_is_watched(rig->hub))
            tap_offer(rig->hub, &some_facts);
    return NULL;
}

/* Two workers while taps come and go; SAN=thread and SAN=1 see what goes wrong. */
static void test_taps_come_and_go_while_workers_offer(void **state)
{
    struct rig *rig = *state;
    pthread_t workers[2];
    unsigned n_lines = 0;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&workers[i], NULL, offer_many, rig), 0);
    for (unsigned i = 0; i < 200; i++) {
        struct eyes eyes = {0};
        look(rig, &eyes, &rig->all);
        deliver(rig);
        tap_close(eyes.tap);
        n_lines += eyes.n_lines;
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(workers[i], NULL);
    deliver(rig);
    assert_true(n_lines + tap_hub_dropped(rig->hub) <= 2 * OFFERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_line_is_json_with_every_field),
        TEST(test_each_gets_what_its_filter_lets_through),
        TEST(test_it_is_watched_while_somebody_looks),
        TEST(test_lines_that_wait_are_bounded),
        TEST(test_who_takes_nothing_costs_nobody_else_a_line),
        TEST(test_lines_of_a_tap_that_has_gone_reach_nobody),
        TEST(test_no_more_than_the_most),
        TEST(test_taps_come_and_go_while_workers_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
