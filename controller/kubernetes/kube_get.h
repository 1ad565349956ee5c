/*
 * One GET of the API server's, whose answer is handed on as it comes: a page of a list, or a watch
 * that goes on for minutes. HTTP/1.1 on a connection of its own, read by common/http. Nothing is
 * tried again here.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_GET_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_GET_H

#include <event2/event.h>

#include "controller/kubernetes/kube_access.h"

struct kube_get_events {
    /* `retry_after_ms`: 0 unless the server said it. */
    void (*on_head)(void *owner, unsigned status, uint64_t retry_after_ms);
    /* `data` is good during the call. False: enough; on_end follows. */
    bool (*on_data)(void *owner, struct slice data);
    /* The last event; the get is freed when this returns. `why`: "" when the answer was whole. */
    void (*on_end)(void *owner, const char *why);
};

struct kube_get;

/*
 * Begins; events come from the event loop, none before this returns. `access` must outlive it. It
 * ends when nothing has come for `idle_ms`. NULL when memory is short.
 */
struct kube_get *kube_get_start(struct event_base *base, const struct kube_access *access,
                                const char *path, uint64_t idle_ms,
                                const struct kube_get_events *events, void *owner);
/* No more events. Not from inside one. NULL is allowed. */
void kube_get_free(struct kube_get *get);

#endif
