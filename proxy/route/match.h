/*
 * Which route a request follows. Pure: the same routes and request always give the same match. The
 * precedence was found by the controller and is the order of the matches; an index by path finds
 * the candidates, so that ten thousand routes cost little more than one.
 */
#ifndef OUTRIGGER_PROXY_ROUTE_MATCH_H
#define OUTRIGGER_PROXY_ROUTE_MATCH_H

#include "common/http/head.h"
#include "proxy/route/routes.h"

struct route_request {
    struct slice method;
    struct slice path;  /* in normal form, without the query; may be empty (CONNECT) or "*" */
    struct slice query; /* with its '?', or empty */
    const struct head *head;
};

/* The first match that fits, or NULL. */
const struct route_match *routes_match(const struct routes *routes,
                                       const struct route_request *request);

/* The same, by trying all in order; for tests that compare. */
const struct route_match *routes_match_slowly(const struct routes *routes,
                                              const struct route_request *request);

#endif
