/*
 * What the tunnels and HTTP connections of one worker share: its loop, buffers, timers, balancers
 * and counters, and the configuration that holds now. Belongs to one thread.
 */
#ifndef OUTRIGGER_PROXY_WORKSPACE_H
#define OUTRIGGER_PROXY_WORKSPACE_H

#include "proxy/codec/codec.h"
#include "proxy/conn/conn.h"
#include "proxy/conn/graveyard.h"
#include "proxy/conn/timer_wheel.h"
#include "proxy/limit/refusals.h"
#include "proxy/settings.h"
#include "proxy/snapshot.h"
#include "proxy/telemetry/telemetry.h"
#include "proxy/upstream/balancers.h"
#include "proxy/upstream/ejected.h"
#include "proxy/upstream/waits.h"

/* Lines about refused connections: bursts are told one by one, a flood is counted. */
struct log_budget {
    uint64_t refilled_ns;
    unsigned lines;
    uint64_t suppressed;
};

struct pools;

struct workspace {
    const struct worker_settings *settings;
    struct worker_shared *shared; /* never NULL */
    struct worker_shared alone;   /* when the settings have none */
    struct telemetry_shard *telemetry;
    struct conn_shared conns;
    struct graveyard graveyard;
    struct timer_wheel timers;
    struct balancers balancers;
    struct ejected ejected;
    struct waits waits;
    struct list tunnels;
    size_t n_tunnels;
    size_t peak_tunnels; /* since memory was last given back; both kinds */
    struct codec_shared codecs;
    struct pools *pools;     /* never NULL once the workspace is made */
    struct list downstreams; /* HTTP connections from clients: proxy/downstream.h */
    size_t n_downstreams;
    struct list idle_requests; /* structs of requests that will be used again */
    size_t n_idle_requests;
    struct list mirrors; /* copies of requests that have not been answered */
    size_t n_mirrors;
    size_t replay_bytes; /* of bodies that are kept until their requests are answered */
    bool is_draining;
    struct timer drain_look; /* set while it drains: workspace_is_quiet() changes by itself */
    uint64_t busy_ns; /* when a client has connected, or its connection has ended, last; 0: never */
    struct timer trim;         /* set while there may be memory to give back */
    struct snapshot *snapshot; /* held; never NULL */
    struct worker_tls tls;     /* held */
    char *identity;            /* the pod's own SPIFFE ID, "" before it is known */
    struct log_budget refusals;
    struct refusals limiter_refusals;

    /* Asks the main thread for a Service. */
    void (*want_service)(struct workspace *workspace, struct slice resource);
    /* A tunnel has ended: descriptors came back. */
    void (*tunnel_ended)(struct workspace *workspace);
    void *context;
};

/* `telemetry` stays the caller's. False when memory is short. */
bool workspace_init(struct workspace *workspace, struct event_base *base,
                    const struct worker_settings *settings,
                    struct telemetry_shard *telemetry) MUST_USE;
void workspace_fini(struct workspace *workspace); /* when the tunnels have ended */

/* Both take over the references. Whoever waits for the snapshot goes on. */
void workspace_publish(struct workspace *workspace, struct snapshot *snapshot);
void workspace_publish_tls(struct workspace *workspace, const struct worker_tls *tls);

/* Connections that clients have opened, of both kinds. */
static inline size_t workspace_n_connections(const struct workspace *workspace)
{
    return workspace->n_tunnels + workspace->n_downstreams;
}

/* The process is going to end: HTTP connections are asked to. More may still come. */
void workspace_drain(struct workspace *workspace);
/* No connection is open in any worker, and none was here a moment ago: who connects anew for each
 * request, or has not heard yet that the pod is going, may come again, and to any worker. */
bool workspace_is_quiet(const struct workspace *workspace) MUST_USE;

/* Once a turn: sends what the turn produced; frees what has ended; a while after a crowd has gone,
 * its memory goes back. */
void workspace_tidy(struct workspace *workspace);

/* May one more line be written? *suppressed is how many were not since the last that was. */
bool log_budget_take(struct log_budget *budget, uint64_t now_ns, uint64_t *suppressed);

#endif
