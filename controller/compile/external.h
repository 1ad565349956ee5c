/*
 * The services that a pod's proxy asks about requests, as it is told of them.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_EXTERNAL_H
#define OUTRIGGER_CONTROLLER_COMPILE_EXTERNAL_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "controller/objects/traffic_external.h"
#include "proto/resources.pb-c.h"

/*
 * Fills the workload's. A pod that is itself one of those that would be asked asks nobody, or no
 * question would ever be answered.
 */
void external_compile(struct compile *compile, const struct pod *pod,
                      const struct traffic_authorizer *authorizer,
                      const struct traffic_limiter *limiter, Outrigger__V1__Workload *workload);

#endif
