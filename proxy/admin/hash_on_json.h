/*
 * What a service's requests are hashed by, for a person to read: ["header x-user", "source"].
 */
#ifndef OUTRIGGER_PROXY_ADMIN_HASH_ON_JSON_H
#define OUTRIGGER_PROXY_ADMIN_HASH_ON_JSON_H

#include "proxy/config/balancing.h"

struct json_t;
struct json_t *hash_on_json(const struct balance_rules *rules); /* new reference or NULL */

#endif
