#include <stdlib.h>

#include "common/http/pattern.h"
#include "proto/resources.pb-c.h"
#include "proxy/policy/access_covers.h"
#include "proxy/policy/access_index.h"
#include "proxy/policy/access_values.h"
#include "proxy/wire.h"

#define ACCESS_MAX_POLICIES 1024
#define ACCESS_MAX_RULES    1024 /* of a policy */
#define ACCESS_MAX_PARTS    1024 /* `from` or `to` of a rule */
#define ACCESS_MAX_HEADERS  64

static bool access_read_blocks(struct access_blocks *blocks, char *const *in, size_t n,
                               const char *field, struct err *err)
{
    blocks->list = access_array(n, ACCESS_MAX_VALUES, sizeof(*blocks->list), field, err);
    if (!blocks->list)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!cidr_parse(slice_str(in[i]), &blocks->list[i], err))
            return err_prefix(err, "%s[%zu]", field, i);
    blocks->n = n;
    return true;
}

/* A condition of no kind that this version knows: a newer kind, or a mistake. */
static bool access_source_is_understood(const Outrigger__V1__AccessSource *in)
{
    return in->base.n_unknown_fields == 0 &&
           (in->n_identities || in->n_service_accounts || in->n_namespaces || in->n_ip_blocks ||
            in->unauthenticated || in->n_not_identities || in->n_not_service_accounts ||
            in->n_not_namespaces || in->n_not_ip_blocks);
}

static bool access_read_source(struct access_source *out, const Outrigger__V1__AccessSource *in,
                               struct err *err)
{
    out->unauthenticated = in->unauthenticated;
    if (in->unauthenticated && (in->n_identities || in->n_service_accounts || in->n_namespaces))
        return err_set(err, "unauthenticated: nobody without an identity has the identity, account "
                            "or namespace that is asked for beside it");
    return access_read_texts(&out->identities, in->identities, in->n_identities, ACCESS_IDENTITY,
                             "identities", err) &&
           access_read_texts(&out->accounts, in->service_accounts, in->n_service_accounts,
                             ACCESS_ACCOUNT, "service_accounts", err) &&
           access_read_texts(&out->namespaces, in->namespaces, in->n_namespaces, ACCESS_NAMESPACE,
                             "namespaces", err) &&
           access_read_blocks(&out->blocks, in->ip_blocks, in->n_ip_blocks, "ip_blocks", err) &&
           access_read_texts(&out->not_identities, in->not_identities, in->n_not_identities,
                             ACCESS_IDENTITY, "not_identities", err) &&
           access_read_texts(&out->not_accounts, in->not_service_accounts,
                             in->n_not_service_accounts, ACCESS_ACCOUNT, "not_service_accounts",
                             err) &&
           access_read_texts(&out->not_namespaces, in->not_namespaces, in->n_not_namespaces,
                             ACCESS_NAMESPACE, "not_namespaces", err) &&
           access_read_blocks(&out->not_blocks, in->not_ip_blocks, in->n_not_ip_blocks,
                              "not_ip_blocks", err);
}

static bool access_read_ranges(struct access_ranges *ranges, Outrigger__V1__PortRange *const *in,
                               size_t n, bool *is_understood, const char *field, struct err *err)
{
    ranges->list = access_array(n, ACCESS_MAX_VALUES, sizeof(*ranges->list), field, err);
    if (!ranges->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (in[i]->base.n_unknown_fields > 0)
            *is_understood = false;
        if (!wire_port(in[i]->first, "first", err) || !wire_port(in[i]->last, "last", err))
            return wire_at(err, "%s[%zu]", field, i);
        if (in[i]->last < in[i]->first)
            return err_set(err, "%s[%zu].last: %u is less than first, which is %u", field, i,
                           in[i]->last, in[i]->first);
        ranges->list[i] = (struct access_range){(uint16_t)in[i]->first, (uint16_t)in[i]->last};
    }
    ranges->n = n;
    return true;
}

static bool access_read_headers(struct access_headers *headers,
                                Outrigger__V1__HeaderCondition *const *in, size_t n,
                                bool *is_understood, const char *field, struct err *err)
{
    headers->list = access_array(n, ACCESS_MAX_HEADERS, sizeof(*headers->list), field, err);
    if (!headers->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct access_header *header = &headers->list[i];
        headers->n = i + 1;
        if (in[i]->base.n_unknown_fields > 0)
            *is_understood = false;
        if (!pattern_check(PATTERN_HEADER_NAME, slice_str(in[i]->name), err))
            return err_prefix(err, "%s[%zu].name", field, i);
        if (!access_read_texts(&header->values, in[i]->values, in[i]->n_values, ACCESS_HEADER_VALUE,
                               "values", err) ||
            !access_read_regexes(&header->regexes, in[i]->regexes, in[i]->n_regexes, "regexes",
                                 err))
            return wire_at(err, "%s[%zu]", field, i);
        header->id = field_name_of(slice_str(in[i]->name));
        header->name = strdup(in[i]->name);
        if (!header->name)
            return err_set(err, "%s[%zu]: out of memory", field, i);
    }
    return true;
}

static bool access_read_request(struct access_target *out, const Outrigger__V1__AccessTarget *in,
                                bool *is_understood, struct err *err)
{
#define TEXTS(name, kind)                                                                          \
    (access_read_texts(&out->name, in->name, in->n_##name, kind, #name, err) &&                    \
     access_read_texts(&out->not_##name, in->not_##name, in->n_not_##name, kind, "not_" #name,     \
                       err))
    return TEXTS(methods, ACCESS_METHOD) && TEXTS(paths, ACCESS_PATH) &&
           TEXTS(hosts, ACCESS_HOST) && TEXTS(grpc_methods, ACCESS_GRPC_METHOD) &&
           access_read_regexes(&out->path_regexes, in->path_regexes, in->n_path_regexes,
                               "path_regexes", err) &&
           access_read_headers(&out->headers, in->headers, in->n_headers, is_understood, "headers",
                               err) &&
           access_read_headers(&out->not_headers, in->not_headers, in->n_not_headers, is_understood,
                               "not_headers", err);
#undef TEXTS
}

static bool access_read_target(struct access_target *out, const Outrigger__V1__AccessTarget *in,
                               bool *is_understood, struct err *err)
{
    out->has_request_conditions = in->n_methods || in->n_not_methods || in->n_paths ||
                                  in->n_path_regexes || in->n_not_paths || in->n_hosts ||
                                  in->n_not_hosts || in->n_grpc_methods || in->n_not_grpc_methods ||
                                  in->n_headers || in->n_not_headers;
    /* A condition of no kind that this version knows: a newer kind, or a mistake. */
    if (in->base.n_unknown_fields > 0 ||
        !(in->n_ports || in->n_not_ports || out->has_request_conditions))
        *is_understood = false;
    return access_read_ranges(&out->ports, in->ports, in->n_ports, is_understood, "ports", err) &&
           access_read_ranges(&out->not_ports, in->not_ports, in->n_not_ports, is_understood,
                              "not_ports", err) &&
           access_read_request(out, in, is_understood, err);
}

static bool access_read_rule(struct access_rule *out, const Outrigger__V1__AccessRule *in,
                             bool *is_understood, struct err *err)
{
    if (in->base.n_unknown_fields > 0)
        *is_understood = false;
    out->from = access_array(in->n_from, ACCESS_MAX_PARTS, sizeof(*out->from), "from", err);
    out->to =
        out->from ? access_array(in->n_to, ACCESS_MAX_PARTS, sizeof(*out->to), "to", err) : NULL;
    if (!out->to)
        return false;
    for (size_t i = 0; i < in->n_from; i++) {
        out->n_from = i + 1;
        if (!access_source_is_understood(in->from[i]))
            *is_understood = false;
        if (!access_read_source(&out->from[i], in->from[i], err))
            return wire_at(err, "from[%zu]", i);
    }
    for (size_t i = 0; i < in->n_to; i++) {
        out->n_to = i + 1;
        if (!access_read_target(&out->to[i], in->to[i], is_understood, err))
            return wire_at(err, "to[%zu]", i);
    }
    return true;
}

static bool access_read_policy(struct access_policy *out, const Outrigger__V1__AccessPolicy *in,
                               struct err *err)
{
    out->is_understood = in->base.n_unknown_fields == 0;
    switch ((int)in->action) {
    case OUTRIGGER__V1__ACCESS_ACTION__ALLOW:
        out->action = ACCESS_ALLOW;
        break;
    case OUTRIGGER__V1__ACCESS_ACTION__AUDIT:
        out->action = ACCESS_AUDIT;
        break;
    case OUTRIGGER__V1__ACCESS_ACTION__DENY:
        out->action = ACCESS_DENY;
        break;
    default:
        out->action = ACCESS_DENY;
        out->is_understood = false;
    }
    if (!(out->name = wire_text(in->name, "name", err)))
        return false;
    if (!*out->name)
        return err_set(err, "name: empty; a refusal could not be told from another");
    out->rules = access_array(in->n_rules, ACCESS_MAX_RULES, sizeof(*out->rules), "rules", err);
    if (!out->rules)
        return false;
    for (size_t i = 0; i < in->n_rules; i++) {
        out->n_rules = i + 1;
        if (!access_read_rule(&out->rules[i], in->rules[i], &out->is_understood, err))
            return wire_at(err, "rules[%zu]", i);
    }
    return true;
}

static bool access_read_policies(struct access_policies *out,
                                 Outrigger__V1__AccessPolicy *const *in, size_t n, struct err *err)
{
    out->list = access_array(n, ACCESS_MAX_POLICIES, sizeof(*out->list), "access_policies", err);
    out->not_understood = n;
    for (size_t i = 0; out->list && i < n; i++) {
        out->n = i + 1;
        if (!access_read_policy(&out->list[i], in[i], err))
            return wire_at(err, "access_policies[%zu]", i);
        if (!out->list[i].is_understood && out->not_understood == n)
            out->not_understood = i;
    }
    return out->list != NULL;
}

struct access_policies *access_build(Outrigger__V1__AccessPolicy *const *policies, size_t n,
                                     enum default_access default_access, struct err *err)
{
    struct access_policies *out = calloc(1, sizeof(*out));
    if (!out) {
        err_set(err, "access_policies: out of memory");
        return NULL;
    }
    out->default_access = default_access;
    if (access_read_policies(out, policies, n, err)) {
        if (access_index_build(out) && access_covers_build(out))
            return out;
        err_set(err, "access_policies: out of memory");
    }
    access_free(out);
    return NULL;
}

static void access_free_source(struct access_source *source)
{
    access_free_texts(&source->identities);
    access_free_texts(&source->accounts);
    access_free_texts(&source->namespaces);
    access_free_texts(&source->not_identities);
    access_free_texts(&source->not_accounts);
    access_free_texts(&source->not_namespaces);
    free(source->blocks.list);
    free(source->not_blocks.list);
}

static void access_free_headers(struct access_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++) {
        free(headers->list[i].name);
        access_free_texts(&headers->list[i].values);
        access_free_regexes(&headers->list[i].regexes);
    }
    free(headers->list);
}

static void access_free_target(struct access_target *target)
{
    access_free_regexes(&target->path_regexes);
    struct access_texts *texts[] = {
        &target->methods,     &target->paths,     &target->hosts,     &target->grpc_methods,
        &target->not_methods, &target->not_paths, &target->not_hosts, &target->not_grpc_methods,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        access_free_texts(texts[i]);
    access_free_headers(&target->headers);
    access_free_headers(&target->not_headers);
    free(target->ports.list);
    free(target->not_ports.list);
}

static void access_free_rule(struct access_rule *rule)
{
    for (size_t i = 0; i < rule->n_from; i++)
        access_free_source(&rule->from[i]);
    for (size_t i = 0; i < rule->n_to; i++)
        access_free_target(&rule->to[i]);
    free(rule->from);
    free(rule->to);
}

void access_free(struct access_policies *policies)
{
    if (!policies)
        return;
    access_index_free(policies);
    access_covers_free(policies);
    for (size_t i = 0; i < policies->n; i++) {
        for (size_t j = 0; j < policies->list[i].n_rules; j++)
            access_free_rule(&policies->list[i].rules[j]);
        free(policies->list[i].rules);
        free(policies->list[i].name);
    }
    free(policies->list);
    free(policies);
}
