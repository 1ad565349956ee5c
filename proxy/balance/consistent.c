#include "proxy/balance/consistent.h"

#include <stdlib.h>
#include <string.h>

#define EMPTY UINT16_MAX

struct point {
    uint64_t hash;
    uint16_t member;
};

struct consistent {
    size_t n_points;      /* of a ring; 0: Maglev */
    struct point *points; /* in order of their hashes */
    uint16_t *places;     /* of Maglev: which member */
};

/* The finalizer of splitmix64 (Steele, Lea, Flood). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t consistent_hash(struct slice text)
{
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3ull;
    return mix(hash);
}

uint64_t consistent_rehash(uint64_t hash, unsigned attempt)
{
    return mix(hash + attempt * 0x9e3779b97f4a7c15ull);
}

void consistent_free(struct consistent *consistent)
{
    if (!consistent)
        return;
    free(consistent->points);
    free(consistent->places);
    free(consistent);
}

/* ---- Maglev ---- */

/* A member's own order of all places: from `next` in steps of `skip`. */
struct turn {
    uint32_t next, skip;
    uint64_t due; /* in units of weight: its next turn is in round due / weight */
};

static uint32_t next_free(struct turn *turn, const uint16_t *places)
{
    uint32_t place;
    do {
        place = turn->next;
        turn->next = (turn->next + turn->skip) % CONSISTENT_PLACES;
    } while (places[place] != EMPTY);
    return place;
}

/* In every round each member takes a place, those of less weight in fewer rounds. */
static void fill(uint16_t *places, struct turn *turns, const struct consistent_member *members,
                 size_t n)
{
    uint64_t heaviest = 1;
    for (size_t i = 0; i < n; i++)
        if (members[i].weight > heaviest)
            heaviest = members[i].weight;
    uint32_t n_filled = 0;
    for (uint64_t round = 1; n_filled < CONSISTENT_PLACES; round++) {
        for (size_t i = 0; i < n && n_filled < CONSISTENT_PLACES; i++) {
            if (round * members[i].weight < turns[i].due)
                continue;
            turns[i].due += heaviest;
            places[next_free(&turns[i], places)] = (uint16_t)i;
            n_filled++;
        }
    }
}

struct consistent *consistent_maglev(const struct consistent_member *members, size_t n)
{
    if (n == 0 || n > CONSISTENT_MEMBERS_MAX)
        return NULL;
    struct consistent *made = calloc(1, sizeof(*made));
    struct turn *turns = calloc(n, sizeof(*turns));
    uint16_t *places = malloc(CONSISTENT_PLACES * sizeof(*places));
    if (!made || !turns || !places) {
        free(made);
        free(turns);
        free(places);
        return NULL;
    }
    memset(places, 0xff, CONSISTENT_PLACES * sizeof(*places)); /* EMPTY */
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = consistent_hash(slice_str(members[i].key));
        turns[i].next = (uint32_t)(hash % CONSISTENT_PLACES);
        turns[i].skip = 1 + (uint32_t)(consistent_rehash(hash, 1) % (CONSISTENT_PLACES - 1));
    }
    fill(places, turns, members, n);
    free(turns);
    made->places = places;
    return made;
}

/* ---- the ring ---- */

static int compare_points(const void *a, const void *b)
{
    const struct point *left = a, *right = b;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return left->member - right->member;
}

/* How many points a member has, of `sum` units of weight. */
static size_t points_of(uint32_t weight, uint64_t sum)
{
    uint64_t points = (uint64_t)weight * CONSISTENT_POINTS;
    if (sum > CONSISTENT_POINTS_MAX / CONSISTENT_POINTS)
        points = (uint64_t)weight * CONSISTENT_POINTS_MAX / sum;
    return points ? (size_t)points : 1;
}

struct consistent *consistent_ring(const struct consistent_member *members, size_t n)
{
    uint64_t sum = 0;
    size_t total = 0;
    if (n == 0 || n > CONSISTENT_MEMBERS_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++)
        sum += members[i].weight;
    for (size_t i = 0; i < n; i++)
        total += points_of(members[i].weight, sum);
    struct consistent *made = calloc(1, sizeof(*made));
    struct point *points = calloc(total, sizeof(*points));
    if (!made || !points) {
        free(made);
        free(points);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = consistent_hash(slice_str(members[i].key));
        size_t n_own = points_of(members[i].weight, sum);
        for (size_t k = 0; k < n_own; k++)
            points[made->n_points++] =
                (struct point){consistent_rehash(hash, (unsigned)k), (uint16_t)i};
    }
    qsort(points, total, sizeof(*points), compare_points);
    made->points = points;
    return made;
}

/* The first point at or after the hash; behind the last comes the first. */
static size_t ring_pick(const struct consistent *ring, uint64_t hash)
{
    size_t low = 0, high = ring->n_points;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->points[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return ring->points[low == ring->n_points ? 0 : low].member;
}

size_t consistent_pick(const struct consistent *consistent, uint64_t hash)
{
    if (consistent->n_points)
        return ring_pick(consistent, hash);
    return consistent->places[hash % CONSISTENT_PLACES];
}
