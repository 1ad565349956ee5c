/*
 * The admin pages for machines: JSON. Each returns a new reference, NULL when memory is short.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_PAGES_H
#define OUTRIGGER_CONTROLLER_ADMIN_PAGES_H

#include <jansson.h>

#include "controller/admin/sources.h"

/* Every stream: node, identity, address, subscriptions with the version told and acknowledged. */
json_t *proxies_json(const struct admin_sources *sources);

/* The problems, and every object by kind with the file and line that it comes from. */
json_t *objects_json(const struct admin_sources *sources);

/* The root and the controller's own certificate. */
json_t *certificates_json(const struct admin_sources *sources);

#endif
