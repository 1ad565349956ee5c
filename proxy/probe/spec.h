/*
 * The application's probes that the proxy asks in the kubelet's place, as they are written:
 * `CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET`. The target is a path for http and https, a service
 * (or nothing) for grpc, nothing for tcp. Pure.
 */
#ifndef OUTRIGGER_PROXY_PROBE_SPEC_H
#define OUTRIGGER_PROXY_PROBE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"

#define PROBE_SPECS_MAX      256
#define PROBE_TIMEOUT_MAX_MS 600000

enum probe_kind { PROBE_HTTP, PROBE_HTTPS, PROBE_TCP, PROBE_GRPC };

struct probe_spec {
    struct slice text; /* all of it */
    struct slice name; /* "web/liveness" */
    enum probe_kind kind;
    uint16_t port;
    uint64_t timeout_ms;
    struct slice target;
};

/* `(struct probe_specs){0}` is an empty one. */
struct probe_specs {
    struct probe_spec *list;
    size_t n;
};

/* Appends one; `specs` is a struct probe_specs, and `text` must outlive it. As struct option_row's
 * `parse` is to be. */
bool probe_specs_add(void *specs, struct slice text, struct err *err);
void probe_specs_fini(struct probe_specs *specs);

/* NULL when there is none of that name. */
const struct probe_spec *probe_specs_find(const struct probe_specs *specs, struct slice name);

#endif
