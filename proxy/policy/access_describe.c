#include <jansson.h>

#include "proxy/policy/access_types.h"

static json_t *access_describe_texts(const struct access_texts *texts)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < texts->n; i++)
        json_array_append_new(array, json_string(texts->list[i].text));
    return array;
}

static json_t *access_describe_blocks(const struct access_blocks *blocks)
{
    char text[IP_TEXT_BYTES];
    json_t *array = json_array();
    for (size_t i = 0; array && i < blocks->n; i++)
        json_array_append_new(array, json_sprintf("%s/%u", ip_format(&blocks->list[i].ip, text),
                                                  blocks->list[i].prefix));
    return array;
}

static json_t *access_describe_ranges(const struct access_ranges *ranges)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < ranges->n; i++) {
        const struct access_range *range = &ranges->list[i];
        json_array_append_new(array, range->first == range->last
                                         ? json_sprintf("%u", range->first)
                                         : json_sprintf("%u-%u", range->first, range->last));
    }
    return array;
}

/* A kind that is not filled is left out: its absence means "any". */
static void access_describe_kind(json_t *object, const char *key, json_t *array)
{
    if (json_array_size(array) > 0)
        json_object_set(object, key, array);
    json_decref(array);
}

static json_t *access_describe_source(const struct access_source *source)
{
    json_t *out = json_object();
    access_describe_kind(out, "identities", access_describe_texts(&source->identities));
    access_describe_kind(out, "service_accounts", access_describe_texts(&source->accounts));
    access_describe_kind(out, "namespaces", access_describe_texts(&source->namespaces));
    access_describe_kind(out, "ip_blocks", access_describe_blocks(&source->blocks));
    access_describe_kind(out, "not_identities", access_describe_texts(&source->not_identities));
    access_describe_kind(out, "not_service_accounts", access_describe_texts(&source->not_accounts));
    access_describe_kind(out, "not_namespaces", access_describe_texts(&source->not_namespaces));
    access_describe_kind(out, "not_ip_blocks", access_describe_blocks(&source->not_blocks));
    if (source->unauthenticated)
        json_object_set_new(out, "unauthenticated", json_true());
    return out;
}

/* A gRPC method is kept as a path. */
static json_t *access_describe_grpc(const struct access_texts *texts)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < texts->n; i++)
        json_array_append_new(array, json_string(texts->list[i].text + 1));
    return array;
}

static json_t *access_describe_regexes(const struct access_regexes *regexes)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < regexes->n; i++)
        json_array_append_new(array, json_string(regexes->list[i].text));
    return array;
}

static json_t *access_describe_headers(const struct access_headers *headers)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < headers->n; i++) {
        json_t *header = json_object();
        json_object_set_new(header, "name", json_string(headers->list[i].name));
        access_describe_kind(header, "values", access_describe_texts(&headers->list[i].values));
        access_describe_kind(header, "regexes", access_describe_regexes(&headers->list[i].regexes));
        json_array_append_new(array, header);
    }
    return array;
}

static json_t *access_describe_target(const struct access_target *to)
{
    json_t *out = json_object();
    access_describe_kind(out, "ports", access_describe_ranges(&to->ports));
    access_describe_kind(out, "not_ports", access_describe_ranges(&to->not_ports));
    access_describe_kind(out, "methods", access_describe_texts(&to->methods));
    access_describe_kind(out, "not_methods", access_describe_texts(&to->not_methods));
    access_describe_kind(out, "paths", access_describe_texts(&to->paths));
    access_describe_kind(out, "path_regexes", access_describe_regexes(&to->path_regexes));
    access_describe_kind(out, "not_paths", access_describe_texts(&to->not_paths));
    access_describe_kind(out, "hosts", access_describe_texts(&to->hosts));
    access_describe_kind(out, "not_hosts", access_describe_texts(&to->not_hosts));
    access_describe_kind(out, "grpc_methods", access_describe_grpc(&to->grpc_methods));
    access_describe_kind(out, "not_grpc_methods", access_describe_grpc(&to->not_grpc_methods));
    access_describe_kind(out, "headers", access_describe_headers(&to->headers));
    access_describe_kind(out, "not_headers", access_describe_headers(&to->not_headers));
    return out;
}

static json_t *access_describe_rule(const struct access_rule *rule)
{
    json_t *from = json_array(), *to = json_array(), *out = json_object();
    for (size_t i = 0; i < rule->n_from; i++)
        json_array_append_new(from, access_describe_source(&rule->from[i]));
    for (size_t i = 0; i < rule->n_to; i++)
        json_array_append_new(to, access_describe_target(&rule->to[i]));
    access_describe_kind(out, "from", from);
    access_describe_kind(out, "to", to);
    return out;
}

static json_t *access_describe_policy(const struct access_policy *policy)
{
    static const char *const actions[] = {"allow", "deny", "audit"};
    json_t *out = json_object(), *rules = json_array();
    for (size_t i = 0; i < policy->n_rules; i++)
        json_array_append_new(rules, access_describe_rule(&policy->rules[i]));
    json_object_set_new(out, "name", json_string(policy->name));
    json_object_set_new(out, "action",
                        json_string(policy->is_understood ? actions[policy->action]
                                                          : "deny everything: not understood"));
    json_object_set_new(out, "rules", rules);
    return out;
}

json_t *access_describe(const struct access_policies *policies)
{
    static const char *const defaults[] = {"allow", "deny", "audit"};
    json_t *out = json_object(), *list = json_array();
    for (size_t i = 0; i < policies->n; i++)
        json_array_append_new(list, access_describe_policy(&policies->list[i]));
    json_object_set_new(out, "default", json_string(defaults[policies->default_access]));
    json_object_set_new(out, "policies", list);
    return out;
}
