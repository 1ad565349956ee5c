/*
 * access_check() against the same rules written down a second time, slowly and from the messages
 * themselves, with texts and not with parsed values, over random policies and requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/policy/access.h"
#include "test/unit/proxy/policy/policies.h"

#define ROUNDS   4000
#define REQUESTS 12

static uint64_t random_state = 1;

static unsigned below(unsigned bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((random_state >> 33) % bound);
}

static const char *const namespaces[] = {"web", "jobs", "shop"};
static const char *const accounts[] = {"front", "batch"};
static const char *const sources[] = {"10.1.0.1", "10.2.0.1", "192.168.0.9"};

static void random_source(char *out, size_t size)
{
    const char *not = below(4) == 0 ? "not_" : "";
    const char *ns = namespaces[below(3)], *account = accounts[below(2)];
    switch (below(6)) {
    case 0:
        snprintf(out, size, " %sid=spiffe://d/ns/%s/sa/%s", not, ns, account);
        break;
    case 1:
        snprintf(out, size, " %sid=spiffe://d/ns/%s/*", not, ns);
        break;
    case 2:
        snprintf(out, size, " %saccount=%s/%s", not, ns, account);
        break;
    case 3:
        snprintf(out, size, " %snamespace=%s", not, ns);
        break;
    case 4:
        snprintf(out, size, " %sip=10.%u.0.0/16", not, 1 + below(3));
        break;
    default:
        snprintf(out, size, " unauthenticated");
    }
}

static Outrigger__V1__AccessPolicy *random_policy(unsigned number)
{
    static const char *const actions[] = {"allow", "deny", "audit", "allow", "deny", "newer"};
    char text[2048], part[128];
    size_t len =
        (size_t)snprintf(text, sizeof(text), "%s n/%u", actions[below(40) ? below(5) : 5], number);
    for (unsigned rules = below(3); rules > 0; rules--) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, " rule");
        for (unsigned from = below(3); from > 0; from--) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, " from");
            for (unsigned kinds = 1 + below(3); kinds > 0; kinds--) {
                random_source(part, sizeof(part));
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", part);
            }
        }
        for (unsigned to = below(3); to > 0; to--)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " to %sport=%u-%u",
                                    below(3) ? "" : "not_", 80 + below(3), 82 + below(3));
    }
    return policies_parse(text);
}

struct peer {
    char identity[128], namespace[32], account[64]; /* account: namespace/account */
    struct ip ip;
    uint16_t port;
};

static struct peer random_peer(void)
{
    struct peer peer = {.port = (uint16_t)(79 + below(8))};
    assert_true(ip_parse(slice_str(sources[below(3)]), &peer.ip));
    if (below(4) > 0) {
        snprintf(peer.namespace, sizeof(peer.namespace), "%s", namespaces[below(3)]);
        snprintf(peer.account, sizeof(peer.account), "%s/%s", peer.namespace, accounts[below(2)]);
        snprintf(peer.identity, sizeof(peer.identity), "spiffe://d/ns/%s/sa/%s", peer.namespace,
                 strchr(peer.account, '/') + 1);
    }
    return peer;
}

static bool slow_any(char *const *list, size_t n, const char *have)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        if (*have && list[i][len - 1] == '*' ? strncmp(list[i], have, len - 1) == 0
                                             : *have && strcmp(list[i], have) == 0)
            found = true;
    }
    return found;
}

static bool slow_ip(char *const *list, size_t n, const struct ip *ip)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        unsigned second;
        assert_int_equal(sscanf(list[i], "10.%u.", &second), 1);
        if (ip->bytes[0] == 10 && ip->bytes[1] == second) /* all blocks here are 10.X.0.0/16 */
            found = true;
    }
    return found;
}

static bool slow_port(Outrigger__V1__PortRange *const *list, size_t n, unsigned port)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        for (unsigned p = list[i]->first; p <= list[i]->last; p++)
            found = found || p == port;
    return found;
}

static bool slow_from(const Outrigger__V1__AccessRule *rule, const struct peer *peer)
{
    bool found = rule->n_from == 0;
    for (size_t i = 0; i < rule->n_from; i++) {
        const Outrigger__V1__AccessSource *s = rule->from[i];
        bool ok = true;
#define KIND(field, fn, have)                                                                      \
    ok = ok && (s->n_##field == 0 || fn(s->field, s->n_##field, have));                            \
    ok = ok && !fn(s->not_##field, s->n_not_##field, have)
        KIND(identities, slow_any, peer->identity);
        KIND(service_accounts, slow_any, peer->account);
        KIND(namespaces, slow_any, peer->namespace);
        KIND(ip_blocks, slow_ip, &peer->ip);
#undef KIND
        found = found || (ok && !(s->unauthenticated && *peer->identity));
    }
    return found;
}

static bool slow_to(const Outrigger__V1__AccessRule *rule, unsigned port)
{
    bool found = rule->n_to == 0;
    for (size_t i = 0; i < rule->n_to; i++) {
        const Outrigger__V1__AccessTarget *to = rule->to[i];
        found = found || ((to->n_ports == 0 || slow_port(to->ports, to->n_ports, port)) &&
                          !slow_port(to->not_ports, to->n_not_ports, port));
    }
    return found;
}

/* "why policy audit" */
static void slow_check(Outrigger__V1__AccessPolicy *const *policies, size_t n,
                       enum default_access otherwise, const struct peer *peer, char *out,
                       size_t size)
{
    static const enum access_why defaults[] = {ACCESS_BY_DEFAULT, ACCESS_DENIED_BY_DEFAULT,
                                               ACCESS_BY_DEFAULT_AUDIT};
    const char *denied = NULL, *audited = NULL, *allowed = NULL, *missed = NULL;
    enum access_why denied_why = ACCESS_DENIED_BY_POLICY;
    for (size_t i = n; i-- > 0;) { /* backwards: what is written last is the first of its kind */
        const Outrigger__V1__AccessPolicy *p = policies[i];
        bool covers = p->n_rules == 0, matches = false;
        for (size_t j = 0; j < p->n_rules; j++) {
            covers = covers || slow_to(p->rules[j], peer->port);
            matches = matches || (slow_to(p->rules[j], peer->port) && slow_from(p->rules[j], peer));
        }
        if (p->action == 4 || (p->action == 2 && matches)) {
            denied = p->name;
            denied_why = p->action == 4 ? ACCESS_NOT_UNDERSTOOD : ACCESS_DENIED_BY_POLICY;
        }
        if (p->action == 3 && matches)
            audited = p->name;
        if (p->action == 1 && matches)
            allowed = p->name;
        if (p->action == 1 && covers && !matches)
            missed = p->name;
    }
    enum access_why why = denied    ? denied_why
                          : allowed ? ACCESS_BY_ALLOW
                          : missed  ? ACCESS_NOT_ALLOWED
                                    : defaults[otherwise];
    if (!audited && why == ACCESS_BY_DEFAULT_AUDIT)
        audited = "";
    const char *policy = denied ? denied : allowed ? allowed : missed;
    snprintf(out, size, "%s %s %s", access_why_name(why), policy ? policy : "-",
             audited && !denied ? audited : "-");
}

static void both_say_the_same(void **state)
{
    (void)state;
    unsigned seen[ACCESS_NOT_UNDERSTOOD + 1] = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        Outrigger__V1__AccessPolicy *policies[5];
        struct err err;
        unsigned n = below(6);
        enum default_access otherwise = (enum default_access)below(3);
        for (unsigned i = 0; i < n; i++)
            policies[i] = random_policy(i);
        struct access_policies *access = access_build(policies, n, otherwise, &err);
        /* `unauthenticated` beside a namespace is refused at the door. */
        for (unsigned i = 0; access && i < REQUESTS; i++) {
            struct peer peer = random_peer();
            struct access_request request = {
                .identity = slice_str(peer.identity), .source = peer.ip, .port = peer.port};
            struct access_verdict got = access_check(access, &request);
            char fast[128], slow[128];
            snprintf(fast, sizeof(fast), "%s %s %s", access_why_name(got.why),
                     got.policy ? got.policy : "-", got.audit_policy ? got.audit_policy : "-");
            slow_check(policies, n, otherwise, &peer, slow, sizeof(slow));
            assert_string_equal(fast, slow);
            seen[got.why]++;
        }
        access_free(access);
        for (unsigned i = 0; i < n; i++)
            policies_free(policies[i]);
    }
    for (unsigned why = 0; why <= ACCESS_NOT_UNDERSTOOD; why++)
        assert_true(seen[why] > 100); /* or the inputs prove little */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
