/*
 * Opens a connection that the rules redirect, takes it on the outbound port in the proxy's place
 * and reads its original destination back, for each family that has a route.
 *
 * Only the outbound half can be tried from inside: what a pod sends to itself does not pass the
 * prerouting hook of the nat chains (see rules.c); backend_verify() reads both halves back. No
 * packet leaves the pod when the rules work.
 */
#ifndef OUTRIGGER_INIT_VERIFY_H
#define OUTRIGGER_INIT_VERIFY_H

#include "init/rules.h"

struct verify_result {
    bool is_ip4_verified;
    bool is_ip6_verified; /* false as well when IPv6 is off or has no route */
};

/* Takes at most some seconds. The outbound port must be free, so the proxy must not run yet. */
bool verify_redirect(const struct rules *rules, uint16_t outbound_port,
                     struct verify_result *result, struct err *err) MUST_USE;

#endif
