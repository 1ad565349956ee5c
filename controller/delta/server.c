#include "controller/delta/server.h"

#include <stdlib.h>

/* Streams served in one turn of the loop; between two turns sockets are read, so that a change that
 * concerns ten thousand proxies does not keep a new one waiting. */
#define FLUSH_STREAMS 256

struct delta_server {
    struct delta_streams streams;
};

static void on_flush(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct delta_streams *streams = context;
    for (int i = 0; i < FLUSH_STREAMS && !list_is_empty(&streams->due); i++)
        delta_stream_push(LIST_ENTRY(streams->due.next, struct delta_stream, due_node));
    if (!list_is_empty(&streams->due))
        event_add(streams->flush, &(struct timeval){0});
}

struct delta_server *delta_server_new(struct event_base *base, struct delta_compiler compiler,
                                      const char *trust_domain, struct err *err)
{
    struct delta_server *server = calloc(1, sizeof(*server));
    struct event *flush = server ? event_new(base, -1, 0, on_flush, &server->streams) : NULL;
    if (!flush) {
        free(server);
        err_set(err, "discovery: out of memory");
        return NULL;
    }
    server->streams =
        (struct delta_streams){.base = base, .trust_domain = trust_domain, .flush = flush};
    delta_cache_init(&server->streams.cache, compiler);
    list_init(&server->streams.open);
    list_init(&server->streams.due);
    return server;
}

void delta_server_free(struct delta_server *server)
{
    if (!server)
        return;
    event_free(server->streams.flush);
    delta_cache_fini(&server->streams.cache);
    free(server);
}

void delta_server_call(struct delta_server *server, struct grpc_stream *stream)
{
    delta_stream_accept(&server->streams, stream);
}

static void on_changed(void *context, struct delta_entry *entry)
{
    (void)context;
    delta_state_changed(entry);
}

void delta_server_change(struct delta_server *server, const struct map *changed)
{
    delta_cache_change(&server->streams.cache, changed, on_changed, NULL);
}

void delta_server_drain(struct delta_server *server)
{
    LIST_EACH(node, &server->streams.open)
        delta_stream_end(LIST_ENTRY(node, struct delta_stream, open_node), GRPC_UNAVAILABLE,
                         "the controller is shutting down");
}

const struct delta_streams *delta_server_streams(const struct delta_server *server)
{
    return &server->streams;
}
