#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "proxy/policy/access.h"
#include "test/unit/proxy/policy/policies.h"

#define WEB "spiffe://d/ns/web/sa/front"
#define JOB "spiffe://d/ns/jobs/sa/batch"

static struct access_policies *build(const char *const *texts, enum default_access otherwise,
                                     struct err *err)
{
    Outrigger__V1__AccessPolicy *policies[8];
    size_t n = 0;
    for (; n < 8 && texts[n]; n++)
        policies[n] = policies_parse(texts[n]);
    struct access_policies *access = access_build(policies, n, otherwise, err);
    for (size_t i = 0; i < n; i++)
        policies_free(policies[i]);
    return access;
}

static void verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *policies[4];
        enum default_access otherwise;
        const char *identity, *ip;
        uint16_t port;
        enum access_why why;
        const char *policy, *audit;
    } rows[] = {
        /* No policy: the default. */
        {{NULL}, ACCESS_DEFAULT_ALLOW, "", "1.2.3.4", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        {{NULL}, ACCESS_DEFAULT_DENY, WEB, "1.2.3.4", 80, ACCESS_DENIED_BY_DEFAULT, NULL, NULL},
        {{NULL}, ACCESS_DEFAULT_AUDIT, WEB, "1.2.3.4", 80, ACCESS_BY_DEFAULT_AUDIT, NULL, ""},
        /* Identities, exact and by their beginning. */
        {{"allow n/a from id=" WEB}, 0, WEB, "1.2.3.4", 80, ACCESS_BY_ALLOW, "n/a", NULL},
        {{"allow n/a from id=" WEB}, 0, WEB "2", "1.2.3.4", 80, ACCESS_NOT_ALLOWED, "n/a", NULL},
        {{"allow n/a from id=" WEB}, 0, "", "1.2.3.4", 80, ACCESS_NOT_ALLOWED, "n/a", NULL},
        {{"allow n/a from id=spiffe://d/ns/web/*"},
         0,
         WEB,
         "1.2.3.4",
         80,
         ACCESS_BY_ALLOW,
         "n/a",
         NULL},
        {{"allow n/a from id=spiffe://d/ns/web/*"},
         0,
         JOB,
         "1.2.3.4",
         80,
         ACCESS_NOT_ALLOWED,
         "n/a",
         NULL},
        {{"allow n/a from id=spiffe://*"}, 0, JOB, "1.2.3.4", 80, ACCESS_BY_ALLOW, "n/a", NULL},
        {{"allow n/a from id=spiffe://*"}, 0, "", "1.2.3.4", 80, ACCESS_NOT_ALLOWED, "n/a", NULL},
        /* Accounts and namespaces; an identity of another form has neither. */
        {{"allow n/a from account=web/front"}, 0, WEB, "::1", 80, ACCESS_BY_ALLOW, "n/a", NULL},
        {{"allow n/a from account=jobs/front"}, 0, WEB, "::1", 80, ACCESS_NOT_ALLOWED, "n/a", NULL},
        {{"deny n/d from namespace=jobs from namespace=web"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        {{"deny n/d from namespace=jobs"},
         0,
         "spiffe://d/x/jobs",
         "::1",
         80,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        {{"deny n/d from not_namespace=jobs"},
         0,
         "spiffe://d/x/jobs",
         "::1",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        /* Address blocks. */
        {{"deny n/d from ip=10.0.0.0/8"},
         0,
         WEB,
         "10.9.9.9",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        {{"deny n/d from ip=10.0.0.0/8"}, 0, WEB, "11.9.9.9", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        {{"deny n/d from ip=fd00::/8"},
         0,
         WEB,
         "fd12::1",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        {{"deny n/d from ip=0.0.0.0/0"}, 0, WEB, "fd12::1", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        {{"deny n/d from ip=10.0.0.0/8 not_ip=10.1.0.0/16"},
         0,
         WEB,
         "10.1.2.3",
         80,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        /* Unauthenticated, and what the not-forms mean for it. */
        {{"deny n/d from unauthenticated"},
         0,
         "",
         "1.1.1.1",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        {{"deny n/d from unauthenticated"}, 0, WEB, "1.1.1.1", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        {{"deny n/d from not_id=" WEB}, 0, "", "1.1.1.1", 80, ACCESS_DENIED_BY_POLICY, "n/d", NULL},
        {{"deny n/d from not_id=spiffe://d/ns/web/*"},
         0,
         WEB,
         "1.1.1.1",
         80,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        {{"deny n/d from not_account=web/front"},
         0,
         WEB,
         "1.1.1.1",
         80,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        /* Every kind must match, any value of a kind may. */
        {{"allow n/a from id=" JOB " id=" WEB " ip=10.0.0.0/8"},
         0,
         WEB,
         "10.0.0.1",
         80,
         ACCESS_BY_ALLOW,
         "n/a",
         NULL},
        {{"allow n/a from id=" JOB " id=" WEB " ip=10.0.0.0/8"},
         0,
         WEB,
         "9.0.0.1",
         80,
         ACCESS_NOT_ALLOWED,
         "n/a",
         NULL},
        /* Ports. An Allow that does not speak of the port has no say. */
        {{"allow n/a from id=" JOB " to port=80-90"},
         0,
         WEB,
         "9.0.0.1",
         91,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        {{"allow n/a from id=" JOB " to port=80-90"},
         0,
         WEB,
         "9.0.0.1",
         90,
         ACCESS_NOT_ALLOWED,
         "n/a",
         NULL},
        {{"allow n/a from id=" JOB " to port=80-90 not_port=85"},
         0,
         WEB,
         "9.0.0.1",
         85,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        {{"deny n/d to not_port=80"}, 0, WEB, "9.0.0.1", 81, ACCESS_DENIED_BY_POLICY, "n/d", NULL},
        {{"deny n/d to not_port=80"}, 0, WEB, "9.0.0.1", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        /* Within a rule `from` and `to` must both match; of the rules any. */
        {{"deny n/d from id=" JOB " to port=80 rule from id=" WEB " to port=81"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_BY_DEFAULT,
         NULL,
         NULL},
        {{"deny n/d from id=" JOB " to port=80 rule from id=" WEB " to port=81"},
         0,
         WEB,
         "::1",
         81,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        /* No rules match nothing; an empty rule matches all. */
        {{"deny n/d"}, 0, WEB, "::1", 80, ACCESS_BY_DEFAULT, NULL, NULL},
        {{"deny n/d rule"}, 0, WEB, "::1", 80, ACCESS_DENIED_BY_POLICY, "n/d", NULL},
        {{"allow n/a"}, 0, WEB, "::1", 80, ACCESS_NOT_ALLOWED, "n/a", NULL},
        {{"allow n/a rule"}, ACCESS_DEFAULT_DENY, "", "::1", 80, ACCESS_BY_ALLOW, "n/a", NULL},
        /* Order: deny, audit, allow, default, wherever they stand. */
        {{"allow n/a rule", "audit n/u rule", "deny n/d rule"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_DENIED_BY_POLICY,
         "n/d",
         NULL},
        {{"allow n/a rule", "audit n/u rule", "audit n/v rule"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_BY_ALLOW,
         "n/a",
         "n/u"},
        {{"audit n/u rule"},
         ACCESS_DEFAULT_AUDIT,
         WEB,
         "::1",
         80,
         ACCESS_BY_DEFAULT_AUDIT,
         NULL,
         "n/u"},
        {{"audit n/u rule"},
         ACCESS_DEFAULT_DENY,
         WEB,
         "::1",
         80,
         ACCESS_DENIED_BY_DEFAULT,
         NULL,
         "n/u"},
        {{"allow n/a from id=" JOB, "allow n/b from id=" WEB},
         0,
         WEB,
         "::1",
         80,
         ACCESS_BY_ALLOW,
         "n/b",
         NULL},
        {{"allow n/a from id=" JOB, "allow n/b from ip=10.0.0.0/8"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_NOT_ALLOWED,
         "n/a",
         NULL},
        /* What is not understood denies everything. */
        {{"allow n/a rule", "unspecified n/x rule"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_NOT_UNDERSTOOD,
         "n/x",
         NULL},
        {{"allow n/a rule", "newer n/x to port=9"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_NOT_UNDERSTOOD,
         "n/x",
         NULL},
        {{"allow n/a from", "allow n/b rule"},
         0,
         WEB,
         "::1",
         80,
         ACCESS_NOT_UNDERSTOOD,
         "n/a",
         NULL},
        {{"audit n/u to"}, 0, WEB, "::1", 80, ACCESS_NOT_UNDERSTOOD, "n/u", NULL},
        /* An identity that nobody can have. */
        {{"allow n/a rule"}, 0, "spiffe://D/../x", "::1", 80, ACCESS_NOT_UNDERSTOOD, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        struct access_request request = {.identity = slice_str(rows[i].identity),
                                         .port = rows[i].port};
        assert_true(ip_parse(slice_str(rows[i].ip), &request.source));
        struct access_policies *access = build(rows[i].policies, rows[i].otherwise, &err);
        assert_non_null(access);
        struct access_verdict got = access_check(access, &request);
        if (got.why != rows[i].why)
            print_error("row %zu: %s\n", i, access_why_name(got.why));
        assert_int_equal(got.why, rows[i].why);
        assert_int_equal(got.is_allowed, rows[i].why == ACCESS_BY_ALLOW ||
                                             rows[i].why == ACCESS_BY_DEFAULT ||
                                             rows[i].why == ACCESS_BY_DEFAULT_AUDIT);
        assert_string_equal(got.policy ? got.policy : "-", rows[i].policy ? rows[i].policy : "-");
        assert_string_equal(got.audit_policy ? got.audit_policy : "-",
                            rows[i].audit ? rows[i].audit : "-");
        access_free(access);
    }
}

static void wrong_ones_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *message;
    } rows[] = {
        {"deny n/d to port=0", "access_policies[1].rules[0].to[0].ports[0].first: 0 is not a port"},
        {"deny n/d to port=80-70000",
         "access_policies[1].rules[0].to[0].ports[0].last: 70000 is not a port"},
        {"deny n/d to port=80 not_port=5 not_port=90-80",
         "access_policies[1].rules[0].to[0].not_ports[1].last: 80 is less than first, which is 90"},
        {"deny n/d from ip=1.2.3.4 from ip=10.0.0.0/33",
         "access_policies[1].rules[0].from[1].ip_blocks[0]: "},
        {"deny n/d from not_ip=web", "access_policies[1].rules[0].from[0].not_ip_blocks[0]: "},
        {"deny n/d rule rule from id=web", "access_policies[1].rules[1].from[0].identities[0]: "},
        {"deny n/d from id=spiffe://d/*/sa/x",
         "access_policies[1].rules[0].from[0].identities[0]: "},
        {"deny n/d from id=spiffe://d/*/sa/*",
         "access_policies[1].rules[0].from[0].identities[0]: \"spiffe://d/*/sa/*\" has a `*` that "
         "is not at its end"},
        /* Would match spiffe://domain.evil as well. */
        {"deny n/d from id=spiffe://d*",
         "access_policies[1].rules[0].from[0].identities[0]: \"spiffe://d*\" does not begin with "
         "spiffe://TRUST-DOMAIN/"},
        {"deny n/d from id=*",
         "access_policies[1].rules[0].from[0].identities[0]: \"*\" does not begin with "},
        {"deny n/d from not_account=web",
         "access_policies[1].rules[0].from[0].not_service_accounts[0]: \"web\" is not "
         "NAMESPACE/ACCOUNT"},
        {"deny n/d from namespace=a/b",
         "access_policies[1].rules[0].from[0].namespaces[0]: \"a/b\" is not a namespace"},
        {"deny n/d from namespace=", "access_policies[1].rules[0].from[0].namespaces[0]: \"\" is"},
        {"deny n/d from unauthenticated namespace=x",
         "access_policies[1].rules[0].from[0].unauthenticated: nobody without"},
        {"deny ", "access_policies[1].name: empty"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        const char *texts[] = {"allow n/first rule", rows[i].policy, NULL};
        assert_null(build(texts, ACCESS_DEFAULT_ALLOW, &err));
        if (!slice_starts_with(slice_str(err.text), slice_str(rows[i].message)))
            fail_msg("row %zu: %s", i, err.text);
    }
}

/* A field of a later version: field 15, varint 1. */
static void a_condition_of_a_later_version_denies(void **state)
{
    (void)state;
    static const char *const places[] = {"policy", "rule", "source", "target", "range"};
    for (size_t place = 0; place < sizeof(places) / sizeof(places[0]); place++) {
        uint8_t one[] = {1};
        struct err err;
        Outrigger__V1__AccessPolicy *policy =
            policies_parse("allow n/a from id=" WEB " to port=80");
        ProtobufCMessage *bases[] = {
            &policy->base, &policy->rules[0]->base, &policy->rules[0]->from[0]->base,
            &policy->rules[0]->to[0]->base, &policy->rules[0]->to[0]->ports[0]->base};
        ProtobufCMessageUnknownField later = {15, PROTOBUF_C_WIRE_TYPE_VARINT, 1, one};
        bases[place]->n_unknown_fields = 1;
        bases[place]->unknown_fields = &later;
        struct access_policies *access = access_build(&policy, 1, ACCESS_DEFAULT_ALLOW, &err);
        bases[place]->n_unknown_fields = 0;
        bases[place]->unknown_fields = NULL;
        policies_free(policy);
        assert_non_null(access);
        struct access_request request = {.identity = SLICE_LITERAL(WEB), .port = 80};
        struct access_verdict verdict = access_check(access, &request);
        assert_int_equal(verdict.why, ACCESS_NOT_UNDERSTOOD);
        assert_false(verdict.is_allowed);
        assert_string_equal(verdict.policy, "n/a");
        access_free(access);
    }
}

static void they_can_be_told(void **state)
{
    (void)state;
    struct err err;
    const char *texts[] = {"allow n/a from id=spiffe://d/* not_ip=10.1.2.3/8 to port=80 port=90-99",
                           "newer n/b rule", NULL};
    struct access_policies *access = build(texts, ACCESS_DEFAULT_DENY, &err);
    assert_int_equal(access_count(access), 2);
    json_t *json = access_describe(access);
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "{\"default\":\"deny\",\"policies\":[{\"action\":\"allow\",\"name\":\"n/a\","
              "\"rules\":[{\"from\":[{\"identities\":[\"spiffe://d/*\"],\"not_ip_blocks\":"
              "[\"10.0.0.0/8\"]}],\"to\":[{\"ports\":[\"80\",\"90-99\"]}]}]},{\"action\":"
              "\"deny everything: not understood\",\"name\":\"n/b\",\"rules\":[{}]}]}");
    free(text);
    json_decref(json);
    access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(wrong_ones_are_named),
        cmocka_unit_test(a_condition_of_a_later_version_denies),
        cmocka_unit_test(they_can_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
