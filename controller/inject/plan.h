/*
 * What this pod's proxy gets, settled from the settings and the pod's wishes, with a warning
 * wherever the two or the pod itself do not go together. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_PLAN_H
#define OUTRIGGER_CONTROLLER_INJECT_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/inject/settings.h"
#include "controller/inject/wishes.h"

struct plan_resource {
    const char *name;            /* "cpu" */
    const char *request, *limit; /* NULL: none */
};

struct plan {
    const struct inject_settings *settings;
    const struct wishes *wishes;
    bool is_native;
    bool is_held; /* the application starts when the proxy is ready */
    uint64_t user;
    uint64_t admin_port;
    uint64_t drain_ms;
    uint64_t pause_ms; /* of an ordinary sidecar, before it begins to drain */
    struct plan_resource cpu, memory;
};

/* Settings, wishes and spec must outlive the plan. */
void plan_make(const struct inject_settings *settings, const struct wishes *wishes,
               const json_t *spec, struct plan *plan, json_t *warnings);

#endif
