/*
 * A gRPC server of plain bytes for the interop tests: grpc_echo_server [name=value ...]
 *
 *   port, max_age_ms, max_age_grace_ms, max_message, max_streams, max_queued, keepalive_ms
 *   chain, key, anchors, domain: PEM files and trust domain, for TLS
 *
 * Prints "port N" when it listens. SIGTERM drains, then it exits 0 when no connection is left;
 * SIGINT frees everything at once.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/grpc/server.h"
#include "test/programs/grpc_args.h"

struct echo {
    struct event_base *base;
    struct grpc_server *server;
    struct event *drained;
};

/* One call of any of the methods. */
struct echo_call {
    struct buf unsent; /* one message that found no room */
    bool has_unsent;
    bool is_peer_done;
    bool ends_after_one;
    uint64_t left, size, received; /* of Source and Sink */
};

static struct echo_call *call_new(void)
{
    struct echo_call *call = calloc(1, sizeof(*call));
    if (!call)
        abort();
    buf_init(&call->unsent, 64 << 20);
    return call;
}

static void on_close(void *context, struct grpc_stream *stream)
{
    (void)stream;
    struct echo_call *call = context;
    buf_fini(&call->unsent);
    free(call);
}

/* ---- Unary and Bidi ------------------------------------------------------------------------- */

static void end_if_done(struct echo_call *call, struct grpc_stream *stream)
{
    if (!call->has_unsent && call->is_peer_done)
        grpc_stream_end(stream, GRPC_OK, NULL);
}

static void echo_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    struct echo_call *call = context;
    if (grpc_stream_send(stream, message))
        return;
    grpc_stream_pause(stream);
    call->has_unsent = true;
    if (!buf_append(&call->unsent, message.ptr, message.len))
        grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "no room");
}

static void echo_on_writable(void *context, struct grpc_stream *stream)
{
    struct echo_call *call = context;
    if (call->has_unsent && grpc_stream_send(stream, buf_slice(&call->unsent))) {
        buf_fini(&call->unsent);
        call->has_unsent = false;
        grpc_stream_resume(stream);
    }
    end_if_done(call, stream);
}

static void echo_on_peer_done(void *context, struct grpc_stream *stream)
{
    struct echo_call *call = context;
    call->is_peer_done = true;
    end_if_done(call, stream);
}

static void on_echo(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {
        .on_message = echo_on_message,
        .on_peer_done = echo_on_peer_done,
        .on_writable = echo_on_writable,
        .on_close = on_close,
    };
    grpc_stream_accept(stream, &handlers, call_new());
}

/* ---- Fail: "CODE MESSAGE", with the message as details too ---------------------------------- */

static void fail_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    (void)context;
    char text[4096];
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(message));
    char *rest;
    unsigned long code = strtoul(text, &rest, 10);
    if (*rest == ' ')
        rest++;
    grpc_stream_end_details(stream, (enum grpc_code)code, rest, slice_str(rest));
}

static void on_fail(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {.on_message = fail_on_message,
                                                         .on_close = on_close};
    grpc_stream_accept(stream, &handlers, call_new());
}

/* ---- Hang: takes the first message and no more, and says nothing ---------------------------- */

static void hang_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    (void)context;
    (void)message;
    grpc_stream_pause(stream);
}

static void on_hang(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {.on_message = hang_on_message,
                                                         .on_close = on_close};
    grpc_stream_accept(stream, &handlers, call_new());
}

/* ---- Source: "COUNT SIZE" messages; Sink: how many bytes came -------------------------------- */

static void source_send(struct echo_call *call, struct grpc_stream *stream)
{
    char *bytes = calloc(1, call->size + 1);
    while (bytes && call->left > 0 && grpc_stream_send(stream, slice_of(bytes, call->size)))
        call->left--;
    free(bytes);
    if (call->left == 0)
        grpc_stream_end(stream, GRPC_OK, NULL);
}

static void source_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    struct echo_call *call = context;
    char text[64], *rest;
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(message));
    call->left = strtoull(text, &rest, 10);
    call->size = strtoull(rest, NULL, 10);
    source_send(call, stream);
}

static void source_on_writable(void *context, struct grpc_stream *stream)
{
    source_send(context, stream);
}

static void on_source(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {
        .on_message = source_on_message, .on_writable = source_on_writable, .on_close = on_close};
    grpc_stream_accept(stream, &handlers, call_new());
}

static void sink_on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    (void)stream;
    ((struct echo_call *)context)->received += message.len;
}

static void sink_on_peer_done(void *context, struct grpc_stream *stream)
{
    struct echo_call *call = context;
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)call->received);
    bool is_sent = grpc_stream_send(stream, slice_str(text));
    grpc_stream_end(stream, is_sent ? GRPC_OK : GRPC_RESOURCE_EXHAUSTED, NULL);
}

static void on_sink(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {
        .on_message = sink_on_message, .on_peer_done = sink_on_peer_done, .on_close = on_close};
    grpc_stream_accept(stream, &handlers, call_new());
}

/* ---- Who: the peer's identity --------------------------------------------------------------- */

static void who_on_peer_done(void *context, struct grpc_stream *stream)
{
    (void)context;
    bool is_sent = grpc_stream_send(stream, grpc_stream_peer_id(stream));
    grpc_stream_end(stream, is_sent ? GRPC_OK : GRPC_RESOURCE_EXHAUSTED, NULL);
}

static void on_who(void *service, struct grpc_stream *stream)
{
    (void)service;
    static const struct grpc_stream_handlers handlers = {
        .on_message = sink_on_message, .on_peer_done = who_on_peer_done, .on_close = on_close};
    grpc_stream_accept(stream, &handlers, call_new());
}

static const struct grpc_method methods[] = {
    {"/test.Echo/Unary", on_echo},    {"/test.Echo/Bidi", on_echo}, {"/test.Echo/Fail", on_fail},
    {"/test.Echo/Hang", on_hang},     {"/test.Echo/Who", on_who},   {"/test.Echo/Sink", on_sink},
    {"/test.Echo/Source", on_source},
};

/* ---- the program ---------------------------------------------------------------------------- */

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct echo *echo = arg;
    struct timeval soon = clock_timeval_ms(20);
    if (grpc_server_stats(echo->server).connections == 0)
        event_base_loopbreak(echo->base);
    else
        event_add(echo->drained, &soon);
}

static void on_sigterm(evutil_socket_t fd, short what, void *arg)
{
    struct echo *echo = arg;
    grpc_server_drain(echo->server);
    on_drained(fd, what, echo);
}

static void on_sigint(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((struct echo *)arg)->base);
}

int main(int argc, char **argv)
{
    struct err err;
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct grpc_test_tls tls;
    struct echo echo = {.base = event_base_new()};
    if (!grpc_args_tls(argc, argv, SVID_SERVER_OPTIONAL, &tls, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    struct grpc_server_options options = {
        .listen = addr_make(&loopback, (uint16_t)grpc_args_number(argc, argv, "port")),
        .tls = tls.context ? grpc_test_tls_hold : NULL,
        .tls_context = &tls,
        .methods = methods,
        .n_methods = sizeof(methods) / sizeof(methods[0]),
        .service = &echo,
        .max_streams = (uint32_t)grpc_args_number(argc, argv, "max_streams"),
        .max_age_ms = grpc_args_number(argc, argv, "max_age_ms"),
        .max_age_grace_ms = grpc_args_number(argc, argv, "max_age_grace_ms"),
        .max_message_bytes = grpc_args_number(argc, argv, "max_message"),
        .max_queued_bytes = grpc_args_number(argc, argv, "max_queued"),
        .keepalive_ms = grpc_args_number(argc, argv, "keepalive_ms"),
    };
    echo.server = grpc_server_new(echo.base, &options, &err);
    if (!echo.server) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct event *sigterm = evsignal_new(echo.base, SIGTERM, on_sigterm, &echo);
    struct event *sigint = evsignal_new(echo.base, SIGINT, on_sigint, &echo);
    echo.drained = evtimer_new(echo.base, on_drained, &echo);
    event_add(sigterm, NULL);
    event_add(sigint, NULL);
    printf("port %u\n", grpc_server_port(echo.server));
    fflush(stdout);
    event_base_dispatch(echo.base);
    grpc_server_free(echo.server);
    event_free(sigterm);
    event_free(sigint);
    event_free(echo.drained);
    event_base_free(echo.base);
    svid_tls_drop(tls.context);
    return 0;
}
