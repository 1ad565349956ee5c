/*
 * A Kubernetes API server as the source of objects: every kind that is read is listed and watched,
 * in all namespaces. Changes are committed once a burst, from the moment on at which everything was
 * told once: half a cluster's policy is never pushed.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_KUBERNETES_H
#define OUTRIGGER_CONTROLLER_SOURCE_KUBERNETES_H

#include <event2/event.h>
#include <jansson.h>

#include "controller/kubernetes/kube_access.h"
#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct kubernetes;

/* All of it must outlive it. NULL when memory is short. */
struct kubernetes *kubernetes_start(struct event_base *base, const struct kube_access *access,
                                    struct store *store, struct problems *problems);
void kubernetes_stop(struct kubernetes *kubernetes); /* NULL is allowed; the objects stay */

/* Has everything been told once? */
bool kubernetes_is_synced(const struct kubernetes *kubernetes);
/* One entry for each kind: kube_watch_describe(). A new reference, or NULL. */
json_t *kubernetes_describe(const struct kubernetes *kubernetes);

#endif
