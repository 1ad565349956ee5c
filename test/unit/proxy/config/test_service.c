#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/resources.pb-c.h"
#include "proxy/config/service.h"
#include "test/unit/proxy/pack.h"

struct fixture {
    Outrigger__V1__Service service;
    Outrigger__V1__Backend backend[2], *backends[300];
    Outrigger__V1__Endpoint pod;
    char *hosts[1];
    const char *resource;
};

static char text_name[] = "shop/api", text_pod_name[] = "shop/api-1", text_host[] = "api.shop.svc",
            text_first[] = "shop/api/80", text_second[] = "shop/api/80/v2", text_v4[] = "10.1.0.5",
            text_plain[] = "api", text_empty[] = "", text_id[] = "spiffe://d/ns/shop/sa/api",
            text_bad_id[] = "spiffe://D/x", text_newline[] = "x\n";

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){
        .service = OUTRIGGER__V1__SERVICE__INIT,
        .backend = {OUTRIGGER__V1__BACKEND__INIT, OUTRIGGER__V1__BACKEND__INIT},
        .pod = OUTRIGGER__V1__ENDPOINT__INIT,
        .hosts = {text_host},
        .resource = "10.96.0.10:80",
    };
    for (size_t i = 0; i < 300; i++)
        f->backends[i] = &f->backend[i % 2];
    f->backend[0].endpoints = text_first;
    f->backend[0].weight = 90;
    f->backend[1].endpoints = text_second;
    f->backend[1].weight = 10;
    f->pod.address = text_v4;
    f->pod.port = 8080;
    f->pod.identity = text_id;
    f->service.name = text_name;
    f->service.port = 80;
    f->service.protocol = OUTRIGGER__V1__PROTOCOL__GRPC;
    f->service.hosts = f->hosts;
    f->service.n_hosts = 1;
    f->service.backends = f->backends;
    f->service.n_backends = 2;
    f->service.max_connections = 5;
}

static void make_pod(struct fixture *f)
{
    f->service.name = text_pod_name;
    f->service.port = 8080;
    f->service.n_backends = 0;
    f->service.pod = &f->pod;
    f->resource = "10.1.0.5:8080";
}

static struct service *build(struct fixture *f, struct service_shared *shared, struct err *err)
{
    struct slice bytes = pack(&f->service);
    struct service *service =
        service_build(bytes, slice_str(f->resource), slice_str("3"), shared, err);
    free((char *)bytes.ptr);
    return service;
}

static void a_service_with_backends(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    struct service_shared *shared = service_shared_new();
    fixture_init(&f);
    struct service *s = build(&f, shared, &err);
    assert_non_null(s);
    service_shared_drop(shared); /* the service holds it */
    assert_true(s->is_known);
    assert_string_equal(s->resource, "10.96.0.10:80");
    assert_string_equal(s->version, "3");
    assert_string_equal(s->namespace, "shop");
    assert_int_equal(s->protocol, PROTOCOL_GRPC);
    assert_int_equal(s->n_backends, 2);
    assert_string_equal(s->backends[1].endpoints, "shop/api/80/v2");
    assert_int_equal(s->backends[1].weight, 10);
    assert_string_equal(s->hosts[0], "api.shop.svc");
    assert_null(s->pod);
    assert_int_equal(s->shared->connections, 0);
    assert_true(s->shared->last_used_ns > 0);
    service_drop(s);
}

static void a_pod_dialled_by_address(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    struct service_shared *shared = service_shared_new();
    fixture_init(&f);
    make_pod(&f);
    struct service *s = build(&f, shared, &err);
    assert_non_null(s);
    assert_int_equal(s->n_backends, 0);
    assert_int_equal(s->pod->n, 1);
    assert_string_equal(s->pod->list[0].addr_text, "10.1.0.5:8080");
    assert_string_equal(s->pod->list[0].identity, text_id);
    assert_string_equal(s->pod->name, "10.1.0.5:8080");
    assert_ptr_equal(service_hold(s), s);
    service_drop(s);
    service_drop(s);
    service_shared_drop(shared);
}

static void an_unknown_one_is_empty(void **state)
{
    (void)state;
    struct service_shared *shared = service_shared_new();
    struct service *s = service_unknown(slice_str("1.2.3.4:5"), shared);
    assert_false(s->is_known);
    assert_string_equal(s->resource, "1.2.3.4:5");
    assert_string_equal(s->name, "");
    assert_int_equal(s->n_backends, 0);
    assert_ptr_equal(s->shared, shared);
    service_drop(s);
    service_shared_drop(shared);
}

#define CASES(X)                                                                                   \
    X(name, f->service.name = text_plain, "name: \"api\" is not NAMESPACE/NAME")                   \
    X(port, f->service.port = 70000, "port: 70000 is not a port (1-65535)")                        \
    X(weight_zero, f->backend[1].weight = 0, "backends[1].weight: 0 is not a weight (1-1000000)")  \
    X(weight_large, f->backend[0].weight = 1000001,                                                \
      "backends[0].weight: 1000001 is not a weight (1-1000000)")                                   \
    X(backend_empty, f->backend[0].endpoints = text_empty,                                         \
      "backends[0].endpoints: empty; expected the name of an Endpoints resource")                  \
    X(backend_twice, f->backend[1].endpoints = text_first,                                         \
      "backends[1].endpoints: \"shop/api/80\" is there twice (also backends[0])")                  \
    X(backends_many, f->service.n_backends = 300, "backends: their number: 300 is more than 256")  \
    X(neither, f->service.n_backends = 0,                                                          \
      "backends: empty, and `pod` is not set: one of them is needed")                              \
    X(both, f->service.pod = &f->pod, "backends: must be empty where `pod` is set")                \
    X(host, f->hosts[0] = text_newline, "hosts[0]: byte 0x0a at 1 is not printable ASCII")         \
    X(connect, f->service.connect_timeout_ms = 3600001,                                            \
      "connect_timeout_ms: 3600001 is more than 3600000")                                          \
    X(idle, f->service.idle_timeout_ms = 2592000001,                                               \
      "idle_timeout_ms: 2592000001 is more than 2592000000")                                       \
    X(pod_elsewhere, (make_pod(f), f->resource = "10.1.0.6:8080"),                                 \
      "pod.address: 10.1.0.5:8080 is not 10.1.0.6:8080, which was dialled")                        \
    X(pod_port, (make_pod(f), f->pod.port = 0), "pod.port: 0 is not a port (1-65535)")             \
    X(pod_identity, (make_pod(f), f->pod.identity = text_bad_id), "pod.identity: ")

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
        const char *message; /* how the error begins */
    } cases[] = {
#define X(name, change, message) {wrong_##name, message},
        CASES(X)
#undef X
    };
    struct service_shared *shared = service_shared_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct err err;
        fixture_init(&f);
        cases[i].change(&f);
        assert_null(build(&f, shared, &err));
        err.text[strlen(cases[i].message)] = '\0';
        assert_string_equal(err.text, cases[i].message);
    }
    assert_int_equal(shared->refs, 1);
    service_shared_drop(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_with_backends),
        cmocka_unit_test(a_pod_dialled_by_address),
        cmocka_unit_test(an_unknown_one_is_empty),
        cmocka_unit_test(a_wrong_one_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
