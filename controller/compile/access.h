/*
 * The AccessPolicies and TrafficTargets that concern a pod, as messages.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ACCESS_H
#define OUTRIGGER_CONTROLLER_COMPILE_ACCESS_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "proto/resources.pb-c.h"

/*
 * Fills the workload's policies: those of the pod's namespace and those of the root namespace that
 * select the pod, sorted by namespace and name, then the TrafficTargets whose destination it is.
 * Order does not matter to what they mean.
 */
void access_fill(struct compile *compile, const struct pod *pod, Outrigger__V1__Workload *workload);

struct access_rule;
/* The rule as proxies are told it; NULL when memory is short. */
Outrigger__V1__AccessRule *access_compile_rule(struct compile *compile,
                                               const struct access_rule *from);

#endif
