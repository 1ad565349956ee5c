/*
 * Ejecting endpoints of a balancer, and taking them back: what outlier.h and success_rate.h say of
 * one is weighed against how many are out already. And panic: where too few of those that the
 * controller calls healthy are left, the ejected are used as if they were not, because the few
 * would only be the next to fail. Inside of balancer.c, with generation.h.
 */
#ifndef OUTRIGGER_PROXY_BALANCE_EJECTION_H
#define OUTRIGGER_PROXY_BALANCE_EJECTION_H

#include "proxy/balance/generation.h"

/* Logs, once, that the endpoint's ejection is over, if it is. */
void ejection_note_return(const struct balanced *balanced, uint64_t now_ns);

/*
 * Before a choice: decides whether there is panic, i.e. less than `panic_percent` of the healthy
 * endpoints are not ejected; 0: never. Looks at most every EJECTION_LOOK_MS, and after each
 * ejection; a change is logged.
 */
#define EJECTION_LOOK_MS 10
void ejection_look(struct generation *generation, uint32_t panic_percent, uint64_t now_ns);

#endif
