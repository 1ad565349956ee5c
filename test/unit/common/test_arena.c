#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_takes_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena arena = {0};
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        unsigned char *taken = arena_take(&arena, bytes);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(taken[i], 0);
        memset(taken, 0xff, bytes); /* what is taken next must not overlap */
    }
    assert_true(arena.total_bytes >= 600000);
    arena_fini(&arena);
    assert_int_equal(arena.total_bytes, 0);
}

static void test_refuses_sums_that_overflow(void **state)
{
    (void)state;
    struct arena arena = {0};
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_null(arena_take_array(&arena, SIZE_MAX / 2, 3));
    assert_null(arena.blocks);
    arena_fini(&arena);
}

static void test_texts(void **state)
{
    (void)state;
    struct arena arena = {0};
    char *copy = arena_text(&arena, slice_of("abcdef", 3));
    char *empty = arena_text(&arena, slice_of(NULL, 0));
    char *printed = arena_printf(&arena, "%s/%d", "pod", 7);
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    assert_string_equal(printed, "pod/7");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_zeroed_and_aligned),
        cmocka_unit_test(test_refuses_sums_that_overflow),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
