#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/resources.pb-c.h"
#include "proxy/config/endpoints.h"
#include "test/unit/proxy/pack.h"

struct fixture {
    Outrigger__V1__Endpoints endpoints;
    Outrigger__V1__Endpoint endpoint[2], *list[2];
};

static char text_name[] = "shop/api/80", text_v4[] = "10.1.0.5", text_v6[] = "fd00::5",
            text_zone[] = "a", text_id[] = "spiffe://d/ns/shop/sa/api", text_host[] = "api.shop",
            text_any[] = "0.0.0.0", text_any6[] = "::", text_multicast[] = "239.1.1.1",
            text_multicast6[] = "ff02::1", text_no_path[] = "spiffe://d",
            text_other[] = "shop/web/80", text_mapped[] = "::ffff:10.1.0.5";

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){
        .endpoints = OUTRIGGER__V1__ENDPOINTS__INIT,
        .endpoint = {OUTRIGGER__V1__ENDPOINT__INIT, OUTRIGGER__V1__ENDPOINT__INIT},
    };
    f->list[0] = &f->endpoint[0];
    f->list[1] = &f->endpoint[1];
    f->endpoint[0].address = text_v4;
    f->endpoint[0].port = 8080;
    f->endpoint[0].identity = text_id;
    f->endpoint[0].zone = text_zone;
    f->endpoint[1].address = text_v6;
    f->endpoint[1].port = 8080;
    f->endpoint[1].weight = 3;
    f->endpoint[1].health = OUTRIGGER__V1__HEALTH__DRAINING;
    f->endpoints.name = text_name;
    f->endpoints.endpoints = f->list;
    f->endpoints.n_endpoints = 2;
}

static struct endpoints *build(struct fixture *f, struct err *err)
{
    struct slice bytes = pack(&f->endpoints);
    struct endpoints *endpoints = endpoints_build(bytes, slice_str(text_name), slice_str("9"), err);
    free((char *)bytes.ptr);
    return endpoints;
}

static void good_ones_are_read(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    fixture_init(&f);
    struct endpoints *e = build(&f, &err);
    assert_non_null(e);
    assert_int_equal(e->n, 2);
    assert_string_equal(e->version, "9");
    assert_string_equal(e->list[0].addr_text, "10.1.0.5:8080");
    assert_string_equal(e->list[0].identity, text_id);
    assert_int_equal(e->list[0].weight, 1);
    assert_int_equal(e->list[0].health, HEALTH_HEALTHY);
    assert_string_equal(e->list[1].addr_text, "[fd00::5]:8080");
    assert_string_equal(e->list[1].identity, "");
    assert_int_equal(e->list[1].weight, 3);
    assert_int_equal(e->list[1].health, HEALTH_DRAINING);
    endpoints_drop(endpoints_hold(e));
    endpoints_drop(e);
}

static void none_are_fine_and_an_unknown_health_is_not_trusted(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    fixture_init(&f);
    f.endpoint[0].health = (Outrigger__V1__Health)12;
    struct endpoints *e = build(&f, &err);
    assert_non_null(e);
    assert_int_equal(e->list[0].health, HEALTH_UNHEALTHY);
    endpoints_drop(e);
    f.endpoints.n_endpoints = 0;
    e = build(&f, &err);
    assert_non_null(e);
    assert_int_equal(e->n, 0);
    endpoints_drop(e);
    e = endpoints_empty(slice_str("a/b/1"));
    assert_string_equal(e->name, "a/b/1");
    assert_string_equal(e->version, "");
    endpoints_drop(e);
}

#define CASES(X)                                                                                   \
    X(other_name, f->endpoints.name = text_other,                                                  \
      "name: \"shop/web/80\" is not the name that was asked for")                                  \
    X(host_name, f->endpoint[1].address = text_host,                                               \
      "endpoints[1].address: \"api.shop\" is not the IP address of a host")                        \
    X(any, f->endpoint[0].address = text_any,                                                      \
      "endpoints[0].address: \"0.0.0.0\" is not the IP address of a host")                         \
    X(any6, f->endpoint[0].address = text_any6,                                                    \
      "endpoints[0].address: \"::\" is not the IP address of a host")                              \
    X(multicast, f->endpoint[0].address = text_multicast,                                          \
      "endpoints[0].address: \"239.1.1.1\" is not the IP address of a host")                       \
    X(multicast6, f->endpoint[0].address = text_multicast6,                                        \
      "endpoints[0].address: \"ff02::1\" is not the IP address of a host")                         \
    X(port, f->endpoint[1].port = 0, "endpoints[1].port: 0 is not a port (1-65535)")               \
    X(weight, f->endpoint[1].weight = 1000001,                                                     \
      "endpoints[1].weight: 1000001 is more than 1000000")                                         \
    X(identity, f->endpoint[0].identity = text_no_path, "endpoints[0].identity: ")                 \
    X(twice, f->endpoint[1].address = text_mapped,                                                 \
      "endpoints[1].address: 10.1.0.5:8080 is there twice (also endpoints[0])")

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
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct err err;
        fixture_init(&f);
        cases[i].change(&f);
        assert_null(build(&f, &err));
        err.text[strlen(cases[i].message)] = '\0';
        assert_string_equal(err.text, cases[i].message);
    }
}

/* Two bytes on the wire become a hundred in memory: the ceiling must come before the memory. */
static void a_bomb_of_empty_fields_is_refused(void **state)
{
    (void)state;
    size_t n = 1u << 20;
    char *bytes = malloc(2 * n);
    struct err err;
    for (size_t i = 0; i < n; i++) {
        bytes[2 * i] = 0x12; /* field 2, length-delimited: an Endpoint of no bytes */
        bytes[2 * i + 1] = 0;
    }
    assert_null(endpoints_build(slice_of(bytes, 2 * n), slice_str(""), slice_str("1"), &err));
    assert_non_null(strstr(err.text, "not a valid"));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_read),
        cmocka_unit_test(none_are_fine_and_an_unknown_health_is_not_trusted),
        cmocka_unit_test(a_wrong_one_is_named),
        cmocka_unit_test(a_bomb_of_empty_fields_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
