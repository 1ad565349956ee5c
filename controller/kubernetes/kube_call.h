/*
 * One question to the API server, whose answer is handed on as it comes: a page of a list, a watch
 * that goes on for minutes, a review of a token. HTTP/1.1 on a connection of its own, read by
 * common/http. Nothing is tried again here.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_CALL_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_CALL_H

#include <event2/event.h>

#include "controller/kubernetes/kube_access.h"

struct kube_call_events {
    /* `retry_after_ms`: 0 unless the server said it. */
    void (*on_head)(void *owner, unsigned status, uint64_t retry_after_ms);
    /* `data` is good during the call. False: enough; on_end follows. */
    bool (*on_data)(void *owner, struct slice data);
    /* The last event; the call is freed when this returns. `why`: "" when the answer was whole. */
    void (*on_end)(void *owner, const char *why);
};

struct kube_call;

struct kube_question {
    const char *path;
    struct slice json; /* of a POST; empty: GET. Copied */
    bool is_apply;     /* server-side apply (PATCH) instead of POST */
    uint64_t idle_ms;  /* it ends when nothing has come for so long */
};

/*
 * Begins; events come from the event loop, none before this returns. `access` must outlive it. NULL
 * when memory is short.
 */
struct kube_call *kube_call_start(struct event_base *base, const struct kube_access *access,
                                  const struct kube_question *question,
                                  const struct kube_call_events *events, void *owner);
/* No more events. Not from inside one. NULL is allowed. */
void kube_call_free(struct kube_call *call);

#endif
