/* The status of a route, as the API server would show it. */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_ROUTE_PAGE_H
#define OUTRIGGER_CONTROLLER_ADMIN_ROUTE_PAGE_H

#include <jansson.h>

#include "controller/objects/route.h"
#include "controller/objects/store.h"

/* `status.parents` of the route: an entry for each Service it is attached to. The caller's own. */
json_t *route_parents_json(const struct store *store, const struct route *route);

#endif
