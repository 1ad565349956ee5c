/*
 * The order in which requests try the matches of all routes of a Service (Gateway API,
 * HTTPRouteRule.matches and GRPCRouteRule.matches): those of the caller's namespace before the
 * Service's own; then by the most specific path, method, number of headers and parameters; then the
 * oldest route, the first by namespace and name; then as they are written.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_MATCH_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_MATCH_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "proto/resources.pb-c.h"

/* A match with all that decides its place. */
struct placed_match {
    Outrigger__V1__RouteMatch *message;
    const struct route *route;
    const struct route_match *match; /* NULL: the rule has none, and is for everything */
    size_t rule, index;              /* in the route, in the rule */
    bool is_consumers;               /* of the caller's namespace, not the Service's */
};

/* `rule`: the index of the rule's message. NULL when memory is short. */
Outrigger__V1__RouteMatch *route_match_make(struct compile *compile,
                                            const struct route_match *match, size_t rule);

void route_match_sort(struct placed_match *placed, size_t n);

#endif
