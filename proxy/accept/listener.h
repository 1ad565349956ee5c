/*
 * One listening socket of one worker. Every worker has its own (SO_REUSEPORT); the kernel spreads
 * the connections.
 *
 * When descriptors run out, a reserve descriptor is closed to accept one connection and close it,
 * so that its client learns of it at once; then accepting pauses, and goes on when the worker has
 * closed something (listener_resume) or after a tenth of a second: others may have.
 */
#ifndef OUTRIGGER_PROXY_ACCEPT_LISTENER_H
#define OUTRIGGER_PROXY_ACCEPT_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/cidr.h"
#include "common/err.h"
#include "proxy/telemetry/telemetry.h"

struct listener {
    int fd;
    int reserve_fd;
    bool is_paused;
    struct event acceptable, retry;
    struct telemetry_shard *telemetry;
    /* Takes over `fd`: non-blocking, close-on-exec, TCP_NODELAY. */
    void (*on_accept)(void *context, int fd, const struct sockaddr_any *peer);
    void *context;
};

/*
 * SO_REUSEPORT, TCP_NODELAY (inherited by what is accepted), V6ONLY; accepting at once. When it
 * fails errno says why.
 */
bool listener_open(struct listener *listener, struct event_base *base,
                   const struct sockaddr_any *address, struct err *err) MUST_USE;
void listener_close(struct listener *listener); /* may be called twice */
/* Something was closed. Costs a comparison when accepting is not paused. */
void listener_resume(struct listener *listener);

#endif
