#include "common/grpc/channel.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/grpc/call.h"
#include "common/grpc/link.h"
#include "common/jitter.h"
#include "common/log.h"

#define CHANNEL_KEEPALIVE_MAX_MS 7200000 /* where gRPC's own servers never complain */

static void channel_connect(struct grpc_channel *channel);

static struct grpc_call *waiting_call(struct list *node)
{
    return LIST_ENTRY(node, struct grpc_call, waiting);
}

static void tell_state(struct grpc_channel *channel, bool is_connected, const struct err *err)
{
    if (channel->options.on_state && channel->state != GRPC_CHANNEL_FREED)
        channel->options.on_state(channel->options.state_context, is_connected, err);
}

/* ---- what waits ----------------------------------------------------------------------------- */

/* Inside a turn. */
static void channel_run(struct grpc_channel *channel)
{
    struct list now;
    list_init(&now);
    list_take_all(&now, &channel->deferred);
    while (!list_is_empty(&now)) {
        struct grpc_call *call = LIST_ENTRY(now.next, struct grpc_call, deferred);
        list_remove(&call->deferred);
        grpc_call_on_ready(&call->pipe);
    }
    while (channel->state == GRPC_CHANNEL_UP && !list_is_empty(&channel->waiting))
        grpc_call_submit(waiting_call(channel->waiting.next), channel->link);
    if (channel->state == GRPC_CHANNEL_IDLE &&
        (channel->wants_link || !list_is_empty(&channel->waiting)))
        channel_connect(channel);
}

void grpc_channel_run_soon(struct grpc_channel *channel)
{
    if (channel->state != GRPC_CHANNEL_FREED)
        event_active(channel->work, EV_TIMEOUT, 0);
}

/* ---- attempts ------------------------------------------------------------------------------- */

static void retry_later(struct grpc_channel *channel)
{
    uint64_t wait_ms = jitter_backoff(channel->options.backoff_min_ms,
                                      channel->options.backoff_max_ms, channel->failures);
    struct timeval wait = clock_timeval_ms(wait_ms);
    if (channel->failures < 63)
        channel->failures++;
    channel->state = GRPC_CHANNEL_BACKOFF;
    channel->retry_ns = clock_now_ns() + wait_ms * NS_PER_MS;
    event_add(channel->timer, &wait);
}

/* Calls without a deadline do not outlive a failed attempt. */
static void fail_impatient(struct grpc_channel *channel, const struct err *err)
{
    struct list impatient; /* what their on_end starts is not among them */
    list_init(&impatient);
    LIST_EACH(node, &channel->waiting) {
        if (waiting_call(node)->deadline_ns)
            continue;
        list_remove(node);
        list_append(&impatient, node);
    }
    while (!list_is_empty(&impatient))
        grpc_call_fail(waiting_call(impatient.next), GRPC_UNAVAILABLE, err);
}

static void attempt_failed(struct grpc_channel *channel, const struct err *err)
{
    channel->lost_err = *err;
    channel->has_lost = true;
    LOG(LOG_DEBUG, "grpc_connect_failed", LOG_S("target", channel->options.target),
        LOG_S("error", err->text));
    retry_later(channel);
    tell_state(channel, false, err);
    fail_impatient(channel, err);
}

static void channel_connect(struct grpc_channel *channel)
{
    struct err err;
    channel->wants_link = false;
    channel->link = grpc_link_new(channel);
    if (!channel->link) {
        err_set(&err, "out of memory for a connection");
        attempt_failed(channel, &err);
        return;
    }
    list_append(&channel->links, &channel->link->node);
    channel->state = GRPC_CHANNEL_TRYING;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_channel *channel = arg;
    struct grpc_turn *turn = &channel->turn;
    grpc_turn_enter(turn);
    if (channel->state == GRPC_CHANNEL_BACKOFF)
        channel->state = GRPC_CHANNEL_IDLE;
    channel_run(channel);
    grpc_turn_leave(turn);
}

/* ---- what links tell ------------------------------------------------------------------------ */

void grpc_channel_link_up(struct grpc_channel *channel, struct grpc_link *link)
{
    if (link != channel->link)
        return;
    channel->state = GRPC_CHANNEL_UP;
    LOG(LOG_DEBUG, "grpc_connected", LOG_S("target", channel->options.target));
    tell_state(channel, true, NULL);
    channel_run(channel);
}

/* A peer that has answered calls, or was there for long, is not backed off from as a dead one. */
static bool link_was_good(const struct grpc_channel *channel, const struct grpc_link *link)
{
    uint64_t good_ns = channel->options.backoff_max_ms * NS_PER_MS;
    return link->was_up && (link->is_proven || clock_now_ns() - link->up_ns >= good_ns);
}

void grpc_channel_link_leaving(struct grpc_channel *channel, struct grpc_link *link,
                               const struct err *err)
{
    /* gRPC's convention for servers that find our keepalive too eager. */
    if (strstr(err->text, "too_many_pings") &&
        channel->options.keepalive_ms <= CHANNEL_KEEPALIVE_MAX_MS / 2)
        channel->options.keepalive_ms *= 2;
    grpc_link_leave(link);
    if (link != channel->link)
        return;
    channel->link = NULL;
    channel->lost_err = *err;
    channel->has_lost = true;
    if (link_was_good(channel, link)) {
        channel->failures = 0;
        channel->state = GRPC_CHANNEL_IDLE;
    } else {
        retry_later(channel);
    }
    grpc_channel_run_soon(channel);
    tell_state(channel, false, err);
}

void grpc_channel_link_lost(struct grpc_channel *channel, struct grpc_link *link,
                            const struct err *err)
{
    bool is_current = link == channel->link;
    if (is_current) {
        channel->link = NULL;
        if (link_was_good(channel, link))
            channel->failures = 0;
    }
    if (is_current && link->was_up) {
        channel->lost_err = *err;
        channel->has_lost = true;
        retry_later(channel);
        tell_state(channel, false, err);
    }
    while (link->has_session && !list_is_empty(&link->session.pipes))
        grpc_call_on_lost(LIST_ENTRY(link->session.pipes.next, struct grpc_pipe, node), err);
    grpc_link_close(link);
    if (is_current && !link->was_up && channel->state != GRPC_CHANNEL_FREED)
        attempt_failed(channel, err);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_channel *channel = arg;
    struct grpc_turn *turn = &channel->turn;
    grpc_turn_enter(turn);
    channel_run(channel);
    grpc_turn_leave(turn);
}

static void channel_free(void *object)
{
    struct grpc_channel *channel = object;
    if (channel->work)
        event_free(channel->work);
    if (channel->timer)
        event_free(channel->timer);
    free((char *)channel->options.target);
    free((char *)channel->options.authority);
    free((char *)channel->options.expected_identity);
    free(channel);
}

static bool copy_text(const char **copy, const char *text)
{
    *copy = text ? strdup(text) : NULL;
    return !text || *copy;
}

/* 0 stands for the default. */
static void fill_in(struct grpc_channel_options *options)
{
    if (!options->connect_timeout_ms)
        options->connect_timeout_ms = 5000;
    if (!options->backoff_min_ms)
        options->backoff_min_ms = 100;
    if (!options->backoff_max_ms)
        options->backoff_max_ms = 10000;
    if (!options->keepalive_ms)
        options->keepalive_ms = 30000;
    if (!options->keepalive_timeout_ms)
        options->keepalive_timeout_ms = 10000;
    if (!options->max_message_bytes)
        options->max_message_bytes = 4 << 20;
    if (!options->max_queued_bytes)
        options->max_queued_bytes = 4 << 20;
}

struct grpc_channel *grpc_channel_make(struct event_base *base,
                                       const struct grpc_channel_options *options)
{
    struct grpc_channel *channel = calloc(1, sizeof(*channel));
    if (!channel)
        return NULL;
    grpc_turn_init(&channel->turn);
    list_init(&channel->links);
    list_init(&channel->calls);
    list_init(&channel->waiting);
    list_init(&channel->deferred);
    channel->base = base;
    channel->options = *options;
    fill_in(&channel->options);
    bool has_texts = copy_text(&channel->options.target, options->target) &&
                     copy_text(&channel->options.authority,
                               options->authority ? options->authority : options->target) &&
                     copy_text(&channel->options.expected_identity, options->expected_identity);
    channel->work = event_new(base, -1, 0, on_work, channel);
    channel->timer = evtimer_new(base, on_retry, channel);
    if (!has_texts || !channel->work || !channel->timer) {
        channel_free(channel);
        return NULL;
    }
    return channel;
}

void grpc_channel_end(struct grpc_channel *channel)
{
    if (channel->state == GRPC_CHANNEL_FREED)
        return;
    channel->state = GRPC_CHANNEL_FREED;
    channel->link = NULL;
    event_del(channel->work);
    event_del(channel->timer);
    while (!list_is_empty(&channel->calls))
        grpc_call_end(LIST_ENTRY(channel->calls.next, struct grpc_call, node), true, GRPC_CANCELLED,
                      SLICE_LITERAL("the channel was closed"), (struct slice){NULL, 0});
    while (!list_is_empty(&channel->links))
        grpc_link_close(LIST_ENTRY(channel->links.next, struct grpc_link, node));
    grpc_turn_bury(&channel->turn, &channel->grave, channel, channel_free);
}

void grpc_channel_restart(struct grpc_channel *channel)
{
    struct grpc_link *link = channel->link;
    if (channel->state == GRPC_CHANNEL_FREED)
        return;
    channel->link = NULL;
    channel->wants_link = link != NULL;
    channel->failures = 0;
    channel->state = GRPC_CHANNEL_IDLE;
    event_del(channel->timer);
    if (link)
        grpc_link_leave(link);
    grpc_channel_run_soon(channel);
}
