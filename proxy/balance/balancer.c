#include "proxy/balance/balancer.h"

#include <assert.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"

/* Half of what was learned is forgotten after 10 s * ln 2: a time constant of 10 s. */
#define HALF_LIFE_NS 6931471806ull

/*
 * Below this, latencies differ by noise and not by merit. Inside a cluster the time to connect is
 * the kernel's and the network's; the time to an answer, of which there are many more, is the
 * application's, and 200 us are a better one than 800 us.
 */
static const uint64_t latency_floor_ns[] = {
    [BALANCE_CONNECTIONS] = NS_PER_MS,
    [BALANCE_REQUESTS] = NS_PER_MS / 10,
};

/* What is known about an address; shared by all versions that have it. */
struct learned {
    unsigned refs;
    uint64_t latency_ns; /* 0: nothing yet */
    uint64_t updated_ns;
    uint32_t open;
    uint64_t chosen, failed;
    uint64_t leaving_until_ns; /* 0: it has not said that it goes */
    int64_t owed;              /* of ROUND_ROBIN: turns, in units of weight */
    struct outlier outlier;
};

struct balanced {
    struct generation *generation;
    struct learned *learned;
    const struct endpoint *endpoint; /* of the generation's endpoints */
};

/* One version of the endpoints; outlives its balancer's next version while connections use it. */
struct generation {
    unsigned refs;
    struct endpoints *endpoints;
    uint32_t *healthy, *unhealthy; /* indices into list; the two share one array */
    uint32_t n_healthy, n_unhealthy;
    struct balanced list[];
};

struct balancer {
    struct generation *current;
    uint64_t floor_ns;
    uint64_t random;
    enum balance_algorithm algorithm;
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

static void learned_drop(struct learned *learned)
{
    if (learned && --learned->refs == 0)
        free(learned);
}

static void generation_drop(struct generation *generation)
{
    if (!generation || --generation->refs > 0)
        return;
    for (size_t i = 0; i < generation->endpoints->n; i++)
        learned_drop(generation->list[i].learned);
    endpoints_drop(generation->endpoints);
    free(generation->healthy);
    free(generation);
}

/* Sorts the endpoints by health: healthy from the front of the array, unhealthy from its end. */
static void generation_sort(struct generation *generation)
{
    size_t n = generation->endpoints->n;
    uint32_t *end = generation->healthy + n;
    for (size_t i = 0; i < n; i++) {
        switch (generation->list[i].endpoint->health) {
        case HEALTH_HEALTHY:
            generation->healthy[generation->n_healthy++] = (uint32_t)i;
            break;
        case HEALTH_UNHEALTHY:
            *--end = (uint32_t)i;
            generation->n_unhealthy++;
            break;
        case HEALTH_DRAINING:
            break;
        }
    }
    generation->unhealthy = end;
}

/* `known` finds what was learned by address. NULL when memory is short. */
static struct generation *generation_new(struct endpoints *endpoints, const struct map *known)
{
    size_t n = endpoints->n;
    struct generation *generation =
        calloc(1, sizeof(*generation) + n * sizeof(generation->list[0]));
    if (!generation)
        return NULL;
    generation->refs = 1;
    generation->endpoints = endpoints_hold(endpoints);
    generation->healthy = calloc(n ? n : 1, sizeof(uint32_t));
    bool ok = generation->healthy != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const struct endpoint *endpoint = &endpoints->list[i];
        struct learned *learned = map_get(known, slice_str(endpoint->addr_text));
        if (!learned)
            learned = calloc(1, sizeof(*learned));
        ok = learned != NULL;
        if (ok)
            learned->refs++;
        generation->list[i] = (struct balanced){generation, learned, endpoint};
    }
    if (!ok) {
        generation_drop(generation);
        return NULL;
    }
    generation_sort(generation);
    return generation;
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
    balancer->current = next;
    generation_drop(old);
    return true;
}

const struct endpoints *balancer_endpoints(const struct balancer *balancer)
{
    return balancer->current->endpoints;
}

/* The estimate now, halved for each half-life; between two halvings a straight line will do. */
static uint64_t learned_latency(const struct learned *learned, uint64_t now_ns)
{
    uint64_t age = now_ns > learned->updated_ns ? now_ns - learned->updated_ns : 0;
    uint64_t halvings = age / HALF_LIFE_NS;
    if (halvings >= 63)
        return 0;
    uint64_t latency = learned->latency_ns >> halvings;
    return latency -
           (uint64_t)((unsigned __int128)latency * (age % HALF_LIFE_NS) / (2 * HALF_LIFE_NS));
}

/* Cost in units that only matter beside another's. `assumed_ns` is for one that was never tried. */
static uint64_t balanced_cost(const struct balanced *balanced, uint64_t floor_ns,
                              uint64_t assumed_ns, uint64_t now_ns)
{
    const struct learned *learned = balanced->learned;
    uint64_t latency = learned->latency_ns ? learned_latency(learned, now_ns) : assumed_ns;
    if (latency < floor_ns)
        latency = floor_ns;
    unsigned __int128 cost =
        (unsigned __int128)latency * (learned->open + 1ull) * 1024 / balanced->endpoint->weight;
    return cost > UINT64_MAX / 2 ? UINT64_MAX / 2 : cost ? (uint64_t)cost : 1;
}

/* One of the two, with a chance inverse to its cost (see the header for why not simply the less).
 */
static struct balanced *balancer_cheaper(struct balancer *balancer, struct balanced *a,
                                         struct balanced *b, uint64_t now_ns)
{
    uint64_t latency_a = learned_latency(a->learned, now_ns);
    uint64_t latency_b = learned_latency(b->learned, now_ns);
    uint64_t cost_a = balanced_cost(a, balancer->floor_ns, latency_b, now_ns);
    uint64_t cost_b = balanced_cost(b, balancer->floor_ns, latency_a, now_ns);
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

/* Neither going nor ejected. */
static bool is_wanted(const struct balanced *balanced, uint64_t now_ns)
{
    return balanced->learned->leaving_until_ns <= now_ns &&
           !outlier_is_ejected(&balanced->learned->outlier, now_ns);
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
        sum += balanced->endpoint->weight;
        balanced->learned->owed += balanced->endpoint->weight;
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
        sum += balanced->endpoint->weight;
        if (balancer_random(balancer, sum) < balanced->endpoint->weight)
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

/* An ejection is over when the endpoint is wanted again. */
static void balanced_note_return(const struct balanced *balanced, uint64_t now_ns)
{
    struct outlier *outlier = &balanced->learned->outlier;
    if (outlier->why == OUTLIER_NOT || outlier_is_ejected(outlier, now_ns))
        return;
    LOG(LOG_INFO, "endpoint_returned", LOG_S("endpoint", balanced->endpoint->addr_text),
        LOG_S("endpoints", balanced->generation->endpoints->name),
        LOG_S("why", outlier_why_name(outlier->why)));
    outlier->why = OUTLIER_NOT;
}

static bool may_be_ejected(const struct generation *generation, uint32_t max_percent,
                           uint64_t now_ns)
{
    size_t n_out = 1, n = generation->endpoints->n; /* with the one that is asked for */
    for (size_t i = 0; i < n; i++)
        n_out += outlier_is_ejected(&generation->list[i].learned->outlier, now_ns);
    return n_out * 100 <= n * max_percent;
}

bool balanced_result(struct balanced *balanced, const struct outlier_rules *rules,
                     enum outcome outcome, uint64_t now_ns)
{
    struct outlier *outlier = &balanced->learned->outlier;
    enum outlier_why why = outlier_note(outlier, rules, outcome);
    if (why == OUTLIER_NOT || outlier_is_ejected(outlier, now_ns) ||
        !may_be_ejected(balanced->generation, rules->max_percent, now_ns))
        return false;
    uint64_t length_ns = outlier_eject(outlier, rules, why, now_ns);
    LOG(LOG_WARN, "endpoint_ejected", LOG_S("endpoint", balanced->endpoint->addr_text),
        LOG_S("endpoints", balanced->generation->endpoints->name),
        LOG_S("pod", balanced->endpoint->pod), LOG_S("why", outlier_why_name(why)),
        LOG_I("for_ms", length_ns / NS_PER_MS), LOG_I("ejections", outlier->n_ejections));
    return true;
}

void balancer_use(struct balancer *balancer, enum balance_algorithm algorithm)
{
    balancer->algorithm = algorithm;
}

struct balanced *balancer_take(struct balancer *balancer, struct balanced *const *tried, size_t n,
                               uint64_t now_ns)
{
    struct generation *current = balancer->current;
    struct balanced *chosen =
        balancer_choose(balancer, current->healthy, current->n_healthy, tried, n, now_ns);
    if (!chosen)
        chosen =
            balancer_choose(balancer, current->unhealthy, current->n_unhealthy, tried, n, now_ns);
    if (!chosen)
        return NULL;
    balanced_note_return(chosen, now_ns);
    current->refs++;
    chosen->learned->open++;
    chosen->learned->chosen++;
    return chosen;
}

const struct endpoint *balanced_endpoint(const struct balanced *balanced)
{
    return balanced->endpoint;
}

/*
 * Peak-sensitive: what is slower than the estimate becomes the estimate at once; what is faster
 * pulls it down as far as the estimate has aged.
 */
static void learned_observe(struct learned *learned, uint64_t latency_ns, uint64_t now_ns)
{
    uint64_t decayed = learned_latency(learned, now_ns);
    if (latency_ns < learned->latency_ns && learned->latency_ns > 0) {
        uint64_t forgotten = learned->latency_ns - decayed;
        latency_ns =
            decayed + (uint64_t)((unsigned __int128)latency_ns * forgotten / learned->latency_ns);
    }
    learned->latency_ns = latency_ns ? latency_ns : 1;
    learned->updated_ns = now_ns;
}

void balanced_connected(struct balanced *balanced, uint64_t latency_ns, uint64_t now_ns)
{
    learned_observe(balanced->learned, latency_ns, now_ns);
}

void balanced_failed(struct balanced *balanced, uint64_t penalty_ns, uint64_t now_ns)
{
    balanced->learned->failed++;
    learned_observe(balanced->learned, penalty_ns, now_ns);
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

size_t balancer_views(const struct balancer *balancer, struct balanced_view *views, size_t max)
{
    const struct generation *current = balancer->current;
    size_t n = current->endpoints->n < max ? current->endpoints->n : max;
    for (size_t i = 0; i < n; i++) {
        const struct learned *learned = current->list[i].learned;
        views[i] = (struct balanced_view){
            .endpoint = current->list[i].endpoint,
            .latency_ns = learned->latency_ns,
            .open = learned->open,
            .chosen = learned->chosen,
            .failed = learned->failed,
            .outlier = learned->outlier,
        };
    }
    return n;
}
