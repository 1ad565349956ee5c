#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "proxy/codec/slabs.h"

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t asked, given;
    } rows[] = {{0, 64},      {1, 64},        {64, 64},       {65, 128},       {4096, 4096},
                {4097, 8192}, {16384, 16384}, {16385, 16385}, {100000, 100000}};
    struct slabs *slabs = slabs_new();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *block = slabs_take(slabs, rows[i].asked);
        assert_int_equal(slabs_size(block), rows[i].given);
        assert_int_equal((uintptr_t)block % alignof(max_align_t), 0);
        memset(block, 'x', rows[i].given);
        slabs_give(slabs, block);
    }
    slabs_give(slabs, NULL);
    slabs_free(slabs);
}

static void test_used_again(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new();
    void *first = slabs_take(slabs, 4000);
    void *second = slabs_take(slabs, 4000);
    assert_ptr_not_equal(first, second);
    slabs_give(slabs, first);
    assert_int_equal(slabs_kept(slabs), 4096);
    void *small = slabs_take(slabs, 100); /* another size */
    assert_ptr_not_equal(small, first);
    assert_ptr_equal(slabs_take(slabs, 3000), first);
    assert_int_equal(slabs_kept(slabs), 0);
    slabs_give(slabs, first);
    slabs_give(slabs, second);
    slabs_give(slabs, small);
    slabs_trim(slabs);
    assert_int_equal(slabs_kept(slabs), 0);
    slabs_give(slabs, slabs_take(slabs, 16 * 1024 + 1)); /* too large to be kept */
    assert_int_equal(slabs_kept(slabs), 0);
    slabs_free(slabs);
}

static void test_bound(void **state)
{
    (void)state;
    static void *blocks[2 * SLABS_KEPT_BYTES / SLABS_LARGEST_BYTES];
    const size_t n = sizeof(blocks) / sizeof(blocks[0]);
    struct slabs *slabs = slabs_new();
    for (size_t i = 0; i < n; i++)
        blocks[i] = slabs_take(slabs, SLABS_LARGEST_BYTES);
    for (size_t i = 0; i < n; i++)
        slabs_give(slabs, blocks[i]);
    assert_int_equal(slabs_kept(slabs), SLABS_KEPT_BYTES);
    slabs_free(slabs);
}

/* What is used now and then stays warm; what is not goes at the second look. */
static void test_idle_blocks_go(void **state)
{
    (void)state;
    void *blocks[8];
    struct slabs *slabs = slabs_new();
    for (size_t i = 0; i < 8; i++)
        blocks[i] = slabs_take(slabs, 1024);
    for (size_t i = 0; i < 8; i++)
        slabs_give(slabs, blocks[i]);
    assert_int_equal(slabs_trim_idle(slabs), 0);
    for (size_t i = 0; i < 3; i++)
        blocks[i] = slabs_take(slabs, 1024);
    for (size_t i = 0; i < 3; i++)
        slabs_give(slabs, blocks[i]);
    assert_int_equal(slabs_trim_idle(slabs), 5 * 1024);
    assert_int_equal(slabs_kept(slabs), 3 * 1024);
    assert_int_equal(slabs_trim_idle(slabs), 3 * 1024);
    assert_int_equal(slabs_trim_idle(slabs), 0);
    slabs_free(slabs);
}

static void test_resize(void **state)
{
    (void)state;
    struct slabs *slabs = slabs_new();
    char *block = slabs_resize(slabs, NULL, 10);
    memset(block, 'a', 64);
    assert_ptr_equal(slabs_resize(slabs, block, 64), block);
    assert_ptr_equal(slabs_resize(slabs, block, 1), block);
    char *larger = slabs_resize(slabs, block, 20000);
    assert_ptr_not_equal(larger, block);
    for (int i = 0; i < 64; i++)
        assert_int_equal(larger[i], 'a');
    assert_ptr_equal(slabs_take(slabs, 64), block); /* was given back */
    slabs_give(slabs, block);
    slabs_give(slabs, larger);
    slabs_free(slabs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_used_again),
        cmocka_unit_test(test_bound),  cmocka_unit_test(test_idle_blocks_go),
        cmocka_unit_test(test_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
