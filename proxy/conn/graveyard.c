#include "proxy/conn/graveyard.h"

void graveyard_init(struct graveyard *graveyard)
{
    list_init(&graveyard->parked);
}

void graveyard_park(struct graveyard *graveyard, struct grave *grave,
                    void (*free_object)(struct grave *grave))
{
    grave->free = free_object;
    list_append(&graveyard->parked, &grave->node);
}

void graveyard_bury(struct graveyard *graveyard)
{
    while (!list_is_empty(&graveyard->parked)) {
        struct grave *grave = LIST_ENTRY(graveyard->parked.next, struct grave, node);
        list_remove(&grave->node);
        grave->free(grave);
    }
}
