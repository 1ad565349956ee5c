/*
 * The rules in the kernel, through iptables-restore and ip6tables-restore: for kernels without
 * nf_tables. Each family is one transaction. Not safe against another caller at the same time:
 * hold the lock of init/lock.h.
 */
#ifndef OUTRIGGER_INIT_IPTABLES_H
#define OUTRIGGER_INIT_IPTABLES_H

#include "init/rules.h"

/*
 * Replaces our chains, or makes them. IPv6 may be left out only where this network namespace has
 * none (ipv6_is_on()); *has_ipv6 says whether it was written.
 */
bool iptables_apply(const struct rules *rules, bool *has_ipv6, struct err *err) MUST_USE;

/* Are the rules, as the kernel has them now, those that were written? `has_ipv6`: of
 * iptables_apply().
 */
bool iptables_verify(const struct rules *rules, bool has_ipv6, struct err *err) MUST_USE;

/* Removes our chains from every kind of iptables that is installed and has them. */
bool iptables_delete(struct err *err) MUST_USE;

#endif
