#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/resources.pb-c.h"
#include "proxy/config/workload.h"
#include "test/unit/proxy/pack.h"

/* A workload that is right; each case makes one thing of it wrong or different. */
struct fixture {
    Outrigger__V1__Workload workload;
    Outrigger__V1__InboundPort port[3], *ports[1200];
    Outrigger__V1__InboundLimits limits;
    Outrigger__V1__MeshSettings mesh;
    char *addresses[3];
};

static char text_name[] = "shop/api-1", text_owner[] = "api", text_v4[] = "10.1.0.5",
            text_v6[] = "fd00::5", text_domain[] = "cluster.local", text_bad[] = "10.1.0.500",
            text_mapped[] = "::ffff:10.1.0.5", text_control[] = "a\nb", text_upper[] = "Cluster",
            text_pod[] = "api-1", text_empty[] = "";

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){
        .workload = OUTRIGGER__V1__WORKLOAD__INIT,
        .port = {OUTRIGGER__V1__INBOUND_PORT__INIT, OUTRIGGER__V1__INBOUND_PORT__INIT,
                 OUTRIGGER__V1__INBOUND_PORT__INIT},
        .limits = OUTRIGGER__V1__INBOUND_LIMITS__INIT,
        .mesh = OUTRIGGER__V1__MESH_SETTINGS__INIT,
    };
    for (size_t i = 0; i < 1200; i++)
        f->ports[i] = &f->port[i < 3 ? i : 2];
    f->port[0].port = 8080;
    f->port[0].protocol = OUTRIGGER__V1__PROTOCOL__HTTP1;
    f->port[1].port = 443;
    f->port[1].mtls_mode = OUTRIGGER__V1__MTLS_MODE__DISABLED;
    f->port[2].port = 9000;
    f->port[2].protocol = (Outrigger__V1__Protocol)77;
    f->addresses[0] = text_v4;
    f->addresses[1] = text_v6;
    f->addresses[2] = text_mapped;
    f->limits.max_connections = 7;
    f->limits.idle_timeout_ms = 1000;
    f->mesh.trust_domain = text_domain;
    f->mesh.access_log = 1;
    f->workload.name = text_name;
    f->workload.workload = text_owner;
    f->workload.mtls_mode = OUTRIGGER__V1__MTLS_MODE__STRICT;
    f->workload.addresses = f->addresses;
    f->workload.n_addresses = 2;
    f->workload.ports = f->ports;
    f->workload.n_ports = 3;
    f->workload.inbound = &f->limits;
    f->workload.mesh = &f->mesh;
}

static struct workload *build(struct fixture *f, struct err *err)
{
    struct slice bytes = pack(&f->workload);
    struct workload *workload =
        workload_build(bytes, slice_str(f->workload.name), slice_str("7"), err);
    free((char *)bytes.ptr);
    return workload;
}

static void a_good_one_is_read(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    struct ip ip;
    fixture_init(&f);
    struct workload *w = build(&f, &err);
    assert_non_null(w);
    assert_string_equal(w->name, "shop/api-1");
    assert_string_equal(w->namespace, "shop");
    assert_string_equal(w->version, "7");
    assert_string_equal(w->trust_domain, "cluster.local");
    assert_int_equal(w->max_connections, 7);
    assert_int_equal(w->idle_timeout_ms, 1000);
    assert_true(w->access_log);
    assert_int_equal(workload_mtls_mode(w, 8080), MTLS_STRICT); /* inherited */
    assert_int_equal(workload_mtls_mode(w, 443), MTLS_DISABLED);
    assert_int_equal(workload_mtls_mode(w, 1), MTLS_STRICT); /* not listed */
    assert_int_equal(workload_port(w, 8080)->protocol, PROTOCOL_HTTP1);
    assert_int_equal(workload_port(w, 9000)->protocol, PROTOCOL_DETECT); /* unknown */
    assert_null(workload_port(w, 8081));
    assert_true(ip_parse(slice_str("::ffff:10.1.0.5"), &ip));
    assert_true(workload_has_address(w, &ip));
    assert_true(ip_parse(slice_str("10.1.0.6"), &ip));
    assert_false(workload_has_address(w, &ip));
    assert_int_equal(access_count(w->access), 0);
    assert_ptr_equal(workload_hold(w), w);
    workload_drop(w);
    workload_drop(w);
}

static void what_is_not_said_has_a_meaning(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    fixture_init(&f);
    f.workload.mesh = NULL;
    f.workload.inbound = NULL;
    f.workload.mtls_mode = OUTRIGGER__V1__MTLS_MODE__MTLS_MODE_UNSPECIFIED;
    struct workload *w = build(&f, &err);
    assert_non_null(w);
    assert_int_equal(w->mtls_mode, MTLS_PERMISSIVE);
    assert_int_equal(w->egress_mode, EGRESS_ALLOW_ANY);
    assert_int_equal(w->inbound_paths.escaped_slashes, SLASHES_KEEP);
    assert_false(w->inbound_paths.merge_slashes);
    assert_string_equal(w->trust_domain, "");
    assert_int_equal(w->idle_timeout_ms, 0);
    workload_drop(w);
}

#define SLASHES(name) OUTRIGGER__V1__ESCAPED_SLASHES__##name
#define NOT_SAID      SLASHES(ESCAPED_SLASHES_UNSPECIFIED)

enum condition { NO_POLICY, BY_METHOD, BY_PATH, BY_NOT_PATH, BY_GRPC, BY_NOT_GRPC, NOT_UNDERSTOOD };

static const struct {
    enum condition policy;
    bool has_rules; /* sent at all */
    Outrigger__V1__EscapedSlashes said;
    enum escaped_slashes inbound, outbound;
} slashes[] = {
    {NO_POLICY, false, NOT_SAID, SLASHES_KEEP, SLASHES_KEEP},
    {NO_POLICY, true, NOT_SAID, SLASHES_KEEP, SLASHES_KEEP},
    {BY_METHOD, true, NOT_SAID, SLASHES_KEEP, SLASHES_KEEP},
    {BY_PATH, false, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {BY_PATH, true, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {BY_NOT_PATH, true, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {BY_GRPC, true, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {BY_NOT_GRPC, true, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {NOT_UNDERSTOOD, true, NOT_SAID, SLASHES_REJECT, SLASHES_KEEP},
    {BY_PATH, true, SLASHES(SLASHES_KEEP), SLASHES_KEEP, SLASHES_KEEP},
    {NO_POLICY, true, SLASHES(SLASHES_REJECT), SLASHES_REJECT, SLASHES_REJECT},
    {NO_POLICY, true, SLASHES(SLASHES_UNESCAPE), SLASHES_UNESCAPE, SLASHES_UNESCAPE},
};

static void fill_condition(Outrigger__V1__AccessTarget *to, enum condition condition)
{
    static char get[] = "GET", path[] = "/a", call[] = "shop.Cart/Get";
    static char *methods[] = {get}, *paths[] = {path}, *calls[] = {call};
    to->n_methods = condition == BY_METHOD;
    to->methods = methods;
    to->n_paths = condition == BY_PATH;
    to->n_not_paths = condition == BY_NOT_PATH;
    to->paths = to->not_paths = paths;
    to->n_grpc_methods = condition == BY_GRPC;
    to->n_not_grpc_methods = condition == BY_NOT_GRPC;
    to->grpc_methods = to->not_grpc_methods = calls;
}

static void escaped_slashes_where_nobody_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(slashes) / sizeof(slashes[0]); i++) {
        struct fixture f;
        struct err err;
        Outrigger__V1__PathRules paths = OUTRIGGER__V1__PATH_RULES__INIT;
        Outrigger__V1__AccessPolicy policy = OUTRIGGER__V1__ACCESS_POLICY__INIT;
        Outrigger__V1__AccessPolicy *policies[] = {&policy};
        Outrigger__V1__AccessRule rule = OUTRIGGER__V1__ACCESS_RULE__INIT, *rules[] = {&rule};
        Outrigger__V1__AccessTarget to = OUTRIGGER__V1__ACCESS_TARGET__INIT, *tos[] = {&to};
        fixture_init(&f);
        fill_condition(&to, slashes[i].policy);
        rule.n_to = policy.n_rules = 1;
        rule.to = tos;
        policy.rules = rules;
        policy.name = text_name;
        policy.action = slashes[i].policy == NOT_UNDERSTOOD ? (Outrigger__V1__AccessAction)9
                                                            : OUTRIGGER__V1__ACCESS_ACTION__DENY;
        f.workload.access_policies = policies;
        f.workload.n_access_policies = slashes[i].policy != NO_POLICY;
        paths.escaped_slashes = slashes[i].said;
        f.mesh.path_rules = slashes[i].has_rules ? &paths : NULL;
        struct workload *w = build(&f, &err);
        assert_non_null(w);
        if (w->inbound_paths.escaped_slashes != slashes[i].inbound ||
            w->outbound_paths.escaped_slashes != slashes[i].outbound)
            fail_msg("case %zu: inbound %d, outbound %d", i, (int)w->inbound_paths.escaped_slashes,
                     (int)w->outbound_paths.escaped_slashes);
        workload_drop(w);
    }
}

static void what_is_not_understood_is_stricter(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    fixture_init(&f);
    f.mesh.egress_mode = (Outrigger__V1__EgressMode)9;
    Outrigger__V1__PathRules paths = OUTRIGGER__V1__PATH_RULES__INIT;
    paths.escaped_slashes = (Outrigger__V1__EscapedSlashes)9;
    f.mesh.path_rules = &paths;
    f.workload.default_access = (Outrigger__V1__DefaultAccess)9;
    struct workload *w = build(&f, &err);
    assert_non_null(w);
    assert_int_equal(w->egress_mode, EGRESS_REGISTRY_ONLY);
    assert_int_equal(w->inbound_paths.escaped_slashes, SLASHES_REJECT);
    assert_int_equal(w->outbound_paths.escaped_slashes, SLASHES_REJECT);
    struct access_request request = {.port = 80};
    struct access_verdict verdict = access_check(w->access, &request);
    assert_false(verdict.is_allowed);
    assert_int_equal(verdict.why, ACCESS_DENIED_BY_DEFAULT);
    workload_drop(w);
}

#define CASES(X)                                                                                   \
    X(port_zero, f->port[2].port = 0, "ports[2].port: 0 is not a port (1-65535)")                  \
    X(port_large, f->port[0].port = 65536, "ports[0].port: 65536 is not a port (1-65535)")         \
    X(port_twice, f->port[1].port = 8080, "ports[1].port: 8080 is there twice")                    \
    X(ports_many, f->workload.n_ports = 1200, "ports: their number: 1200 is more than 1024")       \
    X(mode, f->workload.mtls_mode = 4,                                                             \
      "mtls_mode: 4 is none of PERMISSIVE (1), STRICT (2), DISABLED (3)")                          \
    X(port_mode, f->port[1].mtls_mode = -1,                                                        \
      "ports[1].mtls_mode: -1 is none of PERMISSIVE (1), STRICT (2), DISABLED (3)")                \
    X(address, f->addresses[1] = text_bad, "addresses[1]: \"10.1.0.500\" is not an IP address")    \
    X(address_twice, f->workload.n_addresses = 3, "addresses[2]: ::ffff:10.1.0.5 is there twice")  \
    X(idle, f->limits.idle_timeout_ms = UINT64_MAX,                                                \
      "inbound.idle_timeout_ms: 18446744073709551615 is more than 2592000000")                     \
    X(connect, f->limits.connect_timeout_ms = 3600001,                                             \
      "inbound.connect_timeout_ms: 3600001 is more than 3600000")                                  \
    X(discovery, f->mesh.discovery_timeout_ms = 60001,                                             \
      "mesh.discovery_timeout_ms: 60001 is more than 60000")                                       \
    X(domain, f->mesh.trust_domain = text_upper,                                                   \
      "mesh.trust_domain: \"Cluster\" is not a trust domain")                                      \
    X(name_alone, f->workload.name = text_pod, "name: \"api-1\" is not NAMESPACE/POD")             \
    X(name_empty, f->workload.name = text_empty, "name: \"\" is not NAMESPACE/POD")                \
    X(control_byte, f->workload.zone = text_control, "zone: byte 0x0a at 1 is not printable ASCII")

#define X(name, change, message)                                                                   \
    static void wrong_##name(struct fixture *f)                                                    \
    {                                                                                              \
        change;                                                                                    \
    }
CASES(X)
#undef X

static void a_wrong_one_is_named(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct fixture *f);
        const char *message;
    } cases[] = {
#define X(name, change, message) {wrong_##name, message},
        CASES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct err err;
        fixture_init(&f);
        cases[i].change(&f);
        assert_null(build(&f, &err));
        assert_string_equal(err.text, cases[i].message);
    }
}

static void another_name_and_garbage_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    fixture_init(&f);
    struct slice bytes = pack(&f.workload);
    assert_null(workload_build(bytes, slice_str("shop/api-2"), slice_str("1"), &err));
    assert_string_equal(err.text, "name: \"shop/api-1\" is not the name that was asked for");
    assert_null(workload_build(slice_sub(bytes, 0, bytes.len - 1), slice_str("shop/api-1"),
                               slice_str("1"), &err));
    assert_non_null(strstr(err.text, "not a valid outrigger.v1.Workload"));
    free((char *)bytes.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_is_read),
        cmocka_unit_test(what_is_not_said_has_a_meaning),
        cmocka_unit_test(escaped_slashes_where_nobody_said),
        cmocka_unit_test(what_is_not_understood_is_stricter),
        cmocka_unit_test(a_wrong_one_is_named),
        cmocka_unit_test(another_name_and_garbage_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
