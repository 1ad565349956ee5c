/*
 * The main thread's side of the controller: identity (certificates in time), discovery (delta
 * aggregated discovery of Workload, Service, Endpoints), the last good state, and what is published
 * from it to the workers.
 */
#ifndef OUTRIGGER_PROXY_CONTROL_CONTROL_H
#define OUTRIGGER_PROXY_CONTROL_CONTROL_H

#include <event2/event.h>

#include "common/err.h"
#include "common/svid.h"
#include "proxy/snapshot.h"
#include "proxy/telemetry/telemetry.h"
#include "proxy/worker.h"

struct control;

struct control_settings {
    const char *controller; /* host:port */
    const char
        *controller_identity; /* SPIFFE ID; NULL: /ns/outrigger-system/sa/outrigger-controller */
    uint32_t socket_mark;     /* SO_MARK on the connections to it; 0: none */
    const char *trust_domain;
    const char *pod;                         /* namespace/pod: the name of our Workload */
    const char *token_file;                  /* read again at every renewal */
    const char *anchors_file;                /* PEM; read again at every renewal */
    uint64_t backoff_min_ms, backoff_max_ms; /* 0: 100 ms and 10 s */
    uint64_t service_idle_ms; /* a Service unused for so long is forgotten; 0: 10 min */
    size_t max_services;      /* the least recently used is forgotten first; 0: 4096 */
};

struct control_callbacks {
    /* A new snapshot or new TLS contexts to hand to every worker; called on the main thread. */
    void (*publish)(void *context, struct snapshot *snapshot);
    void (*publish_tls)(void *context, const struct worker_tls *tls);
    void *context;
};

struct control *control_start(struct event_base *base, const struct control_settings *settings,
                              const struct control_callbacks *callbacks,
                              struct telemetry_shard *telemetry, struct err *err);
void control_stop(struct control *control);

/* From worker_callbacks.want_service. */
void control_want_service(struct control *control, struct slice resource);

/* What the admin pages and /readyz tell. Strings live until the next event. */
struct control_status {
    bool has_certificate; /* and it has not expired */
    bool is_connected;    /* discovery stream open */
    bool has_workload;
    int64_t connected_since;    /* wall-clock seconds; 0 when not connected */
    int64_t disconnected_since; /* wall-clock seconds; 0 while connected */
    const char *last_error;     /* "" when none: why the controller cannot be used */
    const char *last_nack;      /* "" when none: the last resource that was refused, and why */
    const char *certificate_error;
    int64_t next_renewal; /* wall-clock seconds */
    uint64_t nacks;
};
struct control_status control_status(const struct control *control);
struct snapshot *control_snapshot(const struct control *control); /* not held; never NULL */
struct svid *control_svid(const struct control *control);         /* not held; may be NULL */

#endif
