/*
 * "host:port" to socket addresses, without blocking: addresses at once, names through libevent's
 * DNS (/etc/hosts, then the name servers of /etc/resolv.conf, which are read anew each time).
 */
#ifndef OUTRIGGER_COMMON_GRPC_RESOLVE_H
#define OUTRIGGER_COMMON_GRPC_RESOLVE_H

#include <event2/event.h>
#include <stdbool.h>

#include "common/cidr.h"
#include "common/err.h"

#define GRPC_RESOLVE_MAX_ADDRESSES 16

/* Splits a target. `host` has `size` bytes and gets no brackets. False: not "host:port". */
bool grpc_target_split(const char *target, char *host, size_t size, char port[6],
                       struct err *err) MUST_USE;

struct grpc_resolve; /* a resolution under way */

/* `n` is 0 when it failed; `err` says why. The resolution is over, its pointer no longer good. */
typedef void grpc_resolve_fn(void *context, const struct sockaddr_any *addresses, size_t n,
                             const struct err *err);

/*
 * Calls `done` once, from the event loop and never from in here. NULL when memory is short.
 * `target` must be one that grpc_target_split() takes.
 */
struct grpc_resolve *grpc_resolve_start(struct event_base *base, const char *target,
                                        grpc_resolve_fn *done, void *context);

/* No callback any more. NULL is allowed. */
void grpc_resolve_cancel(struct grpc_resolve *resolve);

#endif
