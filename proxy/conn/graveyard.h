/*
 * Where closed objects wait. A callback may close its own object, or another whose callback is next
 * in the same turn of the loop: what is closed is parked here and freed once the turn is over, so
 * that no callback ever finds its object gone. (The habit is pgbouncer's.)
 */
#ifndef OUTRIGGER_PROXY_CONN_GRAVEYARD_H
#define OUTRIGGER_PROXY_CONN_GRAVEYARD_H

#include "common/list.h"

/* Embed it in what may be parked. */
struct grave {
    struct list node;
    void (*free)(struct grave *grave);
};

struct graveyard {
    struct list parked;
};

void graveyard_init(struct graveyard *graveyard);

/* `free_object` is called once, by the next graveyard_bury(). Parking twice is a mistake of ours.
 */
void graveyard_park(struct graveyard *graveyard, struct grave *grave,
                    void (*free_object)(struct grave *grave));

/* Frees what is parked, and what that parks in turn. Between two turns of the loop only. */
void graveyard_bury(struct graveyard *graveyard);

#endif
