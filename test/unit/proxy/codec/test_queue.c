#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/codec/queue.h"

#define SIZE 100000

static char bytes[SIZE];

/* What lies from `from` on is bytes[at] and what follows, seen in pieces and from every place. */
static void check(const struct queue *queue, size_t at)
{
    for (size_t from = 0; from < queue->len; from += 1 + from % 977) {
        struct slice piece = queue_at(queue, from);
        assert_in_range(piece.len, 1, queue->len - from);
        assert_memory_equal(piece.ptr, bytes + at + from, piece.len);
    }
    size_t seen = 0;
    while (seen < queue->len)
        seen += queue_at(queue, seen).len;
    assert_int_equal(seen, queue->len);
}

static void test_pieces(void **state)
{
    static const size_t sizes[] = {1, 0, 63, 500, 16000, 16384, 40000, 7, 20000};
    struct slabs *slabs = slabs_new();
    struct queue queue = {0};
    size_t end = 0, at = 0;
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 + i / 256);
    assert_int_equal(queue_first(&queue).len, 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_true(queue_append(&queue, slabs, slice_of(bytes + end, sizes[i])));
        end += sizes[i];
        assert_int_equal(queue.len, end - at);
        check(&queue, at);
        size_t drop = queue.len / 3;
        queue_drop(&queue, slabs, drop);
        at += drop;
        check(&queue, at);
        if (queue.len) {
            struct slice first = queue_first(&queue);
            assert_ptr_equal(first.ptr, queue_at(&queue, 0).ptr);
            assert_memory_equal(first.ptr, bytes + at, first.len);
        }
    }
    queue_drop(&queue, slabs, queue.len);
    assert_null(queue.first);
    assert_true(queue_append(&queue, slabs, slice_of(bytes, 5000)));
    check(&queue, 0);
    queue_clear(&queue, slabs);
    assert_null(queue.first);
    assert_int_equal(queue.len, 0);
    slabs_free(slabs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
