#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/snapshot.h"

static struct service *service(const char *resource, struct service_shared *shared)
{
    return service_unknown(slice_str(resource), shared);
}

static void what_is_shared_lives_as_long_as_somebody_holds_it(void **state)
{
    (void)state;
    struct slice name = slice_str("1.1.1.1:80"), backend = slice_str("a/b/80");
    struct service_shared *shared = service_shared_new();
    struct snapshot *first = snapshot_new(), *second = snapshot_new();
    assert_int_equal(first->generation, 0);
    assert_null(first->workload);
    assert_null(snapshot_service(first, name));
    assert_true(snapshot_set_service(first, service("1.1.1.1:80", shared)));
    assert_true(snapshot_set_endpoints(first, endpoints_empty(backend)));
    assert_true(snapshot_set_service(second, service_hold(snapshot_service(first, name))));
    assert_true(snapshot_set_endpoints(second, endpoints_hold(snapshot_endpoints(first, backend))));
    assert_ptr_equal(snapshot_service(second, name), snapshot_service(first, name));

    /* What takes the place of another in one snapshot leaves it in the others. */
    struct service *newer = service("1.1.1.1:80", shared);
    assert_true(snapshot_set_service(second, newer));
    assert_ptr_equal(snapshot_service(second, name), newer);
    assert_ptr_not_equal(snapshot_service(first, name), newer);

    /* A connection that began with the first may outlive the map that the second came from. */
    struct snapshot *held = snapshot_hold(first);
    snapshot_drop(first);
    assert_non_null(snapshot_service(held, name));
    snapshot_drop(held);
    assert_string_equal(snapshot_endpoints(second, backend)->name, "a/b/80");
    snapshot_drop(second);
    assert_int_equal(shared->refs, 1);
    service_shared_drop(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shared_lives_as_long_as_somebody_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
