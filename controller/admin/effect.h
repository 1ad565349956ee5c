/*
 * Did an object take effect? What the status condition of a Kubernetes object would say, told from
 * what the proxies have acknowledged.
 */
#ifndef OUTRIGGER_CONTROLLER_ADMIN_EFFECT_H
#define OUTRIGGER_CONTROLLER_ADMIN_EFFECT_H

#include <stddef.h>

#include "controller/delta/cache.h"
#include "controller/objects/object.h"
#include "controller/objects/store.h"

#define EFFECT_TEXT_BYTES 512

/*
 * One sentence about a Pod, AccessPolicy or TrafficPolicy: "in force on 2 of 3 pods",
 * "selects no pod", "its proxy refused version 0f...". Empty for other kinds. Returns `text`.
 */
const char *effect_text(const struct store *store, const struct delta_cache *cache,
                        const struct object *object, char text[EFFECT_TEXT_BYTES]);

#endif
