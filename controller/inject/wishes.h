/*
 * What a pod's and its namespace's labels and annotations ask of the injection. The pod's own word
 * wins; a wrong one is told and counts as not said. What is not here the controller tells the proxy
 * in its Workload: mtls-mode, egress-mode, opaque-ports, discovery-timeout, access-log. Pure.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_WISHES_H
#define OUTRIGGER_CONTROLLER_INJECT_WISHES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/objects/annotations.h"

/* suffix, name without the prefix */
#define WISHES(X)                                                                                  \
    X(SKIP_INBOUND_PORTS, "skip-inbound-ports")                                                    \
    X(SKIP_OUTBOUND_PORTS, "skip-outbound-ports")                                                  \
    X(SKIP_OUTBOUND_CIDRS, "skip-outbound-cidrs")                                                  \
    X(PROXY_IMAGE, "proxy-image")                                                                  \
    X(PROXY_WORKERS, "proxy-workers")                                                              \
    X(CPU_REQUEST, "proxy-cpu-request")                                                            \
    X(CPU_LIMIT, "proxy-cpu-limit")                                                                \
    X(MEMORY_REQUEST, "proxy-memory-request")                                                      \
    X(MEMORY_LIMIT, "proxy-memory-limit")                                                          \
    X(LOG_LEVEL, "log-level")                                                                      \
    X(LOG_FORMAT, "log-format")                                                                    \
    X(TRACE_SAMPLING, "trace-sampling")                                                            \
    X(DRAIN_TIMEOUT, "drain-timeout")                                                              \
    X(HOLD_APPLICATION, "hold-application")                                                        \
    X(ADMIN_PORT, "admin-port")                                                                    \
    X(RUN_AS_USER, "run-as-user")                                                                  \
    X(EXTRA_ENV, "extra-env")                                                                      \
    X(NATIVE_SIDECAR, "native-sidecar")

enum wish {
#define X(suffix, name) WISH_##suffix,
    WISHES(X)
#undef X
        WISH_COUNT
};

struct wishes {
    enum toggle inject;
    const char *text[WISH_COUNT]; /* of the JSON that was read; NULL: not said */
};

/* From the `metadata` of the pod and of its namespace (NULL: not known); warnings are appended. */
void wishes_read(const json_t *pod_metadata, const json_t *namespace_metadata,
                 struct wishes *wishes, json_t *warnings);

/* From one object alone: a Namespace, a Pod or a Service. */
void wishes_of_object(const json_t *metadata, enum object_kind kind, struct wishes *wishes,
                      json_t *warnings);

/* What was read has been checked, so that these give it or what is to hold where nothing is said.
 */
uint64_t wishes_uint(const struct wishes *wishes, enum wish wish, uint64_t absent);
bool wishes_bool(const struct wishes *wishes, enum wish wish, bool absent);
const char *wishes_text(const struct wishes *wishes, enum wish wish, const char *absent);

#endif
