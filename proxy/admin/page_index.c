#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/version.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/html.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/readiness.h"
#include "common/text.h"
#include "common/usage.h"
#include "proxy/telemetry/metrics.h"

#define SHOWN_ROWS 50 /* of each table; the JSON pages have the rest */

static const char head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>outrigger-proxy</title><style>"
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;"
    "margin:1.5rem auto;padding:0 1rem}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.8rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid #8884;vertical-align:top;overflow-wrap:anywhere}"
    ".bad{color:#c62828;font-weight:600}.good{color:#2e7d32;font-weight:600}</style></head><body>";

static void show_identity(struct html *html, const struct admin_sources *sources)
{
    const struct svid *svid = control_svid(sources->control);
    struct control_status status = control_status(sources->control);
    char end[TEXT_TIME_BYTES], left[TEXT_SPAN_BYTES], next[TEXT_SPAN_BYTES];
    int64_t now = clock_wall_sec();
    html_heading(html, "Identity", "/certificates");
    html_table(html, NULL);
    if (!svid) {
        html_row(html, "certificate", "none");
    } else {
        int64_t seconds = svid_not_after(svid) - now;
        html_row(html, "identity", "%.*s", SLICE_ARG(svid_id(svid)->text));
        html_row(html, "certificate", "%s: expires %s, %s left", svid_serial(svid),
                 text_time(svid_not_after(svid), end), text_span(seconds, left));
        if (status.next_renewal > now)
            html_row(html, "renewal in", "%s", text_span(status.next_renewal - now, next));
    }
    if (status.certificate_error && *status.certificate_error)
        html_row(html, "last error", "%s", status.certificate_error);
    html_table_end(html);
}

static void show_controller(struct html *html, const struct admin_sources *sources)
{
    struct control_status status = control_status(sources->control);
    int64_t since = status.is_connected ? status.connected_since : status.disconnected_since;
    char time[TEXT_TIME_BYTES], span[TEXT_SPAN_BYTES];
    html_heading(html, "Controller", "/config");
    html_table(html, NULL);
    if (since)
        html_row(html, status.is_connected ? "connected" : "NOT connected", "since %s (%s)",
                 text_time(since, time), text_span(clock_wall_sec() - since, span));
    else
        html_row(html, "NOT connected", "never was");
    html_row(html, "configuration", "generation %" PRIu64 ", %s",
             control_snapshot(sources->control)->generation,
             status.has_workload ? "workload known" : "workload not known yet");
    if (status.last_error && *status.last_error)
        html_row(html, "last error", "%s", status.last_error);
    if (status.last_nack && *status.last_nack)
        html_row(html, "last refusal", "%s", status.last_nack);
    html_table_end(html);
}

static void show_inbound(struct html *html, const struct workload *workload)
{
    html_heading(html, "Inbound", "/policies");
    html_table(html, NULL);
    if (workload) {
        html_row(html, "workload", "%s (service account %s/%s)", workload->workload,
                 workload->namespace, workload->service_account);
        html_row(html, "TLS mode", "%s", mtls_mode_name(workload->mtls_mode));
        for (size_t i = 0; i < workload->n_ports; i++)
            html_row(html, "port", "%u: %s, %s", workload->ports[i].port,
                     protocol_name(workload->ports[i].protocol),
                     mtls_mode_name(workload->ports[i].mtls_mode));
        html_row(html, "access policies", "%zu", access_count(workload->access));
        html_row(html, "unknown destinations", "%s",
                 workload->egress_mode == EGRESS_REGISTRY_ONLY ? "refused" : "passed through");
    } else {
        html_row(html, "policy", "not known yet: every connection is refused");
    }
    html_table_end(html);
}

static void show_services(struct html *html, const struct snapshot *snapshot)
{
    struct map_entry **entries = text_sorted(&snapshot->services);
    if (!entries)
        return;
    html_heading(html, "Services dialled", "/services");
    html_table(html, "address|service|endpoints|open");
    for (size_t i = 0; i < snapshot->services.count && i < SHOWN_ROWS; i++) {
        const struct service *service = entries[i]->value;
        size_t n = service->pod ? service->pod->n : 0;
        for (size_t j = 0; j < service->n_uses; j++) {
            const struct endpoints *endpoints =
                snapshot_endpoints(snapshot, slice_str(service->uses[j]));
            n += endpoints ? endpoints->n : 0;
        }
        html_cells_start(html);
        html_cell(html, "%s", service->resource);
        html_cell(html, "%s", service->is_known ? service->name : "not of the mesh");
        html_cell(html, "%zu", n);
        html_cell(html, "%u", atomic_load(&service->shared->connections));
        html_cells_end(html);
    }
    html_table_end(html);
    free(entries);
}

static uint64_t flow_errors(const struct flow_sum *flow)
{
    uint64_t errors = 0;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        if (reason_is_error((enum reason)i))
            errors += flow->ended[i];
    }
    return errors;
}

/* The reason that ended most connections in error. */
static const char *flow_worst(const struct flow_sum *flow)
{
    size_t worst = REASON_COUNT;
    for (size_t i = 0; i < REASON_COUNT; i++) {
        if (reason_is_error((enum reason)i) && flow->ended[i] > 0 &&
            (worst == REASON_COUNT || flow->ended[i] > flow->ended[worst]))
            worst = i;
    }
    return worst == REASON_COUNT ? "" : reason_word((enum reason)worst);
}

static int by_opened(const void *a, const void *b)
{
    const struct flow_sum *one = a, *two = b;
    return one->opened < two->opened ? 1 : one->opened > two->opened ? -1 : 0;
}

/* Who it is, as shortly as can be said: the workload, else the identity, else nothing. */
static void show_end(struct html *html, const char *labels, const char *workload,
                     const char *identity)
{
    char text[512];
    if (!*metrics_label(labels, workload, text, sizeof(text)))
        metrics_label(labels, identity, text, sizeof(text));
    html_cell(html, "%s", *text ? text : "outside of the mesh");
}

static void show_label(struct html *html, const char *labels, const char *name)
{
    char text[512];
    html_cell(html, "%s", metrics_label(labels, name, text, sizeof(text)));
}

static void show_flow(struct html *html, const struct flow_sum *flow)
{
    html_cells_start(html);
    show_label(html, flow->labels, "direction");
    show_end(html, flow->labels, "source_workload", "source_identity");
    show_end(html, flow->labels, "destination_workload", "destination_identity");
    show_label(html, flow->labels, "service");
    show_label(html, flow->labels, "tls");
    show_label(html, flow->labels, "policy");
    html_cell(html, "%" PRIu64, flow->open);
    html_cell(html, "%" PRIu64, flow->opened);
    html_cell(html, "%" PRIu64 " %s", flow_errors(flow), flow_worst(flow));
    html_cell(html, "%" PRIu64, flow->bytes_sent);
    html_cell(html, "%" PRIu64, flow->bytes_received);
    html_cells_end(html);
}

static void show_flows(struct html *html, const struct admin_sources *sources)
{
    const struct telemetry_shard **shards = calloc(sources->n_workers + 1, sizeof(*shards));
    size_t n = 0;
    for (size_t i = 0; shards && i < sources->n_workers; i++)
        shards[i] = worker_telemetry(sources->workers[i]);
    struct flow_sum *flows = shards ? metrics_sum(shards, sources->n_workers, &n) : NULL;
    if (flows)
        qsort(flows, n, sizeof(*flows), by_opened);
    html_heading(html, "Who talks to whom", "/connections");
    html_table(html, "direction|from|to|service|TLS|policy|open|opened|failed|bytes to server|"
                     "bytes to client");
    for (size_t i = 0; flows && i < n && i < SHOWN_ROWS; i++)
        show_flow(html, &flows[i]);
    html_table_end(html);
    free(flows);
    free(shards);
}

static void show_process(struct html *html, const struct admin_sources *sources)
{
    struct usage usage = usage_now();
    char span[TEXT_SPAN_BYTES];
    html_heading(html, "Process", "/memory");
    html_table(html, NULL);
    html_row(html, "running for", "%s, %zu worker%s, version %s",
             text_span(clock_wall_sec() - sources->started_at, span), sources->n_workers,
             sources->n_workers == 1 ? "" : "s", OUTRIGGER_VERSION);
    html_row(html, "memory", "%" PRIu64 " KiB resident", usage.resident_bytes / 1024);
    html_row(html, "CPU", "%.2f s", usage.cpu_seconds);
    html_row(html, "descriptors", "%" PRIu64 " of %" PRIu64, usage.descriptors,
             usage.max_descriptors);
    html_table_end(html);
}

static void show_pages(struct html *html)
{
    html_heading(html, "Pages", NULL);
    html_table(html, NULL);
    for (size_t i = 0; i < admin_n_pages; i++)
        html_link_row(html, admin_pages[i].path, admin_pages[i].methods, admin_pages[i].help);
    html_table_end(html);
}

void page_index(struct admin_request *request, void *context)
{
    const struct admin_sources *sources = context;
    const struct snapshot *snapshot = control_snapshot(sources->control);
    struct html html;
    struct err why = {.text = ""};
    html_init(&html, ADMIN_HTML_MAX_BYTES);
    bool is_ready = readiness_check(sources, &why);
    html_raw(&html, head);
    html_title(&html, sources->pod, is_ready, is_ready ? "ready" : why.text);
    show_identity(&html, sources);
    show_controller(&html, sources);
    show_inbound(&html, snapshot->workload);
    show_services(&html, snapshot);
    show_flows(&html, sources);
    show_process(&html, sources);
    show_pages(&html);
    html_raw(&html, "</body></html>\n");
    struct slice text = buf_slice(&html.text);
    if (html.is_whole)
        admin_reply_html(request, text);
    else
        admin_reply_text(request, HTTP_INTERNAL, "out of memory");
    html_fini(&html);
}
