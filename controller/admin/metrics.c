#include "controller/admin/metrics.h"

#include <inttypes.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/usage.h"
#include "common/version.h"
#include "controller/objects/keys.h"

#define METRICS_MAX_BYTES (256u << 10) /* several times what is written */
#define PREFIX            "outrigger_controller_"

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", PREFIX, name, help, PREFIX, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    buf_printf(out, "%s%s %.15g\n", PREFIX, name, value);
}

static void counter(struct buf *out, const char *name, const char *help, double value)
{
    head(out, name, "counter", help);
    buf_printf(out, "%s%s %.15g\n", PREFIX, name, value);
}

static void labelled(struct buf *out, const char *name, const char *key, const char *value,
                     double number)
{
    buf_printf(out, "%s%s{%s=\"%s\"} %.15g\n", PREFIX, name, key, value, number);
}

/* "Workload" of "type.googleapis.com/outrigger.v1.Workload". */
static const char *type_name(enum resource_type type)
{
    return strrchr(resource_type_url(type), '.') + 1;
}

static void by_type(struct buf *out, const char *name, const char *help,
                    const uint64_t values[RESOURCE_TYPES])
{
    head(out, name, "counter", help);
    for (int i = 0; i < RESOURCE_TYPES; i++)
        labelled(out, name, "type", type_name((enum resource_type)i), (double)values[i]);
}

static void write_discovery(const struct delta_streams *streams, struct buf *out)
{
    const struct delta_counters *counters = &streams->counters;
    gauge(out, "streams", "Discovery streams that are open.", (double)streams->n_open);
    counter(out, "streams_opened_total", "Discovery streams that were taken.",
            (double)streams->n_accepted);
    counter(out, "streams_refused_total", "Discovery streams refused for the peer's identity.",
            (double)streams->n_unauthenticated);
    counter(out, "streams_expired_total", "Streams ended because the peer's certificate expired.",
            (double)streams->n_expired);
    counter(out, "streams_overflowed_total", "Streams ended at a ceiling.",
            (double)streams->n_overflows);
    counter(out, "bad_requests_total", "Discovery requests that could not be read.",
            (double)streams->n_bad_requests);
    counter(out, "unknown_types_total", "Streams that asked for a type that is not ours.",
            (double)streams->n_unknown_types);
    counter(out, "workloads_hidden_total", "Workloads asked for by another identity.",
            (double)streams->n_hidden);
    counter(out, "resources_too_large_total", "Resources over the message limit.",
            (double)streams->n_too_large);
    by_type(out, "pushes_total", "Discovery responses sent.", counters->responses);
    by_type(out, "resources_sent_total", "Resources in them.", counters->resources);
    by_type(out, "resources_removed_total", "Names answered as removed.", counters->removed);
    by_type(out, "acks_total", "Responses that proxies accepted.", counters->acks);
    by_type(out, "nacks_total", "Responses that proxies refused.", counters->nacks);
    by_type(out, "stale_nonces_total", "Requests with a nonce that is not open.",
            counters->stale_nonces);
}

static void write_compile(const struct delta_cache *cache, struct buf *out)
{
    counter(out, "compilations_total", "Resources compiled.", (double)cache->stats.compiled);
    counter(out, "compilations_failed_total", "Compilations without memory.",
            (double)cache->stats.compile_failed);
    counter(out, "compile_seconds_total", "Time spent compiling.",
            (double)cache->stats.compile_ns / (double)NS_PER_SEC);
    gauge(out, "resource_bytes", "Size of the resources that are held.",
          (double)cache->stats.bytes);
    head(out, "resources", "gauge", "Names with subscribers.");
    for (int i = 0; i < RESOURCE_TYPES; i++)
        labelled(out, "resources", "type", type_name((enum resource_type)i),
                 (double)cache->entries[i].count);
}

static void write_webhook(const struct webhook *webhook, struct buf *out)
{
    if (!webhook)
        return;
    const struct webhook_counts *counts = webhook_counts(webhook);
    head(out, "admissions_total", "counter", "Admission requests answered.");
    labelled(out, "admissions_total", "result", "injected", (double)counts->n_patched);
    labelled(out, "admissions_total", "result", "not_injected", (double)counts->n_unpatched);
    labelled(out, "admissions_total", "result", "accepted", (double)counts->n_accepted);
    labelled(out, "admissions_total", "result", "refused", (double)counts->n_refused);
    labelled(out, "admissions_total", "result", "malformed", (double)counts->n_malformed);
    counter(out, "admission_warnings_total", "Warnings given in them.", (double)counts->n_warnings);
}

static void write_objects(const struct admin_sources *sources, struct buf *out)
{
    head(out, "objects", "gauge", "Kubernetes objects in force.");
    for (int i = 0; i < OBJECT_KINDS; i++) {
        char key[STORE_KEY_BYTES];
        enum object_kind kind = (enum object_kind)i;
        labelled(out, "objects", "kind", object_kind_name(kind),
                 (double)store_find(sources->store, key_of_kind(key, kind)).n);
    }
    gauge(out, "manifest_files", "Files that are followed.",
          sources->manifests ? (double)manifests_files(sources->manifests) : 0);
    gauge(out, "problems", "What is wrong with the configuration; /objects lists it.",
          (double)problems_count(sources->problems));
}

static void write_identity(const struct admin_sources *sources, struct buf *out)
{
    struct identity_stats stats = identity_service_stats(sources->identity);
    int64_t now = clock_wall_sec();
    counter(out, "certificates_issued_total", "Certificates signed for proxies.",
            (double)stats.certified);
    head(out, "certify_refused_total", "counter",
         "Certificate requests refused, by what was wrong.");
    labelled(out, "certify_refused_total", "reason", "token", (double)stats.refused_token);
    labelled(out, "certify_refused_total", "reason", "request", (double)stats.refused_request);
    labelled(out, "certify_refused_total", "reason", "signer", (double)stats.failed);
    gauge(out, "root_certificate_seconds_left", "Until the root certificate expires.",
          (double)(ca_root_not_after(sources->ca) - now));
    gauge(out, "own_certificate_seconds_left", "Until the controller's own certificate expires.",
          (double)(svid_not_after(server_identity_svid(sources->own_identity)) - now));
}

static void write_grpc(const struct grpc_server *grpc, struct buf *out)
{
    struct grpc_server_stats stats = grpc_server_stats(grpc);
    gauge(out, "grpc_connections", "Connections that are open.", (double)stats.connections);
    gauge(out, "grpc_streams", "Calls that are open.", (double)stats.streams);
    counter(out, "grpc_accepted_total", "Connections accepted.", (double)stats.accepted);
    counter(out, "grpc_refused_total", "Connections closed at the ceiling.", (double)stats.refused);
    counter(out, "grpc_handshake_failures_total", "Connections that failed before a call.",
            (double)stats.handshake_failures);
    counter(out, "grpc_calls_total", "Calls begun.", (double)stats.calls);
}

static void write_admin(const struct admin_counts *counts, struct buf *out)
{
    gauge(out, "admin_connections", "Open on the admin port.", (double)counts->n_open);
    head(out, "admin_closed_total", "counter", "Connections that the admin port ended.");
#define X(suffix, reason)                                                                          \
    labelled(out, "admin_closed_total", "reason", reason, (double)counts->n_##suffix);
    ADMIN_CLOSINGS(X)
#undef X
}

static void write_process(struct buf *out)
{
    struct usage usage = usage_now();
    buf_printf(out,
               "# HELP process_cpu_seconds_total User and system time.\n"
               "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n"
               "# HELP process_resident_memory_bytes Resident memory.\n"
               "# TYPE process_resident_memory_bytes gauge\n"
               "process_resident_memory_bytes %" PRIu64 "\n",
               usage.cpu_seconds, usage.resident_bytes);
}

void metrics_write(const struct admin_sources *sources, const struct admin_counts *admin,
                   struct buf *out)
{
    buf_init(out, METRICS_MAX_BYTES);
    const struct delta_streams *streams = delta_server_streams(sources->delta);
    head(out, "info", "gauge", "The version that runs.");
    labelled(out, "info", "version", OUTRIGGER_VERSION, 1);
    write_discovery(streams, out);
    write_compile(&streams->cache, out);
    write_webhook(sources->webhook, out);
    write_objects(sources, out);
    write_identity(sources, out);
    write_grpc(sources->grpc, out);
    write_admin(admin, out);
    counter(out, "log_lines_dropped_total", "Log lines that standard output did not take.",
            (double)log_lines_dropped());
    write_process(out);
}
