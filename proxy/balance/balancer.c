#include "proxy/balance/balancer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "proxy/balance/ejection.h"

/* Weights are counted in parts, so that slow start can take some of a weight of one. */
#define WEIGHT_PARTS     128
#define SLOW_START_PARTS 16 /* at first, the whole divided by this */

/* So often a hash is hashed again; then any will do. */
#define HASH_ATTEMPTS 16

/*
 * Below this, latencies differ by noise and not by merit. Inside a cluster the time to connect is
 * the kernel's and the network's; the time to an answer, of which there are many more, is the
 * application's, and 200 us are a better one than 800 us.
 */
static const uint64_t latency_floor_ns[] = {
    [BALANCE_CONNECTIONS] = NS_PER_MS,
    [BALANCE_REQUESTS] = NS_PER_MS / 10,
};

struct balancer {
    struct generation *current;
    uint64_t floor_ns;
    uint64_t random;
    enum balance_algorithm algorithm;
    uint64_t slow_start_ns;
    uint32_t panic_percent;
    bool is_hashed; /* `hash` is of the choice that comes */
    uint64_t hash;
};

/* splitmix64 (Steele, Lea, Flood): any seed will do, zero as well. */
static uint64_t balancer_random(struct balancer *balancer, uint64_t bound)
{
    uint64_t z = balancer->random += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    return (uint64_t)(((unsigned __int128)z * bound) >> 64);
}

struct balancer *balancer_new(struct endpoints *endpoints, enum balance kind, uint64_t seed)
{
    struct map nothing = {0};
    struct balancer *balancer = calloc(1, sizeof(*balancer));
    if (!balancer)
        return NULL;
    balancer->floor_ns = latency_floor_ns[kind];
    balancer->random = seed;
    balancer->algorithm = BALANCE_P2C_PEAK_EWMA;
    balancer->current = generation_new(endpoints, &nothing);
    if (balancer->current)
        return balancer;
    free(balancer);
    return NULL;
}

void balancer_free(struct balancer *balancer)
{
    if (!balancer)
        return;
    balancer->current->is_past = true;
    generation_drop(balancer->current);
    free(balancer);
}

bool balancer_update(struct balancer *balancer, struct endpoints *endpoints)
{
    struct generation *old = balancer->current, *next = NULL;
    struct map known = {0};
    bool ok = true;
    if (endpoints == old->endpoints)
        return true;
    for (size_t i = 0; ok && i < old->endpoints->n; i++)
        ok = map_set(&known, slice_str(old->list[i].endpoint->addr_text), old->list[i].learned,
                     NULL);
    if (ok)
        next = generation_new(endpoints, &known);
    map_fini(&known, NULL);
    if (!next)
        return false;
    next->rates_since_ns = old->rates_since_ns;
    generation_follow(next, old);
    balancer->current = next;
    generation_drop(old);
    return true;
}

const struct endpoints *balancer_endpoints(const struct balancer *balancer)
{
    return balancer->current->endpoints;
}

/* In parts. */
static uint64_t balanced_weight(const struct balancer *balancer, const struct balanced *balanced,
                                uint64_t now_ns)
{
    struct learned *learned = balanced->learned;
    uint64_t whole = (uint64_t)balanced->endpoint->weight * WEIGHT_PARTS;
    if (!balancer->slow_start_ns || !learned->is_new)
        return whole;
    if (!learned->since_ns)
        learned->since_ns = now_ns;
    uint64_t age = now_ns > learned->since_ns ? now_ns - learned->since_ns : 0;
    learned->is_new = age < balancer->slow_start_ns;
    if (!learned->is_new)
        return whole;
    uint64_t part = (uint64_t)((unsigned __int128)whole * age / balancer->slow_start_ns);
    return part > whole / SLOW_START_PARTS ? part : whole / SLOW_START_PARTS;
}

/* Cost in units that only matter beside another's. `assumed_ns` is for one that was never tried. */
static uint64_t balanced_cost(const struct balancer *balancer, const struct balanced *balanced,
                              uint64_t assumed_ns, uint64_t now_ns)
{
    const struct learned *learned = balanced->learned;
    uint64_t latency =
        learned->latency.latency_ns ? peak_ewma_now(&learned->latency, now_ns) : assumed_ns;
    if (latency < balancer->floor_ns)
        latency = balancer->floor_ns;
    unsigned __int128 cost = (unsigned __int128)latency * (learned->open + 1ull) * 1024 *
                             WEIGHT_PARTS / balanced_weight(balancer, balanced, now_ns);
    return cost > UINT64_MAX / 2 ? UINT64_MAX / 2 : cost ? (uint64_t)cost : 1;
}

/* One of the two, with a chance inverse to its cost (see the header for why not simply the less).
 */
static struct balanced *balancer_cheaper(struct balancer *balancer, struct balanced *a,
                                         struct balanced *b, uint64_t now_ns)
{
    uint64_t latency_a = peak_ewma_now(&a->learned->latency, now_ns);
    uint64_t latency_b = peak_ewma_now(&b->learned->latency, now_ns);
    uint64_t cost_a = balanced_cost(balancer, a, latency_b, now_ns);
    uint64_t cost_b = balanced_cost(balancer, b, latency_a, now_ns);
    return balancer_random(balancer, cost_a + cost_b) < cost_b ? a : b;
}

static bool is_tried(const struct balanced *balanced, struct balanced *const *tried, size_t n)
{
    /* Compared by address: an update may have come between two attempts. */
    for (size_t i = 0; i < n; i++)
        if (tried[i]->learned == balanced->learned)
            return true;
    return false;
}

/* Neither going nor ejected; the ejected as well where too few others are left. */
static bool is_wanted(const struct balanced *balanced, uint64_t now_ns)
{
    return balanced->learned->leaving_until_ns <= now_ns &&
           (balanced->generation->is_panic ||
            !outlier_is_ejected(&balanced->learned->outlier, now_ns));
}

/* Draws one of the set that is neither tried nor `other`; from a random place to the next that
 * fits. */
static struct balanced *balancer_draw(struct balancer *balancer, const uint32_t *set, uint32_t n,
                                      struct balanced *const *tried, size_t n_tried,
                                      const struct balanced *other, uint64_t now_ns)
{
    uint32_t start = (uint32_t)balancer_random(balancer, n);
    struct balanced *leaving = NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct balanced *balanced = &balancer->current->list[set[(start + i) % n]];
        if (balanced == other || is_tried(balanced, tried, n_tried))
            continue;
        if (is_wanted(balanced, now_ns))
            return balanced;
        if (!leaving)
            leaving = balanced;
    }
    return other ? NULL : leaving;
}

/* The one that is owed most gets its turn and pays for it with the weights of all. */
static struct balanced *balancer_in_turn(struct balancer *balancer, const uint32_t *set, uint32_t n,
                                         struct balanced *const *tried, size_t n_tried,
                                         uint64_t now_ns)
{
    struct balanced *next = NULL;
    int64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct balanced *balanced = &balancer->current->list[set[i]];
        if (is_tried(balanced, tried, n_tried) || !is_wanted(balanced, now_ns))
            continue;
        int64_t weight = (int64_t)balanced_weight(balancer, balanced, now_ns);
        sum += weight;
        balanced->learned->owed += weight;
        if (!next || balanced->learned->owed > next->learned->owed)
            next = balanced;
    }
    if (next)
        next->learned->owed -= sum;
    return next;
}

/* One of those that are wanted, by weight; not `other`. */
static struct balanced *balancer_by_weight(struct balancer *balancer, const uint32_t *set,
                                           uint32_t n, struct balanced *const *tried,
                                           size_t n_tried, const struct balanced *other,
                                           uint64_t now_ns)
{
    struct balanced *drawn = NULL;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct balanced *balanced = &balancer->current->list[set[i]];
        if (balanced == other || is_tried(balanced, tried, n_tried) || !is_wanted(balanced, now_ns))
            continue;
        uint64_t weight = balanced_weight(balancer, balanced, now_ns);
        sum += weight;
        if (balancer_random(balancer, sum) < weight)
            drawn = balanced;
    }
    return drawn;
}

static struct balanced *balancer_less_open(struct balancer *balancer, const uint32_t *set,
                                           uint32_t n, struct balanced *const *tried,
                                           size_t n_tried, uint64_t now_ns)
{
    struct balanced *a = balancer_by_weight(balancer, set, n, tried, n_tried, NULL, now_ns);
    struct balanced *b = a ? balancer_by_weight(balancer, set, n, tried, n_tried, a, now_ns) : NULL;
    return b && b->learned->open < a->learned->open ? b : a;
}

/* NULL: nothing is hashed, or nothing that the hash leads to can be used. */
static struct balanced *balancer_by_hash(struct balancer *balancer, const uint32_t *set,
                                         struct balanced *const *tried, size_t n_tried,
                                         uint64_t now_ns)
{
    struct generation *current = balancer->current;
    const struct consistent *consistent = balancer->is_hashed && set == current->healthy
                                              ? generation_consistent(current, balancer->algorithm)
                                              : NULL;
    uint64_t hash = balancer->hash;
    for (unsigned i = 0; consistent && i < HASH_ATTEMPTS; i++) {
        struct balanced *balanced = &current->list[set[consistent_pick(consistent, hash)]];
        if (!is_tried(balanced, tried, n_tried) && is_wanted(balanced, now_ns))
            return balanced;
        hash = consistent_rehash(balancer->hash, i + 1);
    }
    return NULL;
}

static struct balanced *balancer_other(struct balancer *balancer, const uint32_t *set, uint32_t n,
                                       struct balanced *const *tried, size_t n_tried,
                                       uint64_t now_ns)
{
    switch (balancer->algorithm) {
    case BALANCE_P2C_PEAK_EWMA:
        break;
    case BALANCE_ROUND_ROBIN:
        return balancer_in_turn(balancer, set, n, tried, n_tried, now_ns);
    case BALANCE_LEAST_REQUEST:
        return balancer_less_open(balancer, set, n, tried, n_tried, now_ns);
    case BALANCE_RANDOM:
        return balancer_by_weight(balancer, set, n, tried, n_tried, NULL, now_ns);
    case BALANCE_RING_HASH:
    case BALANCE_MAGLEV: {
        struct balanced *own = balancer_by_hash(balancer, set, tried, n_tried, now_ns);
        return own ? own : balancer_by_weight(balancer, set, n, tried, n_tried, NULL, now_ns);
    }
    }
    return NULL;
}

static struct balanced *balancer_choose(struct balancer *balancer, const uint32_t *set, uint32_t n,
                                        struct balanced *const *tried, size_t n_tried,
                                        uint64_t now_ns)
{
    struct balanced *other = balancer_other(balancer, set, n, tried, n_tried, now_ns);
    if (other)
        return other;
    struct balanced *first = balancer_draw(balancer, set, n, tried, n_tried, NULL, now_ns);
    if (!first)
        return NULL;
    struct balanced *second = balancer_draw(balancer, set, n, tried, n_tried, first, now_ns);
    return second ? balancer_cheaper(balancer, first, second, now_ns) : first;
}

void balancer_use(struct balancer *balancer, const struct balance_rules *rules,
                  const uint64_t *hash)
{
    balancer->algorithm = rules->algorithm;
    balancer->slow_start_ns = rules->slow_start_ns;
    balancer->panic_percent = rules->panic_percent;
    balancer->is_hashed = hash != NULL;
    balancer->hash = hash ? *hash : 0;
}

struct balanced *balancer_take(struct balancer *balancer, struct balanced *const *tried, size_t n,
                               uint64_t now_ns)
{
    struct generation *current = balancer->current;
    ejection_look(current, balancer->panic_percent, now_ns);
    struct balanced *chosen =
        balancer_choose(balancer, current->healthy, current->n_healthy, tried, n, now_ns);
    if (!chosen)
        chosen =
            balancer_choose(balancer, current->unhealthy, current->n_unhealthy, tried, n, now_ns);
    balancer->is_hashed = false;
    if (!chosen)
        return NULL;
    ejection_note_return(chosen, now_ns);
    current->refs++;
    chosen->learned->open++;
    chosen->learned->chosen++;
    return chosen;
}

const struct endpoint *balanced_endpoint(const struct balanced *balanced)
{
    return balanced->endpoint;
}

void balanced_connected(struct balanced *balanced, uint64_t latency_ns, uint64_t now_ns)
{
    peak_ewma_observe(&balanced->learned->latency, latency_ns, now_ns);
}

void balanced_failed(struct balanced *balanced, uint64_t penalty_ns, uint64_t now_ns)
{
    balanced->learned->failed++;
    peak_ewma_observe(&balanced->learned->latency, penalty_ns, now_ns);
}

void balanced_give(struct balanced *balanced)
{
    assert(balanced->learned->open > 0);
    balanced->learned->open--;
    generation_drop(balanced->generation);
}

void balancer_leaving(struct balancer *balancer, const struct sockaddr_any *address,
                      uint64_t now_ns)
{
    struct generation *current = balancer->current;
    for (size_t i = 0; i < current->endpoints->n; i++)
        if (addr_eq(&current->list[i].endpoint->addr, address))
            current->list[i].learned->leaving_until_ns = now_ns + BALANCER_LEAVING_MS * NS_PER_MS;
}

size_t balancer_ejected(struct balancer *balancer, uint64_t now_ns, uint64_t *next_ns)
{
    const struct generation *current = balancer->current;
    size_t n_ejected = 0;
    for (size_t i = 0; i < current->endpoints->n; i++) {
        const struct outlier *outlier = &current->list[i].learned->outlier;
        ejection_note_return(&current->list[i], now_ns);
        if (!outlier_is_ejected(outlier, now_ns))
            continue;
        n_ejected++;
        if (outlier->until_ns < *next_ns)
            *next_ns = outlier->until_ns;
    }
    return n_ejected;
}

size_t balancer_views(const struct balancer *balancer, struct balanced_view *views, size_t max)
{
    const struct generation *current = balancer->current;
    size_t n = current->endpoints->n < max ? current->endpoints->n : max;
    for (size_t i = 0; i < n; i++) {
        const struct learned *learned = current->list[i].learned;
        views[i] = (struct balanced_view){
            .endpoint = current->list[i].endpoint,
            .latency_ns = learned->latency.latency_ns,
            .open = learned->open,
            .chosen = learned->chosen,
            .failed = learned->failed,
            .outlier = learned->outlier,
            .is_panic = current->is_panic,
        };
    }
    return n;
}
