/*
 * A Service resource: what was dialled, by `address:port`. Immutable and reference-counted.
 */
#ifndef OUTRIGGER_PROXY_CONFIG_SERVICE_H
#define OUTRIGGER_PROXY_CONFIG_SERVICE_H

#include <stdint.h>

#include "common/err.h"
#include "common/slice.h"
#include "proxy/config/balancing.h"
#include "proxy/config/endpoints.h"
#include "proxy/config/workload.h"
#include "proxy/detect/port_memory.h"
#include "proxy/route/retry_budget.h"
#include "proxy/route/routes.h"

/*
 * What all workers and all versions of one service share: single atomics, as the design says. Made
 * with the first version, held by every later one.
 */
struct service_shared {
    _Atomic unsigned refs;
    _Atomic uint32_t connections;  /* open now, of all workers */
    _Atomic uint64_t last_used_ns; /* clock_now_ns() of the last connection; for eviction */
    struct retry_budget retries;
    _Atomic uint32_t requests, pending, retries_open; /* HTTP, of all workers */
    _Atomic uint64_t tripped;                         /* how often a circuit breaker refused */
};
struct service_shared *service_shared_new(void); /* NULL when memory is short */
struct service_shared *service_shared_hold(struct service_shared *shared);
void service_shared_drop(struct service_shared *shared);

struct backend {
    char *endpoints; /* name of an Endpoints resource */
    uint32_t weight;
};

struct service {
    _Atomic unsigned refs;
    char *resource; /* "10.96.0.10:80": the resource's name */
    char *version;
    bool is_known; /* false: the controller says that there is none; all below is empty */
    char *name;    /* namespace/service, or namespace/pod when a pod was dialled */
    char *namespace;
    uint16_t port;
    enum protocol protocol;
    char **hosts;
    size_t n_hosts;
    struct backend *backends;
    size_t n_backends;
    const char **uses; /* names of all Endpoints resources of backends, routes and mirrors, once */
    size_t n_uses;
    struct routes *routes; /* NULL: no route is attached, `backends` decides */
    struct endpoints *pod; /* a pod was dialled by its address: its one endpoint; else NULL */
    uint64_t connect_timeout_ms;
    uint64_t idle_timeout_ms;
    uint32_t max_connections; /* this and the following: 0: no cap */
    uint32_t max_requests, max_pending, max_retries;
    struct balance_rules balancing;
    struct outlier_rules outlier;
    struct service_shared *shared; /* never NULL */
    struct port_memory opaque;     /* its port alone; the one part that is written later */
};

/* From the serialized outrigger.v1.Service; NULL with `err` naming the field. Holds `shared`. */
struct service *service_build(struct slice bytes, struct slice resource, struct slice version,
                              struct service_shared *shared, struct err *err);
/* The answer "no such service". */
struct service *service_unknown(struct slice resource, struct service_shared *shared);
struct service *service_hold(struct service *service);
void service_drop(struct service *service);

#endif
