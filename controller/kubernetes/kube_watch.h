/*
 * One kind of objects, followed: listed page by page, then watched from there, so that nothing
 * between the two is missed. What the API server no longer remembers (410) is listed again; a watch
 * that breaks goes on where it was; everything else is tried again after a while, with full jitter,
 * or when the server says (Retry-After). A kind that the API server does not know is empty, and
 * asked for again from time to time. Until a new list is whole, and whenever the API server is
 * away, what was known stays.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_WATCH_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_KUBE_WATCH_H

#include <event2/event.h>
#include <jansson.h>

#include "controller/kubernetes/kube_access.h"
#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct kube_watch;

struct kube_watch_options {
    struct event_base *base;
    const struct kube_access *access;
    struct store *store;       /* objects are put there; whoever is told of changes commits */
    struct problems *problems; /* objects that cannot be read; that the kind cannot be followed */
    void (*on_change)(void *context);
    void *context;
};

/* `options` must outlive it. NULL when memory is short. */
struct kube_watch *kube_watch_new(enum object_kind kind, const struct kube_watch_options *options);
void kube_watch_free(struct kube_watch *watch); /* NULL is allowed; the objects stay */

/* Has all of it been told once? */
bool kube_watch_is_synced(const struct kube_watch *watch);
/* {"kind": ..., "state": "watching", "version": ..., "error": ...}; a new reference, or NULL. */
json_t *kube_watch_describe(const struct kube_watch *watch);

#endif
