/* How probes are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/probe/spec.h"

static void what_is_taken(void **state)
{
    (void)state;
    struct probe_specs specs = {0};
    struct err err;
    assert_true(probe_specs_add(&specs, slice_str("web/liveness=http,8080,1s,/a,b=c?d"), &err));
    assert_true(probe_specs_add(&specs, slice_str("web/startup=tcp,1,10m,"), &err));
    assert_true(probe_specs_add(&specs, slice_str("w.e-b/preStop=grpc,65535,5ms,a.B"), &err));
    const struct probe_spec *spec = probe_specs_find(&specs, slice_str("web/liveness"));
    assert_non_null(spec);
    assert_int_equal(spec->kind, PROBE_HTTP);
    assert_int_equal(spec->port, 8080);
    assert_int_equal(spec->timeout_ms, 1000);
    assert_true(slice_eq_str(spec->target, "/a,b=c?d"));
    assert_int_equal(probe_specs_find(&specs, slice_str("w.e-b/preStop"))->timeout_ms, 5);
    assert_null(probe_specs_find(&specs, slice_str("web")));
    assert_null(probe_specs_find(&specs, slice_str("")));
    probe_specs_fini(&specs);
}

static const struct {
    const char *text, *message;
} wrong[] = {
    {"", "\"\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET"},
    {"a/b=http,1,1s", "\"a/b=http,1,1s\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET"},
    {"ab=http,1,1s,/", "\"ab=http,1,1s,/\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET"},
    {"/b=http,1,1s,/", "\"/b=http,1,1s,/\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET"},
    {"a/b/c=tcp,1,1s,", "\"a/b/c=tcp,1,1s,\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET"},
    {"a/b=udp,1,1s,", "\"udp\" is none of http, https, tcp, grpc"},
    {"a/b=tcp,0,1s,", "\"0\" is no port"},
    {"a/b=tcp,1,1,", "\"1\" is not a duration; expected a number and ms, s, m, h or d"},
    {"a/b=tcp,1,11m,", "11m is not between 1ms and 10m"},
    {"a/b=tcp,1,1s,/", "\"/\" is nothing to ask of tcp"},
    {"a/b=http,1,1s,x", "\"x\" is nothing to ask of http"},
    {"a/b=https,1,1s,", "\"\" is nothing to ask of https"},
    {"a/b=http,1,1s,/x y", "\"/x y\" is nothing to ask of http"},
    {"a/b=http,1,1s,/\r\nX: y", "\"/??X: y\" is nothing to ask of http"},
    {"web/a=tcp,2,1s,", "web/a is given twice"},
};

static void what_is_not_taken(void **state)
{
    (void)state;
    struct probe_specs specs = {0};
    struct err err;
    assert_true(probe_specs_add(&specs, slice_str("web/a=tcp,1,1s,"), &err));
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(probe_specs_add(&specs, slice_str(wrong[i].text), &err));
        assert_string_equal(err.text, wrong[i].message);
    }
    assert_int_equal(specs.n, 1);
    probe_specs_fini(&specs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(what_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
