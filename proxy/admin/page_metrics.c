#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/version.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/readiness.h"
#include "common/usage.h"
#include "proxy/telemetry/metrics.h"
#include "proxy/telemetry/tap.h"
#include "proxy/telemetry/trace_export.h"

#define METRICS_MAX_BYTES (64u << 20)
#define SAMPLES_MAX       64

struct samples {
    struct metrics_sample list[SAMPLES_MAX];
    size_t n;
};

static void add(struct samples *samples, const char *name, const char *help, bool is_counter,
                double value)
{
    samples->list[samples->n++] = (struct metrics_sample){
        .name = name, .help = help, .is_counter = is_counter, .value = value};
}

/* One of several series of the metric; those of one name must follow each other. */
static void add_labelled(struct samples *samples, const char *name, const char *help,
                         bool is_counter, const char *labels, double value)
{
    add(samples, name, help, is_counter, value);
    samples->list[samples->n - 1].labels = labels;
}

static void add_process(struct samples *samples, int64_t started_at)
{
    struct usage usage = usage_now();
    add(samples, "process_cpu_seconds_total", "CPU time, user and system", true, usage.cpu_seconds);
    add(samples, "process_resident_memory_bytes", "memory that is resident", false,
        (double)usage.resident_bytes);
    add(samples, "process_virtual_memory_bytes", "address space", false,
        (double)usage.virtual_bytes);
    add(samples, "process_open_fds", "descriptors open", false, (double)usage.descriptors);
    add(samples, "process_max_fds", "descriptors allowed", false, (double)usage.max_descriptors);
    add(samples, "process_start_time_seconds", "start, in seconds since the epoch", false,
        (double)started_at);
    add(samples, "outrigger_log_lines_dropped_total", "log lines that nobody took", true,
        (double)log_lines_dropped());
}

static void add_control(struct samples *samples, const struct admin_sources *sources)
{
    struct control_status status = control_status(sources->control);
    const struct svid *svid = control_svid(sources->control);
    int64_t now = clock_wall_sec();
    if (svid)
        add(samples, "outrigger_certificate_left_seconds",
            "until the proxy's certificate expires; negative when it has", false,
            (double)(svid_not_after(svid) - now));
    if (svid && trust_anchors_count(svid_anchors(svid)) > 0) {
        const struct trust_anchors *anchors = svid_anchors(svid);
        int64_t first = INT64_MAX;
        for (size_t i = 0; i < trust_anchors_count(anchors); i++) {
            if (trust_anchors_not_after(anchors, i) < first)
                first = trust_anchors_not_after(anchors, i);
        }
        add(samples, "outrigger_trust_anchor_left_seconds",
            "until the first of the trust anchors expires", false, (double)(first - now));
    }
    add(samples, "outrigger_control_disconnected_seconds",
        "since the discovery stream was lost; 0 while it is open", false,
        status.disconnected_since ? (double)(now - status.disconnected_since) : 0);
    add(samples, "outrigger_snapshot_generation", "grows with every accepted configuration", false,
        (double)control_snapshot(sources->control)->generation);
}

static void add_seeing(struct samples *samples, const struct admin_sources *sources)
{
    add(samples, "outrigger_tap_lines_dropped_total", "lines of /tap that nobody took", true,
        (double)tap_hub_dropped(sources->taps));
    if (!sources->traces)
        return;
    struct trace_export_counts counts = trace_export_counts(sources->traces);
    const struct {
        const char *labels;
        uint64_t n;
    } ends[] = {
        {"outcome=\"sent\"", counts.n_sent},
        {"outcome=\"dropped\"", counts.n_dropped},
        {"outcome=\"failed\"", counts.n_failed},
        {"outcome=\"rejected\"", counts.n_rejected},
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        add_labelled(samples, "outrigger_spans_total",
                     "spans: sent; dropped, the queue being full; failed, the receiver not "
                     "answering; rejected by it",
                     true, ends[i].labels, (double)ends[i].n);
    add(samples, "outrigger_spans_waiting", "spans on their way to the receiver", false,
        (double)counts.n_waiting);
}

static void add_admin(struct samples *samples, const struct admin_counts *counts)
{
    const struct {
        const char *labels;
        uint64_t n;
    } closed[] = {
#define X(suffix, reason) {"reason=\"" reason "\"", counts->n_##suffix},
        ADMIN_CLOSINGS(X)
#undef X
    };
    add(samples, "outrigger_admin_connections", "open on the admin port", false,
        (double)counts->n_open);
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        add_labelled(samples, "outrigger_admin_closed_total",
                     "connections that the admin port ended", true, closed[i].labels,
                     (double)closed[i].n);
}

static bool render(struct buf *out, enum metrics_format format, const struct admin_sources *sources,
                   const struct admin_http *server)
{
    struct err why;
    struct samples samples = {.n = 0};
    const struct telemetry_shard **shards = calloc(sources->n_workers + 1, sizeof(*shards));
    if (!shards)
        return false;
    for (size_t i = 0; i < sources->n_workers; i++)
        shards[i] = worker_telemetry(sources->workers[i]);
    shards[sources->n_workers] = sources->telemetry;
    add_labelled(&samples, "outrigger_build_info", "the version", false,
                 "version=\"" OUTRIGGER_VERSION "\"", 1);
    add(&samples, "outrigger_ready", "1 when /readyz is 200", false,
        readiness_check(sources, &why) ? 1 : 0);
    add_process(&samples, sources->started_at);
    add_control(&samples, sources);
    add_admin(&samples, admin_http_counts(server));
    add_seeing(&samples, sources);
    bool ok = metrics_render(out, format, shards, sources->n_workers + 1, samples.list, samples.n);
    free(shards);
    return ok;
}

void page_metrics(struct admin_request *request, void *context)
{
    enum metrics_format format = metrics_negotiate(admin_request_header(request, "Accept"));
    struct buf out;
    buf_init(&out, METRICS_MAX_BYTES);
    if (render(&out, format, context, admin_request_server(request))) {
        struct slice text = buf_slice(&out);
        admin_reply(request, HTTP_OK, metrics_content_type(format), text.ptr, text.len);
    } else {
        admin_reply_text(request, HTTP_INTERNAL, "out of memory");
    }
    buf_fini(&out);
}
