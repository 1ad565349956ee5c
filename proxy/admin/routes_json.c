#include "proxy/admin/routes_json.h"

#include <jansson.h>

static const char *const path_kinds[] = {[PATH_ANY] = "any",
                                         [PATH_EXACT] = "exact",
                                         [PATH_PREFIX] = "prefix",
                                         [PATH_REGEX] = "regular_expression"};
static const char *const value_kinds[] = {
    [VALUE_PRESENT] = "present", [VALUE_EXACT] = "exact", [VALUE_REGEX] = "regular_expression"};

static json_t *text_json(struct slice text)
{
    return json_stringn(text.ptr ? text.ptr : "", text.len);
}

static json_t *values_json(const struct route_value *values, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_pack("{s:o,s:s,s:o}", "name", text_json(values[i].name),
                                               "kind", value_kinds[values[i].kind], "value",
                                               text_json(values[i].value)));
    return array;
}

json_t *route_match_json(const struct route_match *match)
{
    json_t *json = json_pack("{s:s,s:s}", "rule", match->rule->name, "path_kind",
                             path_kinds[match->path_kind]);
    if (!json)
        return NULL;
    if (match->path_kind == PATH_PREFIX && match->path.len == 0)
        json_object_set_new(json, "path", json_string("/"));
    else if (match->path_kind != PATH_ANY)
        json_object_set_new(json, "path", text_json(match->path));
    if (match->method.len)
        json_object_set_new(json, "method", text_json(match->method));
    if (match->n_headers)
        json_object_set_new(json, "headers", values_json(match->headers, match->n_headers));
    if (match->n_query)
        json_object_set_new(json, "query", values_json(match->query, match->n_query));
    return json;
}

static json_t *filters_json(const struct filters *filters)
{
    json_t *array = json_array();
    for (size_t i = 0; i < filters->n; i++)
        json_array_append_new(array, json_string(filter_kind_name(filters->list[i].kind)));
    return array;
}

static json_t *backend_json(const struct route_backend *backend, uint64_t weight)
{
    json_t *json =
        json_pack("{s:s,s:s,s:I,s:o}", "service", backend->service, "endpoints", backend->endpoints,
                  "weight", (json_int_t)weight, "filters", filters_json(&backend->filters));
    if (json && backend->why[0])
        json_object_set_new(json, "problem", json_string(backend->why));
    return json;
}

static json_t *retry_json(const struct retry_rules *retry)
{
    json_t *statuses = json_array(), *codes = json_array();
    for (size_t i = 0; i < retry->n_statuses; i++)
        json_array_append_new(statuses, json_integer(retry->statuses[i]));
    for (int code = 0; code < 32; code++)
        if (retry->grpc_codes >> code & 1)
            json_array_append_new(codes, json_integer(code));
    return json_pack("{s:i,s:o,s:o,s:b,s:b,s:I,s:I}", "attempts", (int)retry->attempts, "statuses",
                     statuses, "grpc_codes", codes, "on_connect_failure", retry->on_connect_failure,
                     "on_reset", retry->on_reset, "backoff_ms", (json_int_t)retry->backoff_ms,
                     "backoff_max_ms", (json_int_t)retry->backoff_max_ms);
}

static json_t *rule_json(const struct route_rule *rule)
{
    json_t *backends = json_array();
    uint64_t before = 0;
    for (size_t i = 0; i < rule->n_backends; i++) {
        json_array_append_new(
            backends, backend_json(&rule->backends[i], rule->backends[i].weight_end - before));
        before = rule->backends[i].weight_end;
    }
    json_t *json = json_pack("{s:s,s:o,s:o,s:I,s:I}", "name", rule->name, "filters",
                             filters_json(&rule->filters), "backends", backends,
                             "request_timeout_ms", (json_int_t)rule->request_timeout_ms,
                             "backend_timeout_ms", (json_int_t)rule->backend_timeout_ms);
    if (json && rule->retry.attempts)
        json_object_set_new(json, "retry", retry_json(&rule->retry));
    return json;
}

json_t *routes_json(const struct routes *routes)
{
    json_t *matches = json_array(), *rules = json_array();
    for (size_t i = 0; i < routes->n_matches; i++)
        json_array_append_new(matches, route_match_json(&routes->matches[i]));
    for (size_t i = 0; i < routes->n_rules; i++)
        json_array_append_new(rules, rule_json(&routes->rules[i]));
    return json_pack("{s:o,s:o,s:{s:i,s:i}}", "matches", matches, "rules", rules, "retry_budget",
                     "percent", (int)routes->budget_percent, "min_per_second",
                     (int)routes->budget_min_per_second);
}
