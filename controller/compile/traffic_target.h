/*
 * TrafficTargets as what they are to a proxy: Allow policies for the pods of a service account.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_TRAFFIC_TARGET_H
#define OUTRIGGER_CONTROLLER_COMPILE_TRAFFIC_TARGET_H

#include "controller/compile/context.h"
#include "controller/objects/traffic_target.h"
#include "proto/resources.pb-c.h"

/*
 * NULL when memory is short. What the target refers to and is not there allows nothing, so that a
 * target of which nothing is left refuses all.
 */
Outrigger__V1__AccessPolicy *traffic_target_policy(struct compile *compile,
                                                   const struct traffic_target *target);

/*
 * The Allow that allows nothing, which closes the ports that no target of a pod speaks of; NULL
 * when memory is short. Its name is "TrafficTargets/NAMESPACE".
 */
Outrigger__V1__AccessPolicy *traffic_target_closure(struct compile *compile, const char *namespace);

/* Why the target, or a part of it, allows nothing; NULL when all is well. */
const char *traffic_target_problem(struct compile *compile, const struct traffic_target *target);

#endif
