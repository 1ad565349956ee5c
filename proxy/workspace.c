#include "proxy/workspace.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/spiffe.h"
#include "proxy/downstream.h"
#include "proxy/request.h"
#include "proxy/upstream/pool.h"
#include "common/usage.h"
#include "proxy/codec/slabs.h"

#define LOG_BURST_LINES 50
#define LOG_LINE_NS     (NS_PER_SEC / 10)

/* Fewer are not worth walking the heap for; and crowds come in waves. */
#define TRIM_MIN_TUNNELS 64
#define TRIM_DELAY_MS    1000
/* What the exchanges of a quiet pod may keep for the next ones. */
#define WARM_BYTES ((size_t)1024 * 1024)

/* So that after a rotation not all handshakes are made in one moment. */
#define RENEW_SPREAD_MS 30000

/* While it drains: nothing may be open for so long before it is over, and how often to ask. */
#define DRAIN_QUIET_MS 500
#define DRAIN_LOOK_MS  100

/* The allocator keeps what it has; a pod that had one bad minute must not pay for it for ever. */
static void on_trim(struct timer *timer)
{
    struct workspace *workspace = LIST_ENTRY(timer, struct workspace, trim);
    size_t n_connections = workspace_n_connections(workspace);
    bool is_crowd_gone = n_connections <= workspace->peak_tunnels / 8;
    size_t idle_bytes = slabs_trim_idle(workspace->codecs.slabs);
    if (is_crowd_gone) {
        slabs_trim(workspace->codecs.slabs);
        workspace->peak_tunnels = n_connections;
    }
    if (is_crowd_gone || idle_bytes > WARM_BYTES / 2)
        usage_trim();
}

static void on_drain_look(struct timer *timer)
{
    struct workspace *workspace = LIST_ENTRY(timer, struct workspace, drain_look);
    timer_set(&workspace->timers, timer, clock_now_ns(), DRAIN_LOOK_MS);
}

bool workspace_is_quiet(const struct workspace *workspace)
{
    return workspace->shared->connections == 0 && workspace_n_connections(workspace) == 0 &&
           clock_now_ns() - workspace->busy_ns >= DRAIN_QUIET_MS * NS_PER_MS;
}

void workspace_drain(struct workspace *workspace)
{
    if (workspace->is_draining)
        return;
    workspace->is_draining = true;
    downstream_drain_all(workspace);
    pools_drain(workspace->pools);
    on_drain_look(&workspace->drain_look);
}

static void on_endpoint_gone(void *context, const struct sockaddr_any *address)
{
    struct workspace *workspace = context;
    pools_drain_address(workspace->pools, address);
}

static bool workspace_init_http(struct workspace *workspace)
{
    static const struct pool_clients clients = {h1_client_new, h2_client_new};
    const struct codec_limits *own = &workspace->settings->limits;
    list_init(&workspace->downstreams);
    list_init(&workspace->mirrors);
    list_init(&workspace->idle_requests);
    timer_init(&workspace->drain_look, on_drain_look);
    if (!codec_shared_init(&workspace->codecs, &workspace->conns, &workspace->graveyard,
                           &workspace->timers, workspace->telemetry,
                           own->max_streams ? own : &codec_default_limits))
        return false;
    workspace->pools = pools_new(workspace, &clients);
    if (!workspace->pools)
        return false;
    workspace->balancers.endpoint_gone = on_endpoint_gone;
    workspace->balancers.context = workspace;
    return true;
}

static void workspace_fini_http(struct workspace *workspace)
{
    if (workspace->pools)
        pools_free(workspace->pools);
    graveyard_bury(&workspace->graveyard);
    if (workspace->codecs.slabs)
        codec_shared_fini(&workspace->codecs);
    request_free_idle(workspace);
}

bool workspace_init(struct workspace *workspace, struct event_base *base,
                    const struct worker_settings *settings, struct telemetry_shard *telemetry)
{
    *workspace = (struct workspace){.settings = settings, .telemetry = telemetry};
    workspace->shared = settings->shared ? settings->shared : &workspace->alone;
    workspace->refusals =
        (struct log_budget){.refilled_ns = clock_now_ns(), .lines = LOG_BURST_LINES};
    graveyard_init(&workspace->graveyard);
    timer_wheel_init(&workspace->timers, base);
    timer_init(&workspace->trim, on_trim);
    ejected_init(&workspace->ejected, &workspace->balancers, &workspace->timers, telemetry);
    waits_init(&workspace->waits);
    list_init(&workspace->tunnels);
    workspace->snapshot = snapshot_new();
    workspace->identity = calloc(1, 1);
    if (!conn_shared_init(&workspace->conns, base) || !workspace_init_http(workspace) ||
        !workspace->snapshot || !workspace->identity) {
        workspace_fini(workspace);
        return false;
    }
    return true;
}

void workspace_fini(struct workspace *workspace)
{
    workspace_fini_http(workspace);
    timer_wheel_fini(&workspace->timers);
    waits_fini(&workspace->waits);
    balancers_fini(&workspace->balancers);
    conn_shared_fini(&workspace->conns);
    if (workspace->snapshot)
        snapshot_drop(workspace->snapshot);
    svid_tls_drop(workspace->tls.client);
    svid_tls_drop(workspace->tls.server);
    refusals_fini(&workspace->limiter_refusals);
    free(workspace->identity);
    *workspace = (struct workspace){0};
}

static void workspace_learn_identity(struct workspace *workspace, const struct workload *workload)
{
    char *identity = malloc(SPIFFE_ID_MAX_BYTES + 1);
    if (!identity)
        return;
    if (!spiffe_format(identity, SPIFFE_ID_MAX_BYTES + 1, slice_str(workload->trust_domain),
                       slice_str(workload->namespace), slice_str(workload->service_account)))
        identity[0] = '\0';
    char *fitting = realloc(identity, strlen(identity) + 1);
    free(workspace->identity);
    workspace->identity = fitting ? fitting : identity;
}

void workspace_publish(struct workspace *workspace, struct snapshot *snapshot)
{
    struct snapshot *old = workspace->snapshot;
    workspace->snapshot = snapshot;
    if (snapshot->workload && snapshot->workload != old->workload)
        workspace_learn_identity(workspace, snapshot->workload);
    snapshot_drop(old);
    balancers_follow(&workspace->balancers, snapshot);
    ejected_recount(&workspace->ejected);
    waits_wake(&workspace->waits);
}

void workspace_publish_tls(struct workspace *workspace, const struct worker_tls *tls)
{
    svid_tls_drop(workspace->tls.client);
    svid_tls_drop(workspace->tls.server);
    workspace->tls = *tls;
    if (tls->client) /* it has expired and there is no other: what is open lives on */
        pools_renew(workspace->pools, RENEW_SPREAD_MS);
}

void workspace_tidy(struct workspace *workspace)
{
    codec_shared_flush(&workspace->codecs);
    graveyard_bury(&workspace->graveyard);
    if (workspace_n_connections(workspace) > workspace->peak_tunnels)
        workspace->peak_tunnels = workspace_n_connections(workspace);
    bool may_trim = workspace->peak_tunnels >= TRIM_MIN_TUNNELS ||
                    slabs_kept(workspace->codecs.slabs) > WARM_BYTES;
    if (may_trim && !timer_is_set(&workspace->trim))
        timer_set(&workspace->timers, &workspace->trim, clock_now_ns(), TRIM_DELAY_MS);
}

bool log_budget_take(struct log_budget *budget, uint64_t now_ns, uint64_t *suppressed)
{
    uint64_t lines = (now_ns - budget->refilled_ns) / LOG_LINE_NS;
    if (lines) {
        budget->refilled_ns += lines * LOG_LINE_NS;
        uint64_t sum = budget->lines + lines;
        budget->lines = sum > LOG_BURST_LINES ? LOG_BURST_LINES : (unsigned)sum;
    }
    if (budget->lines == 0) {
        budget->suppressed++;
        return false;
    }
    budget->lines--;
    *suppressed = budget->suppressed;
    budget->suppressed = 0;
    return true;
}
