/* One rule of a route, as a proxy is told of it. */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_RULE_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_RULE_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "proto/resources.pb-c.h"

/*
 * The rule without its matches. Where one of its filters cannot be found all of its requests are
 * answered with 500. NULL when memory is short.
 */
Outrigger__V1__RouteRule *route_rule_make(struct compile *compile, const struct route *route,
                                          size_t index, int family);

#endif
