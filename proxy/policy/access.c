#include "proxy/policy/access.h"

#include "proxy/policy/access_covers.h"
#include "proxy/policy/access_index.h"

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

/* The first policy of an action that matches, and whether one would that depends on the request. */
struct access_found {
    size_t first; /* number of policies: none */
    bool is_maybe;
};

/* All rules, one after the other: of what has no request to look at. */
static struct access_found access_walk(const struct access_policies *policies,
                                       enum access_action action, const struct access_peer *peer,
                                       enum access_answer headless)
{
    const struct access_index *index = &policies->indexes[action];
    struct access_found found = {.first = policies->n};
    for (size_t i = 0; i < index->n_refs; i++) {
        switch (access_rule_matches(index->refs[i].rule, peer, &headless)) {
        case ACCESS_YES:
            found.first = index->refs[i].policy;
            return found;
        case ACCESS_MAYBE:
            found.is_maybe = true;
            break;
        case ACCESS_NO:
            break;
        }
    }
    return found;
}

/* Without a head, conditions on it are met where that refuses or audits. */
static size_t access_first(const struct access_policies *policies, enum access_action action,
                           const struct access_peer *peer)
{
    if (peer->request->head)
        return access_index_first(&policies->indexes[action], peer, policies->n);
    return access_walk(policies, action, peer, action == ACCESS_ALLOW ? ACCESS_NO : ACCESS_YES)
        .first;
}

static bool access_denied(const struct access_policies *policies, size_t denying,
                          struct access_verdict *verdict)
{
    if (denying == policies->n && policies->not_understood == policies->n)
        return false;
    bool is_understood = denying < policies->not_understood;
    *verdict = is_understood ? access_verdict(ACCESS_DENIED_BY_POLICY, policies->list[denying].name)
                             : access_verdict(ACCESS_NOT_UNDERSTOOD,
                                              policies->list[policies->not_understood].name);
    return true;
}

static struct access_verdict access_allowed(const struct access_policies *policies, size_t allowing,
                                            uint16_t port)
{
    if (allowing < policies->n)
        return access_verdict(ACCESS_BY_ALLOW, policies->list[allowing].name);
    size_t covering = access_covers_find(policies, port);
    if (covering < policies->n)
        return access_verdict(ACCESS_NOT_ALLOWED, policies->list[covering].name);
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

static void access_add_audit(const struct access_policies *policies, size_t auditing,
                             struct access_verdict *verdict)
{
    if (auditing < policies->n)
        verdict->audit_policy = policies->list[auditing].name;
    else if (verdict->why == ACCESS_BY_DEFAULT_AUDIT)
        verdict->audit_policy = "";
}

struct access_verdict access_check(const struct access_policies *policies,
                                   const struct access_request *request)
{
    struct access_peer peer;
    struct access_verdict verdict;
    /* An identity was verified before it came here; one that cannot be read may be nobody's. */
    if (!access_peer_init(&peer, request))
        return access_verdict(ACCESS_NOT_UNDERSTOOD, NULL);
    if (access_denied(policies, access_first(policies, ACCESS_DENY, &peer), &verdict))
        return verdict;
    verdict = access_allowed(policies, access_first(policies, ACCESS_ALLOW, &peer), request->port);
    access_add_audit(policies, access_first(policies, ACCESS_AUDIT, &peer), &verdict);
    return verdict;
}

enum access_outlook access_check_connection(const struct access_policies *policies,
                                            const struct access_request *request,
                                            struct access_verdict *verdict)
{
    struct access_peer peer;
    *verdict = access_verdict(ACCESS_NOT_UNDERSTOOD, NULL);
    if (!access_peer_init(&peer, request))
        return ACCESS_NEVER;
    struct access_found deny = access_walk(policies, ACCESS_DENY, &peer, ACCESS_MAYBE);
    if (access_denied(policies, deny.first, verdict))
        return ACCESS_NEVER;
    struct access_found allow = access_walk(policies, ACCESS_ALLOW, &peer, ACCESS_MAYBE);
    struct access_found audit = access_walk(policies, ACCESS_AUDIT, &peer, ACCESS_MAYBE);
    bool may_be_allowed = allow.first == policies->n && allow.is_maybe;
    *verdict = access_allowed(policies, allow.first, request->port);
    access_add_audit(policies, audit.first, verdict);
    if (!verdict->is_allowed && !may_be_allowed)
        return ACCESS_NEVER;
    bool may_be_audited = audit.first == policies->n && audit.is_maybe;
    return deny.is_maybe || may_be_allowed || may_be_audited ? ACCESS_DEPENDS : ACCESS_ALWAYS;
}

size_t access_count(const struct access_policies *policies)
{
    return policies->n;
}

static bool access_rule_reads_paths(const struct access_rule *rule)
{
    for (size_t i = 0; i < rule->n_to; i++) {
        const struct access_target *to = &rule->to[i];
        if (to->paths.n || to->not_paths.n || to->grpc_methods.n || to->not_grpc_methods.n)
            return true;
    }
    return false;
}

bool access_reads_paths(const struct access_policies *policies)
{
    if (policies->not_understood < policies->n)
        return true;
    for (size_t i = 0; i < policies->n; i++)
        for (size_t j = 0; j < policies->list[i].n_rules; j++)
            if (access_rule_reads_paths(&policies->list[i].rules[j]))
                return true;
    return false;
}
