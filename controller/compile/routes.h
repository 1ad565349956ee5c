/*
 * The routes of a Service's port: which rules there are, and in which order a request tries their
 * matches, by the precedence of the Gateway API. Of the kinds that are attached the most specific
 * decides alone (GEP-1294): GRPCRoute, then HTTPRoute, then TCPRoute.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTES_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTES_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

/*
 * Fills rules and matches of the message; a TCPRoute replaces its backends. Does nothing when no
 * route is attached.
 */
void routes_compile(struct compile *compile, const struct service *service,
                    const struct service_port *port, int family, Outrigger__V1__Service *message);

#endif
