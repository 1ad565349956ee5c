/*
 * The listening socket of an admin port. Out of descriptors it does not spin, and still lets one
 * caller in at a time, by a descriptor that is kept in reserve: a probe is to be answered just
 * then.
 */
#ifndef OUTRIGGER_COMMON_ADMIN_LISTENER_H
#define OUTRIGGER_COMMON_ADMIN_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/cidr.h"
#include "common/err.h"

struct admin_listener_events {
    void (*on_accept)(void *owner, int fd, const struct sockaddr_any *peer); /* takes over `fd` */
    /* No descriptor is left. True: one was closed. */
    bool (*on_shortage)(void *owner);
};

struct admin_listener {
    struct event acceptable, again;
    const struct admin_listener_events *events;
    void *owner;
    int fd, reserve; /* -1: none */
    uint16_t port;
    uint64_t n_pauses; /* accept failed and was tried again later */
};

/* False with `err` filled; then there is nothing to close. */
bool admin_listener_open(struct admin_listener *listener, struct event_base *base,
                         const struct sockaddr_any *address,
                         const struct admin_listener_events *events, void *owner,
                         struct err *err) MUST_USE;
void admin_listener_close(struct admin_listener *listener);
/* A descriptor that on_accept had taken over is closed. */
void admin_listener_room(struct admin_listener *listener);

#endif
