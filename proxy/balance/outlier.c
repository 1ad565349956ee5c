#include "proxy/balance/outlier.h"

const char *outlier_why_name(enum outlier_why why)
{
    static const char *const names[] = {
        [OUTLIER_NOT] = "",
        [OUTLIER_5XX] = "consecutive_5xx",
        [OUTLIER_GATEWAY_ERRORS] = "consecutive_gateway_errors",
        [OUTLIER_LOCAL_FAILURES] = "consecutive_local_failures",
        [OUTLIER_SUCCESS_RATE] = "success_rate",
    };
    return names[why];
}

static bool is_reached(uint32_t count, uint32_t threshold)
{
    return threshold && count >= threshold;
}

enum outlier_why outlier_note(struct outlier *outlier, const struct outlier_rules *rules,
                              enum outcome outcome)
{
    bool is_gateway_error = outcome == OUTCOME_GATEWAY_ERROR;
    bool is_5xx = is_gateway_error || outcome == OUTCOME_5XX;
    outlier->rate.n++;
    outlier->rate.n_success += outcome == OUTCOME_SUCCESS;
    outlier->n_5xx = is_5xx ? outlier->n_5xx + 1 : 0;
    outlier->n_gateway_errors = is_gateway_error ? outlier->n_gateway_errors + 1 : 0;
    outlier->n_local_failures =
        outcome == OUTCOME_LOCAL_FAILURE ? outlier->n_local_failures + 1 : 0;
    if (is_reached(outlier->n_gateway_errors, rules->consecutive_gateway_errors))
        return OUTLIER_GATEWAY_ERRORS;
    if (is_reached(outlier->n_5xx, rules->consecutive_5xx))
        return OUTLIER_5XX;
    return is_reached(outlier->n_local_failures, rules->consecutive_local_failures)
               ? OUTLIER_LOCAL_FAILURES
               : OUTLIER_NOT;
}

uint64_t outlier_eject(struct outlier *outlier, const struct outlier_rules *rules,
                       enum outlier_why why, uint64_t now_ns)
{
    if (outlier->n_ejections && now_ns > outlier->until_ns) {
        uint64_t forgotten = (now_ns - outlier->until_ns) / rules->base_ns;
        outlier->n_ejections -=
            forgotten < outlier->n_ejections ? (uint32_t)forgotten : outlier->n_ejections;
    }
    uint64_t length_ns = rules->base_ns * ++outlier->n_ejections;
    if (length_ns > rules->max_ns)
        length_ns = rules->max_ns;
    outlier->until_ns = now_ns + length_ns;
    outlier->why = why;
    outlier->n_5xx = outlier->n_gateway_errors = outlier->n_local_failures = 0;
    return length_ns;
}
