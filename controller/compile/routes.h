/*
 * The routes of a Service's port: which of those attached to it decide, which rules they have, and
 * in which order requests try their matches.
 *
 * Routes of the Service's own namespace are for all callers, those of another one for the callers
 * of that namespace alone (GAMMA, producer and consumer routes), before the others. Of the kinds
 * that are attached the most specific decides alone (GEP-1426): GRPCRoute, then HTTPRoute, then
 * TCPRoute; those of the caller's namespace say the kind where there are any. TrafficSplits decide
 * where no route is attached.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTES_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTES_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

/*
 * Fills rules and matches of the message for callers of the compilation's namespace, and notes the
 * namespaces that have routes of their own to the Service. A TCPRoute replaces the backends
 * instead. Does nothing when no route is attached.
 */
void routes_compile(struct compile *compile, const struct service *service,
                    const struct service_port *port, int family, Outrigger__V1__Service *message);

/* Does the parent name this port of this Service? */
bool route_parent_is(const struct route_parent *parent, const struct service *service,
                     const struct service_port *port);

/*
 * The route because of which no TrafficSplit of the port has an effect; NULL when there is none.
 */
const struct route *routes_before_splits(struct compile *compile, const struct service *service,
                                         const struct service_port *port);

/*
 * NULL when the route has a say in what becomes of requests to the port, to which it is attached;
 * otherwise the route that decides in its place.
 */
const struct route *routes_instead_of(struct compile *compile, const struct route *route,
                                      const struct service *service,
                                      const struct service_port *port);

#endif
