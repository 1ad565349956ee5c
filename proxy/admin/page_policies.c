#include <jansson.h>

#include "proxy/admin/admin.h"
#include "proxy/admin/pages.h"

static json_t *ports_json(const struct workload *workload)
{
    json_t *ports = json_array();
    for (size_t i = 0; ports && i < workload->n_ports; i++) {
        const struct inbound_port *port = &workload->ports[i];
        json_array_append_new(ports, json_pack("{s:i,s:s,s:s}", "port", port->port, "protocol",
                                               protocol_name(port->protocol), "mtls_mode",
                                               mtls_mode_name(port->mtls_mode)));
    }
    return ports;
}

static json_t *limits_json(const struct rate_limits *limits)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < limits->n; i++) {
        const struct rate_limit *limit = &limits->list[i];
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:I,s:I}", "name", limit->name, "policy",
                            limit->policy, "requests", (json_int_t)limit->requests, "per_ms",
                            (json_int_t)limit->per_ms, "burst", (json_int_t)limit->burst, "by",
                            rate_limit_by_name(limit->by), "header", limit->header, "buckets",
                            (json_int_t)buckets_n(limit->buckets), "shared",
                            (json_int_t)buckets_shared(limit->buckets)));
    }
    return list;
}

static json_t *jwt_json(const struct jwt_rules *rules)
{
    if (!rules->policy)
        return json_null();
    json_t *providers = json_array();
    for (size_t i = 0; i < rules->n; i++) {
        const struct jwt_provider *provider = &rules->providers[i];
        json_t *audiences = json_array();
        for (size_t k = 0; k < provider->n_audiences; k++)
            json_array_append_new(audiences, json_string(provider->audiences[k]));
        json_array_append_new(providers,
                              json_pack("{s:s,s:s,s:o,s:I}", "name", provider->name, "issuer",
                                        provider->issuer, "audiences", audiences, "keys",
                                        (json_int_t)provider->keys.n));
    }
    return json_pack("{s:s,s:b,s:o}", "policy", rules->policy, "required", rules->is_required,
                     "providers", providers);
}

static json_t *external_json(const struct external_service *service, bool is_fail_open)
{
    if (!service->policy)
        return json_null();
    return json_pack("{s:s,s:s,s:s,s:I,s:b}", "policy", service->policy, "service",
                     service->service, "problem", service->why, "timeout_ms",
                     (json_int_t)service->timeout_ms, "fail_open", is_fail_open);
}

void page_policies(struct admin_request *request, void *context)
{
    struct admin_sources *sources = context;
    const struct workload *workload = control_snapshot(sources->control)->workload;
    if (!workload) {
        admin_reply_text(request, HTTP_SERVUNAVAIL,
                         "the controller has not told the inbound policy yet; all is refused");
        return;
    }
    admin_reply_json(request,
                     json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "mtls_mode",
                               mtls_mode_name(workload->mtls_mode), "ports", ports_json(workload),
                               "access", access_describe(workload->access), "rate_limits",
                               limits_json(&workload->rate_limits), "connection_rates",
                               limits_json(&workload->connection_rates), "jwt",
                               jwt_json(&workload->jwt), "external_authorization",
                               external_json(&workload->authorization.service,
                                             workload->authorization.is_fail_open),
                               "global_limits",
                               external_json(&workload->global_limits.service,
                                             !workload->global_limits.is_fail_closed)));
}
