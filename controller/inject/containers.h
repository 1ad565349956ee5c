/*
 * The parts that an injected pod gets, as JSON. Each is a new reference, NULL when memory is short.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_CONTAINERS_H
#define OUTRIGGER_CONTROLLER_INJECT_CONTAINERS_H

#include "controller/inject/plan.h"

/* `probes`: the proxy's arguments for the application's probes, an array of texts. */
json_t *containers_proxy(const struct plan *plan, const json_t *probes) MUST_USE;
json_t *containers_init(const struct plan *plan) MUST_USE;
json_t *containers_token_volume(void) MUST_USE;
json_t *containers_anchors_volume(const struct plan *plan) MUST_USE;

#endif
