#include "common/admin_trim.h"

#include "common/clock.h"
#include "common/usage.h"

static void wait_a_second(struct admin_trim *trim)
{
    const struct timeval second = {.tv_sec = 1};
    (void)event_add(&trim->quiet, &second);
}

/* As if it were a new second; the worst of them is remembered. */
static void begin_second(struct admin_trim *trim)
{
    trim->second_began_ns = clock_now_ns();
    trim->n_now = 0;
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct admin_trim *trim = arg;
    bool is_over = trim->n_now <= trim->n_most / 8;
    begin_second(trim);
    if (!is_over) {
        wait_a_second(trim);
        return;
    }
    trim->n_most = 0;
    trim->n_trims++;
    usage_trim();
}

void admin_trim_init(struct admin_trim *trim, struct event_base *base)
{
    *trim = (struct admin_trim){.second_began_ns = clock_now_ns()};
    evtimer_assign(&trim->quiet, base, on_second, trim);
}

void admin_trim_fini(struct admin_trim *trim)
{
    event_del(&trim->quiet);
}

void admin_trim_came(struct admin_trim *trim)
{
    if (clock_now_ns() - trim->second_began_ns > NS_PER_SEC)
        begin_second(trim);
    trim->n_now++;
    if (trim->n_now > trim->n_most)
        trim->n_most = trim->n_now;
    if (trim->n_most >= ADMIN_TRIM_MIN_COMERS && !evtimer_pending(&trim->quiet, NULL))
        wait_a_second(trim);
}
