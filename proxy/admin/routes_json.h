/*
 * The routes of a service for a person to read: the matches in the order in which they are tried,
 * and what each rule does.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_ROUTES_JSON_H
#define OUTRIGGER_PROXY_ADMIN_ROUTES_JSON_H

#include "proxy/route/routes.h"

struct json_t;
/* {"matches": [...], "rules": [...], "retry_budget": {...}}; a new reference, or NULL. */
struct json_t *routes_json(const struct routes *routes);

/* One of the matches. */
struct json_t *route_match_json(const struct route_match *match);

#endif
