/*
 * Where a route sends to: may it, is it there, and as what a proxy is told of it.
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_BACKEND_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_BACKEND_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"
#include "proto/resources.pb-c.h"

/* Why something that a route names cannot be used; `reason` is a word of the Gateway API. */
struct route_problem {
    const char *reason; /* NULL: it can */
    const char *text;
};

/* Its texts live in the compilation's arena. */
struct route_problem route_backend_problem(struct compile *compile, const struct object *route,
                                           const struct route_backend *backend);

/*
 * Weight, name, protocol and Endpoints of the backend, or in their place what is wrong with it.
 * `family` as it was dialled. The filters are not filled.
 */
void route_backend_fill(struct compile *compile, const struct object *route,
                        const struct route_backend *backend, int family,
                        Outrigger__V1__RouteBackend *message);

/* A backend that answers 500, with the reason for the log; NULL when memory is short. */
Outrigger__V1__RouteBackend *route_backend_broken(struct compile *compile, const char *why);

#endif
