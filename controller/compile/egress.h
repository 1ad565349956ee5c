/* What is outside of the mesh and may be gone to by a pod, as its proxy is told of it. */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_EGRESS_H
#define OUTRIGGER_CONTROLLER_COMPILE_EGRESS_H

#include "controller/compile/context.h"
#include "controller/objects/pod.h"
#include "proto/resources.pb-c.h"

/* Fills the workload's: the ExternalServices of the pod's namespace, then those of the root's. */
void egress_compile(struct compile *compile, const struct pod *pod,
                    Outrigger__V1__Workload *workload);

#endif
