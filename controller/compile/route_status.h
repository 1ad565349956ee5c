/*
 * What the status of a route says about each Service it is attached to, in the conditions and
 * reasons of the Gateway API (RouteStatus).
 */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_STATUS_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_STATUS_H

#include "controller/compile/context.h"
#include "controller/objects/route.h"

enum route_condition_type {
    ROUTE_ACCEPTED,
    ROUTE_RESOLVED_REFS,
    ROUTE_PARTIALLY_INVALID, /* true is bad; left out where it is false */
    ROUTE_CONDITIONS,        /* how many there are */
};

struct route_condition {
    bool is_there, is_true;
    const char *reason;
    const char *message; /* in the compilation's arena */
};

struct route_status {
    struct route_condition conditions[ROUTE_CONDITIONS];
};

/* "Accepted", "ResolvedRefs", ... */
const char *route_condition_name(enum route_condition_type type);

/* `parent` is one of the route's, and a Service. */
struct route_status route_status_of(struct compile *compile, const struct route *route,
                                    const struct route_parent *parent);

/* The first condition that says that something has no effect; NULL when all is well. */
const struct route_condition *route_status_problem(const struct route_status *status);

#endif
