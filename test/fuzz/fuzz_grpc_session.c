/*
 * A whole server connection: the input is what a client sends. The first byte says whether preface
 * and SETTINGS are put before it, and in pieces of what size it comes.
 */
// fuzz: common
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/grpc/server_conn.h"
#include "common/log.h"

#define BEGINNING "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- methods that use everything ------------------------------------------------------------ */

static void on_message(void *context, struct grpc_stream *stream, struct slice message)
{
    unsigned *n_open = context;
    (void)n_open;
    /* What the client says decides what happens to it. */
    switch (message.len ? message.ptr[0] : 0) {
    case 'p':
        grpc_stream_pause(stream);
        break;
    case 'e':
        grpc_stream_end_details(stream, GRPC_ABORTED, "asked for", message);
        break;
    default:
        if (!grpc_stream_send(stream, message))
            grpc_stream_end(stream, GRPC_RESOURCE_EXHAUSTED, "full");
        break;
    }
}

static void on_peer_done(void *context, struct grpc_stream *stream)
{
    (void)context;
    grpc_stream_end(stream, GRPC_OK, NULL);
}

static void on_close(void *context, struct grpc_stream *stream)
{
    (void)stream;
    --*(unsigned *)context;
}

static void on_call(void *service, struct grpc_stream *stream)
{
    static const struct grpc_stream_handlers handlers = {
        .on_message = on_message, .on_peer_done = on_peer_done, .on_close = on_close};
    ++*(unsigned *)service;
    grpc_stream_accept(stream, &handlers, service);
}

static const struct grpc_method methods[] = {{"/t/M", on_call}};

/* ---- one connection ------------------------------------------------------------------------- */

static void give(struct event_base *base, int fd, const uint8_t *bytes, size_t len)
{
    /* Nobody reads the answers: an end that is full is closed, which is worth a case too. */
    if (len > 0 && send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    for (int i = 0; i < 3; i++)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void take_connection(struct grpc_server *server, int fd)
{
    struct err err;
    struct sockaddr_any peer = {.in = {.sin_family = AF_INET}, .len = sizeof(peer.in)};
    grpc_turn_enter(&server->turn);
    if (!grpc_conn_open(server, fd, &peer, NULL, &err))
        abort();
    grpc_turn_leave(&server->turn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    struct err err;
    unsigned n_open = 0;
    struct ip loopback = {.family = AF_INET, .bytes = {127, 0, 0, 1}};
    struct grpc_server_options options = {.listen = addr_make(&loopback, 0),
                                          .methods = methods,
                                          .n_methods = 1,
                                          .service = &n_open,
                                          .max_message_bytes = 4096,
                                          .max_queued_bytes = 8192};
    log_set_level(LOG_ERROR);
    struct event_base *base = event_base_new();
    struct grpc_server *server = base ? grpc_server_new(base, &options, &err) : NULL;
    if (!server || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        abort();
    take_connection(server, fds[0]);
    size_t piece = size ? (size_t)(data[0] >> 1) * 8 + 1 : 1;
    if (size && data[0] & 1)
        give(base, fds[1], (const uint8_t *)BEGINNING, sizeof(BEGINNING));
    for (size_t i = 1; i < size; i += piece)
        give(base, fds[1], data + i, size - i < piece ? size - i : piece);
    close(fds[1]);
    for (int i = 0; i < 10 && grpc_server_stats(server).connections; i++)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    if (grpc_server_stats(server).connections || grpc_server_stats(server).streams || n_open)
        abort(); /* the peer has gone, and so must everything of it */
    grpc_server_free(server);
    event_base_free(base);
    return 0;
}
