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

static void a_copy_shares_and_does_not_change_the_first(void **state)
{
    (void)state;
    struct service_shared *shared = service_shared_new();
    struct snapshot *first = snapshot_new();
    assert_int_equal(first->generation, 0);
    assert_null(first->workload);
    assert_true(snapshot_set_service(first, service("1.1.1.1:80", shared)));
    assert_true(snapshot_set_endpoints(first, endpoints_empty(slice_str("a/b/80"))));

    struct snapshot *second = snapshot_copy(first);
    assert_int_equal(second->generation, 1);
    assert_ptr_equal(snapshot_service(second, slice_str("1.1.1.1:80")),
                     snapshot_service(first, slice_str("1.1.1.1:80")));
    struct service *newer = service("1.1.1.1:80", shared);
    assert_true(snapshot_set_service(second, newer));
    assert_ptr_equal(snapshot_service(second, slice_str("1.1.1.1:80")), newer);
    assert_ptr_not_equal(snapshot_service(first, slice_str("1.1.1.1:80")), newer);
    assert_ptr_equal(snapshot_endpoints(second, slice_str("a/b/80")),
                     snapshot_endpoints(first, slice_str("a/b/80")));

    /* A connection that began with the first may outlive the map that the second came from. */
    struct snapshot *held = snapshot_hold(first);
    snapshot_drop(first);
    assert_non_null(snapshot_service(held, slice_str("1.1.1.1:80")));
    snapshot_drop(held);
    snapshot_drop(second);
    assert_int_equal(shared->refs, 1);
    service_shared_drop(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_shares_and_does_not_change_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
