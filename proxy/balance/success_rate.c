#include "proxy/balance/success_rate.h"

static bool is_enough(const struct success_rate *rate, const struct success_rate_rules *rules)
{
    return rate->n > 0 && rate->n >= rules->min_requests;
}

static double share_of(const struct success_rate *rate)
{
    return (double)rate->n_success / rate->n;
}

struct success_rate_mean success_rate_mean(const struct success_rate *rates, size_t n,
                                           const struct success_rate_rules *rules)
{
    double sum = 0, squares = 0, factor = rules->deviation_thousandths / 1000.0;
    size_t n_enough = 0;
    for (size_t i = 0; i < n; i++)
        if (is_enough(&rates[i], rules)) {
            sum += share_of(&rates[i]);
            n_enough++;
        }
    if (n_enough == 0 || n_enough < rules->min_hosts)
        return (struct success_rate_mean){0};
    double mean = sum / (double)n_enough;
    for (size_t i = 0; i < n; i++)
        if (is_enough(&rates[i], rules))
            squares += (share_of(&rates[i]) - mean) * (share_of(&rates[i]) - mean);
    return (struct success_rate_mean){mean, factor * factor * squares / (double)n_enough};
}

bool success_rate_is_outlier(const struct success_rate *rate,
                             const struct success_rate_rules *rules,
                             struct success_rate_mean others)
{
    if (!is_enough(rate, rules) || share_of(rate) >= others.mean)
        return false;
    double below = others.mean - share_of(rate);
    return below * below > others.distance;
}
