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

/* The first block is the caller's: nothing is allocated until it is used up, nothing of it freed.
 */
static void test_lent_memory(void **state)
{
    (void)state;
    _Alignas(max_align_t) char memory[1024];
    struct arena arena;
    for (int round = 0; round < 3; round++) {
        memset(memory, 'x', sizeof(memory));
        arena_init_with(&arena, memory, sizeof(memory));
        char *first = arena_take(&arena, 900);
        assert_true(first >= memory && first + 900 <= memory + sizeof(memory));
        for (int i = 0; i < 900; i++)
            assert_int_equal(first[i], 0);
        char *second = arena_take(&arena, 900);
        assert_true(second < memory || second >= memory + sizeof(memory));
        arena_fini(&arena);
        assert_null(arena.blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_zeroed_and_aligned),
        cmocka_unit_test(test_refuses_sums_that_overflow),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_lent_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
