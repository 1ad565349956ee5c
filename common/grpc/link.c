#include "common/grpc/link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/grpc/call.h"
#include "common/jitter.h"

#define LINK_MAX_HEAD_BYTES 65536

static void try_next(struct grpc_link *link);

static void link_set_state(struct grpc_link *link, enum grpc_link_state state)
{
    assert(state > link->state);
    link->state = state;
}

static bool link_is_open(const struct grpc_link *link)
{
    return link->state != GRPC_LINK_CLOSED;
}

static void link_lost(struct grpc_link *link, const struct err *err)
{
    grpc_channel_link_lost(link->channel, link, err);
}

/* ---- the session ---------------------------------------------------------------------------- */

static bool on_header(void *owner, struct grpc_pipe *pipe, struct slice name, struct slice value)
{
    (void)owner;
    return grpc_call_on_header(pipe, name, value);
}

static void on_head(void *owner, struct grpc_pipe *pipe, bool is_end)
{
    struct grpc_link *link = owner;
    link->is_proven = true;
    grpc_call_on_head(pipe, is_end);
}

static void on_ready(void *owner, struct grpc_pipe *pipe)
{
    (void)owner;
    grpc_call_on_ready(pipe);
}

static void on_up(void *owner)
{
    struct grpc_link *link = owner;
    if (link->state != GRPC_LINK_OPENING)
        return;
    link->was_up = true;
    link->up_ns = clock_now_ns();
    link_set_state(link, GRPC_LINK_UP);
    grpc_channel_link_up(link->channel, link);
}

static void on_goaway(void *owner, const struct err *err)
{
    struct grpc_link *link = owner;
    if (link->state != GRPC_LINK_UP)
        return;
    link_set_state(link, GRPC_LINK_LEAVING);
    grpc_channel_link_leaving(link->channel, link, err);
}

static void on_lost(void *owner, const struct err *err)
{
    link_lost(owner, err);
}

static const struct grpc_session_ops ops = {
    .on_header = on_header,
    .on_head = on_head,
    .on_ready = on_ready,
    .on_up = on_up,
    .on_goaway = on_goaway,
    .on_lost = on_lost,
};

/* Milliseconds that are left, at least 1. */
static uint64_t time_left_ms(const struct grpc_link *link)
{
    uint64_t now = clock_now_ns();
    return now < link->deadline_ns ? (link->deadline_ns - now) / NS_PER_MS + 1 : 1;
}

static void session_begin(struct grpc_link *link)
{
    const struct grpc_channel_options *options = &link->channel->options;
    struct grpc_session_settings settings = {
        .max_head_bytes = LINK_MAX_HEAD_BYTES,
        .setup_timeout_ms = time_left_ms(link),
        .keepalive_ms = options->keepalive_ms,
        .keepalive_timeout_ms = options->keepalive_timeout_ms,
    };
    struct err err;
    struct svid_tls *tls = NULL;
    int fd = link->fd;
    link->fd = -1;
    link_set_state(link, GRPC_LINK_OPENING);
    event_del(link->timer);
    if (options->tls) {
        tls = options->tls(options->tls_context);
        link->is_secure = true;
        if (!tls) {
            close(fd);
            err_set(&err, "no certificate yet");
            link_lost(link, &err);
            return;
        }
    }
    link->has_session = true;
    bool is_open =
        grpc_session_open(&link->session, &link->channel->turn, link->channel->base, fd, tls,
                          slice_str(options->expected_identity), &settings, &ops, link, &err);
    svid_tls_drop(tls);
    if (!is_open)
        link_lost(link, &err);
}

/* ---- connect -------------------------------------------------------------------------------- */

static void connect_over(struct grpc_link *link)
{
    if (link->connected)
        event_free(link->connected);
    link->connected = NULL;
}

static void connect_failed(struct grpc_link *link, int error)
{
    char text[ADDR_TEXT_BYTES];
    struct err err;
    size_t i = (link->first + link->n_tried - 1) % link->n_addresses;
    connect_over(link);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    if (link->n_tried < link->n_addresses) {
        try_next(link);
        return;
    }
    err_set_errno(&err, error, "connect to %s", addr_format(&link->addresses[i], text));
    link_lost(link, &err);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct grpc_link *link = arg;
    struct grpc_turn *turn = &link->channel->turn;
    int error = 0;
    socklen_t len = sizeof(error);
    grpc_turn_enter(turn);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        connect_failed(link, error);
    } else {
        connect_over(link);
        session_begin(link);
    }
    grpc_turn_leave(turn);
}

static void try_next(struct grpc_link *link)
{
    const struct sockaddr_any *address =
        &link->addresses[(link->first + link->n_tried++) % link->n_addresses];
    link->fd = socket(address->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    uint32_t mark = link->channel->options.socket_mark;
    if (link->fd < 0 ||
        (mark && setsockopt(link->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) ||
        (connect(link->fd, &address->sa, address->len) < 0 && errno != EINPROGRESS)) {
        connect_failed(link, errno);
        return;
    }
    /* A connection that is made already is told at once too. */
    link->connected = event_new(link->channel->base, link->fd, EV_WRITE, on_connected, link);
    if (!link->connected || event_add(link->connected, NULL) < 0)
        connect_failed(link, ENOMEM);
}

static void on_resolved(void *context, const struct sockaddr_any *addresses, size_t n,
                        const struct err *err)
{
    struct grpc_link *link = context;
    struct grpc_turn *turn = &link->channel->turn;
    grpc_turn_enter(turn);
    link->resolve = NULL;
    if (n == 0) {
        struct err why = *err;
        err_prefix(&why, "resolve %s", link->channel->options.target);
        link_lost(link, &why);
    } else {
        memcpy(link->addresses, addresses, n * sizeof(addresses[0]));
        link->n_addresses = n;
        link->first = jitter_below(n);
        link_set_state(link, GRPC_LINK_CONNECTING);
        try_next(link);
    }
    grpc_turn_leave(turn);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct grpc_link *link = arg;
    struct grpc_turn *turn = &link->channel->turn;
    struct err err;
    grpc_turn_enter(turn);
    err_set(&err, "%s %s: no answer within %llu ms",
            link->state == GRPC_LINK_RESOLVING ? "resolve" : "connect to",
            link->channel->options.target,
            (unsigned long long)link->channel->options.connect_timeout_ms);
    link_lost(link, &err);
    grpc_turn_leave(turn);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void link_free(void *object)
{
    struct grpc_link *link = object;
    if (link->has_session)
        grpc_session_fini(&link->session);
    if (link->timer)
        event_free(link->timer);
    free(link);
}

struct grpc_link *grpc_link_new(struct grpc_channel *channel)
{
    struct grpc_link *link = calloc(1, sizeof(*link));
    if (!link)
        return NULL;
    struct timeval wait = clock_timeval_ms(channel->options.connect_timeout_ms);
    list_init(&link->node);
    link->channel = channel;
    link->fd = -1;
    link->deadline_ns = clock_now_ns() + channel->options.connect_timeout_ms * NS_PER_MS;
    link->timer = evtimer_new(channel->base, on_timer, link);
    if (link->timer && event_add(link->timer, &wait) == 0)
        link->resolve =
            grpc_resolve_start(channel->base, channel->options.target, on_resolved, link);
    if (!link->resolve) {
        link_free(link);
        return NULL;
    }
    return link;
}

bool grpc_link_submit(struct grpc_link *link, struct grpc_pipe *pipe, const nghttp2_nv *fields,
                      size_t n_fields)
{
    nghttp2_data_provider source = grpc_session_source();
    int32_t id = nghttp2_submit_request(link->session.h2, NULL, fields, n_fields, &source, pipe);
    if (id <= 0)
        return false;
    grpc_session_attach(&link->session, pipe, id);
    return true;
}

void grpc_link_leave(struct grpc_link *link)
{
    if (!link_is_open(link))
        return;
    if (link->state < GRPC_LINK_UP) {
        grpc_link_close(link);
        return;
    }
    if (link->state == GRPC_LINK_UP)
        link_set_state(link, GRPC_LINK_LEAVING);
    grpc_session_end(&link->session);
}

void grpc_link_close(struct grpc_link *link)
{
    if (!link_is_open(link))
        return;
    link_set_state(link, GRPC_LINK_CLOSED);
    grpc_resolve_cancel(link->resolve);
    link->resolve = NULL;
    connect_over(link);
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    event_del(link->timer);
    if (link->has_session)
        grpc_session_close(&link->session);
    list_remove(&link->node);
    grpc_turn_bury(&link->channel->turn, &link->grave, link, link_free);
}
