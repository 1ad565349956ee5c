/*
 * One entry from the event loop, or from the user, into a channel or a server, and the objects that
 * died during it. They are freed when the outermost entry is left, so that no callback, however
 * deep, finds its object gone.
 */
#ifndef OUTRIGGER_COMMON_GRPC_TURN_H
#define OUTRIGGER_COMMON_GRPC_TURN_H

#include "common/list.h"

/* Embed it in what can die. */
struct grpc_grave {
    struct list node;
    void *object;
    void (*free)(void *object);
};

struct grpc_turn {
    unsigned depth;
    struct list dead; /* of struct grpc_grave */
};

void grpc_turn_init(struct grpc_turn *turn);

void grpc_turn_enter(struct grpc_turn *turn);

/* May free everything that was buried, the owner of `turn` among it: the last thing one does. */
void grpc_turn_leave(struct grpc_turn *turn);

/* Inside a turn. The owner of the turn itself may only be buried after all that uses it. */
void grpc_turn_bury(struct grpc_turn *turn, struct grpc_grave *grave, void *object,
                    void (*free_object)(void *object));

#endif
