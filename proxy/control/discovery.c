#include "proxy/control/discovery.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/grpc/client.h"
#include "common/jitter.h"
#include "common/log.h"
#include "proxy/control/request.h"
#include "proxy/wire.h"

#define DISCOVERY_MAX_MESSAGE (16u << 20)
#define DISCOVERY_MAX_QUEUED  (4u << 20)
#define DISCOVERY_SILENCE_MS  10000
#define DISCOVERY_SETTLE_MS   1000 /* a stream that lives so long on a connection counts as open */

/*
 * IDLE: no certificate yet. WAITING: until the back-off ends. OPENING: a call has been started.
 * OPEN: the controller has answered, or has kept the call for a while (it has nothing to say to a
 * proxy that holds everything already).
 */
enum discovery_state { DISCOVERY_IDLE, DISCOVERY_WAITING, DISCOVERY_OPENING, DISCOVERY_OPEN };

struct discovery {
    struct discovery_settings settings;
    enum discovery_state state;
    struct grpc_channel *channel;
    struct grpc_call *call; /* OPENING and OPEN only */
    struct svid_tls *tls;
    struct event *timer;   /* what the state waits for: back-off, settling, silence */
    struct event *penalty; /* a NACK that is held back */
    bool is_channel_connected;
    bool is_counted;   /* the stream, as opened */
    bool is_lost_told; /* in the log; once until it is found again */
    bool is_found_told;
    uint64_t opened_ns; /* when the call was started */
    unsigned attempt;
    int64_t since;
    struct err last_error, last_nack;
    uint64_t nacks;
    unsigned nacks_in_a_row;
    uint64_t last_nack_ns;
    struct buf held_back; /* the NACK; empty when none is */
};

static void discovery_start(struct discovery *discovery);

static void discovery_arm(struct discovery *discovery, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    event_add(discovery->timer, &wait);
}

static void discovery_set_state(struct discovery *discovery, enum discovery_state state)
{
    enum discovery_state old = discovery->state;
    assert((state == DISCOVERY_OPEN) <= (old == DISCOVERY_OPENING));
    assert(state != DISCOVERY_IDLE);
    discovery->state = state;
    if ((old == DISCOVERY_OPEN) == (state == DISCOVERY_OPEN))
        return;
    discovery->since = clock_wall_sec();
    telemetry_add(discovery->settings.telemetry, COUNTER_CONTROL_CONNECTED,
                  state == DISCOVERY_OPEN ? 1 : -1);
}

/* The controller is there. Said once, until it is lost; each stream is counted once. */
static void discovery_opened(struct discovery *discovery)
{
    if (!discovery->is_counted)
        telemetry_add(discovery->settings.telemetry, COUNTER_CONTROL_CONNECTS, 1);
    discovery->is_counted = true;
    if (discovery->state == DISCOVERY_OPEN)
        return;
    discovery_set_state(discovery, DISCOVERY_OPEN);
    discovery->last_error.text[0] = '\0';
    if (!discovery->is_found_told)
        LOG(LOG_INFO, "control_connected", LOG_S("controller", discovery->settings.controller));
    discovery->is_found_told = true;
    discovery->is_lost_told = false;
    discovery_arm(discovery, discovery->settings.silence_ms);
}

/* Leaves the stream without a word; what it was told is forgotten, what it told is not. */
static void discovery_leave(struct discovery *discovery)
{
    resources_stream_closed(discovery->settings.resources);
    event_del(discovery->penalty);
    buf_consume(&discovery->held_back, buf_len(&discovery->held_back));
    if (discovery->call)
        grpc_call_cancel(discovery->call);
    discovery->call = NULL;
}

/* The stream is over, or of no use: wait, then try again. `why` was put into last_error. */
static void discovery_lost(struct discovery *discovery)
{
    const struct discovery_settings *settings = &discovery->settings;
    uint64_t lived_ns = clock_now_ns() - discovery->opened_ns;
    discovery_leave(discovery);
    /* One that lived was no failure of this attempt; one that comes and goes is. */
    if (discovery->state == DISCOVERY_OPEN && lived_ns >= settings->backoff_max_ms * NS_PER_MS)
        discovery->attempt = 0;
    uint64_t wait_ms =
        jitter_backoff(settings->backoff_min_ms, settings->backoff_max_ms, discovery->attempt++);
    discovery_set_state(discovery, DISCOVERY_WAITING);
    discovery_arm(discovery, wait_ms);
    telemetry_add(settings->telemetry, COUNTER_CONTROL_FAILURES, 1);
    if (!discovery->is_lost_told)
        LOG(LOG_WARN, "control_lost", LOG_S("controller", settings->controller),
            LOG_S("error", discovery->last_error.text), LOG_I("retry_ms", wait_ms));
    discovery->is_lost_told = true;
    discovery->is_found_told = false;
}

static bool discovery_send(struct discovery *discovery, struct buf *request)
{
    bool ok = grpc_call_send(discovery->call, buf_slice(request));
    buf_consume(request, buf_len(request));
    return ok;
}

/* ---- answers ---- */

static void discovery_penalty_over(evutil_socket_t fd, short what, void *context)
{
    struct discovery *discovery = context;
    (void)fd;
    (void)what;
    if (!discovery_send(discovery, &discovery->held_back)) {
        err_set(&discovery->last_error, "too many bytes wait to be sent");
        discovery_lost(discovery);
        return;
    }
    grpc_call_resume(discovery->call);
}

/*
 * A controller that sends the same bad resource after each NACK would keep both sides busy: from
 * the second refusal on the answer is held back, and nothing is read meanwhile.
 */
static bool discovery_hold_back(struct discovery *discovery)
{
    const struct discovery_settings *settings = &discovery->settings;
    uint64_t now_ns = clock_now_ns();
    if (now_ns - discovery->last_nack_ns > 2 * settings->backoff_max_ms * NS_PER_MS)
        discovery->nacks_in_a_row = 0;
    discovery->last_nack_ns = now_ns;
    if (discovery->nacks_in_a_row++ == 0)
        return false;
    struct timeval wait = clock_timeval_ms(jitter_backoff(
        settings->backoff_min_ms, settings->backoff_max_ms, discovery->nacks_in_a_row - 2));
    grpc_call_pause(discovery->call);
    event_add(discovery->penalty, &wait);
    return true;
}

static bool discovery_nack(struct discovery *discovery, const DeltaDiscoveryResponse *response,
                           const struct err *refusal)
{
    discovery->last_nack = *refusal;
    discovery->nacks++;
    telemetry_add(discovery->settings.telemetry, COUNTER_CONTROL_NACKS, 1);
    LOG_LIMITED(LOG_WARN, "resource_refused", LOG_S("error", refusal->text),
                LOG_S("type", response->type_url), LOG_S("nonce", response->nonce));
    if (!request_reply(&discovery->held_back, response->type_url, response->nonce, refusal))
        return false;
    return discovery_hold_back(discovery) || discovery_send(discovery, &discovery->held_back);
}

static bool discovery_ack(struct discovery *discovery, const DeltaDiscoveryResponse *response)
{
    struct buf request;
    buf_init(&request, DISCOVERY_MAX_QUEUED);
    telemetry_add(discovery->settings.telemetry, COUNTER_CONTROL_ACKS, 1);
    bool ok = request_reply(&request, response->type_url, response->nonce, NULL) &&
              discovery_send(discovery, &request);
    buf_fini(&request);
    return ok;
}

static void discovery_on_message(void *context, struct grpc_call *call, struct slice message)
{
    struct discovery *discovery = context;
    struct err refusal;
    (void)call;
    DeltaDiscoveryResponse *response =
        wire_unpack(&envoy__service__discovery__v3__delta_discovery_response__descriptor, message,
                    &discovery->last_error);
    if (!response) {
        discovery_lost(discovery);
        return;
    }
    discovery_opened(discovery);
    bool ok = resources_apply(discovery->settings.resources, response, &refusal)
                  ? discovery_ack(discovery, response)
                  : discovery_nack(discovery, response, &refusal);
    wire_free(response);
    discovery->settings.on_change(discovery->settings.context);
    if (!ok) {
        err_set(&discovery->last_error, "too many bytes wait to be sent");
        discovery_lost(discovery);
    }
}

static void discovery_on_end(void *context, struct grpc_call *call,
                             const struct grpc_status *status)
{
    struct discovery *discovery = context;
    (void)call;
    discovery->call = NULL;
    err_set(&discovery->last_error, "%s: %.*s", grpc_code_name(status->code),
            SLICE_ARG(status->message));
    discovery_lost(discovery);
}

/* ---- the stream ---- */

static bool discovery_send_all(struct discovery *discovery)
{
    struct resources *resources = discovery->settings.resources;
    struct buf request;
    bool ok = true;
    buf_init(&request, DISCOVERY_MAX_QUEUED);
    for (size_t type = 0; ok && type < RESOURCE_TYPES; type++) {
        if (resources_followed(resources, type)->count == 0)
            continue;
        ok = request_first(&request, resources, type,
                           type == RESOURCE_WORKLOAD ? resources->trust_domain : NULL) &&
             discovery_send(discovery, &request);
    }
    buf_fini(&request);
    return ok;
}

static void discovery_start(struct discovery *discovery)
{
    static const struct grpc_call_handlers handlers = {
        .on_message = discovery_on_message,
        .on_end = discovery_on_end,
    };
    bool is_move = discovery->state == DISCOVERY_OPEN; /* to another connection: it stays open */
    discovery->opened_ns = clock_now_ns();
    discovery->is_counted = false;
    if (!is_move)
        discovery_set_state(discovery, DISCOVERY_OPENING);
    resources_stream_opened(discovery->settings.resources, discovery->opened_ns);
    discovery->call =
        grpc_call_start(discovery->channel, DISCOVERY_METHOD, &handlers, discovery, 0);
    if (!discovery->call || !discovery_send_all(discovery)) {
        err_set(&discovery->last_error, "out of memory");
        discovery_lost(discovery);
        return;
    }
    discovery_arm(discovery, DISCOVERY_SETTLE_MS);
}

/* Whether something that was asked for `silence_ms` ago has had no answer at all. */
static bool discovery_is_silent(const struct discovery *discovery)
{
    uint64_t silence_ns = discovery->settings.silence_ms * NS_PER_MS, now_ns = clock_now_ns();
    return now_ns > silence_ns &&
           resources_is_unanswered(discovery->settings.resources, now_ns - silence_ns);
}

static void discovery_on_timer(evutil_socket_t fd, short what, void *context)
{
    struct discovery *discovery = context;
    (void)fd;
    (void)what;
    switch (discovery->state) {
    case DISCOVERY_IDLE:
        return;
    case DISCOVERY_WAITING:
        if (discovery->tls)
            discovery_start(discovery);
        return; /* without a certificate: discovery_use_tls() starts */
    case DISCOVERY_OPENING:
    case DISCOVERY_OPEN:
        if (discovery->is_channel_connected &&
            !resources_is_unanswered(discovery->settings.resources, UINT64_MAX))
            discovery_opened(discovery);
        break;
    }
    if (discovery_is_silent(discovery)) {
        err_set(&discovery->last_error, "the controller gave no answer for %llu ms",
                (unsigned long long)discovery->settings.silence_ms);
        discovery_lost(discovery);
        return;
    }
    /* With everything answered nobody has to look; discovery_flush() arms it again. */
    if (discovery->state == DISCOVERY_OPENING)
        discovery_arm(discovery, DISCOVERY_SETTLE_MS);
    else if (resources_is_unanswered(discovery->settings.resources, UINT64_MAX))
        discovery_arm(discovery, discovery->settings.silence_ms);
}

static struct svid_tls *discovery_tls(void *context)
{
    struct discovery *discovery = context;
    return discovery->tls ? svid_tls_hold(discovery->tls) : NULL;
}

static void discovery_on_channel(void *context, bool is_connected, const struct err *err)
{
    struct discovery *discovery = context;
    (void)err; /* the call ends with the reason */
    discovery->is_channel_connected = is_connected;
}

void discovery_use_tls(struct discovery *discovery, struct svid_tls *tls)
{
    struct svid_tls *old = discovery->tls;
    discovery->tls = tls ? svid_tls_hold(tls) : NULL;
    svid_tls_drop(old);
    if (!tls)
        return;
    discovery_leave(discovery);
    grpc_channel_renew(discovery->channel);
    discovery_start(discovery);
}

void discovery_flush(struct discovery *discovery)
{
    struct resources *resources = discovery->settings.resources;
    struct buf request;
    bool ok = true, is_sent = false;
    if (!discovery->call)
        return;
    buf_init(&request, DISCOVERY_MAX_QUEUED);
    for (size_t type = 0; ok && type < RESOURCE_TYPES; type++) {
        if (!request_is_due(resources, type))
            continue;
        ok = request_changes(&request, resources, type) && discovery_send(discovery, &request);
        is_sent = true;
    }
    buf_fini(&request);
    if (!ok) {
        err_set(&discovery->last_error, "too many bytes wait to be sent");
        discovery_lost(discovery);
    } else if (is_sent && !event_pending(discovery->timer, EV_TIMEOUT, NULL)) {
        discovery_arm(discovery, discovery->settings.silence_ms);
    }
}

struct discovery_status discovery_status(const struct discovery *discovery)
{
    return (struct discovery_status){
        .is_open = discovery->state == DISCOVERY_OPEN,
        .since = discovery->since,
        .last_error = discovery->last_error.text,
        .last_nack = discovery->last_nack.text,
        .nacks = discovery->nacks,
    };
}

struct discovery *discovery_new(struct event_base *base, const struct discovery_settings *settings,
                                struct err *err)
{
    struct grpc_channel_options options = {
        .target = settings->controller,
        .tls = discovery_tls,
        .expected_identity = settings->controller_identity,
        .socket_mark = settings->socket_mark,
        /* Attempts are paced here; the channel must not add waits of its own. */
        .backoff_min_ms = settings->backoff_min_ms,
        .backoff_max_ms = settings->backoff_min_ms,
        .max_message_bytes = DISCOVERY_MAX_MESSAGE,
        .max_queued_bytes = DISCOVERY_MAX_QUEUED,
        .on_state = discovery_on_channel,
    };
    struct discovery *discovery = calloc(1, sizeof(*discovery));
    if (!discovery) {
        err_set(err, "discovery: out of memory");
        return NULL;
    }
    options.tls_context = options.state_context = discovery;
    discovery->settings = *settings;
    if (!discovery->settings.silence_ms)
        discovery->settings.silence_ms = DISCOVERY_SILENCE_MS;
    discovery->since = clock_wall_sec();
    buf_init(&discovery->held_back, DISCOVERY_MAX_QUEUED);
    discovery->timer = event_new(base, -1, 0, discovery_on_timer, discovery);
    discovery->penalty = event_new(base, -1, 0, discovery_penalty_over, discovery);
    discovery->channel = grpc_channel_new(base, &options, err);
    if (discovery->timer && discovery->penalty && discovery->channel)
        return discovery;
    if (discovery->channel)
        err_set(err, "discovery: out of memory");
    discovery_free(discovery);
    return NULL;
}

void discovery_free(struct discovery *discovery)
{
    if (!discovery)
        return;
    if (discovery->penalty)
        discovery_leave(discovery);
    grpc_channel_free(discovery->channel);
    if (discovery->timer)
        event_free(discovery->timer);
    if (discovery->penalty)
        event_free(discovery->penalty);
    buf_fini(&discovery->held_back);
    svid_tls_drop(discovery->tls);
    free(discovery);
}
