/*
 * The mesh's trust anchors as a ConfigMap in every namespace, where injected pods read them: put
 * there when a namespace appears, and again from time to time, so that what somebody has changed or
 * removed comes back. Server-side apply: other fields of the ConfigMap are let be, and replicas of
 * the controller do not fight.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_ANCHORS_PUBLISHER_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_ANCHORS_PUBLISHER_H

#include <event2/event.h>

#include "common/trust_anchors.h"
#include "controller/kubernetes/kube_access.h"
#include "controller/objects/problems.h"
#include "controller/objects/store.h"

struct anchors_publisher_options {
    struct event_base *base;
    const struct kube_access *access;
    struct store *store; /* its namespaces */
    struct problems *problems;
    const char *name; /* of the ConfigMap; the key is "root.pem" */
};

struct anchors_publisher;

/* `options` and what they name must outlive it; `anchors` is read now. NULL when memory is short.
 */
struct anchors_publisher *anchors_publisher_new(const struct anchors_publisher_options *options,
                                                const struct trust_anchors *anchors);
void anchors_publisher_free(struct anchors_publisher *publisher); /* NULL is allowed */

#endif
