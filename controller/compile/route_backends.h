/*
 * The backends and filters of a route as messages: to whom it may send by the Gateway API's rules
 * of reference (ReferenceGrant), and what it does to requests besides.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_BACKENDS_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_BACKENDS_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "controller/objects/service.h"
#include "proto/resources.pb-c.h"

/* Why a backend cannot be used, in the words of the Gateway API, or NULL: "BackendNotFound: ...".
 */
const char *route_backend_problem(struct compile *compile, const struct object *route,
                                  const struct route_backend *backend);

/* The Service that it names, or NULL. */
const struct service *route_backend_service(struct compile *compile,
                                            const struct route_backend *backend);

/* Fills all but the filters; without endpoints, and with `why`, where there is a problem. */
void route_backend_fill(struct compile *compile, const struct object *route,
                        const struct route_backend *backend, int family,
                        Outrigger__V1__RouteBackend *message);

/* NULL when memory is short. */
Outrigger__V1__RouteFilter **route_filters_make(struct compile *compile, const struct object *route,
                                                const struct route_filter *filters, size_t n,
                                                int family);

#endif
