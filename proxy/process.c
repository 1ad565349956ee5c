#include "proxy/process.h"

#include <assert.h>
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/end_signals.h"
#include "common/log.h"
#include "common/options_json.h"
#include "common/startup_pages.h"
#include "common/version.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/readiness.h"
#include "proxy/probe/probes.h"
#include "proxy/telemetry/access_log.h"
#include "proxy/telemetry/tap.h"
#include "proxy/telemetry/trace_export.h"

#define LAST_SPANS_MS 2000 /* for the receiver to take what there is, at the end */

/* Only ever forward. */
enum process_state { PROCESS_STARTING, PROCESS_SERVING, PROCESS_DRAINING, PROCESS_STOPPING };

struct process {
    enum process_state state;
    const struct proxy_options *options;
    struct event_base *base;
    struct event *on_term, *on_int;
    struct mailbox *box;
    struct telemetry_shard *telemetry; /* of the main thread */
    struct worker_shared shared;
    struct worker_settings settings;
    struct access_log *lines;
    struct tap_hub *taps;
    struct tracing tracing;
    struct worker **workers;
    size_t n_workers, n_stopped;
    struct control *control;
    struct admin_sources sources;
    struct probes *probes;
    struct admin_http *admin;
    uint64_t started_ns;
    bool was_ready;
};

static const char *const state_names[] = {"starting", "serving", "draining", "stopping"};

static void process_enter(struct process *process, enum process_state state)
{
    assert(state > process->state);
    process->state = state;
    process->sources.is_draining = state >= PROCESS_DRAINING;
    LOG(LOG_INFO, state_names[state], LOG_S("pod", process->options->pod),
        LOG_S("version", OUTRIGGER_VERSION));
}

/* ---- the end ------------------------------------------------------------------------------------
 */

static void process_drain(struct process *process)
{
    if (process->state >= PROCESS_DRAINING)
        return;
    process_enter(process, PROCESS_DRAINING);
    for (size_t i = 0; i < process->n_workers; i++)
        worker_drain(process->workers[i], process->options->drain_timeout_ms);
}

static void process_stop(struct process *process)
{
    if (process->state >= PROCESS_STOPPING)
        return;
    process_enter(process, PROCESS_STOPPING);
    for (size_t i = 0; i < process->n_workers; i++)
        worker_stop(process->workers[i]);
}

/* The first asks, the second insists, the third does not wait for anybody. */
static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    struct process *process = arg;
    if (process->state < PROCESS_DRAINING)
        process_drain(process);
    else if (process->state < PROCESS_STOPPING)
        process_stop(process);
    else
        _Exit(1);
}

static void on_drain_page(void *context)
{
    process_drain(context);
}

static void on_quit_page(void *context)
{
    process_stop(context);
}

static void on_last_spans(void *context)
{
    struct process *process = context;
    event_base_loopexit(process->base, NULL);
}

static void on_worker_stopped(void *context, struct worker *worker)
{
    struct process *process = context;
    (void)worker; /* joined when all have stopped: the admin pages still look at it */
    if (++process->n_stopped < process->n_workers)
        return;
    if (process->tracing.export)
        trace_export_finish(process->tracing.export, LAST_SPANS_MS, on_last_spans, process);
    else
        event_base_loopexit(process->base, NULL);
}

/* ---- between the controller and the workers -----------------------------------------------------
 */

static void on_want_service(void *context, struct slice resource)
{
    struct process *process = context;
    control_want_service(process->control, resource);
}

/* Said once: how long it took is what people look for in the log. */
static void note_ready(struct process *process)
{
    struct err why;
    if (process->was_ready || !process->control || !readiness_check(&process->sources, &why))
        return;
    process->was_ready = true;
    LOG(LOG_INFO, "ready", LOG_I("after_ms", (clock_now_ns() - process->started_ns) / NS_PER_MS));
    startup_pages_drop();
}

static void on_publish(void *context, struct snapshot *snapshot)
{
    struct process *process = context;
    for (size_t i = 0; i < process->n_workers; i++)
        worker_publish(process->workers[i], snapshot);
    if (process->tracing.export && snapshot->workload)
        trace_export_set_service(process->tracing.export, snapshot->workload->workload);
    note_ready(process);
}

static void on_publish_tls(void *context, const struct worker_tls *tls)
{
    struct process *process = context;
    for (size_t i = 0; i < process->n_workers; i++)
        worker_publish_tls(process->workers[i], tls);
    note_ready(process);
}

/* ---- the start ----------------------------------------------------------------------------------
 */

static bool start_base(struct process *process, struct err *err)
{
    process->base = event_base_new();
    process->telemetry = telemetry_shard_new(1); /* the main thread carries no connection */
    if (!process->base || !process->telemetry)
        return err_set(err, "out of memory");
    process->on_term = evsignal_new(process->base, SIGTERM, on_signal, process);
    process->on_int = evsignal_new(process->base, SIGINT, on_signal, process);
    if (!process->on_term || !process->on_int || event_add(process->on_term, NULL) != 0 ||
        event_add(process->on_int, NULL) != 0)
        return err_set(err, "signals: out of memory");
    process->box = mailbox_new(process->base, process, err);
    return process->box != NULL;
}

static struct codec_limits http_limits(const struct proxy_options *options)
{
    struct codec_limits limits = codec_default_limits;
    limits.h1.line_bytes = options->max_line_bytes;
    limits.h1.head_bytes = options->max_head_bytes;
    limits.h1.n_fields = options->max_head_fields;
    limits.head_timeout_ms = options->head_timeout_ms;
    limits.keepalive_timeout_ms = options->keepalive_timeout_ms;
    limits.stream_idle_timeout_ms = options->stream_idle_timeout_ms;
    limits.max_streams = (uint32_t)options->max_streams;
    limits.max_work = 2 * limits.max_streams;
    limits.max_glitches = (uint32_t)options->max_glitches;
    return limits;
}

/* What looks at requests as they end. */
static bool start_seeing(struct process *process, struct err *err)
{
    const struct proxy_options *options = process->options;
    struct trace_export_options traces = {.endpoint = options->otlp_endpoint,
                                          .pod = options->pod,
                                          .socket_mark = (uint32_t)options->socket_mark};
    process->lines = access_log_new(options->access_log_format, options->access_log_filter, err);
    if (!process->lines)
        return false;
    process->taps = tap_hub_new(process->box);
    if (!process->taps)
        return err_set(err, "out of memory");
    if (!options->otlp_endpoint)
        return true;
    if (!trace_parse_ratio(slice_str(options->trace_sampling), &process->tracing.ratio))
        return err_set(err, "--trace-sampling: no share");
    process->tracing.export = trace_export_new(process->base, process->box, &traces, err);
    return process->tracing.export != NULL;
}

static bool start_workers(struct process *process, struct err *err)
{
    const struct proxy_options *options = process->options;
    struct worker_callbacks callbacks = {on_want_service, on_worker_stopped, process};
    process->settings = (struct worker_settings){
        .inbound_port = (uint16_t)options->inbound_port,
        .outbound_port = (uint16_t)options->outbound_port,
        .admin_port = (uint16_t)options->admin_port,
        .socket_mark = (uint32_t)options->socket_mark,
        .handshake_timeout_ms = options->handshake_timeout_ms,
        .detect_timeout_ms = options->detect_timeout_ms,
        .connect_timeout_ms = options->connect_timeout_ms,
        .idle_timeout_ms = options->idle_timeout_ms,
        .discovery_timeout_ms = options->discovery_timeout_ms,
        .max_connections = (uint32_t)options->max_connections,
        .connect_attempts = (unsigned)options->connect_attempts,
        .access_log = options->access_log,
        .lines = process->lines,
        .taps = process->taps,
        .tracing = process->tracing.export ? &process->tracing : NULL,
        .max_flows = options->max_metric_labels,
        .pool_idle_timeout_ms = options->pool_idle_timeout_ms,
        .pool_max_age_ms = options->pool_max_age_ms,
        .pool_max_connections = (uint32_t)options->pool_max_connections,
        .pool_max_pending = (uint32_t)options->pool_max_pending,
        .limits = http_limits(options),
        .shared = &process->shared,
    };
    process->workers = calloc(options->workers, sizeof(*process->workers));
    if (!process->workers)
        return err_set(err, "out of memory");
    for (; process->n_workers < options->workers; process->n_workers++) {
        struct worker *worker = worker_start((unsigned)process->n_workers, &process->settings,
                                             &callbacks, process->box, err);
        if (!worker)
            return false;
        process->workers[process->n_workers] = worker;
    }
    return true;
}

static bool start_control(struct process *process, struct err *err)
{
    const struct proxy_options *options = process->options;
    struct control_settings settings = {
        .controller = options->controller,
        .controller_identity = options->controller_identity,
        .socket_mark = (uint32_t)options->socket_mark,
        .trust_domain = options->trust_domain,
        .pod = options->pod,
        .token_file = options->token_file,
        .anchors_file = options->trust_anchors,
        .backoff_min_ms = options->backoff_min_ms,
        .backoff_max_ms = options->backoff_max_ms,
        .service_idle_ms = options->service_idle_ms,
        .max_services = options->max_services,
    };
    struct control_callbacks callbacks = {on_publish, on_publish_tls, process};
    process->control = control_start(process->base, &settings, &callbacks, process->telemetry, err);
    return process->control != NULL;
}

static bool start_admin(struct process *process, struct err *err)
{
    struct sockaddr_any fallback;
    struct sockaddr_any address = proxy_options_admin(process->options, &fallback);
    process->sources = (struct admin_sources){
        .pod = process->options->pod,
        .control = process->control,
        .workers = process->workers,
        .n_workers = process->n_workers,
        .telemetry = process->telemetry,
        .taps = process->taps,
        .traces = process->tracing.export,
        .options = options_json(&proxy_option_table, process->options, proxy_options_custom_json),
        .started_at = clock_wall_sec(),
        .drain = on_drain_page,
        .quit = on_quit_page,
        .context = process,
    };
    struct ip pod;
    if (ip_parse(slice_str(process->options->app_probe_address), &pod)) /* it has been checked */
        process->probes = probes_new(process->base, &process->options->app_probes, &pod,
                                     (uint32_t)process->options->socket_mark);
    process->sources.probes = process->probes;
    if (!process->sources.options || !process->probes)
        return err_set(err, "out of memory");
    process->admin = admin_start(process->base, &address, &fallback, &process->sources, err);
    return process->admin != NULL;
}

struct process *process_start(const struct proxy_options *options, struct err *err)
{
    struct process *process = calloc(1, sizeof(*process));
    if (!process) {
        err_set(err, "out of memory");
        return NULL;
    }
    process->options = options;
    process->started_ns = clock_now_ns();
    if (!start_base(process, err) || !start_seeing(process, err) || !start_workers(process, err) ||
        !start_control(process, err) || !start_admin(process, err)) {
        process_free(process);
        return NULL;
    }
    process_enter(process, PROCESS_SERVING);
    return process;
}

void process_run(struct process *process)
{
    event_base_dispatch(process->base);
}

/* Unanswered admin requests are answered on the way, by the workers' and our own mailbox. */
void process_free(struct process *process)
{
    probes_free(process->probes);
    if (process->admin)
        admin_http_free(process->admin);
    for (size_t i = 0; i < process->n_workers; i++)
        worker_stop(process->workers[i]);
    for (size_t i = 0; i < process->n_workers; i++)
        worker_join(process->workers[i]);
    if (process->control)
        control_stop(process->control);
    if (process->box)
        mailbox_free(process->box);
    trace_export_free(process->tracing.export);
    tap_hub_free(process->taps);
    access_log_free(process->lines);
    end_signals_block();
    if (process->on_term)
        event_free(process->on_term);
    if (process->on_int)
        event_free(process->on_int);
    if (process->base)
        event_base_free(process->base);
    if (process->telemetry)
        telemetry_shard_free(process->telemetry);
    json_decref(process->sources.options);
    free(process->workers);
    free(process);
}
