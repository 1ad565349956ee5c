/* common/buf.c: a byte queue with a ceiling. */
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_owns_nothing_while_empty(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_null(buf.data);
    assert_true(buf_append(&buf, "", 0));
    assert_true(buf_append(&buf, NULL, 0));
    assert_null(buf.data);
    assert_int_equal(buf_slice(&buf).len, 0);
    buf_consume(&buf, 0);
    assert_true(buf_append(&buf, "abc", 3));
    assert_non_null(buf.data);
    buf_consume(&buf, 3);
    assert_null(buf.data);
    assert_int_equal(buf.max, 100); /* and can be used again */
    assert_true(buf_append(&buf, "d", 1));
    buf_fini(&buf);
    assert_null(buf.data);
}

static void test_ceiling(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_false(buf_append(&buf, "01234567890", 11));
    assert_null(buf.data);
    assert_true(buf_append(&buf, "0123456", 7));
    assert_false(buf_append(&buf, "789x", 4));
    assert_true(slice_eq_str(buf_slice(&buf), "0123456")); /* nothing changed */
    assert_null(buf_room(&buf, SIZE_MAX));
    assert_null(buf_room(&buf, SIZE_MAX - 6));
    assert_true(buf_append(&buf, "789", 3));
    assert_false(buf_append(&buf, "x", 1));
    buf_consume(&buf, 4); /* what was consumed does not count */
    assert_true(buf_append(&buf, "abcd", 4));
    assert_true(slice_eq_str(buf_slice(&buf), "456789abcd"));
    buf_fini(&buf);
}

static void test_room(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    char *room = buf_room(&buf, 600);
    assert_non_null(room);
    memset(room, 'r', 600);
    assert_int_equal(buf_len(&buf), 0);
    buf_added(&buf, 2); /* less than there was room for */
    assert_true(slice_eq_str(buf_slice(&buf), "rr"));
    buf_fini(&buf);
}

static void test_printf(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 12);
    assert_true(buf_printf(&buf, "%d-%s", 42, "abc"));
    assert_true(buf_printf(&buf, "%s", ""));
    assert_true(slice_eq_str(buf_slice(&buf), "42-abc"));
    assert_false(buf_printf(&buf, "%s", "1234567"));
    assert_true(buf_printf(&buf, "%s", "123456")); /* exactly to the ceiling */
    assert_true(slice_eq_str(buf_slice(&buf), "42-abc123456"));
    buf_fini(&buf);
}

/* Against a plain array: whatever is appended comes out once, in order. */
static void test_queue_against_model(void **state)
{
    (void)state;
    struct buf buf;
    uint32_t random = 1;
    uint8_t next_in = 0, next_out = 0;
    size_t held = 0;
    buf_init(&buf, 5000);
    for (unsigned step = 0; step < 20000; step++) {
        uint8_t bytes[700];
        random = random * 1664525 + 1013904223;
        size_t n = (random >> 8) % sizeof(bytes);
        if (random >> 31) {
            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)(next_in + i);
            bool fits = held + n <= 5000;
            assert_int_equal(buf_append(&buf, bytes, n), fits);
            if (fits) {
                held += n;
                next_in = (uint8_t)(next_in + n);
            }
        } else {
            n = n < held ? n : held;
            struct slice all = buf_slice(&buf);
            for (size_t i = 0; i < n; i++)
                assert_int_equal((uint8_t)all.ptr[i], next_out++);
            buf_consume(&buf, n);
            held -= n;
        }
        assert_int_equal(buf_len(&buf), held);
        assert_true(buf.size <= 2 * 8192); /* bounded by the ceiling, rounded up */
    }
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owns_nothing_while_empty),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_queue_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
