/* Evenness and disruption, with the figures of the Maglev paper (NSDI 2016, 5.3) as the measure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/balance/consistent.h"

#define MEMBERS 100
#define KEYS    200000

typedef struct consistent *make(const struct consistent_member *members, size_t n);
static make *const makes[] = {consistent_maglev, consistent_ring};

static struct consistent_member members[MEMBERS + 1];
static char keys[MEMBERS + 1][32];

static int name_members(void **state)
{
    (void)state;
    for (size_t i = 0; i <= MEMBERS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "10.1.%zu.%zu:8080", i / 10, i % 10);
        members[i] = (struct consistent_member){keys[i], 1};
    }
    return 0;
}

static void each_has_its_share(void **state)
{
    /* In percent of the even share: Maglev within one place of it, a ring of 160 points each less
     * so. */
    static const unsigned least[] = {95, 70}, most[] = {105, 135};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct consistent *made = makes[kind](members, MEMBERS);
        unsigned counts[MEMBERS] = {0};
        assert_non_null(made);
        for (uint64_t key = 0; key < KEYS; key++)
            counts[consistent_pick(made, consistent_rehash(key, 9))]++;
        for (size_t i = 0; i < MEMBERS; i++)
            assert_in_range(counts[i] * 100u / (KEYS / MEMBERS), least[kind], most[kind]);
        consistent_free(made);
    }
}

static void weights_are_shares(void **state)
{
    static const unsigned percent[] = {10, 20, 70};
    struct consistent_member few[] = {{"a", 1}, {"b", 2}, {"c", 7}};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct consistent *made = makes[kind](few, 3);
        unsigned counts[3] = {0};
        for (uint64_t key = 0; key < KEYS; key++)
            counts[consistent_pick(made, consistent_rehash(key, 9))]++;
        for (size_t i = 0; i < 3; i++)
            assert_in_range(counts[i] * 1000ull / KEYS, percent[i] * 9, percent[i] * 11);
        consistent_free(made);
    }
}

/* One of a hundred goes: its keys move, and of the others' 3 % at most with Maglev, none of a ring.
 */
static void little_moves_when_one_goes(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct consistent *before = makes[kind](members, MEMBERS);
        struct consistent *after = makes[kind](members + 1, MEMBERS - 1);
        unsigned moved = 0;
        for (uint64_t key = 0; key < KEYS; key++) {
            uint64_t hash = consistent_rehash(key, 9);
            size_t then = consistent_pick(before, hash), now = consistent_pick(after, hash) + 1;
            moved += then != 0 && then != now;
        }
        assert_in_range(moved, 0, kind == 0 ? KEYS * 3 / 100 : 0);
        consistent_free(before);
        consistent_free(after);
    }
}

static void one_who_comes_takes_its_share_only(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        struct consistent *before = makes[kind](members, MEMBERS);
        struct consistent *after = makes[kind](members, MEMBERS + 1);
        unsigned moved_between_old = 0, taken = 0;
        for (uint64_t key = 0; key < KEYS; key++) {
            uint64_t hash = consistent_rehash(key, 9);
            size_t then = consistent_pick(before, hash), now = consistent_pick(after, hash);
            taken += now == MEMBERS;
            moved_between_old += now != MEMBERS && then != now;
        }
        assert_in_range(taken * 1000ull / KEYS, 7, 13);
        assert_in_range(moved_between_old, 0, kind == 0 ? KEYS * 3 / 100 : 0);
        consistent_free(before);
        consistent_free(after);
    }
}

static void bounds(void **state)
{
    struct consistent_member heavy[] = {{"a", 1000000}, {"b", 1}};
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        assert_null(makes[kind](members, 0));
        assert_null(makes[kind](members, CONSISTENT_MEMBERS_MAX + 1));
        struct consistent *made = makes[kind](heavy, 2);
        unsigned counts[2] = {0};
        for (uint64_t key = 0; key < KEYS; key++)
            counts[consistent_pick(made, consistent_rehash(key, 9))]++;
        assert_true(counts[0] > KEYS - KEYS / 1000);
        consistent_free(made);
        made = makes[kind](heavy, 1);
        assert_int_equal(consistent_pick(made, UINT64_MAX), 0);
        assert_int_equal(consistent_pick(made, 0), 0);
        consistent_free(made);
    }
}

/* Proxies of several versions choose alike only if this never changes. */
static void the_hash_is_the_same_everywhere(void **state)
{
    (void)state;
    assert_int_equal(consistent_hash(slice_str("")), 0xf52a15e9a9b5e89bull);
    assert_int_equal(consistent_hash(slice_str("10.0.0.1:80")), 0xdbbc907f21531a73ull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_share),
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(little_moves_when_one_goes),
        cmocka_unit_test(one_who_comes_takes_its_share_only),
        cmocka_unit_test(bounds),
        cmocka_unit_test(the_hash_is_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, name_members, NULL);
}
