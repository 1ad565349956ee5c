/*
 * Whether a pod is injected, and if not, why not. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_DECIDE_H
#define OUTRIGGER_CONTROLLER_INJECT_DECIDE_H

#include <jansson.h>
#include <stdbool.h>

#include "controller/inject/wishes.h"

/* suffix, what people are told */
#define INJECT_DECISIONS(X)                                                                        \
    X(YES, "injected")                                                                             \
    X(SYSTEM_NAMESPACE, "the namespace belongs to Kubernetes itself")                              \
    X(OWN_NAMESPACE, "the namespace is the controller's own")                                      \
    X(ALREADY, "the pod has a container outrigger-proxy already")                                  \
    X(HOST_NETWORK, "the pod uses its node's network: redirecting it would redirect the node")     \
    X(WINDOWS, "the pod is for Windows nodes")                                                     \
    X(OFF, "outrigger.dev/inject is \"disabled\"")                                                 \
    X(NOT_ASKED, "outrigger.dev/inject is \"enabled\" on neither the pod nor its namespace")       \
    X(NO_CONTAINERS, "the pod has no containers")                                                  \
    X(NAME_TAKEN, "the pod has a container or volume of its own whose name begins with "           \
                  "outrigger-")

enum inject_decision {
#define X(suffix, text) INJECT_##suffix,
    INJECT_DECISIONS(X)
#undef X
};

const char *inject_decision_text(enum inject_decision decision);

enum inject_decision inject_decide(const json_t *pod, const char *namespace,
                                   const struct wishes *wishes);

#endif
