/*
 * Who waits for the controller to describe which destination. A resource is asked for when the
 * first one begins to wait for it, and again only after nobody waited any more.
 */
#ifndef OUTRIGGER_PROXY_UPSTREAM_WAITS_H
#define OUTRIGGER_PROXY_UPSTREAM_WAITS_H

#include "common/list.h"
#include "common/map.h"

struct wait; /* one resource */

struct waits {
    struct map by_resource; /* -> struct wait */
    struct list waiters;
};

/* Embed it in what waits. */
struct waiter {
    struct list node;
    struct wait *wait;                   /* NULL while it does not wait */
    void (*wake)(struct waiter *waiter); /* may leave, itself only */
};

void waits_init(struct waits *waits);
void waits_fini(struct waits *waits); /* nobody waits any more */

/* *is_first: nobody else waits for it. False when memory is short. */
bool waits_join(struct waits *waits, struct waiter *waiter, struct slice resource,
                void (*wake)(struct waiter *waiter), bool *is_first) MUST_USE;
/* May be called when it does not wait. */
void waits_leave(struct waits *waits, struct waiter *waiter);

/* Something was learned: each looks for itself whether it was waiting for that. */
void waits_wake(struct waits *waits);

#endif
