#include "common/grpc/turn.h"

#include <assert.h>

void grpc_turn_init(struct grpc_turn *turn)
{
    turn->depth = 0;
    list_init(&turn->dead);
}

void grpc_turn_enter(struct grpc_turn *turn)
{
    turn->depth++;
}

void grpc_turn_leave(struct grpc_turn *turn)
{
    assert(turn->depth > 0);
    if (--turn->depth > 0)
        return;
    struct list dead; /* outlives the owner of the turn */
    list_init(&dead);
    list_take_all(&dead, &turn->dead);
    while (!list_is_empty(&dead)) {
        struct grpc_grave *grave = LIST_ENTRY(dead.next, struct grpc_grave, node);
        list_remove(&grave->node);
        grave->free(grave->object);
    }
}

void grpc_turn_bury(struct grpc_turn *turn, struct grpc_grave *grave, void *object,
                    void (*free_object)(void *object))
{
    assert(turn->depth > 0);
    grave->object = object;
    grave->free = free_object;
    list_append(&turn->dead, &grave->node);
}
