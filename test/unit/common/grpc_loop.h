/*
 * A server and a channel on loopback in one event base, and calls that note what happened to them.
 * For the tests of common/grpc/.
 */
#ifndef OUTRIGGER_TEST_UNIT_COMMON_GRPC_LOOP_H
#define OUTRIGGER_TEST_UNIT_COMMON_GRPC_LOOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/grpc/client.h"
#include "common/grpc/server.h"

#define LOOP_WAIT_MS 10000

struct loop {
    struct event_base *base;
    struct grpc_server *server;
    struct grpc_channel *channel;
    char target[32];
    unsigned n_up, n_down; /* told by on_state */
    struct err last_err;
    struct grpc_stream *stream; /* the newest of the server */
    unsigned n_closed;          /* on_close of the server's streams */
    size_t server_bytes;        /* that its methods received */
    unsigned n_server_writable;
    bool is_server_paused; /* streams are paused when they are accepted */
    void (*on_server_message)(struct loop *loop, struct grpc_stream *stream);
};

/* One call and what it saw. */
struct seen {
    struct loop *loop;
    struct grpc_call *call;
    unsigned n_messages, n_writable, n_ends;
    size_t bytes;
    char last[64];
    enum grpc_code code;
    char text[512];
    void (*on_message)(struct seen *seen); /* may be NULL */
    void (*on_end)(struct seen *seen);     /* may be NULL */
};

/* ---- the server ----------------------------------------------------------------------------- */

static inline void loop_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    struct loop *loop = context;
    loop->server_bytes += message.len;
    if (loop->on_server_message)
        loop->on_server_message(loop, stream);
}

static inline void loop_on_writable(void *context, struct grpc_stream *stream)
{
    (void)stream;
    ((struct loop *)context)->n_server_writable++;
}

static inline void loop_on_close(void *context, struct grpc_stream *stream)
{
    struct loop *loop = context;
    loop->n_closed++;
    if (loop->stream == stream)
        loop->stream = NULL;
}

static inline void echo_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    ((struct loop *)context)->server_bytes += message.len;
    assert_true(grpc_stream_send(stream, message));
}

static inline void echo_on_peer_done(void *context, struct grpc_stream *stream)
{
    (void)context;
    grpc_stream_end(stream, GRPC_OK, NULL);
}

static inline void loop_take(struct loop *loop, struct grpc_stream *stream,
                             const struct grpc_stream_handlers *handlers)
{
    loop->stream = stream;
    grpc_stream_accept(stream, handlers, loop);
    if (loop->is_server_paused)
        grpc_stream_pause(stream);
}

static inline void on_call_echo(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {.on_message = echo_on_message,
                                                         .on_peer_done = echo_on_peer_done,
                                                         .on_close = loop_on_close};
    loop_take(service, stream, &handlers);
}

/* Takes what comes and never ends by itself. */
static inline void on_call_open(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {
        .on_message = loop_on_message, .on_writable = loop_on_writable, .on_close = loop_on_close};
    loop_take(service, stream, &handlers);
}

static inline void on_call_refuse(void *service, struct grpc_stream *stream)
{
    (void)service;
    grpc_stream_end(stream, GRPC_PERMISSION_DENIED, "not you");
}

static inline void on_call_forget(void *service, struct grpc_stream *stream)
{
    (void)service;
    (void)stream;
}

static const struct grpc_method loop_methods[] = {
    {"/t/Echo", on_call_echo},
    {"/t/Open", on_call_open},
    {"/t/Refuse", on_call_refuse},
    {"/t/Forget", on_call_forget},
};

static inline struct grpc_server_options loop_server_options(struct loop *loop)
{
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    return (struct grpc_server_options){
        .listen = addr_make(&loopback, 0),
        .methods = loop_methods,
        .n_methods = sizeof(loop_methods) / sizeof(loop_methods[0]),
        .service = loop,
    };
}

static inline void loop_start_server(struct loop *loop, const struct grpc_server_options *options)
{
    struct err err;
    loop->server = grpc_server_new(loop->base, options, &err);
    if (!loop->server)
        fail_msg("%s", err.text);
    snprintf(loop->target, sizeof(loop->target), "127.0.0.1:%u", grpc_server_port(loop->server));
}

/* ---- the client ----------------------------------------------------------------------------- */

static inline void loop_on_state(void *context, bool is_connected, const struct err *err)
{
    struct loop *loop = context;
    if (is_connected) {
        loop->n_up++;
    } else {
        loop->n_down++;
        loop->last_err = *err;
    }
}

static inline void loop_start_channel(struct loop *loop, struct grpc_channel_options options)
{
    struct err err;
    options.target = loop->target;
    options.on_state = loop_on_state;
    options.state_context = loop;
    loop->channel = grpc_channel_new(loop->base, &options, &err);
    if (!loop->channel)
        fail_msg("%s", err.text);
}

static inline void seen_on_message(void *context, struct grpc_call *call, struct slice message)
{
    struct seen *seen = context;
    (void)call;
    seen->n_messages++;
    seen->bytes += message.len;
    snprintf(seen->last, sizeof(seen->last), "%.*s", message.len < 60 ? (int)message.len : 60,
             message.len ? message.ptr : "");
    if (seen->on_message)
        seen->on_message(seen);
}

static inline void seen_on_writable(void *context, struct grpc_call *call)
{
    (void)call;
    ((struct seen *)context)->n_writable++;
}

static inline void seen_on_end(void *context, struct grpc_call *call,
                               const struct grpc_status *status)
{
    struct seen *seen = context;
    assert_ptr_equal(call, seen->call);
    seen->n_ends++;
    seen->code = status->code;
    snprintf(seen->text, sizeof(seen->text), "%.*s", (int)status->message.len,
             status->message.len ? status->message.ptr : "");
    seen->call = NULL;
    if (seen->on_end)
        seen->on_end(seen);
}

static inline void seen_start(struct seen *seen, struct loop *loop, const char *path,
                              uint64_t deadline_ms)
{
    static const struct grpc_call_handlers handlers = {seen_on_message, seen_on_writable,
                                                       seen_on_end};
    seen->loop = loop;
    seen->call = grpc_call_start(loop->channel, path, &handlers, seen, deadline_ms);
    assert_non_null(seen->call);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static inline void loop_on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Turns the loop until the condition holds; it must come true. */
#define LOOP_UNTIL(loop, condition)                                                                \
    do {                                                                                           \
        bool is_late_ = false;                                                                     \
        struct timeval wait_ = clock_timeval_ms(LOOP_WAIT_MS);                                     \
        struct event *timer_ = evtimer_new((loop)->base, loop_on_timeout, &is_late_);              \
        event_add(timer_, &wait_);                                                                 \
        while (!(condition) && !is_late_)                                                          \
            event_base_loop((loop)->base, EVLOOP_ONCE);                                            \
        event_free(timer_);                                                                        \
        if (is_late_)                                                                              \
            fail_msg("never: %s", #condition);                                                     \
    } while (0)

/* Turns the loop until nothing is left to do at once; says nothing about timers. */
static inline void loop_settle(struct loop *loop)
{
    for (unsigned i = 0; i < 100; i++)
        event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline int loop_set_up(void **state)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    loop->base = event_base_new();
    *state = loop;
    return 0;
}

static inline int loop_tear_down(void **state)
{
    struct loop *loop = *state;
    grpc_channel_free(loop->channel);
    grpc_server_free(loop->server);
    event_base_free(loop->base);
    free(loop);
    return 0;
}

/* Server and channel with defaults. */
static inline int loop_set_up_both(void **state)
{
    loop_set_up(state);
    struct loop *loop = *state;
    struct grpc_server_options options = loop_server_options(loop);
    loop_start_server(loop, &options);
    loop_start_channel(loop, (struct grpc_channel_options){0});
    return 0;
}

#endif
