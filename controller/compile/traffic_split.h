/*
 * TrafficSplits as routes: what an HTTPRoute attached to the root Service would say. Only a backend
 * that has the port that was dialled gets a share (the specification's "Ports"); what the matches
 * do not describe goes to the root Service itself.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_TRAFFIC_SPLIT_H
#define OUTRIGGER_CONTROLLER_COMPILE_TRAFFIC_SPLIT_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "controller/objects/traffic_split.h"

/*
 * The split at that port of its root Service, as a route of kind OBJECT_TRAFFIC_SPLIT in the
 * compilation's memory; NULL when memory is short. `has_rest`: a rule at the end takes what no
 * match describes.
 */
const struct route *traffic_split_route(struct compile *compile, const struct traffic_split *split,
                                        const struct service *service,
                                        const struct service_port *port, bool has_rest);

/* Why the split, or a part of it, has no effect; NULL when all is well. */
const char *traffic_split_problem(struct compile *compile, const struct traffic_split *split);

#endif
