#include "proxy/policy/access_types.h"

#include <stdlib.h>

#include "common/spiffe.h"
#include "proto/resources.pb-c.h"
#include "proxy/wire.h"

#define ACCESS_MAX_POLICIES 1024
#define ACCESS_MAX_RULES    1024  /* of a policy */
#define ACCESS_MAX_PARTS    1024  /* `from` or `to` of a rule */
#define ACCESS_MAX_VALUES   16384 /* of one condition */

/* Room for `n` of something, or NULL with `err` naming the field and its ceiling. */
static void *access_array(size_t n, size_t max, size_t size, const char *field, struct err *err)
{
    if (!wire_at_most(n, max, field, err))
        return NULL;
    void *array = calloc(n ? n : 1, size);
    if (!array)
        err_set(err, "%s: out of memory", field);
    return array;
}

/* An exact SPIFFE ID, or a beginning that says at least the whole trust domain, and `*`. */
static bool access_read_identity(struct access_text *text, struct err *err)
{
    static const struct slice scheme = SLICE_LITERAL("spiffe://");
    struct spiffe_id id;
    if (!slice_ends_with(text->whole, SLICE_LITERAL("*")))
        return spiffe_parse(text->whole, &id, err);
    text->is_prefix = true;
    text->whole.len--;
    if (memchr(text->whole.ptr, '*', text->whole.len))
        return err_set(err, "\"%s\" has a `*` that is not at its end", text->text);
    /* Everybody with an identity. */
    if (slice_eq(text->whole, scheme))
        return true;
    struct slice rest = slice_sub(text->whole, scheme.len, text->whole.len);
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    if (!slice_starts_with(text->whole, scheme) || !slash ||
        !spiffe_trust_domain_ok(slice_of(rest.ptr, (size_t)(slash - rest.ptr))))
        return err_set(err, "\"%s\" does not begin with spiffe://TRUST-DOMAIN/", text->text);
    return true;
}

static bool access_read_account(struct access_text *text, struct err *err)
{
    if (!wire_is_namespaced(text->whole))
        return err_set(err, "\"%s\" is not NAMESPACE/ACCOUNT", text->text);
    size_t namespace_len = strcspn(text->text, "/");
    text->namespace = slice_of(text->text, namespace_len);
    text->account = slice_str(text->text + namespace_len + 1);
    return true;
}

static bool access_read_namespace(struct access_text *text, struct err *err)
{
    if (text->whole.len > 0 && !strchr(text->text, '/'))
        return true;
    return err_set(err, "\"%s\" is not a namespace", text->text);
}

static bool access_read_texts(struct access_texts *texts, char *const *in, size_t n,
                              bool (*read)(struct access_text *text, struct err *err),
                              const char *field, struct err *err)
{
    texts->list = access_array(n, ACCESS_MAX_VALUES, sizeof(*texts->list), field, err);
    if (!texts->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct access_text *text = &texts->list[i];
        texts->n = i + 1;
        text->text = strdup(in[i]);
        text->whole = slice_str(text->text);
        if (!(text->text ? read(text, err) : err_set(err, "out of memory")))
            return err_prefix(err, "%s[%zu]", field, i);
    }
    return true;
}

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
    return access_read_texts(&out->identities, in->identities, in->n_identities,
                             access_read_identity, "identities", err) &&
           access_read_texts(&out->accounts, in->service_accounts, in->n_service_accounts,
                             access_read_account, "service_accounts", err) &&
           access_read_texts(&out->namespaces, in->namespaces, in->n_namespaces,
                             access_read_namespace, "namespaces", err) &&
           access_read_blocks(&out->blocks, in->ip_blocks, in->n_ip_blocks, "ip_blocks", err) &&
           access_read_texts(&out->not_identities, in->not_identities, in->n_not_identities,
                             access_read_identity, "not_identities", err) &&
           access_read_texts(&out->not_accounts, in->not_service_accounts,
                             in->n_not_service_accounts, access_read_account,
                             "not_service_accounts", err) &&
           access_read_texts(&out->not_namespaces, in->not_namespaces, in->n_not_namespaces,
                             access_read_namespace, "not_namespaces", err) &&
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
        const Outrigger__V1__AccessTarget *to = in->to[i];
        out->n_to = i + 1;
        if (to->base.n_unknown_fields > 0 || (to->n_ports == 0 && to->n_not_ports == 0))
            *is_understood = false;
        if (!access_read_ranges(&out->to[i].ports, to->ports, to->n_ports, is_understood, "ports",
                                err) ||
            !access_read_ranges(&out->to[i].not_ports, to->not_ports, to->n_not_ports,
                                is_understood, "not_ports", err))
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

struct access_policies *access_build(Outrigger__V1__AccessPolicy *const *policies, size_t n,
                                     enum default_access default_access, struct err *err)
{
    struct access_policies *out = calloc(1, sizeof(*out));
    if (!out) {
        err_set(err, "access_policies: out of memory");
        return NULL;
    }
    out->default_access = default_access;
    out->list = access_array(n, ACCESS_MAX_POLICIES, sizeof(*out->list), "access_policies", err);
    for (size_t i = 0; out->list && i < n; i++) {
        out->n = i + 1;
        if (!access_read_policy(&out->list[i], policies[i], err)) {
            wire_at(err, "access_policies[%zu]", i);
            access_free(out);
            return NULL;
        }
    }
    if (out->list)
        return out;
    access_free(out);
    return NULL;
}

static void access_free_texts(struct access_texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        free(texts->list[i].text);
    free(texts->list);
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

static void access_free_rule(struct access_rule *rule)
{
    for (size_t i = 0; i < rule->n_from; i++)
        access_free_source(&rule->from[i]);
    for (size_t i = 0; i < rule->n_to; i++) {
        free(rule->to[i].ports.list);
        free(rule->to[i].not_ports.list);
    }
    free(rule->from);
    free(rule->to);
}

void access_free(struct access_policies *policies)
{
    if (!policies)
        return;
    for (size_t i = 0; i < policies->n; i++) {
        for (size_t j = 0; j < policies->list[i].n_rules; j++)
            access_free_rule(&policies->list[i].rules[j]);
        free(policies->list[i].rules);
        free(policies->list[i].name);
    }
    free(policies->list);
    free(policies);
}
