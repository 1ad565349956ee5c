#include "proxy/upstream/waits.h"

#include <stdlib.h>

struct wait {
    size_t n;
    struct slice resource; /* the bytes follow */
};

void waits_init(struct waits *waits)
{
    map_init(&waits->by_resource);
    list_init(&waits->waiters);
}

void waits_fini(struct waits *waits)
{
    map_fini(&waits->by_resource, free);
}

static struct wait *wait_new(struct waits *waits, struct slice resource)
{
    struct wait *wait = malloc(sizeof(*wait) + resource.len);
    if (!wait)
        return NULL;
    memcpy(wait + 1, resource.ptr, resource.len);
    *wait = (struct wait){.n = 0, .resource = slice_of(wait + 1, resource.len)};
    if (map_set(&waits->by_resource, resource, wait, NULL))
        return wait;
    free(wait);
    return NULL;
}

bool waits_join(struct waits *waits, struct waiter *waiter, struct slice resource,
                void (*wake)(struct waiter *waiter), bool *is_first)
{
    struct wait *wait = map_get(&waits->by_resource, resource);
    *is_first = !wait;
    if (!wait)
        wait = wait_new(waits, resource);
    if (!wait)
        return false;
    wait->n++;
    waiter->wait = wait;
    waiter->wake = wake;
    list_append(&waits->waiters, &waiter->node);
    return true;
}

void waits_leave(struct waits *waits, struct waiter *waiter)
{
    struct wait *wait = waiter->wait;
    if (!wait)
        return;
    waiter->wait = NULL;
    list_remove(&waiter->node);
    if (--wait->n == 0) {
        map_remove(&waits->by_resource, wait->resource);
        free(wait);
    }
}

void waits_wake(struct waits *waits)
{
    LIST_EACH(node, &waits->waiters) {
        struct waiter *waiter = LIST_ENTRY(node, struct waiter, node);
        waiter->wake(waiter);
    }
}
