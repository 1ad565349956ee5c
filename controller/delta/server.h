/*
 * The delta aggregated discovery service of xDS (proto/discovery.proto) over the compiled
 * resources: all streams, the cache they share, and the moment when changes are sent.
 */
#ifndef OUTRIGGER_CONTROLLER_DELTA_SERVER_H
#define OUTRIGGER_CONTROLLER_DELTA_SERVER_H

#include <event2/event.h>

#include "common/err.h"
#include "common/grpc/server.h"
#include "controller/delta/cache.h"
#include "controller/delta/stream.h"

struct delta_server;

/* `trust_domain` and the compiler's context must outlive it. NULL with `err` filled. */
struct delta_server *delta_server_new(struct event_base *base, struct delta_compiler compiler,
                                      const char *trust_domain, struct err *err);

/* After the gRPC server is freed: no stream may be open. */
void delta_server_free(struct delta_server *server);

/* A call of DISCOVERY_METHOD; for struct grpc_method. */
void delta_server_call(struct delta_server *server, struct grpc_stream *stream);

/*
 * Something changed (store_on_change): what depends on it is compiled again and goes to who
 * subscribed to it, before the loop waits again.
 */
void delta_server_change(struct delta_server *server, const struct map *changed);

/* Ends every stream with UNAVAILABLE, so that the proxies go to another replica. */
void delta_server_drain(struct delta_server *server);

/* For the admin pages. */
const struct delta_streams *delta_server_streams(const struct delta_server *server);

#endif
