#include "proxy/balance/generation.h"

#include <stdlib.h>

static void learned_drop(struct learned *learned)
{
    if (learned && --learned->refs == 0)
        free(learned);
}

void generation_drop(struct generation *generation)
{
    if (!generation || --generation->refs > 0)
        return;
    for (size_t i = 0; i < generation->endpoints->n; i++)
        learned_drop(generation->list[i].learned);
    endpoints_drop(generation->endpoints);
    consistent_free(generation->consistent);
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

struct generation *generation_new(struct endpoints *endpoints, const struct map *known)
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
        bool is_new = !learned;
        if (!learned)
            learned = calloc(1, sizeof(*learned));
        ok = learned != NULL;
        if (ok)
            learned->refs++;
        if (ok && is_new)
            learned->is_new = known->count > 0;
        generation->list[i] = (struct balanced){generation, learned, endpoint};
    }
    if (!ok) {
        generation_drop(generation);
        return NULL;
    }
    generation_sort(generation);
    return generation;
}

void generation_follow(struct generation *next, struct generation *old)
{
    next->rates_since_ns = old->rates_since_ns;
    next->is_panic = old->is_panic;
    old->is_past = true;
}

const struct consistent *generation_consistent(struct generation *generation,
                                               enum balance_algorithm algorithm)
{
    if (generation->consistent && generation->consistent_for == algorithm)
        return generation->consistent;
    consistent_free(generation->consistent);
    generation->consistent = NULL;
    struct consistent_member *members = calloc(generation->n_healthy + 1ul, sizeof(*members));
    for (uint32_t i = 0; members && i < generation->n_healthy; i++) {
        const struct endpoint *endpoint = generation->list[generation->healthy[i]].endpoint;
        members[i] = (struct consistent_member){endpoint->addr_text, endpoint->weight};
    }
    if (members)
        generation->consistent = algorithm == BALANCE_MAGLEV
                                     ? consistent_maglev(members, generation->n_healthy)
                                     : consistent_ring(members, generation->n_healthy);
    generation->consistent_for = algorithm;
    free(members);
    return generation->consistent;
}
