/*
 * Which endpoints are left out for a while because of what came from them: so many 5xx answers,
 * gateway errors (502, 503, 504; UNAVAILABLE and DEADLINE_EXCEEDED of gRPC) or local failures
 * (connecting, resets, timeouts) in a row. A gateway error is a 5xx as well; a local failure is
 * neither. An ejection lasts `base` times the number of ejections so far, `max` at most; for each
 * `base` that an endpoint then behaves one ejection is forgotten.
 *
 * Beside that an endpoint may be one because it fails more often than the others (success_rate.h).
 *
 * Pure: one endpoint's state; the time is passed in, and who may be ejected is the balancer's
 * business, which knows the others.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_OUTLIER_H
#define OUTRIGGER_PROXY_BALANCE_OUTLIER_H

#include <stdbool.h>

#include "proxy/balance/success_rate.h"
#include "proxy/config/balancing.h"

enum outcome { OUTCOME_SUCCESS, OUTCOME_5XX, OUTCOME_GATEWAY_ERROR, OUTCOME_LOCAL_FAILURE };

enum outlier_why {
    OUTLIER_NOT,
    OUTLIER_5XX,
    OUTLIER_GATEWAY_ERRORS,
    OUTLIER_LOCAL_FAILURES,
    OUTLIER_SUCCESS_RATE,
};
const char *outlier_why_name(enum outlier_why why); /* "consecutive_5xx"; "" for NOT */

/* All zero at first. */
struct outlier {
    uint32_t n_5xx, n_gateway_errors, n_local_failures; /* in a row */
    uint32_t n_ejections;                               /* that are not forgotten */
    uint64_t until_ns;                                  /* 0: it was never ejected, or is back */
    enum outlier_why why;
    struct success_rate rate; /* since the balancer last judged it */
};

/* What came from the endpoint. Not NOT: it is to be ejected, if the others allow it. */
enum outlier_why outlier_note(struct outlier *outlier, const struct outlier_rules *rules,
                              enum outcome outcome);
/* Leaves it out from now on; returns for how long. */
uint64_t outlier_eject(struct outlier *outlier, const struct outlier_rules *rules,
                       enum outlier_why why, uint64_t now_ns);
static inline bool outlier_is_ejected(const struct outlier *outlier, uint64_t now_ns)
{
    return outlier->until_ns > now_ns;
}

#endif
