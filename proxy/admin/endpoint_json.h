/*
 * An endpoint as the admin pages show it.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_ENDPOINT_JSON_H
#define OUTRIGGER_PROXY_ADMIN_ENDPOINT_JSON_H

#include "proxy/config/endpoints.h"

struct json_t;

/* A new reference, or NULL when memory is short. */
struct json_t *endpoint_json(const struct endpoint *endpoint);

#endif
