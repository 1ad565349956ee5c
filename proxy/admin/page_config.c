#include <jansson.h>

#include "common/time_json.h"
#include "common/version.h"
#include "proxy/admin/admin.h"
#include "proxy/admin/opaque_json.h"
#include "proxy/admin/pages.h"

static json_t *addresses_json(const struct workload *workload)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < workload->n_addresses; i++) {
        char text[IP_TEXT_BYTES];
        json_array_append_new(array, json_string(ip_format(&workload->addresses[i], text)));
    }
    return array;
}

static json_t *external_hosts_json(const struct external_hosts *hosts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < hosts->n; i++)
        json_array_append_new(array, json_string(hosts->list[i].object));
    return array;
}

static json_t *workload_json(const struct workload *workload)
{
    if (!workload)
        return json_null();
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:s,s:I,s:I,s:I,s:I,s:b,s:o,s:o}",
                     "name", workload->name, "version", workload->version, "workload",
                     workload->workload, "namespace", workload->namespace, "service_account",
                     workload->service_account, "zone", workload->zone, "trust_domain",
                     workload->trust_domain, "addresses", addresses_json(workload), "mtls_mode",
                     mtls_mode_name(workload->mtls_mode), "egress_mode",
                     workload->egress_mode == EGRESS_REGISTRY_ONLY ? "registry-only" : "allow-any",
                     "max_connections", (json_int_t)workload->max_connections, "idle_timeout_ms",
                     (json_int_t)workload->idle_timeout_ms, "connect_timeout_ms",
                     (json_int_t)workload->connect_timeout_ms, "discovery_timeout_ms",
                     (json_int_t)workload->discovery_timeout_ms, "access_log", workload->access_log,
                     "opaque_ports", opaque_json(&workload->opaque), "external_services",
                     external_hosts_json(&workload->external_hosts));
}

static json_t *control_json(const struct control_status *status)
{
    return json_pack("{s:b,s:o,s:o,s:s,s:s,s:I}", "is_connected", status->is_connected,
                     "connected_since", time_json(status->connected_since), "disconnected_since",
                     time_json(status->disconnected_since), "last_error",
                     status->last_error ? status->last_error : "", "last_nack",
                     status->last_nack ? status->last_nack : "", "nacks",
                     (json_int_t)status->nacks);
}

void page_config(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    const struct snapshot *snapshot = control_snapshot(sources->control);
    struct control_status status = control_status(sources->control);
    admin_reply_json(request, json_pack("{s:s,s:o,s:O,s:o,s:I,s:o}", "version", OUTRIGGER_VERSION,
                                        "started_at", time_json(sources->started_at), "options",
                                        sources->options, "controller", control_json(&status),
                                        "generation", (json_int_t)snapshot->generation, "workload",
                                        workload_json(snapshot->workload)));
}
