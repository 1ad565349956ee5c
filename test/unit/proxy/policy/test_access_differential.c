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

static void random_target(char *out, size_t size)
{
    static const char *const values[][7] = {
        {"port=80-82", "port=81", "port=82-84", "not_port=80", "not_port=82-84", "port=80",
         "port=84"},
        {"path=/a", "path=/a/*", "path=/a/b/c", "path=/a/b*", "path=*", "path=/*", "path=/s.S/*"},
        {"not_path=/a", "not_path=/a/*", "not_path=/a/b/*", "not_path=/a/b*", "not_path=/*",
         "not_path=/s.S/M", "not_path=/a/"},
        {"method=GET", "method=PUT", "not_method=GET", "method=POST", "not_method=PUT",
         "grpc=s.S/M", "grpc=s.S/*"},
        {"host=a.example", "host=*.example", "not_host=a.example", "not_host=*.example",
         "host=A.example", "host=b", "not_grpc=s.S/*"},
        {"header=x", "header=x:1", "header=x:1*", "not_header=x", "not_header=x:1|2", "header=y:2",
         "not_header=y"},
    };
    snprintf(out, size, " %s", values[below(6)][below(7)]);
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
        for (unsigned to = below(3); to > 0; to--) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, " to");
            for (unsigned kinds = 1 + below(2); kinds > 0; kinds--) {
                random_target(part, sizeof(part));
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", part);
            }
        }
    }
    return policies_parse(text);
}

struct peer {
    char identity[128], namespace[32], account[64]; /* account: namespace/account */
    struct ip ip;
    uint16_t port;
    bool is_http;
    const char *method, *host, *path;
    const char *x[2], *y; /* values of its header fields; NULL: none */
};

static void random_request(struct peer *peer)
{
    static const char *const methods[] = {"GET", "PUT", "POST"};
    static const char *const hosts[] = {"a.example", "A.EXAMPLE:80", "c.example.", "b", ""};
    static const char *const paths[] = {"/",    "/a", "/a/",    "/a/b",   "/a/b/c", "/a/bc",
                                        "/b/a", "*",  "/s.S/M", "/s.S/N", ""};
    static const char *const values[] = {NULL, NULL, "1", "12", "2"};
    peer->is_http = below(5) > 0;
    peer->method = methods[below(3)];
    peer->host = hosts[below(5)];
    peer->path = paths[below(11)];
    peer->x[0] = values[below(5)];
    peer->x[1] = values[below(5)];
    peer->y = values[below(5)];
}

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
    random_request(&peer);
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

/* What ends with a slash and a star is what stands before both, too. */
static bool slow_path(char *const *list, size_t n, const char *path)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        bool is_star = list[i][len - 1] == '*';
        found = found || strcmp(list[i], path) == 0 || strcmp(list[i], "/*") == 0 ||
                (is_star && strncmp(list[i], path, len - 1) == 0) ||
                (is_star && len > 2 && list[i][len - 2] == '/' && strlen(path) == len - 2 &&
                 strncmp(list[i], path, len - 2) == 0);
    }
    return found;
}

static bool slow_grpc(char *const *list, size_t n, const char *path)
{
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        bool is_star = list[i][len - 1] == '*';
        found = found || (path[0] == '/' && (is_star ? strncmp(list[i], path + 1, len - 1) == 0
                                                     : strcmp(list[i], path + 1) == 0));
    }
    return found;
}

static bool slow_method(char *const *list, size_t n, const char *method)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(list[i], method) == 0;
    return found;
}

static bool slow_host(char *const *list, size_t n, const char *authority)
{
    bool found = false;
    char host[64];
    snprintf(host, sizeof(host), "%s", authority);
    host[strcspn(host, ":")] = '\0';
    if (*host && host[strlen(host) - 1] == '.')
        host[strlen(host) - 1] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]), host_len = strlen(host);
        found = found || strcasecmp(list[i], host) == 0 ||
                (list[i][0] == '*' && host_len > len - 1 &&
                 strcasecmp(host + host_len - (len - 1), list[i] + 1) == 0);
    }
    return found;
}

static bool slow_value(const Outrigger__V1__HeaderCondition *header, const char *value)
{
    bool found = value && header->n_values == 0;
    for (size_t i = 0; value && i < header->n_values; i++) {
        size_t len = strlen(header->values[i]);
        found = found ||
                (header->values[i][len - 1] == '*' ? strncmp(header->values[i], value, len - 1) == 0
                                                   : strcmp(header->values[i], value) == 0);
    }
    return found;
}

static bool slow_header(const Outrigger__V1__HeaderCondition *header, const struct peer *peer)
{
    return strcmp(header->name, "x") == 0
               ? slow_value(header, peer->x[0]) || slow_value(header, peer->x[1])
               : slow_value(header, peer->y);
}

/* -1: there is no such condition. */
static int slow_request(const Outrigger__V1__AccessTarget *to, const struct peer *peer)
{
    bool ok = true, has_any = to->n_headers || to->n_not_headers;
#define KIND(field, fn, have)                                                                      \
    has_any = has_any || to->n_##field || to->n_not_##field;                                       \
    ok = ok && (to->n_##field == 0 || fn(to->field, to->n_##field, have));                         \
    ok = ok && !fn(to->not_##field, to->n_not_##field, have)
    KIND(paths, slow_path, peer->path);
    KIND(grpc_methods, slow_grpc, peer->path);
    KIND(methods, slow_method, peer->method);
    KIND(hosts, slow_host, peer->host);
#undef KIND
    for (size_t i = 0; i < to->n_headers; i++)
        ok = ok && slow_header(to->headers[i], peer);
    for (size_t i = 0; i < to->n_not_headers; i++)
        ok = ok && !slow_header(to->not_headers[i], peer);
    return has_any ? ok : -1;
}

static bool slow_ports(const Outrigger__V1__AccessTarget *to, unsigned port)
{
    return (to->n_ports == 0 || slow_port(to->ports, to->n_ports, port)) &&
           !slow_port(to->not_ports, to->n_not_ports, port);
}

static bool slow_covers(const Outrigger__V1__AccessRule *rule, unsigned port)
{
    bool found = rule->n_to == 0;
    for (size_t i = 0; i < rule->n_to; i++)
        found = found || slow_ports(rule->to[i], port);
    return found;
}

static bool slow_to(const Outrigger__V1__AccessRule *rule, const struct peer *peer, int action)
{
    bool found = rule->n_to == 0;
    for (size_t i = 0; i < rule->n_to; i++) {
        int request = slow_request(rule->to[i], peer);
        if (request >= 0 && !peer->is_http)
            request = action != 1; /* fails closed */
        found = found || (slow_ports(rule->to[i], peer->port) && request != 0);
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
            covers = covers || slow_covers(p->rules[j], peer->port);
            matches = matches ||
                      (slow_to(p->rules[j], peer, (int)p->action) && slow_from(p->rules[j], peer));
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

struct request {
    struct arena arena;
    struct head head;
    struct access_request request;
};

static void make_request(struct request *out, const struct peer *peer)
{
    *out = (struct request){
        .request = {.identity = slice_str(peer->identity), .source = peer->ip, .port = peer->port}};
    if (!peer->is_http)
        return;
    head_init(&out->head, &out->arena);
    out->head.method = slice_str(peer->method);
    out->head.authority = slice_str(peer->host);
    out->request.path = slice_str(peer->path);
    out->request.head = &out->head;
    const char *fields[][2] = {{"x", peer->x[0]}, {"y", peer->y}, {"x", peer->x[1]}};
    for (size_t i = 0; i < 3; i++)
        if (fields[i][1])
            assert_true(head_add(&out->head, slice_str(fields[i][0]), slice_str(fields[i][1])));
}

static unsigned seen[ACCESS_NOT_UNDERSTOOD + 1], outlooks[ACCESS_DEPENDS + 1];

static void compare(const struct access_policies *access,
                    Outrigger__V1__AccessPolicy *const *policies, size_t n,
                    enum default_access otherwise, const struct peer *peer)
{
    struct request request;
    char fast[128], slow[128];
    make_request(&request, peer);
    struct access_verdict got = access_check(access, &request.request), before;
    snprintf(fast, sizeof(fast), "%s %s %s", access_why_name(got.why),
             got.policy ? got.policy : "-", got.audit_policy ? got.audit_policy : "-");
    slow_check(policies, n, otherwise, peer, slow, sizeof(slow));
    assert_string_equal(fast, slow);
    seen[got.why]++;
    /* What was said of the connection is not turned round by a request. */
    enum access_outlook outlook = access_check_connection(access, &request.request, &before);
    if (outlook == ACCESS_NEVER)
        assert_false(got.is_allowed || before.is_allowed);
    if (outlook == ACCESS_ALWAYS) {
        assert_int_equal(got.why, before.why);
        assert_true(got.is_allowed && before.is_allowed);
        assert_int_equal(got.audit_policy != NULL, before.audit_policy != NULL);
    }
    outlooks[outlook]++;
    arena_fini(&request.arena);
}

static void both_say_the_same(void **state)
{
    (void)state;
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
            compare(access, policies, n, otherwise, &peer);
        }
        access_free(access);
        for (unsigned i = 0; i < n; i++)
            policies_free(policies[i]);
    }
    for (unsigned why = 0; why <= ACCESS_NOT_UNDERSTOOD; why++)
        assert_true(seen[why] > 100); /* or the inputs prove little */
    for (unsigned outlook = 0; outlook <= ACCESS_DEPENDS; outlook++)
        assert_true(outlooks[outlook] > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
