/*
 * Ports that are remembered as opaque, as the admin pages show them.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_OPAQUE_JSON_H
#define OUTRIGGER_PROXY_ADMIN_OPAQUE_JSON_H

#include "proxy/detect/port_memory.h"

struct json_t;

/* [{"port": 3306, "since": "...", "why": "..."}]: a new reference, or NULL when memory is short. */
struct json_t *opaque_json(const struct port_memory *memory);

#endif
