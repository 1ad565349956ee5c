#include "controller/source/skipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is_told(const struct skipped *skipped, const char *kind, size_t n, const char *file,
                    unsigned line)
{
    const struct skipped_kind *found = map_get(&skipped->by_kind, slice_str(kind));
    assert_non_null(found);
    assert_int_equal(found->n, n);
    assert_string_equal(found->file, file);
    assert_int_equal(found->line, line);
}

static void the_first_is_told_in_whatever_order(void **state)
{
    (void)state;
    struct skipped a = {0}, b = {0};
    skipped_add(&a, "Ingress", "a.yaml", 3);
    skipped_add(&a, "Ingress", "a.yaml", 9);
    skipped_add(&b, "Ingress", "b.yaml", 1);
    skipped_add(&b, "Job", "b.yaml", 5);
    for (int is_turned = 0; is_turned < 2; is_turned++) {
        struct skipped all = {0};
        skipped_add_all(&all, is_turned ? &b : &a);
        skipped_add_all(&all, is_turned ? &a : &b);
        is_told(&all, "Ingress", 3, "a.yaml", 3);
        is_told(&all, "Job", 1, "b.yaml", 5);
        assert_int_equal(all.by_kind.count, 2);
        skipped_fini(&all);
    }
    is_told(&a, "Ingress", 2, "a.yaml", 3);
    skipped_fini(&a);
    assert_int_equal(a.by_kind.count, 0);
    skipped_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_told_in_whatever_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
