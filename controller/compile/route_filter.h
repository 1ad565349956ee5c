/* What a route changes in requests and answers, as a proxy is told of it. */
#ifndef OUTRIGGER_CONTROLLER_COMPILE_ROUTE_FILTER_H
#define OUTRIGGER_CONTROLLER_COMPILE_ROUTE_FILTER_H

#include "controller/compile/route_backend.h"

struct route_filter_messages {
    Outrigger__V1__RouteFilter **list; /* NULL: memory was short */
    size_t n;
};

/* A copy that cannot be sent is left out, since the request itself need not suffer for it. */
struct route_filter_messages route_filter_list(struct compile *compile, const struct object *route,
                                               const struct route_filter *filters, size_t n,
                                               int family);

/*
 * What is wrong with the object that a filter of kind EXTENSION names, of those n the first. Where
 * there is something, requests must not pass without it (Gateway API,
 * HTTPRouteFilter.extensionRef).
 */
struct route_problem route_filter_problem(struct compile *compile, const struct object *route,
                                          const struct route_filter *filters, size_t n);

#endif
