/*
 * Consistent hashing: which of n members a hash belongs to, so that it stays with its member for as
 * long as that is there, and every proxy finds the same one. Two ways, both by weight:
 *
 * Maglev (Eisenbud et al., NSDI 2016, 3.4): a table of CONSISTENT_PLACES places that the members
 * fill in turn, each in an order of its own. The evenest, one look to ask, 128 KiB.
 *
 * A ring (Karger et al., STOC 1997): CONSISTENT_POINTS points for each unit of weight; a hash
 * belongs to the next point. Nothing moves between members that stay.
 *
 * Immutable, and pure: of the keys and weights alone.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_CONSISTENT_H
#define OUTRIGGER_PROXY_BALANCE_CONSISTENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

#define CONSISTENT_PLACES      65537 /* a prime */
#define CONSISTENT_POINTS      160
#define CONSISTENT_POINTS_MAX  262144 /* of all members; what would be more is scaled down */
#define CONSISTENT_MEMBERS_MAX 65535

struct consistent_member {
    const char *key;
    uint32_t weight; /* 1 or more */
};

struct consistent;

/* NULL when memory is short, for no members, and for more than CONSISTENT_MEMBERS_MAX. */
struct consistent *consistent_maglev(const struct consistent_member *members, size_t n);
struct consistent *consistent_ring(const struct consistent_member *members, size_t n);
void consistent_free(struct consistent *consistent);

/* The index of the member. */
size_t consistent_pick(const struct consistent *consistent, uint64_t hash);

/* The same in every process (map_hash() is not). FNV-1a, mixed: nothing secret depends on it. */
uint64_t consistent_hash(struct slice text);
/* Another hash, made of `hash`: where to look when its member cannot be used. */
uint64_t consistent_rehash(uint64_t hash, unsigned attempt);

#endif
