/*
 * Making one endpoint: what the builders of Endpoints and of a Service that is a pod share.
 * Implemented in endpoints.c.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_ENDPOINT_H
#define OUTRIGGER_PROXY_CONFIG_ENDPOINT_H

#include "proxy/config/endpoints.h"

struct Outrigger__V1__Endpoint;

/*
 * Checks and copies. False with `err` naming the field, e.g. "port: 0 is not a port (1-65535)"; the
 * endpoint may then be half made and still belongs to its list, whose endpoints_drop() frees it.
 */
bool endpoint_init(struct endpoint *endpoint, const struct Outrigger__V1__Endpoint *message,
                   struct err *err) MUST_USE;

/* Room for `n` endpoints, of which none counts yet (n is 0). NULL when memory is short. */
struct endpoints *endpoints_new(struct slice name, struct slice version, size_t n) MUST_USE;

#endif
