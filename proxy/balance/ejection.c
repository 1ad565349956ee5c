#include "proxy/balance/ejection.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"

void ejection_note_return(const struct balanced *balanced, uint64_t now_ns)
{
    struct outlier *outlier = &balanced->learned->outlier;
    if (outlier->why == OUTLIER_NOT || outlier_is_ejected(outlier, now_ns))
        return;
    LOG(LOG_INFO, "endpoint_returned", LOG_S("endpoint", balanced->endpoint->addr_text),
        LOG_S("endpoints", balanced->generation->endpoints->name),
        LOG_S("why", outlier_why_name(outlier->why)));
    outlier->why = OUTLIER_NOT;
}

void ejection_look(struct generation *generation, uint32_t panic_percent, uint64_t now_ns)
{
    if (generation->looked_ns && now_ns < generation->looked_ns + EJECTION_LOOK_MS * NS_PER_MS &&
        generation->looked_percent == panic_percent)
        return;
    uint64_t n = generation->n_healthy, n_left = 0;
    for (uint32_t i = 0; i < generation->n_healthy && panic_percent; i++)
        n_left +=
            !outlier_is_ejected(&generation->list[generation->healthy[i]].learned->outlier, now_ns);
    bool is_panic = n_left * 100 < n * panic_percent;
    generation->looked_ns = now_ns;
    generation->looked_percent = panic_percent;
    if (is_panic == generation->is_panic)
        return;
    generation->is_panic = is_panic;
    LOG(is_panic ? LOG_WARN : LOG_INFO, is_panic ? "endpoints_panic" : "endpoints_panic_over",
        LOG_S("endpoints", generation->endpoints->name), LOG_I("not_ejected", n_left),
        LOG_I("healthy", n), LOG_I("panic_percent", panic_percent));
}

static bool may_be_ejected(const struct generation *generation, uint32_t max_percent,
                           uint64_t now_ns)
{
    size_t n_out = 1, n = generation->endpoints->n; /* with the one that is asked for */
    for (size_t i = 0; i < n; i++)
        n_out += outlier_is_ejected(&generation->list[i].learned->outlier, now_ns);
    return n_out * 100 <= n * max_percent;
}

static bool balanced_eject(const struct balanced *balanced, const struct outlier_rules *rules,
                           enum outlier_why why, uint64_t now_ns)
{
    struct outlier *outlier = &balanced->learned->outlier;
    /* A version that is past does not know how many the newer one has; the next outcome will. */
    if (why == OUTLIER_NOT || balanced->generation->is_past ||
        outlier_is_ejected(outlier, now_ns) ||
        !may_be_ejected(balanced->generation, rules->max_percent, now_ns))
        return false;
    ejection_note_return(balanced, now_ns); /* nobody has asked since it was over */
    balanced->generation->looked_ns = 0;
    uint64_t length_ns = outlier_eject(outlier, rules, why, now_ns);
    LOG(LOG_WARN, "endpoint_ejected", LOG_S("endpoint", balanced->endpoint->addr_text),
        LOG_S("endpoints", balanced->generation->endpoints->name),
        LOG_S("pod", balanced->endpoint->pod), LOG_S("why", outlier_why_name(why)),
        LOG_I("for_ms", length_ns / NS_PER_MS), LOG_I("ejections", outlier->n_ejections));
    return true;
}

/* When a window is over: who fails more often than the others. Memory short: not this time. */
static unsigned generation_judge_rates(struct generation *generation,
                                       const struct outlier_rules *rules, uint64_t now_ns)
{
    size_t n = generation->endpoints->n;
    unsigned n_ejected = 0;
    if (!rules->success_rate.interval_ns || !generation->rates_since_ns)
        generation->rates_since_ns = now_ns;
    if (now_ns - generation->rates_since_ns < rules->success_rate.interval_ns ||
        !rules->success_rate.interval_ns)
        return 0;
    struct success_rate *rates = calloc(n ? n : 1, sizeof(*rates));
    for (size_t i = 0; rates && i < n; i++) {
        rates[i] = generation->list[i].learned->outlier.rate;
        generation->list[i].learned->outlier.rate = (struct success_rate){0};
    }
    generation->rates_since_ns = now_ns;
    struct success_rate_mean others = {0};
    if (rates)
        others = success_rate_mean(rates, n, &rules->success_rate);
    for (size_t i = 0; rates && i < n; i++)
        if (success_rate_is_outlier(&rates[i], &rules->success_rate, others))
            n_ejected += balanced_eject(&generation->list[i], rules, OUTLIER_SUCCESS_RATE, now_ns);
    free(rates);
    return n_ejected;
}

unsigned balanced_result(struct balanced *balanced, const struct outlier_rules *rules,
                         enum outcome outcome, uint64_t now_ns)
{
    enum outlier_why why = outlier_note(&balanced->learned->outlier, rules, outcome);
    unsigned n_ejected = balanced_eject(balanced, rules, why, now_ns);
    /* A version that is past has no window any more: it would end its successor's. */
    if (!balanced->generation->is_past)
        n_ejected += generation_judge_rates(balanced->generation, rules, now_ns);
    return n_ejected;
}
