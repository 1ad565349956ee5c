/* common/map.c, common/list.h. */
#include "common/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/list.h"

static int values[1000];

static struct slice key_of(unsigned i, char text[16])
{
    snprintf(text, 16, "key-%u", i);
    return slice_str(text);
}

static void test_set_get_remove(void **state)
{
    (void)state;
    struct map map = {0};
    void *old = values;
    assert_null(map_get(&map, slice_str("a")));
    assert_null(map_remove(&map, slice_str("a")));
    assert_null(map_next(&map, NULL));
    assert_true(map_set(&map, slice_str("a"), &values[1], &old));
    assert_null(old);
    assert_true(map_set(&map, slice_str("a"), &values[2], &old));
    assert_ptr_equal(old, &values[1]);
    assert_true(map_set(&map, slice_str("a"), &values[3], NULL));
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_get(&map, slice_str("a")), &values[3]);
    assert_ptr_equal(map_remove(&map, slice_str("a")), &values[3]);
    assert_null(map_get(&map, slice_str("a")));
    assert_int_equal(map.count, 0);
    map_fini(&map, NULL);
    map_fini(&map, NULL);
}

static void test_keys_are_bytes(void **state)
{
    (void)state;
    static const struct slice keys[] = {{"", 0},        {"\0", 1},         {"\0\0", 2},
                                        {"a", 1},       {"a\0", 2},        {"abcdefgh", 8},
                                        {"abcdefg", 7}, {"abcdefgh\0", 9}, {NULL, 0}};
    struct map map;
    map_init(&map);
    for (size_t i = 0; i < 8; i++)
        assert_true(map_set(&map, keys[i], &values[i], NULL));
    assert_int_equal(map.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_ptr_equal(map_get(&map, keys[i]), &values[i]);
    assert_ptr_equal(map_get(&map, keys[8]), &values[0]); /* empty is empty */
    map_fini(&map, NULL);
}

static void test_keys_are_copied(void **state)
{
    (void)state;
    struct map map = {0};
    char text[] = "key";
    assert_true(map_set(&map, slice_str(text), &values[0], NULL));
    text[0] = 'x';
    assert_ptr_equal(map_get(&map, slice_str("key")), &values[0]);
    assert_string_equal(map_next(&map, NULL)->key.ptr, "key"); /* and end in a NUL */
    map_fini(&map, NULL);
}

static void test_many(void **state)
{
    (void)state;
    struct map map = {0};
    char text[16];
    for (unsigned i = 0; i < 1000; i++)
        assert_true(map_set(&map, key_of(i, text), &values[i], NULL));
    for (unsigned i = 0; i < 1000; i += 2)
        assert_ptr_equal(map_remove(&map, key_of(i, text)), &values[i]);
    for (unsigned i = 0; i < 1000; i++)
        assert_ptr_equal(map_get(&map, key_of(i, text)), i % 2 ? &values[i] : NULL);
    assert_int_equal(map.count, 500);
    map_fini(&map, NULL);
}

static void count_free(void *value)
{
    ++*(int *)value;
}

static void test_walk_and_remove(void **state)
{
    (void)state;
    struct map map = {0};
    char text[16];
    unsigned seen = 0;
    for (unsigned i = 0; i < 1000; i++) {
        values[i] = 0;
        assert_true(map_set(&map, key_of(i, text), &values[i], NULL));
    }
    MAP_EACH(entry, &map) {
        int *value = entry->value;
        seen++;
        ++*value;
        if (seen % 3 == 0)
            assert_ptr_equal(map_remove(&map, entry->key), value);
    }
    assert_int_equal(seen, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(values[i], 1); /* each once */
    assert_int_equal(map.count, 1000 - 333);
    map_fini(&map, count_free);
    unsigned freed = 0;
    for (unsigned i = 0; i < 1000; i++)
        freed += values[i] == 2;
    assert_int_equal(freed, 1000 - 333);
    MAP_EACH(entry, &map) {
        fail_msg("%s is left", entry->key.ptr);
    }
}

/* ---- list ----------------------------------------------------------------------------------- */

struct item {
    int number;
    struct list node;
};

static int sum_in_order(const struct list *head)
{
    int sum = 0;
    for (const struct list *node = head->next; node != head; node = node->next)
        sum = sum * 10 + LIST_ENTRY(node, const struct item, node)->number;
    int back = 0, factor = 1;
    for (const struct list *node = head->prev; node != head; node = node->prev, factor *= 10)
        back += factor * LIST_ENTRY(node, const struct item, node)->number;
    assert_int_equal(sum, back);
    return sum;
}

static void test_list(void **state)
{
    (void)state;
    struct list head, other;
    struct item items[5] = {
        {.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    list_init(&head);
    list_init(&other);
    assert_true(list_is_empty(&head));
    list_take_all(&head, &other);
    assert_true(list_is_empty(&head));
    list_append(&head, &items[4].node);
    for (int i = 1; i < 4; i++)
        list_append(&head, &items[i].node);
    assert_int_equal(sum_in_order(&head), 4123);
    list_remove(&items[2].node);
    list_remove(&items[2].node); /* twice does no harm */
    assert_true(list_is_empty(&items[2].node));
    assert_int_equal(sum_in_order(&head), 413);
    list_append(&other, &items[2].node);
    list_take_all(&head, &other);
    assert_true(list_is_empty(&other));
    assert_int_equal(sum_in_order(&head), 4132);
    list_take_all(&other, &head);
    assert_int_equal(sum_in_order(&other), 4132);
    LIST_EACH(node, &other) {
        if (LIST_ENTRY(node, struct item, node)->number % 2)
            list_remove(node);
    }
    assert_int_equal(sum_in_order(&other), 42);
}

/* Words that would make a factor of the hash zero, were it not for the seed. */
static void test_keys_cannot_be_made_to_collide(void **state)
{
    (void)state;
    static const uint64_t words[] = {0xa0761d6478bd642full, 0xe7037ed1a0b428dbull, 0, UINT64_MAX};
    static char value;
    struct map map = {0};
    for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++) {
        for (uint64_t i = 0; i < 100; i++) {
            uint64_t key[] = {i, words[word]};
            assert_true(map_set(&map, slice_of(key, sizeof(key)), &value, NULL));
        }
    }
    size_t n_alike = 0;
    MAP_EACH(entry, &map)
        MAP_EACH(other, &map)
            n_alike += entry != other && entry->hash == other->hash;
    assert_int_equal(n_alike, 0);
    map_fini(&map, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_get_remove),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_keys_are_copied),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_walk_and_remove),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_keys_cannot_be_made_to_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
