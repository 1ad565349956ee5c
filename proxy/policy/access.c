#include "proxy/policy/access.h"

#include "common/spiffe.h"
#include "proxy/policy/access_types.h"

/* The request with its identity taken apart once. */
struct access_peer {
    const struct access_request *request;
    struct spiffe_id id; /* empty slices without an identity */
};

const char *access_why_name(enum access_why why)
{
    static const char *const names[] = {
#define X(name, text, is_refusal) text,
        ACCESS_WHYS(X)
#undef X
    };
    return names[why];
}

static struct access_verdict access_verdict(enum access_why why, const char *policy)
{
    static const bool refusals[] = {
#define X(name, text, is_refusal) is_refusal,
        ACCESS_WHYS(X)
#undef X
    };
    return (struct access_verdict){.is_allowed = !refusals[why], .why = why, .policy = policy};
}

static bool access_has_identity(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++) {
        const struct access_text *text = &texts->list[i];
        if (peer->id.text.len > 0 &&
            (text->is_prefix ? slice_starts_with(peer->id.text, text->whole)
                             : slice_eq(peer->id.text, text->whole)))
            return true;
    }
    return false;
}

static bool access_has_account(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++)
        if (peer->id.namespace.len > 0 && slice_eq(peer->id.namespace, texts->list[i].namespace) &&
            slice_eq(peer->id.service_account, texts->list[i].account))
            return true;
    return false;
}

static bool access_has_namespace(const struct access_texts *texts, const struct access_peer *peer)
{
    for (size_t i = 0; i < texts->n; i++)
        if (peer->id.namespace.len > 0 && slice_eq(peer->id.namespace, texts->list[i].whole))
            return true;
    return false;
}

static bool access_has_block(const struct access_blocks *blocks, const struct access_peer *peer)
{
    for (size_t i = 0; i < blocks->n; i++)
        if (cidr_contains(&blocks->list[i], &peer->request->source))
            return true;
    return false;
}

static bool access_source_matches(const struct access_source *source,
                                  const struct access_peer *peer)
{
    if (source->unauthenticated && peer->id.text.len > 0)
        return false;
    if ((source->identities.n > 0 && !access_has_identity(&source->identities, peer)) ||
        (source->accounts.n > 0 && !access_has_account(&source->accounts, peer)) ||
        (source->namespaces.n > 0 && !access_has_namespace(&source->namespaces, peer)) ||
        (source->blocks.n > 0 && !access_has_block(&source->blocks, peer)))
        return false;
    return !access_has_identity(&source->not_identities, peer) &&
           !access_has_account(&source->not_accounts, peer) &&
           !access_has_namespace(&source->not_namespaces, peer) &&
           !access_has_block(&source->not_blocks, peer);
}

static bool access_has_port(const struct access_ranges *ranges, uint16_t port)
{
    for (size_t i = 0; i < ranges->n; i++)
        if (port >= ranges->list[i].first && port <= ranges->list[i].last)
            return true;
    return false;
}

static bool access_rule_covers(const struct access_rule *rule, uint16_t port)
{
    for (size_t i = 0; i < rule->n_to; i++) {
        const struct access_target *to = &rule->to[i];
        if ((to->ports.n == 0 || access_has_port(&to->ports, port)) &&
            !access_has_port(&to->not_ports, port))
            return true;
    }
    return rule->n_to == 0;
}

static bool access_rule_admits(const struct access_rule *rule, const struct access_peer *peer)
{
    for (size_t i = 0; i < rule->n_from; i++)
        if (access_source_matches(&rule->from[i], peer))
            return true;
    return rule->n_from == 0;
}

static bool access_policy_matches(const struct access_policy *policy,
                                  const struct access_peer *peer)
{
    for (size_t i = 0; i < policy->n_rules; i++)
        if (access_rule_covers(&policy->rules[i], peer->request->port) &&
            access_rule_admits(&policy->rules[i], peer))
            return true;
    return false;
}

/* Whether an Allow has a say about the port; one without rules has, and allows nothing. */
static bool access_policy_covers(const struct access_policy *policy, uint16_t port)
{
    for (size_t i = 0; i < policy->n_rules; i++)
        if (access_rule_covers(&policy->rules[i], port))
            return true;
    return policy->n_rules == 0;
}

static bool access_denied(const struct access_policies *policies, const struct access_peer *peer,
                          struct access_verdict *verdict)
{
    for (size_t i = 0; i < policies->n; i++) {
        const struct access_policy *policy = &policies->list[i];
        if (!policy->is_understood) {
            *verdict = access_verdict(ACCESS_NOT_UNDERSTOOD, policy->name);
            return true;
        }
        if (policy->action == ACCESS_DENY && access_policy_matches(policy, peer)) {
            *verdict = access_verdict(ACCESS_DENIED_BY_POLICY, policy->name);
            return true;
        }
    }
    return false;
}

static const char *access_audited(const struct access_policies *policies,
                                  const struct access_peer *peer)
{
    for (size_t i = 0; i < policies->n; i++)
        if (policies->list[i].action == ACCESS_AUDIT &&
            access_policy_matches(&policies->list[i], peer))
            return policies->list[i].name;
    return NULL;
}

static struct access_verdict access_allowed(const struct access_policies *policies,
                                            const struct access_peer *peer)
{
    const struct access_policy *unmatched = NULL;
    for (size_t i = 0; i < policies->n; i++) {
        const struct access_policy *policy = &policies->list[i];
        if (policy->action != ACCESS_ALLOW || !access_policy_covers(policy, peer->request->port))
            continue;
        if (access_policy_matches(policy, peer))
            return access_verdict(ACCESS_BY_ALLOW, policy->name);
        if (!unmatched)
            unmatched = policy;
    }
    if (unmatched)
        return access_verdict(ACCESS_NOT_ALLOWED, unmatched->name);
    switch (policies->default_access) {
    case ACCESS_DEFAULT_ALLOW:
        return access_verdict(ACCESS_BY_DEFAULT, NULL);
    case ACCESS_DEFAULT_AUDIT:
        return access_verdict(ACCESS_BY_DEFAULT_AUDIT, NULL);
    case ACCESS_DEFAULT_DENY:
        break;
    }
    return access_verdict(ACCESS_DENIED_BY_DEFAULT, NULL);
}

struct access_verdict access_check(const struct access_policies *policies,
                                   const struct access_request *request)
{
    struct access_peer peer = {.request = request};
    struct access_verdict verdict;
    struct err err;
    /* An identity was verified before it came here; one that cannot be read may be nobody's. */
    if (request->identity.len > 0 && !spiffe_parse(request->identity, &peer.id, &err))
        return access_verdict(ACCESS_NOT_UNDERSTOOD, NULL);
    if (access_denied(policies, &peer, &verdict))
        return verdict;
    verdict = access_allowed(policies, &peer);
    verdict.audit_policy = access_audited(policies, &peer);
    if (!verdict.audit_policy && verdict.why == ACCESS_BY_DEFAULT_AUDIT)
        verdict.audit_policy = "";
    return verdict;
}

size_t access_count(const struct access_policies *policies)
{
    return policies->n;
}
