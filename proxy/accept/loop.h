/*
 * A way that would lead back into the proxy: refused wherever a destination or an endpoint is
 * about to be used.
 */
#ifndef OUTRIGGER_PROXY_ACCEPT_LOOP_H
#define OUTRIGGER_PROXY_ACCEPT_LOOP_H

#include "proxy/config/workload.h"
#include "proxy/settings.h"
#include "proxy/telemetry/telemetry.h"

/* Is it one of the pod's own addresses? `workload` may be NULL: then it is not known to be. */
bool loop_is_self(const struct workload *workload, const struct sockaddr_any *address);

/*
 * Is it a port of the proxy itself? `fd` is the socket that was accepted, whose local address is
 * the proxy's as well. The admin port is one only on the way out.
 */
bool loop_is_loop(const struct worker_settings *settings, const struct workload *workload,
                  enum direction direction, int fd, const struct sockaddr_any *address);

#endif
