/*
 * The proxy's admin port: what it intercepted, what it decided, why, and what that cost. One file a
 * page; the table of pages is in admin.c. Main thread only.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_ADMIN_H
#define OUTRIGGER_PROXY_ADMIN_ADMIN_H

#include <event2/event.h>

#include "common/admin_http.h"
#include "proxy/control/control.h"
#include "proxy/telemetry/telemetry.h"
#include "proxy/worker.h"

struct probes;
struct tap_hub;
struct trace_export;

/* What the pages read and whom they tell. Must outlive the server; may change between requests. */
struct admin_sources {
    const char *pod; /* namespace/pod */
    struct control *control;
    struct worker *const *workers;
    size_t n_workers;
    const struct telemetry_shard *telemetry; /* the main thread's */
    struct tap_hub *taps;
    struct probes *probes;
    const struct trace_export *traces; /* NULL: no spans are recorded */
    struct json_t *options;            /* as they are in effect, for /config; not held */
    int64_t started_at;                /* wall-clock seconds */
    bool is_draining;

    void (*drain)(void *context); /* POST /drain: as SIGTERM */
    void (*quit)(void *context);  /* POST /quit: end now */
    void *context;
};

/* Listens at `address`, or, when that cannot be, at `fallback`. NULL with `err` filled. */
struct admin_http *admin_start(struct event_base *base, const struct sockaddr_any *address,
                               const struct sockaddr_any *fallback, struct admin_sources *sources,
                               struct err *err);

#endif
